from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from zoo_onnxruntime.runtime import OnnxRuntimeRuntime

from zoo_core.api import Target
from zoo_core.errors import DataError, StageError, UsageError

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


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 3, 32, 64), "float32"), ((3, 32, 32), "float32"), ((1, 3, 32, 32), "uint8")],
)
def test_other_tensors_are_refused(artefact: Path, shape: tuple[int, ...], dtype: str) -> None:
    with (
        RUNTIME.open(artefact, target()) as session,
        pytest.raises(UsageError, match=r"'input' is .* not float32 \['batch', 3, 32, 32\]"),
    ):
        session.run({"input": np.zeros(shape, dtype)})


def test_other_names_are_refused(artefact: Path, images: NDArray[np.float32]) -> None:
    with RUNTIME.open(artefact, target()) as session:
        with pytest.raises(UsageError, match=r"'input' is not given; given: image"):
            session.run({"image": images})
        with pytest.raises(UsageError, match="unknown input 'more'"):
            session.run({"input": images, "more": images})


def test_closing_frees_the_model(artefact: Path, images: NDArray[np.float32]) -> None:
    with RUNTIME.open(artefact, target()) as session:
        inner = weakref.ref(session._session)  # type: ignore[attr-defined]
        session.run({"input": images})
    gc.collect()
    assert inner() is None
    with pytest.raises(UsageError, match="closed"):
        session.run({"input": images})


def test_several_threads_may_share_a_session(artefact: Path, images: NDArray[np.float32]) -> None:
    with RUNTIME.open(artefact, target(threads="1")) as session:
        assert session.workers == 1
        alone = [session.run({"input": image[None]})["head0"] for image in images]
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(session.run, {"input": images[n % 5][None]}) for n in range(40)]
        for number, job in enumerate(jobs):
            assert np.array_equal(job.result()["head0"], alone[number % 5])


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "onnx", "model": 3}'])
def test_what_describes_no_artefact_is_refused(artefact: Path, content: str) -> None:
    (artefact / "artefact.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="is no artefact"), RUNTIME.open(artefact, target()):
        pass


def test_another_format_is_refused(artefact: Path) -> None:
    path = artefact / "artefact.json"
    path.write_text(path.read_text().replace('"format": "onnx"', '"format": "tflite"'))
    with pytest.raises(DataError, match="'tflite'"), RUNTIME.open(artefact, target()):
        pass


def test_a_broken_model_is_refused_in_one_line(artefact: Path) -> None:
    model = artefact / "model.onnx"
    model.write_bytes(model.read_bytes()[:2000])
    with pytest.raises(StageError) as error, RUNTIME.open(artefact, target()):
        pass
    assert "\n" not in str(error.value)
    assert str(model) in str(error.value)


def test_nothing_is_printed(artefact: Path) -> None:
    """Not even of what ONNX Runtime warns of: an initialiser that nothing reads."""
    model = onnx.load(artefact / "model.onnx")
    spare = onnx.numpy_helper.from_array(np.ones(3, np.float32), "spare")
    model.graph.initializer.append(spare)
    onnx.save(model, artefact / "model.onnx")
    code = (
        "import sys, numpy, pathlib\n"
        "from zoo_core.api import Target\n"
        "from zoo_onnxruntime.runtime import OnnxRuntimeRuntime\n"
        "target = Target(backend='onnxruntime', precision='fp32', device='cpu')\n"
        "with OnnxRuntimeRuntime().open(pathlib.Path(sys.argv[1]), target) as session:\n"
        "    session.run({'input': numpy.zeros((1, 3, 32, 32), 'float32')})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(artefact)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
