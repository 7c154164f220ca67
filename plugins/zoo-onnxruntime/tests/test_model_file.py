from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data, uses_external_data
from zoo_onnxruntime.engine import open_session, run
from zoo_onnxruntime.model_file import load, mapped, save

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_model_is_read_as_it_was_written(nets: Any, tmp_path: Path) -> None:
    model = nets.mish()
    model.producer_name = "test"
    model.graph.doc_string = "small"
    before = model.SerializeToString(deterministic=True)
    save(model, tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx") == model
    assert model.SerializeToString(deterministic=True) == before
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)


def test_a_model_without_constants_is_written_too(nets: Any, tmp_path: Path) -> None:
    model = nets.mish()
    del model.graph.initializer[:]
    save(model, tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx") == model


def test_values_that_are_not_raw_are_written_and_read(nets: Any, tmp_path: Path) -> None:
    model = nets.mish()
    kinds = [
        onnx.helper.make_tensor("floats", onnx.TensorProto.FLOAT, [2], [0.5, 2.0]),
        onnx.helper.make_tensor("whole", onnx.TensorProto.INT64, [2], [-1, 300]),
        onnx.helper.make_tensor("empty", onnx.TensorProto.FLOAT, [0], b"", raw=True),
    ]
    model.graph.initializer.extend(kinds)
    save(model, tmp_path / "model.onnx")
    assert load(tmp_path / "model.onnx") == model == onnx.load(str(tmp_path / "model.onnx"))


def test_external_data_are_read_with_the_file(nets: Any, tmp_path: Path) -> None:
    model = nets.mish()
    kept = onnx.ModelProto.FromString(model.SerializeToString())
    convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, tmp_path / "model.onnx")
    found = load(tmp_path / "model.onnx")
    for before, after in zip(kept.graph.initializer, found.graph.initializer, strict=True):
        assert before.raw_data == after.raw_data


@pytest.mark.parametrize("outside", [False, True])
def test_a_mapped_model_computes_what_the_file_does(
    nets: Any, images: Any, tmp_path: Path, outside: bool
) -> None:
    path = tmp_path / "model.onnx"
    model = nets.mish()
    whole = len(model.SerializeToString())
    if outside:
        convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    onnx.save(model, path)
    light = mapped(path)
    assert len(light.model) < whole
    left = {
        tensor.name: uses_external_data(tensor)
        for tensor in onnx.ModelProto.FromString(light.model).graph.initializer
    }
    assert any(left.values())
    sessions = [open_session(source, 1) for source in (path, light)]
    names = [value.name for value in sessions[0].get_outputs()]
    feeds = {sessions[0].get_inputs()[0].name: images[:2]}
    for a, b in zip(*(run(session, names, feeds) for session in sessions), strict=True):
        np.testing.assert_array_equal(a, b)


def test_small_constants_stay_with_a_mapped_model(nets: Any, tmp_path: Path) -> None:
    net = nets.new()
    net.constant("limit", np.float32(2))
    path = net.save(tmp_path / "model.onnx", net.node("Min", ["input", "limit"], "least"))
    assert mapped(path).model == onnx.load(str(path)).SerializeToString()


@pytest.mark.parametrize("take", [load, mapped])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is no ONNX file"),
        (b"\x0f", "is no ONNX file"),
        (b"\x3a\x7f", "is no ONNX file"),
        (b"\x80" * 20, "is no ONNX file"),
        (b"a text, not a model", "is no ONNX file"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_model_is_told(tmp_path: Path, take: Any, content: bytes, told: str) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=told) as raised:
        take(path)
    assert str(path) in str(raised.value)


def test_a_model_cut_short_is_told(nets: Any, tmp_path: Path) -> None:
    written = nets.mish().SerializeToString()
    path = tmp_path / "model.onnx"
    for size in range(1, len(written), len(written) // 37):
        path.write_bytes(written[:-size])
        with pytest.raises(DataError, match="is no ONNX file"):
            mapped(path)
