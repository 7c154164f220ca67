from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx
from zoo_onnxruntime.graph import load, save

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
