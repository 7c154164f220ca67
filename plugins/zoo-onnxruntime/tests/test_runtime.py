from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from zoo_onnxruntime.runtime import OnnxRuntimeRuntime

from zoo_core.api import Target
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RUNTIME = OnnxRuntimeRuntime()


def target(**options: str) -> Target:
    return Target(backend="onnxruntime", precision="fp32", device="cpu", options=options)


@pytest.fixture
def artefact(nets: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "artefact"
    folder.mkdir()
    onnx.save(nets.mish(), folder / "model.onnx")
    data = {
        "format": "onnx",
        "model": "model.onnx",
        "inputs": [{"name": "input", "shape": ["batch", 3, 32, 32], "dtype": "float32"}],
        "outputs": [
            {"name": "head1", "shape": ["batch", 12, 8, 8], "dtype": "float32"},
            {"name": "head0", "shape": ["batch", 12, 16, 16], "dtype": "float32"},
        ],
        "precision": "fp32",
    }
    (folder / "artefact.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def test_batches_of_any_size(artefact: Path, images: NDArray[np.float32]) -> None:
    plain = ort.InferenceSession(artefact / "model.onnx", providers=["CPUExecutionProvider"])
    with RUNTIME.open(artefact, target()) as session:
        for count in (1, 5, 2):
            found = session.run({"input": images[:count]})
            assert list(found) == ["head1", "head0"]
            expected = plain.run(["head1", "head0"], {"input": images[:count]})
            for array, reference in zip(found.values(), expected, strict=True):
                assert array.flags.c_contiguous
                assert np.allclose(array, reference, atol=1e-6)


def test_threads_come_from_the_option_or_the_quota(
    artefact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    opened = ort.InferenceSession

    def record(path: str, options: ort.SessionOptions, **keywords: Any) -> Any:
        seen.append(options.intra_op_num_threads)
        assert options.inter_op_num_threads == 1
        assert options.get_session_config_entry("session.force_spinning_stop") == "1"
        return opened(path, options, **keywords)

    monkeypatch.setattr(ort, "InferenceSession", record)
    monkeypatch.setattr("zoo_onnxruntime.runtime.cpu_threads", lambda: 3)
    with RUNTIME.open(artefact, target()), RUNTIME.open(artefact, target(threads="1")):
        assert seen == [3, 1]
    with (
        pytest.raises(UsageError, match="did you mean 'threads'"),
        RUNTIME.open(artefact, target(thread="1")),
    ):
        pass


def test_warnings_are_not_printed(artefact: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """ONNX Runtime warns of an initialiser that nothing reads."""
    model = onnx.load(artefact / "model.onnx")
    spare = onnx.numpy_helper.from_array(np.ones(3, np.float32), "spare")
    model.graph.initializer.append(spare)
    onnx.save(model, artefact / "model.onnx")
    with RUNTIME.open(artefact, target()) as session:
        session.run({"input": np.zeros((1, 3, 32, 32), np.float32)})
    assert capfd.readouterr() == ("", "")
