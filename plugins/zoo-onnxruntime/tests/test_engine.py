from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx.external_data_helper import convert_model_to_external_data, uses_external_data
from zoo_onnxruntime.engine import open_session, run

from zoo_core.toolkit.onnx_file import mapped

if TYPE_CHECKING:
    from pathlib import Path


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
