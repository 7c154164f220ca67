from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zoo_vastai

from zoo_core.api import PublishedResult
from zoo_core.errors import DataError, UnavailableError, UsageError
from zoo_core.testing import run_stages
from zoo_core.testing.contracts.checks import keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .conftest import Case


def decoding(case: Case) -> Any:
    return zoo_vastai._decoding(case.request)


def protocol(case: Case, **values: Any) -> Case:
    told = case.request.protocol
    return case.with_(protocol=replace(told, values={**told.values, **values}))


def nms(case: Case) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = case.stages()[0].params["nms"]
    return found


def test_thresholds_of_the_protocol_are_built_in_and_told_to_the_decoder(case: Case) -> None:
    changed = protocol(case, conf=0.25, nms=0.45)

    assert nms(changed) == {
        "type": "yolov4_nms",
        "confidence_threshold": 0.25,
        "nms_threshold": 0.45,
        "num_classes": 2,
    }
    assert decoding(changed).decoder == "vastai-nms"
    assert decoding(changed).params == {"conf": 0.25, "iou": 0.45, "arithmetic": "exact"}
    assert "conf 0.25 and NMS IoU 0.45 are part of the build" in str(changed.stages()[1].params)


@pytest.mark.parametrize(
    "changes",
    [{"nms_kind": "diou"}, {"box_labels": "best"}],
)
def test_what_the_device_cannot_do_is_done_on_the_host(case: Case, changes: Any) -> None:
    changed = protocol(case, **changes)

    assert nms(changed) is None
    assert changed.stages()[0].params["extra_op"] is None
    assert decoding(changed) is None
    with pytest.raises(UsageError, match=f"{next(iter(changes.values()))}.*choose --option nms=ho"):
        changed.with_(options={"nms": "device"}).stages()


def test_a_card_without_an_operator_is_decoded_on_the_host(case: Case) -> None:
    bare = case.with_(vastai={})

    assert nms(bare) is None
    with pytest.raises(UsageError, match="names no operator"):
        bare.with_(options={"nms": "device"}).stages()


def test_an_end_to_end_graph_is_decoded_on_the_host(case: Case) -> None:
    assert nms(case.with_(form="e2e")) is None


def test_the_user_and_the_card_may_choose_the_host(case: Case) -> None:
    told = case.request.card.backends["vastai"]

    assert nms(case.with_(options={"nms": "host"})) is None
    assert decoding(case.with_(options={"nms": "host"})) is None
    assert nms(case.with_(vastai={**told, "nms": "host"})) is None
    assert nms(case.with_(vastai={**told, "nms": "host"}, options={"nms": "auto"})) is not None


def test_an_operator_that_is_no_nms_is_appended_wherever_boxes_are_suppressed(case: Case) -> None:
    for options in ({}, {"nms": "host"}):
        soft = case.with_(vastai={"extra_ops": {"type": "softmax"}}, options=options)

        assert soft.stages()[0].params["extra_op"] == {"type": "softmax", "params": {}}
        read = decoding(soft)
        assert read is not None
        assert read.decoder == "softmax"


def test_a_card_may_build_otherwise_for_the_host(case: Case) -> None:
    told = {
        **case.request.card.backends["vastai"],
        "compile": {"cluster_mode": 0},
        "variants": {
            "device": {"compile": {"data_transport_mode": 3}},
            "host": {"compile": {"data_transport_mode": 1}},
        },
    }
    for place, mode in (("device", 3), ("host", 1)):
        stage = case.with_(vastai=told, options={"nms": place}).stages()[0]

        assert stage.params["compile"] == {"cluster_mode": 0, "data_transport_mode": mode}


def test_thresholds_are_no_affair_of_a_card(case: Case) -> None:
    op = {"type": "yolov4_nms", "params": {"confidence_threshold": 0.1}}

    with pytest.raises(UsageError, match="states confidence_threshold, which the protocol"):
        case.with_(vastai={"extra_ops": op}, options={"nms": "device"}).stages()


def test_the_vendors_arithmetic_is_handed_to_the_decoder(case: Case) -> None:
    assert decoding(case.with_(options={"arithmetic": "npz"})).params["arithmetic"] == "npz"


def compile_key(case: Case) -> str:
    return keys(case.before, case.stages())["compile"]


def test_every_variant_has_a_key_of_its_own(case: Case) -> None:
    variants = [
        case,
        case.with_(precision="int8"),
        case.with_(batch=2),
        case.with_(device="0"),
        case.with_(options={"nms": "host"}),
        protocol(case, conf=0.25),
        protocol(case, nms=0.45),
        case.with_(vastai={**case.request.card.backends["vastai"], "compile": {"x": 1}}),
    ]

    assert len({compile_key(variant) for variant in variants}) == len(variants)


