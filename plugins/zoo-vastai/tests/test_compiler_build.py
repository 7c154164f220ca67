from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import pytest
from zoo_vastai.formats.config import read_config
from zoo_vastai.formats.vdsp import read_vdsp
from zoo_vastai.names import ARTEFACT

from zoo_core.api import Stage, TensorSpec
from zoo_core.errors import StageError, UsageError, ZooError
from zoo_core.testing.examples import files_stage, noise
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Case

LETTERBOX = ("letterbox", [96, 96])


def built(case: Case) -> Path:
    return case.run()["compile"]


def facts(folder: Path, name: str = "artefact.json") -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return data


def test_a_build_leaves_all_that_a_session_needs(case: Case) -> None:
    folder = built(case)
    told = facts(folder)

    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*ARTEFACT, "log.txt", "manifest.json"]
    )
    assert (told["format"], told["form"], told["emulated"]) == ("vastai", "nms", True)
    assert told["nms"] == {
        "type": "yolov4_nms",
        "confidence_threshold": 0.001,
        "nms_threshold": 0.65,
        "num_classes": 2,
    }
    assert [TensorSpec.from_data(row).name for row in told["outputs"]] == ["ids", "scores", "boxes"]
    vdsp = read_vdsp(folder / "vdsp.json")
    assert (vdsp.output_width, vdsp.output_height) == (96, 64)
    log = (folder / "vamc.log").read_text(encoding="utf-8")
    assert "compile finished" in log
    assert log in (folder / "log.txt").read_text(encoding="utf-8")


def test_the_host_gets_the_heads_in_the_graphs_order(case: Case) -> None:
    folder = built(case.with_(options={"nms": "host"}))
    told = facts(folder)
    config = read_config(folder / "config.yaml")

    assert (told["form"], told["nms"]) == ("heads", None)
    assert [row["name"] for row in told["outputs"]] == ["head16", "head8"]
    assert told["outputs"][1]["shape"] == [1, 14, 8, 12]
    assert config.graph is None


def test_thresholds_anchors_and_maps_reach_vamc(case: Case) -> None:
    maps = {**case.request.card.backends["vastai"], "compile": {"cluster_mode": 0, "new": [1]}}
    config = read_config(built(case.with_(vastai=maps)) / "config.yaml")

    assert config.graph is not None
    assert config.graph.extra_ops == {
        "type": "yolov4_nms",
        "params": {
            "num_classes": 2,
            "nms_threshold": 0.65,
            "confidence_threshold": 0.001,
            "anchor": [10, 14, 23, 27, 37, 58, 81, 82],
            "strides": [8, 16],
        },
    }
    assert config.backend.compile == {"cluster_mode": 0, "new": [1]}
    assert config.frontend.shape == {"input": [1, 3, 64, 96]}


def test_what_the_exporter_told_of_the_heads_is_enough(case: Case) -> None:
    rows = [
        {"anchors": [[37, 58], [81, 82]], "stride": 16, "classes": 2},
        {"anchors": [[10, 14], [23, 27]], "stride": 8, "classes": 2},
    ]
    told = case.with_(
        vastai={"extra_ops": {"type": "yolov4_nms"}}, facts={"decoder": {"heads": rows}}
    )
    config = read_config(built(told) / "config.yaml")

    assert config.graph is not None
    assert config.graph.extra_ops is not None
    assert config.graph.extra_ops["params"]["anchor"] == [10, 14, 23, 27, 37, 58, 81, 82]


def test_heads_that_nobody_describes_are_told(case: Case) -> None:
    with pytest.raises(UsageError, match="nobody states the anchor and strides"):
        built(case.with_(vastai={"extra_ops": {"type": "yolov4_nms"}}))


def test_int8_is_calibrated_and_says_what_became_int8(case: Case) -> None:
    int8 = case.with_(precision="int8", options={"nms": "host"})
    folder = built(int8)
    config = read_config(folder / "config.yaml")
    told = facts(folder, "precision.json")
    network = onnx.load(str(folder / "mod.params"))

    assert config.backend.quantize == {
        "calibrate_mode": "percentile",
        "quantize_per_channel": True,
    }
    assert config.dataset is not None
    assert config.dataset.sampler is not None
    assert config.dataset.sampler.suffix == "png"
    assert told["int8_nodes"] == sum(n.op_type == "Conv" for n in network.graph.node) == 5
    assert (told["float_nodes"], told["float_node_names"]) == (0, [])
    assert told["calibration"] == {"calibrator": "percentile", "images": 4}
    fp16 = facts(built(case.with_(options={"nms": "host"})), "precision.json")
    assert (fp16["int8_nodes"], fp16["float_nodes"]) == (0, 5)


def test_a_card_quantises_as_it_says_and_the_user_chooses_the_calibrator(case: Case) -> None:
    quantize = {"calibrate_mode": "mse", "quantize_per_channel": False, "skip_conv_layers": [0]}
    maps = {**case.request.card.backends["vastai"], "quantize": quantize}
    int8 = case.with_(precision="int8", vastai=maps)

    def found(asked: Case) -> Any:
        return read_config(asked.run(asked.stages()[:1])["configure"] / "config.yaml")

    assert found(int8).backend.quantize == quantize
    assert found(int8.with_(calibrator="minmax")).backend.quantize == {
        **quantize,
        "calibrate_mode": "max",
    }


def images(case: Case, folder: Path, *names: str) -> list[Stage]:
    """The stage `calibration` with images of these names."""
    folder.mkdir()
    rows = []
    for number, name in enumerate(names):
        write_image(folder / name, noise(40, 60, number))
        rows.append({"path": name, "sha256": "0"})
    listing = folder / "images.json"
    listing.write_text(json.dumps({"images": rows}), encoding="utf-8")
    paths = {name: folder / name for name in names}
    stage = files_stage({"listing": listing, **paths})
    return [case.before[0], replace(stage, name="calibration")]


