"""The emulated vamc: what it takes, what it refuses, what it writes, and its faults."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from zoo_vastai_emulator.launch import environment, programs
from zoo_vastai_emulator.process_ops import prepared
from zoo_vastai_emulator.vamc import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = ("mod.json", "mod.so", "mod.params")
LINE = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d - vamc - (INFO|WARNING|ERROR) {0,4} - .+")
OPS = [
    {"type": "DecodeImage"},
    {"type": "Resize", "size": [16, -1], "adaptive_side": "long"},
    {"type": "Pad", "pad_to_square": True},
    {"type": "Normalize", "div255": True, "norm_type": None},
    {"type": "ToTensor"},
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a network of two convolutions and three images."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    shapes = {"w0": (8, 3, 3, 3), "b0": (8,), "w1": (21, 8, 1, 1), "b1": (21,)}
    weights = {name: random.normal(0, 0.4, shape).astype("f") for name, shape in shapes.items()}
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w0", "b0"], ["c"], pads=[1] * 4),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Conv", ["p", "w1", "b1"], ["head"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [helper.make_tensor_value_info("head", TensorProto.FLOAT, ["batch", 21, 2, 2])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    imports = [helper.make_opsetid("", 11)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), "net.onnx")
    (tmp_path / "images").mkdir()
    for number in range(3):
        image = random.integers(0, 256, (12, 20, 3), np.uint8)
        cv2.imwrite(f"images/{number}.png", image)
    return tmp_path


def config(**changes: Any) -> dict[str, Any]:
    """A configuration for int8; `changes` have dotted keys, and None takes a key away."""
    data: dict[str, Any] = {
        "name": "net_int8",
        "frontend": {
            "checkpoint": "net.onnx",
            "type": "onnx",
            "shape": {"x": [1, 3, 16, 16]},
            "dtype": "fp32",
        },
        "dataset": {
            "type": "tvm",
            "path": "images",
            "sampler": {"suffix": "png", "get_data_num": 50},
            "process_ops": OPS,
        },
        "backend": {
            "type": "tvm_vacc",
            "dtype": "int8",
            "quantize": {"calibrate_mode": "max", "quantize_per_channel": True},
        },
        "workspace": {"path": "./deploy"},
    }
    for key, value in changes.items():
        *parents, last = key.split("__")
        place = data
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            del place[last]
        else:
            place[last] = value
    return data


@pytest.fixture
def compiled(here: Path) -> Callable[..., int]:
    def run(**changes: Any) -> int:
        (here / "conf").mkdir(exist_ok=True)
        path = here / "conf" / "c.yaml"
        path.write_text(yaml.safe_dump(config(**changes)), encoding="utf-8")
        return main(["compile", str(path)])

    return run


def output(folder: Path, value: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(
        str(folder / "mod.params"), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, {"x": value})[0])


def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(8).random((1, 3, 16, 16), np.float32)


def test_three_files_are_written_relative_to_the_current_directory(
    here: Path, compiled: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiled(backend__dtype="fp16", name="net_fp16") == 0

    folder = here / "deploy" / "net_fp16"
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert all((folder / name).stat().st_size for name in FILES)
    facts = json.loads((folder / "mod.json").read_text())
    digest = hashlib.sha256((here / "net.onnx").read_bytes()).hexdigest()
    assert facts["emulated"] is True
    assert facts["source"] == {"path": "net.onnx", "sha256": digest}
    assert facts["inputs"] == [{"name": "x", "shape": [1, 3, 16, 16], "dtype": "float32"}]
    assert facts["outputs"] == [{"name": "head", "shape": [1, 21, 2, 2]}]
    assert (facts["dtype"], facts["batch"], facts["extra_ops"]) == ("fp16", 1, None)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) >= 4
    assert all(LINE.fullmatch(line) for line in lines)


def test_fp16_rounds_weights_and_nothing_else(here: Path, compiled: Callable[..., int]) -> None:
    assert compiled(backend__dtype="fp16", name="half") == 0
    model = onnx.load("net.onnx")
    for tensor in model.graph.initializer:
        half = numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(half.astype("f"), tensor.name))
    (here / "expected").mkdir()
    onnx.save(model, "expected/mod.params")

    found, wanted = output(here / "deploy/half", image()), output(here / "expected", image())

    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-6)
    (here / "plain").mkdir()
    (here / "net.onnx").rename(here / "plain/mod.params")
    assert np.abs(found - output(here / "plain", image())).max() > 1e-5


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("mode", ["max", "kl_divergence"])
def test_int8_is_near_float_but_not_equal(
    here: Path, compiled: Callable[..., int], per_channel: bool, mode: str
) -> None:
    quantize = {"calibrate_mode": mode, "quantize_per_channel": per_channel}
    assert compiled(backend__quantize=quantize) == 0
    (here / "plain").mkdir()
    (here / "net.onnx").rename(here / "plain/mod.params")

    value = prepared(here / "images/1.png", OPS)[None]
    found, wanted = output(here / "deploy/net_int8", value), output(here / "plain", value)

    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert 1e-4 < error < 0.03
    stored = onnx.load(str(here / "deploy/net_int8/mod.params")).graph
    kinds = {tensor.name: tensor.data_type for tensor in stored.initializer}
    assert kinds["w0/s8"] == TensorProto.INT8
    scale = next(tensor for tensor in stored.initializer if tensor.name == "w0/scale")
    assert list(scale.dims) == ([8, 1, 1, 1] if per_channel else [1, 1, 1, 1])


def test_int8_ranges_come_from_the_images(here: Path, compiled: Callable[..., int]) -> None:
    assert compiled() == 0
    first = onnx.load(str(here / "deploy/net_int8/mod.params")).graph
    scale = {t.name: numpy_helper.to_array(t) for t in first.initializer}["x/scale"]
    tensors = [prepared(path, OPS) for path in sorted((here / "images").iterdir())]

    assert np.shape(tensors) == (3, 3, 16, 16)
    assert scale == pytest.approx(np.max(tensors) / 255, rel=1e-6)


def test_samples_may_be_npz(here: Path, compiled: Callable[..., int]) -> None:
    np.savez(here / "images/a.npz", input_0=np.full((1, 3, 16, 16), 2, np.float32))
    sampler = {"suffix": "npz", "get_data_num": 1}

    assert compiled(dataset__sampler=sampler, dataset__process_ops=None) == 0

    stored = onnx.load(str(here / "deploy/net_int8/mod.params")).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in stored.initializer}
    assert values["x/scale"] == pytest.approx(2 / 255, rel=1e-6)


def test_unknown_keys_are_silent_as_in_the_vendors_misspelt_files(
    here: Path, compiled: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiled(backend__quantize={"alibrate_mode": "percentile"}, nonsense=1) == 0
    error = capsys.readouterr().err
    assert "alibrate_mode" not in error
    assert "nonsense" not in error
    assert main(["build", "conf/c.yaml"]) == 0


NMS = {
    "type": "yolov4_nms",
    "params": {
        "num_classes": 2,
        "nms_threshold": 0.65,
        "confidence_threshold": 0.001,
        "anchor": [1, 2, 3, 4, 5, 6],
        "strides": [8],
    },
}


def without(key: str) -> dict[str, Any]:
    return {**NMS, "params": {name: v for name, v in NMS["params"].items() if name != key}}


def test_a_detection_operator_goes_into_the_facts(here: Path, compiled: Callable[..., int]) -> None:
    assert compiled(graph__extra_ops=NMS) == 0
    assert json.loads((here / "deploy/net_int8/mod.json").read_text())["extra_ops"] == NMS


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": None}, "'name' is missing"),
    "no frontend": ({"frontend": None}, "'frontend' is missing"),
    "no checkpoint": ({"frontend__checkpoint": None}, "'checkpoint' is missing"),
    "no shape": ({"frontend__shape": None}, "'shape' is missing"),
    "no backend": ({"backend": None}, "'backend' is missing"),
    "no workspace": ({"workspace": None}, "'workspace' is missing"),
    "absent checkpoint": ({"frontend__checkpoint": "a.onnx"}, "a.onnx does not exist"),
    "not onnx": ({"frontend__checkpoint": "images/0.png", "frontend__type": "onnx"}, "not an ONNX"),
    "another frontend": ({"frontend__type": "pytorch"}, "onnx only"),
    "another backend": ({"backend__type": "tvm_cuda"}, "'tvm_cuda' is not supported"),
    "another dtype": ({"backend__dtype": "fp8"}, "'fp8' is not supported"),
    "another input": ({"frontend__shape": {"y": [1, 3, 16, 16]}}, "names ['y'], the inputs"),
    "another size": ({"frontend__shape": {"x": [1, 3, 32, 32]}}, "[1, 3, 32, 32], the graph's"),
    "dynamic": ({"frontend__shape": {"x": [[1, 3, 16, 16], [1, 3, 32, 32]]}}, "dynamic shapes"),
    "no dataset": ({"dataset": None}, "int8 needs dataset"),
    "no folder": ({"dataset__path": "none"}, "none is not a directory"),
    "no images": ({"dataset__sampler": {"suffix": "jpg", "get_data_num": 5}}, "no file that ends"),
    "case of suffix": ({"dataset__sampler": {"suffix": "PNG", "get_data_num": 5}}, "no file"),
    "unknown op": ({"dataset__process_ops": [{"type": "Blur"}]}, "'Blur' is not supported"),
    "wrong size": ({"dataset__process_ops": [OPS[0], OPS[3], OPS[4]]}, "[3, 12, 20] after process"),
    "unknown mode": ({"backend__quantize": {"calibrate_mode": "kl"}}, "'kl' is not supported"),
    "unknown nms": ({"graph__extra_ops": {**NMS, "type": "yolov6_nms"}}, "'yolov6_nms' is not"),
    "no threshold": ({"graph__extra_ops": without("nms_threshold")}, "lack nms_threshold"),
    "anchors": (
        {"graph__extra_ops": {**NMS, "params": {**NMS["params"], "anchor": [1, 2, 3]}}},
        "3 anchor numbers",
    ),
    "classes": (
        {"graph__extra_ops": {**NMS, "params": {**NMS["params"], "num_classes": 80}}},
        "num_classes is 80",
    ),
    "stride": (
        {"graph__extra_ops": {**NMS, "params": {**NMS["params"], "strides": [16]}}},
        "fits none of the strides [16]",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(
    case: str, here: Path, compiled: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    changes, message = REFUSED[case]
    assert compiled(**changes) == 1

    last = capsys.readouterr().err.splitlines()[-1]
    assert " - vamc - ERROR    - err info: " in last
    assert message in last
    assert not (here / "deploy").exists()


@pytest.mark.parametrize("words", [[], ["compile"], ["verify", "a"], ["compile", "a", "b"]])
def test_another_command_line_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "usage: vamc compile" in capsys.readouterr().err


def test_a_file_that_is_absent_or_not_yaml(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", "none.yaml"]) == 1
    (here / "bad.yaml").write_text("a: [1", encoding="utf-8")
    assert main(["compile", "bad.yaml"]) == 1
    error = capsys.readouterr().err
    assert "none.yaml does not exist" in error
    assert "bad.yaml:2: is not valid YAML" in error


def test_tvmerror(
    here: Path,
    compiled: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "tvmerror")
    assert compiled() == 1
    error = capsys.readouterr().err
    assert "tvm._ffi.base.TVMError: Traceback" in error
    assert "Check failed" in error
    assert not (here / "deploy").exists()


@pytest.mark.parametrize(
    ("fault", "absent", "empty"),
    [
        ("missing-file", {"mod.so"}, set()),
        ("missing-file:mod.params", {"mod.params"}, set()),
        ("empty-file", set(), {"mod.params"}),
        ("empty-file:mod.json", set(), {"mod.json"}),
    ],
)
def test_success_without_the_files(
    here: Path,
    compiled: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    absent: set[str],
    empty: set[str],
) -> None:
    assert compiled() == 0
    monkeypatch.setenv("ZOO_VASTAI_FAULT", fault)
    assert compiled() == 0

    sizes = {path.name: path.stat().st_size for path in (here / "deploy/net_int8").iterdir()}
    assert set(FILES) - set(sizes) == absent
    assert {name for name, size in sizes.items() if not size} == empty


def test_stale_files_are_left_as_they_were(
    here: Path, compiled: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled() == 0
    before = {p.name: p.stat().st_mtime_ns for p in (here / "deploy/net_int8").iterdir()}
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "stale")
    assert compiled() == 0
    after = {p.name: p.stat().st_mtime_ns for p in (here / "deploy/net_int8").iterdir()}
    assert before == after


def test_segfault_and_hang_are_real(here: Path, compiled: Callable[..., int]) -> None:
    assert compiled() == 0
    command = [*programs()["vamc"], "compile", "conf/c.yaml"]
    env = environment()

    dead = subprocess.run(
        command, env={**env, "ZOO_VASTAI_FAULT": "segfault"}, check=False, capture_output=True
    )
    assert dead.returncode == -signal.SIGSEGV
    with subprocess.Popen(
        command, env={**env, "ZOO_VASTAI_FAULT": "hang"}, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert LINE.fullmatch(process.stderr.readline().rstrip())
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.kill()


def test_a_misspelt_fault_is_refused(
    compiled: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "segfalt")
    with pytest.raises(ValueError, match="no fault is named 'segfalt'"):
        compiled()


def test_operations_on_an_image(tmp_path: Path) -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :, 2] = 200  # OpenCV writes BGR: this is red
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), pixels)

    plain = prepared(path, [{"type": "DecodeImage"}, {"type": "ToTensor"}])
    assert plain.shape == (3, 10, 20)
    assert plain[:, 0, 0].tolist() == [200, 0, 0]
    boxed = prepared(path, OPS)
    assert boxed.shape == (3, 16, 16)
    assert boxed[0, 3].tolist() == pytest.approx([114 / 255] * 16)
    assert boxed[0, 4].tolist() == pytest.approx([200 / 255] * 16)
    ops: list[dict[str, Any]] = [
        {"type": "DecodeImage"},
        {"type": "CvtColor", "code": "COLOR_RGB2BGR"},
        {"type": "Resize", "size": [8, 12]},
        {"type": "CenterCrop", "crop_size": [4, 6]},
        {"type": "Normalize", "mean": [100, 0, 0], "std": [50, 1, 2], "div255": False},
        {"type": "ToTensor"},
    ]
    out = prepared(path, ops)
    assert out.shape == (3, 4, 6)
    assert out[:, 0, 0].tolist() == [-2, 0, 100]
    ops[4] = {"type": "Normalize", "mean": [0.5] * 3, "std": [0.5] * 3}
    assert prepared(path, ops)[:, 0, 0].tolist() == pytest.approx([-1, -1, 200 / 127.5 - 1])
    ops[4] = {**ops[4], "norm_type": "None"}
    assert prepared(path, ops)[:, 0, 0].tolist() == pytest.approx([0, 0, 200 / 255])
