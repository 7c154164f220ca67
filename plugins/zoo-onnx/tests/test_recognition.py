"""A file without a card: decoders say what it is, and what is assumed is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
import zoo_coco
import zoo_onnx
import zoo_onnxruntime
from onnx import helper

from zoo_core.api import FileOutline, Provider, Recognition, TensorSpec
from zoo_core.api.hooks import hookimpl
from zoo_core.errors import DataError, UsageError
from zoo_core.planning.request import make_request
from zoo_core.planning.resolve import CacheState, Resolved, resolve
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry
from zoo_core.testing import toy
from zoo_core.testing.examples import onnx_model, preprocess
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CACHE = CacheState(is_cached=lambda _: False, is_reachable=lambda _: False)
NOWHERE = "no installed decoder recognises its outputs: "


class Cells:
    """A decoder of one output [batch, 4 + classes, cells], told apart by the number of cells."""

    def __init__(self, cells: int | str, task: str = "detection") -> None:
        self.cells, self.task = cells, task
        self.seen: list[FileOutline] = []

    def bind(self, params: Any, classes: int, floor: float) -> Any:
        raise NotImplementedError

    def recognise(self, outline: FileOutline) -> Recognition | None:
        self.seen.append(outline)
        (found,) = outline.outputs
        if len(found.shape) != 3 or found.shape[2] != self.cells:
            return None
        return Recognition(
            why=f"one output of {self.cells} cells",
            params={"cells": self.cells},
            classes=int(found.shape[1]) - 4,
            preprocess=preprocess((640, 640)),
            protocol={"nms": 0.7, "resize": "letterbox"},
        )


def plugin(name: str, decoder: object) -> Any:
    @hookimpl
    def zoo_decoders() -> Iterator[Provider[Any]]:
        yield Provider(name=name, summary="", load=lambda: decoder)

    return SimpleNamespace(ZOO_API=1, __name__=f"plugin_{name}", zoo_decoders=zoo_decoders)


def network(path: Path, size: tuple[Any, Any] = (64, 96), classes: int = 3, **metadata: str) -> str:
    """One row of 4 + classes for each pixel of each 16th line: half as many for half the size."""
    specs = (
        TensorSpec(name="x", shape=("batch", 3, *size)),
        TensorSpec(name="y", shape=("batch", 4 + classes, "cells")),
    )
    weight = onnx.numpy_helper.from_array(np.zeros((4 + classes, 3, 1, 1), np.float32), "w")
    shape = onnx.numpy_helper.from_array(np.array([0, 4 + classes, -1]), "s")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["map"], strides=[16, 16], kernel_shape=[1, 1]),
        helper.make_node("Reshape", ["map", "s"], ["y"]),
    ]
    model = onnx_model(nodes, specs, [weight, shape])
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return str(path)


def _picture(folder: Path) -> Path:
    path = folder / "i.png"
    write_image(path, np.zeros((8, 8, 3), np.uint8))
    return path


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Resolved]:
    """Resolves a request for a file with these decoders installed."""
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def plan(weights: str | None, decoders: dict[str, object], **options: Any) -> Resolved:
        own = [plugin(name, decoder) for name, decoder in decoders.items()]
        plugins = Plugins([zoo_onnx, zoo_coco, zoo_onnxruntime, toy, *own])
        registry = load_registry(plugins.registry_files())
        model = options.pop("model", "any-onnx")
        decodes = options.pop("decodes", True)
        request = make_request(model, weights=weights, backend="onnxruntime", **options)
        request = replace(request, predict=(_picture(tmp_path),))
        return resolve(request, registry, plugins, CACHE, decodes)

    return plan


def test_the_only_decoder_that_fits_makes_the_card(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    resolved = planned(file, {"odd": Cells(7), "cells": Cells(24)})

    card = resolved.card
    assert (card.decoder, card.decoder_params, card.size) == ("cells", {"cells": 24}, (64, 96))
    assert resolved.protocol.name == "assumed-cells"
    assert resolved.protocol.values["nms"] == 0.7
    assert resolved.protocol.values["nms_kind"] == "iou"
    assert resolved.preprocess.mode == "letterbox"
    assert resolved.preprocess.size == (64, 96)
    assert resolved.warnings == (
        "n.onnx: taken for a network of decoder cells: one output of 24 cells",
        "n.onnx: does not state its preprocessing, that of cells is assumed: rgb, letterbox "
        "(bilinear) padded with 127.5 (centre), divided by 255",
        "n.onnx: does not name its classes, called class0 to class2; else give --names FILE",
    )
    assert card.labels == ("class0", "class1", "class2")


def test_options_go_before_what_is_recognised(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    run = planned(file, {"cells": Cells(24)}, nms=0.5, resize="stretch")

    assert run.protocol.values["nms"] == 0.5
    assert run.protocol.base == "assumed"
    assert run.preprocess.mode == "stretch"
    asked = planned(file, {"cells": Cells(24)}, protocol="tianxiaomo")
    assert (asked.protocol.name, asked.preprocess.mode) == ("tianxiaomo", "stretch")


@pytest.mark.parametrize("options", [{}, {"size": "128,96"}])
def test_shapes_that_the_file_leaves_open_follow_from_the_size(
    planned: Any, tmp_path: Path, options: dict[str, str]
) -> None:
    decoder = Cells(6 * 8 if options else 40 * 40)
    file = network(tmp_path / "n.onnx", ("height", "width"))

    assert planned(file, {"cells": decoder}, **options).card.decoder == "cells"
    (outline,) = decoder.seen
    assert outline.size == ((128, 96) if options else (640, 640))
    assert [spec.name for spec in outline.inputs] == ["x"]


def test_none_that_fits_is_told_with_the_outputs(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    with pytest.raises(DataError) as caught:
        planned(file, {"odd": Cells(7), "even": Cells(8)})

    assert caught.value.where == "n.onnx"
    assert caught.value.what == f"{NOWHERE}y batchx7x24"
    assert caught.value.next.startswith("write a card")
    assert caught.value.next.endswith("asked: even, odd")
    with pytest.raises(DataError, match="asked: none is installed"):
        planned(file, {})


def test_of_two_that_fit_the_user_chooses_one(planned: Any, tmp_path: Path) -> None:
    file, decoders = network(tmp_path / "n.onnx"), {"one": Cells(24), "two": Cells(24)}
    with pytest.raises(UsageError) as caught:
        planned(file, decoders)

    assert caught.value.what.startswith("fits 2 decoders: one: one output of 24 cells; two: ")
    assert caught.value.next == "choose with --decoder one or --decoder two"
    assert planned(file, decoders, decoder="two").card.decoder == "two"


def test_a_decoder_that_is_named_must_exist_and_fit(planned: Any, tmp_path: Path) -> None:
    file, decoders = network(tmp_path / "n.onnx"), {"one": Cells(24), "odd": Cells(7)}
    with pytest.raises(UsageError, match="--decoder: unknown 'on'; did you mean 'one'"):
        planned(file, decoders, decoder="on")
    with pytest.raises(DataError) as caught:
        planned(file, decoders, decoder="odd")
    assert caught.value.what.startswith("its outputs are not those of decoder odd (")
    assert caught.value.what.endswith("): y batchx7x24")
    assert caught.value.next == "they fit one: give that, or leave --decoder out"
    with pytest.raises(DataError, match="no installed decoder recognises them"):
        planned(file, {"odd": Cells(7)}, decoder="odd")
    with pytest.raises(UsageError, match="toy-grid: cannot tell its parameters from a file"):
        planned(file, decoders, decoder="toy-grid")
    with pytest.raises(UsageError, match="toy-detector has the decoder toy-grid"):
        planned(file, decoders, decoder="one", model="toy-detector")


def test_a_file_in_place_of_a_model_is_told_how_to_run(planned: Any) -> None:
    with pytest.raises(UsageError, match=r"no model 'a/n\.onnx'; .*any-onnx --weights a/n\.onnx"):
        planned(None, {}, model="a/n.onnx")


@pytest.mark.parametrize("weights", [None, "random", "random:3"])
def test_a_file_is_needed(planned: Any, weights: str | None) -> None:
    with pytest.raises(UsageError, match=r"runs a file of yours.*--weights FILE\.onnx"):
        planned(weights, {"cells": Cells(24)})


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{0: 'a', 1: \"b's\", 2: 'c'}", ("a", "b's", "c")),
        ("['a', 'b', 'c']", ("a", "b", "c")),
        ("{0: 'a', 1: 'b'}", None),
        ("{0: '0', 1: '1', 2: '2'}", None),
        ("['class0', 'class1', 'class2']", None),
        ("{1: 'a', 2: 'b', 3: 'c'}", None),
        ("{0: 'a', 1: 'b', 2: 3}", None),
        ("__import__('os').getcwd()", None),
        ("(" * 500, None),
        ("{0: {}}", None),
        ("", None),
    ],
)
def test_names_in_the_metadata_count(
    planned: Any, tmp_path: Path, text: str, labels: tuple[str, ...] | None
) -> None:
    file = network(tmp_path / "n.onnx", names=text)
    resolved = planned(file, {"cells": Cells(24)})

    assert resolved.card.labels == (labels or ("class0", "class1", "class2"))
    assert len(resolved.warnings) == (2 if labels else 3)


def test_80_classes_are_taken_for_those_of_coco(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx", classes=80)
    resolved = planned(file, {"cells": Cells(24)})

    assert resolved.card.labels[:2] == ("person", "bicycle")
    told = "taken for person, bicycle, car and 77 more, as in card any-onnx"
    assert told in resolved.warnings[2]


def test_names_of_the_user_go_first_and_must_be_as_many(planned: Any, tmp_path: Path) -> None:
    file, own = network(tmp_path / "n.onnx", names="['a', 'b', 'c']"), tmp_path / "own.txt"
    own.write_text("u\nv\nw\n")
    resolved = planned(file, {"cells": Cells(24)}, names=own)
    assert resolved.card.labels == ("u", "v", "w")
    own.write_text("u\n")
    with pytest.raises(UsageError, match="has 1 name, the network 3 classes"):
        planned(file, {"cells": Cells(24)}, names=own)


def test_a_decoder_of_another_task_brings_that_tasks_evaluator(
    planned: Any, tmp_path: Path
) -> None:
    file = network(tmp_path / "n.onnx")
    with pytest.raises(UsageError, match="decoder cells is for juggling, and no card is"):
        planned(file, {"cells": Cells(24, "juggling")})
    found = planned(file, {"cells": Cells(24, "keypoints")})
    assert (found.card.task, found.card.evaluator) == ("keypoints", "coco-keypoints")
    assert found.protocol.name == "assumed-keypoints-cells"
    assert found.data.dataset == "folder"


def test_a_file_that_nothing_decodes_can_be_exported(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    run = planned(file, {"odd": Cells(7)}, decodes=False)

    told = "n.onnx: no decoder recognises it, so it is exported, compiled and timed only"
    (warning,) = run.warnings
    assert warning.startswith(f"{told}; calibration prepares images as rgb, letterbox (bilinear)")
    assert run.size == (64, 96)


@pytest.mark.parametrize(
    ("imgsz", "size"),
    [
        ("[320, 256]", (320, 256)),
        ("320", (640, 640)),
        ("[0, 3]", (640, 640)),
        ("[99999, 99999]", (640, 640)),
    ],
)
def test_the_size_of_training_in_the_metadata_counts_for_open_sides(
    planned: Any, tmp_path: Path, imgsz: str, size: tuple[int, int]
) -> None:
    file, decoder = network(tmp_path / "n.onnx", ("h", "w"), imgsz=imgsz), Cells(7)
    assert planned(file, {"odd": decoder}, decodes=False).size == size
    assert decoder.seen[0].size == size
    assert planned(file, {}, decodes=False, size="64,64").size == (64, 64)
    fixed = network(tmp_path / "f.onnx", imgsz=imgsz)
    assert planned(fixed, {}, decodes=False).size == (64, 96)


@pytest.mark.parametrize("size", [(10**9, 10**9), (64, 20_000)])
def test_an_image_of_no_usual_size_is_refused(
    planned: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    file = network(tmp_path / "n.onnx", size)
    with pytest.raises(DataError, match="more than 16384 images or pixels of a side"):
        planned(file, {"odd": Cells(7)})


class Greedy(Cells):
    """Says that the file has a thousand million classes, as its shapes may."""

    def recognise(self, outline: FileOutline) -> Recognition | None:
        found = super().recognise(outline)
        return replace(found, classes=10**9) if found else None


def test_more_classes_than_any_network_has_are_refused(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    with pytest.raises(DataError, match="would have 1000000000 classes as a network of decoder g"):
        planned(file, {"greedy": Greedy(24)})


def test_an_output_of_texts_is_refused(planned: Any, tmp_path: Path) -> None:
    file = network(tmp_path / "n.onnx")
    model = onnx.load(file)
    kind = onnx.TensorProto.STRING
    model.graph.node.append(helper.make_node("Cast", ["y"], ["t"], to=kind))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("t", kind, ["batch", 7, 24]))
    onnx.save(model, file)
    with pytest.raises(DataError, match="'t' is of texts, not of numbers"):
        planned(file, {"odd": Cells(24)})