@pytest.mark.parametrize(
    ("names", "suffix"),
    [
        (("0.jpg", "1.jpg"), "jpg"),
        (("0.jpeg", "1.jpeg"), "jpeg"),
        (("0.jpg", "1.png"), "png"),
        (("0.webp", "1.webp"), "png"),
    ],
)
def test_calibration_images_end_alike(
    case: Case, tmp_path: Path, names: tuple[str, ...], suffix: str
) -> None:
    """Vamc samples by one ending; what has another is stored anew, pixel for pixel."""
    from zoo_core.testing import run_stages

    int8 = case.with_(precision="int8")
    before = images(case, tmp_path / "own", *names)
    folder = run_stages([*before, int8.stages()[0]], tmp_path / "s")["configure"]
    config = read_config(folder / "config.yaml")

    assert config.dataset is not None
    assert config.dataset.sampler is not None
    assert config.dataset.sampler.suffix == suffix
    for name in names:
        found = cv2.imread(str(folder / "calibration" / f"{name[0]}.{suffix}"))
        assert np.array_equal(found, cv2.imread(str(tmp_path / "own" / name)))


def test_no_two_builds_share_a_name(case: Case) -> None:
    def name(asked: Case) -> str:
        folder = asked.run(asked.stages()[:1])["configure"]
        return str(facts(folder, "build.json")["name"])

    told = case.request.protocol
    looser = replace(told, values={**told.values, "conf": 0.25, "nms": 0.45})
    names = [
        name(case),
        name(case.with_(precision="int8")),
        name(case.with_(batch=2)),
        name(case.with_(options={"nms": "host"})),
        name(case.with_(protocol=looser)),
        name(case.with_(facts={"other": "weights"})),
    ]

    assert names[0].startswith("contract-model_96x64_b1_stretch-nms0.001-0.65-")
    assert names[0].endswith("_fp16")
    assert names[1].endswith("_int8")
    assert len(set(names[:5])) == 5
    assert names[5] == names[0]  # what is about the file does not change what is compiled


def test_a_batch_is_compiled_in(case: Case) -> None:
    folder = built(case.with_(batch=3))

    assert facts(folder)["batch"] == 3
    assert read_config(folder / "config.yaml").frontend.shape == {"input": [3, 3, 64, 96]}


FAULTS = {
    "tvmerror": r"failed with exit code 1: TVMError: .*Check failed",
    "segfault": r"was killed by SIGSEGV",
    "missing-file": r"exited with code 0 but left no mod\.so",
    "empty-file:mod.json": r"exited with code 0 but left an empty mod\.json",
    "stale": r"exited with code 0 but left no mod\.json, mod\.so, mod\.params",
}


@pytest.mark.parametrize(("fault", "words"), FAULTS.items())
def test_a_failure_is_one_clear_line_and_the_log_is_kept(
    case: Case, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", fault)

    with pytest.raises(StageError, match=words) as caught:
        built(case)

    assert caught.value.where == "vamc compile"
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 1
    (kept,) = (case.folder / "store" / "failed").iterdir()
    assert str(kept) in caught.value.next
    assert "vamc 3" in (kept / "vamc.log").read_text(encoding="utf-8")


def test_a_hang_ends_when_time_is_up(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "hang")

    with pytest.raises(StageError, match="exceeded 2 s and was stopped; last output: conf"):
        built(case.with_(options={"compile_timeout": "2"}))


REAL = """
import json, pathlib, sys
assert sys.argv[1:] == ["compile", "config.yaml"], sys.argv
import yaml
config = yaml.safe_load(open("config.yaml"))
assert pathlib.Path(config["frontend"]["checkpoint"]).is_file()
folder = pathlib.Path(config["workspace"]["path"]) / config["name"]
folder.mkdir(parents=True)
for name in ("mod.json", "mod.so", "mod.params"):
    (folder / name).write_bytes(b"\\x7fELF")
print("a line")
"""


def test_a_real_build_claims_nothing_it_cannot_know(
    case: Case, program: Callable[[str, str], Path]
) -> None:
    program("vamc", REAL)
    folder = built(case.with_(device="0"))
    told = facts(folder, "precision.json")

    assert facts(folder)["emulated"] is told["emulated"] is False
    assert told["tool"] == "vamc"
    assert (told["int8_nodes"], told["float_nodes"]) == (0, None)
    assert (folder / "mod.so").read_bytes() == b"\x7fELF"
    int8 = facts(built(case.with_(device="0", precision="int8")), "precision.json")
    assert int8["int8_nodes"] is None


def test_without_vamc_the_missing_program_is_named(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(ZooError, match="vamc") as caught:
        built(case.with_(device="0"))

    assert caught.value.exit_code == 5


def test_the_letterbox_of_the_recipe_is_the_same_in_all_three(case: Case) -> None:
    steps = [dict(step) for step in case.request.preprocess]
    steps[1] |= {"mode": LETTERBOX[0], "size": LETTERBOX[1], "pad": 114}
    int8 = case.with_(precision="int8", preprocess=steps, size=(96, 96))
    folder = int8.run(int8.stages()[:1])["configure"]
    config = read_config(folder / "config.yaml")
    vdsp = read_vdsp(folder / "vdsp.json")

    assert "LETTERBOX" in vdsp.op
    assert vdsp.padding == (114, 114, 114)
    assert config.dataset is not None
    assert config.dataset.process_ops is not None
    assert [op["type"] for op in config.dataset.process_ops] == [
        "DecodeImage", "Resize", "Pad", "Normalize", "ToTensor",
    ]  # fmt: skip
