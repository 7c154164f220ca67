from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
import openvino as ov
import pytest
import zoo_openvino
from zoo_openvino.engine import computing
from zoo_openvino.runtime import OpenVinoRuntime

from zoo_core.api import Target
from zoo_core.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RUNTIME = OpenVinoRuntime()


def target(batch: int = 1, device: str = "cpu", **options: str) -> Target:
    return Target(backend="openvino", precision="fp32", device=device, batch=batch, options=options)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The properties of every model that OpenVINO compiles, as they are asked for."""
    seen: list[dict[str, Any]] = []
    original = ov.Core.compile_model

    def record(core: Any, model: Any, device: str, properties: dict[str, Any]) -> Any:
        seen.append({"device": device, **properties})
        return original(core, model, device, properties)

    monkeypatch.setattr(ov.Core, "compile_model", record)
    monkeypatch.setattr("zoo_openvino.runtime.cpu_threads", lambda: 2)
    return seen


def test_outputs_are_those_of_the_graph(artefact: Path, images: NDArray[np.float32]) -> None:
    """In float32 beyond doubt: a processor with bfloat16 would be off by a hundredth."""
    plain = ort.InferenceSession(artefact / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 3):
        with RUNTIME.open(artefact, target(batch=count)) as session:
            assert session.inputs[0].shape == (count, 3, 32, 32)
            found = session.run({"input": images[:count]})
        assert list(found) == ["head1", "head0"]
        expected = plain.run(["head1", "head0"], {"input": images[:count]})
        for array, reference in zip(found.values(), expected, strict=True):
            assert array.flags.c_contiguous
            assert array.flags.owndata
            assert np.abs(array - reference).max() < 1e-5 * np.abs(reference).max()


def test_for_latency_one_stream_has_all_threads(
    artefact: Path, compiled: list[dict[str, Any]]
) -> None:
    with RUNTIME.open(artefact, target()) as session:
        assert (session.threads, session.workers) == (2, 1)
    (asked,) = compiled
    assert asked["PERFORMANCE_HINT"] == "LATENCY"
    assert asked["INFERENCE_PRECISION_HINT"] == "f32"
    assert (asked["NUM_STREAMS"], asked["INFERENCE_NUM_THREADS"]) == ("1", 2)


def test_for_throughput_each_thread_has_a_stream(
    artefact: Path, compiled: list[dict[str, Any]], images: NDArray[np.float32]
) -> None:
    with RUNTIME.open(artefact, target(), "throughput") as session:
        assert (session.threads, session.workers) == (1, 2)
        used = session._compiled.get_property("NUM_STREAMS")  # type: ignore[attr-defined]
        assert used == 2
        session.run({"input": images[:1]})
    assert compiled[0]["PERFORMANCE_HINT"] == "THROUGHPUT"
    with pytest.raises(UsageError, match="unknown hint"), RUNTIME.open(artefact, target(), "fast"):
        pass


def test_options_settle_threads_and_streams(artefact: Path, compiled: list[dict[str, Any]]) -> None:
    with RUNTIME.open(artefact, target(threads="3", streams="2")) as session:
        assert (session.threads, session.workers) == (1, 2)
    with RUNTIME.open(artefact, target(threads="1", streams="4"), "throughput") as session:
        assert (session.threads, session.workers) == (1, 1)
    with RUNTIME.open(artefact, target(threads="1"), "throughput") as session:
        assert session.workers == 1
    assert [asked["NUM_STREAMS"] for asked in compiled] == ["2", "1", "1"]
    with (
        pytest.raises(UsageError, match="did you mean 'streams'"),
        RUNTIME.open(artefact, target(stream="1")),
    ):
        pass


@pytest.mark.parametrize(
    ("precision", "remainder", "able", "found"),
    [
        ("fp32", "auto", {"FP32", "BF16"}, "fp32"),
        ("bf16", "auto", {"FP32", "BF16"}, "bf16"),
        ("bf16", "auto", {"FP32"}, "fp32"),
        ("fp16", "auto", {"FP32", "BF16"}, "fp32"),
        ("fp16", "auto", {"FP32", "FP16"}, "fp16"),
        ("int8", "auto", {"FP32", "BF16", "INT8"}, "bf16"),
        ("int8", "fp32", {"FP32", "BF16", "INT8"}, "fp32"),
        ("int8", "auto", {"FP32", "INT8"}, "fp32"),
    ],
)
def test_what_is_computed_in(precision: str, remainder: str, able: set[str], found: str) -> None:
    assert computing(precision, remainder, frozenset(able)) == found


def test_a_view_that_is_not_contiguous_is_read_right(
    artefact: Path, images: NDArray[np.float32]
) -> None:
    turned = np.ascontiguousarray(images[:1].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    with RUNTIME.open(artefact, target()) as session:
        found = session.run({"input": turned})["head0"]
        assert np.array_equal(found, session.run({"input": images[:1]})["head0"])


def test_compiled_models_are_kept(
    artefact: Path, own_home: Path, images: NDArray[np.float32]
) -> None:
    found = []
    for _ in range(2):
        with RUNTIME.open(artefact, target()) as session:
            found.append(session.run({"input": images[:1]})["head0"])
            from_cache = session._compiled.get_property("LOADED_FROM_CACHE")  # type: ignore[attr-defined]
            assert from_cache is (len(found) == 2)
    (blob,) = (own_home / "caches" / "openvino").glob("*.blob")
    assert np.array_equal(*found)
    blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])
    with RUNTIME.open(artefact, target()) as session:
        assert np.array_equal(session.run({"input": images[:1]})["head0"], found[0])


def test_no_cache_leaves_nothing(artefact: Path, own_home: Path, tmp_path: Path) -> None:
    with RUNTIME.open(artefact, target(cache="none")):
        assert not (own_home / "caches" / "openvino").exists()
    with RUNTIME.open(artefact, target(cache=str(tmp_path / "other"))):
        assert list((tmp_path / "other").glob("*.blob"))


def test_a_device_that_is_not_there_says_which_are(artefact: Path) -> None:
    with (
        pytest.raises(UnavailableError, match=r"OpenVINO finds no NPU here; use --device .*cpu"),
        RUNTIME.open(artefact, target(device="npu")),
    ):
        pass
    with pytest.raises(UsageError, match="unknown device"):
        RUNTIME.open(artefact, target(device="tpu")).__enter__()


def test_devices_that_the_probe_does_not_list_are_looked_for() -> None:
    (backend,) = zoo_openvino.zoo_backends()
    assert backend.check_device is not None
    backend.check_device("auto")
    with pytest.raises(UnavailableError, match="OpenVINO finds no NPU here"):
        backend.check_device("npu")
    with pytest.raises(UsageError, match="unknown device 'tpu'"):
        backend.check_device("tpu")


def test_the_artefact_of_the_other_engine_opens_as_it_is(artefact: Path) -> None:
    assert json.loads((artefact / "artefact.json").read_text())["format"] == "onnx"
    with RUNTIME.open(artefact, target()) as session:
        assert [spec.name for spec in session.outputs] == ["head1", "head0"]
