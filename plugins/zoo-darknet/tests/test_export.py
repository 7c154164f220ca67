"""From files to a graph, and the graph against the network."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static
from zoo_darknet.export import export
from zoo_darknet.verify import verify

from zoo_core.api import Graph
from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.toolkit.darknet_weights import write_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from zoo_core.api import StageContext

    MakeContext = Callable[[Mapping[str, Path], Mapping[str, Any]], StageContext]

PARAMS = {
    "size": [64, 224],
    "classes": 3,
    "seed": None,
    "form": "heads",
    "channels": 3,
    "opset": 17,
    "decoder": {},
}


@pytest.fixture
def mini(golden: ModuleType) -> dict[str, Path]:
    return {"cfg": golden.DATA / "mini.cfg", "weights": golden.DATA / "mini.weights"}


def exported(
    make_context: MakeContext, inputs: Mapping[str, Path], **changes: Any
) -> tuple[Path, Graph]:
    context = make_context(inputs, {**PARAMS, **changes})
    export(context)
    assert {item.name for item in context.out.iterdir()} == {"model.onnx", "graph.json"}
    text = (context.out / "graph.json").read_text()
    return context.out, Graph.from_data(json.loads(text))


def verified(
    make_context: MakeContext, out: Path, inputs: Mapping[str, Path], **changes: Any
) -> dict[str, Any]:
    files = {"graph": out / "graph.json", "model": out / "model.onnx", **inputs}
    context = make_context(files, {**PARAMS, **changes})
    verify(context)
    found: dict[str, Any] = json.loads((context.out / "verify.json").read_text())
    return found


def run(model: Path, blob: NDArray[Any]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    outputs: list[NDArray[Any]] = session.run(None, {"input": blob})
    return outputs


def test_heads(make_context: MakeContext, mini: dict[str, Path], golden: ModuleType) -> None:
    out, graph = exported(make_context, mini)
    assert [(spec.name, spec.shape) for spec in (*graph.inputs, *graph.outputs)] == [
        ("input", ("batch", 3, 64, 224)),
        ("head0", ("batch", 24, 4, 14)),
        ("head1", ("batch", 24, 8, 28)),
    ]
    blob = golden.image(2, 64, 224)
    with np.load(golden.DATA / "mini_64x224_n2.npz") as expected:
        for row in (slice(0, 2), slice(1, 2)):
            for number, head in enumerate(run(out / "model.onnx", blob[row])):
                np.testing.assert_allclose(head, expected[f"head{number}"][row], rtol=0, atol=5e-5)
    found = verified(make_context, out, mini)
    assert found["max_abs"] < 1e-4
    assert found["max_rel"] < 1e-5
    assert found["reference"].startswith("PyTorch ")


def test_the_graph_is_plain(make_context: MakeContext, mini: dict[str, Path]) -> None:
    out, graph = exported(make_context, mini, opset=13)
    model = onnx.load(str(out / "model.onnx"))
    onnx.checker.check_model(model, full_check=True)
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"BatchNormalization", "Identity", "Shape", "Gather", "If", "Pad"}
    assert [(item.domain, item.version) for item in model.opset_import] == [("", 13)]
    assert graph.facts["opset"] == 13
    assert [item.name for item in model.graph.input] == ["input"]


EVERY_KIND = """
[net]
width=96
height=64
channels=3
[conv]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=mish
[route]
layers=-1
groups=2
group_id=1
[upsample]
scale=0.5
[reorg3d]
stride=2
[local_avgpool]
size=3
stride=1
[maxpool]
size=2
stride=1
[conv]
filters=8
activation=leaky
[shortcut]
from=0
[shortcut]
from=1
[conv]
filters=8
[sam]
from=8
[avgpool]
[scale_channels]
from=10
[maxpool]
size=2
stride=2
[upsample]
stride=2
[conv]
filters=24
activation=linear
[yolo]
classes=3
num=3
anchors=10,14,23,27,37,58
"""


@pytest.fixture
def every_kind(tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "every.cfg"
    path.write_text(EVERY_KIND)
    return {"cfg": path}


@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize("form", ["heads", "e2e"])
def test_nothing_is_computed_from_constants(
    make_context: MakeContext, every_kind: dict[str, Path], form: str, opset: int
) -> None:
    changes: dict[str, Any] = {"seed": 1, "size": [64, 96], "form": form, "opset": opset}
    out, _ = exported(make_context, every_kind, **changes)
    model = onnx.load(str(out / "model.onnx"))
    onnx.checker.check_model(model, full_check=True)
    constants = {item.name for item in model.graph.initializer}
    for node in model.graph.node:
        assert not constants.issuperset(node.input), node.name
    scales = [node.input[2] for node in model.graph.node if node.op_type == "Resize"]
    assert len(scales) == 2
    assert constants.issuperset(scales)
    assert verified(make_context, out, every_kind, **changes)["max_rel"] < 1e-4


@pytest.mark.parametrize("form", [QuantFormat.QOperator, QuantFormat.QDQ])
def test_onnx_runtime_s_own_quantiser_takes_it(
    make_context: MakeContext, every_kind: dict[str, Path], golden: ModuleType, form: QuantFormat
) -> None:
    out, _ = exported(make_context, every_kind, seed=1, size=[64, 96])
    blob = golden.image(2, 64, 96)

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter([{"input": blob}])

        def get_next(self) -> dict[str, Any] | None:
            return next(self.feeds, None)

    path = out / "int8.onnx"
    quantize_static(out / "model.onnx", path, Reader(), quant_format=form)
    for found, exact in zip(run(path, blob), run(out / "model.onnx", blob), strict=True):
        assert found.shape == exact.shape
        assert np.square(found - exact).mean() < 0.05 * np.square(exact).mean()


def test_facts_tell_the_heads(make_context: MakeContext, mini: dict[str, Path]) -> None:
    _, graph = exported(make_context, mini)
    assert graph.facts["cfg_size"] == [64, 96]
    assert graph.facts["decoder"]["heads"][1] == {
        "anchors": [[10.0, 14.0], [23.0, 27.0], [37.0, 58.0]],
        "classes": 3,
        "new_coords": False,
        "scale_x_y": 1.2,
        "stride": 8,
    }
    exported(make_context, mini, decoder=graph.facts["decoder"])
    other = json.loads(json.dumps(graph.facts["decoder"]).replace("1.2", "1.0"))
    with pytest.raises(UsageError, match=r"not those of mini\.cfg"):
        exported(make_context, mini, decoder=other)


def test_boxes(make_context: MakeContext, mini: dict[str, Path], golden: ModuleType) -> None:
    out, graph = exported(make_context, mini, form="e2e")
    assert [(spec.name, spec.shape) for spec in graph.outputs] == [
        ("boxes", ("batch", 840, 1, 4)),
        ("confs", ("batch", 840, 3)),
    ]
    boxes, confs = run(out / "model.onnx", golden.image(2, 64, 224))
    with np.load(golden.DATA / "mini_64x224_n2.npz") as expected:
        np.testing.assert_allclose(boxes, expected["boxes"], rtol=2e-5, atol=2e-5)
        np.testing.assert_allclose(confs, expected["confs"], rtol=2e-5, atol=2e-5)
    assert verified(make_context, out, mini, form="e2e")["max_rel"] < 1e-4


def test_random_weights(make_context: MakeContext, mini: dict[str, Path]) -> None:
    inputs = {"cfg": mini["cfg"]}
    one, _ = exported(make_context, inputs, seed=1)
    again, _ = exported(make_context, inputs, seed=1)
    two, _ = exported(make_context, inputs, seed=2)
    content = [(out / "model.onnx").read_bytes() for out in (one, again, two)]
    assert content[0] == content[1]
    assert content[0] != content[2]
    assert verified(make_context, one, inputs, seed=1)["max_rel"] < 1e-5
    with pytest.raises(StageError, match="differs by"):
        verified(make_context, one, inputs, seed=2)


def test_another_number_of_classes(make_context: MakeContext, mini: dict[str, Path]) -> None:
    with pytest.raises(UsageError, match="has 3 classes where the model has 80 labels") as caught:
        exported(make_context, mini, classes=80)
    assert caught.value.next == "give --names a file with 3 names"


def test_images_of_other_channels(
    make_context: MakeContext, mini: dict[str, Path], tmp_path: Path
) -> None:
    grey = tmp_path / "grey.cfg"
    grey.write_text(mini["cfg"].read_text().replace("channels=3", "channels=1"))
    out, graph = exported(make_context, {"cfg": grey}, seed=1, channels=1)
    assert graph.inputs[0].shape == ("batch", 1, 64, 224)
    assert verified(make_context, out, {"cfg": grey}, seed=1, channels=1)["max_rel"] < 1e-5
    for cfg, channels, colour in ((grey, 3, "grey"), (mini["cfg"], 1, "rgb")):
        with pytest.raises(UsageError, match=f"but the images have {channels}") as caught:
            exported(make_context, {"cfg": cfg}, seed=1, channels=channels)
        assert caught.value.where.startswith(f"{cfg.name}:")
        assert f"colour: {colour}" in caught.value.next


def test_weights_of_another_network(
    make_context: MakeContext, mini: dict[str, Path], tmp_path: Path
) -> None:
    content = mini["weights"].read_bytes()
    for changed, what in (
        (content[:-4], "4 too few"),
        (content + b"\0" * 4, "4 too many"),
        (b"<!DOCTYPE html>", "an HTML page"),
    ):
        path = tmp_path / "x.weights"
        path.write_bytes(changed)
        with pytest.raises(DataError, match=what):
            exported(make_context, {**mini, "weights": path})


def test_weights_that_are_no_numbers(
    make_context: MakeContext, mini: dict[str, Path], tmp_path: Path
) -> None:
    broken = {**mini, "weights": tmp_path / "x.weights"}
    write_weights(broken["weights"], [np.full(13776, np.nan)])
    out, _ = exported(make_context, broken)
    with pytest.raises(DataError, match="not finite"):
        verified(make_context, out, broken)


_MEASURE = """
import sys
from pathlib import Path
from zoo_core.system.machine import peak_memory
from zoo_core.api import StageContext
from zoo_darknet.export import export
out, cfg, weights = map(Path, sys.argv[1:])
params = {"size": [416, 416], "classes": 80, "seed": None, "form": "heads", "opset": 17,
          "channels": 3, "decoder": {}}
export(StageContext(inputs={"cfg": cfg, "weights": weights}, params=params, locations={}, out=out,
                    log=out / "log", resume_dir=out / "kept",
                    progress=lambda *_: None, plugins=None, sessions=None))
print(peak_memory())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process alone")
def test_memory_of_the_full_network(golden: ModuleType, tmp_path: Path) -> None:
    golden.write_yolov4(tmp_path / "y.weights")
    (tmp_path / "y.cfg").write_text(golden.yolov4_cfg())
    (tmp_path / "out").mkdir()
    files = [str(tmp_path / name) for name in ("out", "y.cfg", "y.weights")]
    command = [sys.executable, "-c", _MEASURE, *files]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(printed) < 1_230_000_000
    assert (tmp_path / "out" / "model.onnx").stat().st_size > 257_000_000