def test_a_die_and_an_interpreter_change_nothing_of_a_build(case: Case) -> None:
    real = case.with_(device="0")

    assert compile_key(real) == compile_key(case.with_(device="1"))
    assert compile_key(real) == compile_key(case.with_(device="0,1"))
    assert compile_key(real) == compile_key(
        case.with_(device="0", options={"sdk_python": "/opt/python3.8"})
    )


def test_another_sdk_builds_anew(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    real = case.with_(device="0")
    before = compile_key(real)
    emulated = compile_key(case)
    monkeypatch.setattr("zoo_vastai.compiler.sdk_version", lambda _host: "ai-v3.0.0-20250814")

    assert compile_key(real) != before
    assert compile_key(case) == emulated
    assert real.stages()[1].params["sdk"] == "ai-v3.0.0-20250814"


def stored(folder: Path, score: float = 0.5) -> dict[str, str]:
    (folder / "list.txt").write_text("/elsewhere/1.npz\n", encoding="utf-8")
    outputs = folder / "vamp"
    outputs.mkdir(exist_ok=True)
    rows = {f"output_{n}": np.full((1, 4, w), score, np.float16) for n, w in enumerate((1, 1, 4))}
    np.savez(outputs / "output_000000.npz", **rows)  # type: ignore[arg-type]
    return {"outputs": str(outputs), "datalist": str(folder / "list.txt")}


def test_stored_outputs_are_taken_in_without_a_graph(case: Case, tmp_path: Path) -> None:
    files = case.with_(device="files", graph="", options=stored(tmp_path))
    (stage,) = files.stages()
    first = keys([], [stage])["compile"]
    stored(tmp_path, 0.25)
    second = keys([], files.stages())["compile"]

    assert (stage.name, stage.inputs) == ("compile", {})
    assert stage.params["form"] == "nms"
    assert {"artefact.json", "precision.json"} <= set(stage.outputs)
    assert first != second
    assert decoding(files).decoder == "vastai-nms"
    found = run_stages(files.stages(), tmp_path)["compile"]
    assert json.loads((found / "artefact.json").read_text(encoding="utf-8"))["count"] == 1


def test_stored_outputs_must_be_named(case: Case, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs --option outputs=PATH"):
        case.with_(device="files").stages()
    options = stored(tmp_path) | {"outputs": str(tmp_path / "nowhere"), "datalist": "/nowhere"}
    with pytest.raises(DataError, match="nowhere"):
        case.with_(device="files", options=options).stages()


@pytest.mark.parametrize("device", ["cpu", "0,emulator", "files,0", "", "-1", "²", "٣"])
def test_a_wrong_device_is_refused(case: Case, device: str) -> None:
    with pytest.raises(UsageError, match="is not a die"):
        case.with_(device=device).stages()


def test_int8_needs_images(case: Case) -> None:
    with pytest.raises(UsageError, match="int8 needs calibration images"):
        case.with_(precision="int8", calibration=None).stages()


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_what_the_device_cannot_resample_is_told_before_anything_runs(
    case: Case, precision: str
) -> None:
    steps = [dict(step) for step in case.request.preprocess]
    steps[1]["interpolation"] = "bilinear_align_corners"

    with pytest.raises(UsageError, match="bilinear_align_corners"):
        case.with_(precision=precision, preprocess=steps).stages()


def published(name: str, precision: str, ap: float) -> PublishedResult:
    return PublishedResult(
        id=f"{name}-{precision}",
        protocol=name,
        dataset="d",
        weights="published",
        precision=precision,
        device=f"{name} device",
        size=(64, 96),
        metrics={"AP": ap},
        provenance="a page",
    )


def test_a_plain_resize_shows_both_published_rows_and_foretells_nothing(case: Case) -> None:
    rows = (
        published("own", "fp32", 0.466),
        published("recipe", "fp16", 0.433),
        published("recipe", "int8", 0.424),
    )
    card = {"published": rows, "protocol": "own", "protocols": {"vastai": "recipe"}}
    notes = case.with_(card=card, precision="int8").stages()[1].params["notes"]

    assert "own-fp32 AP 0.466" in notes[1]
    assert "recipe-int8 AP 0.424" in notes[1]
    assert "Neither was measured on this build" in notes[1]
    steps = [dict(step) for step in case.request.preprocess]
    steps[1] |= {"mode": "letterbox", "size": [64, 96], "pad": 114}
    boxed = case.with_(card=card, preprocess=steps).stages()[1].params["notes"]
    assert len(boxed) == 1


def test_an_emulator_that_is_not_installed_is_named_before_anything_runs(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_vastai.extensions.is_importable", lambda _: False)

    with pytest.raises(UnavailableError, match=r"pip install \./plugins/zoo-vastai-emulator"):
        case.stages()
    assert case.with_(device="0").stages()
