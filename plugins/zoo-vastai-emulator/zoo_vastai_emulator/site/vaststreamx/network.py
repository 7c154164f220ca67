"""The three files of a compiled model, and ONNX Runtime to run them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

SUFFIXES = (".json", ".so", ".params")


class Network:
    """The network of one compiled model; `run` may be called by several threads at once.

    Raises RuntimeError where one of the three files is missing, empty or not the emulator's.
    """

    def __init__(self, prefix: str) -> None:
        for suffix in SUFFIXES:
            file = Path(prefix + suffix)
            if not file.is_file() or not file.stat().st_size:
                raise RuntimeError(f"cannot load the model {prefix}: {file} is missing or empty")
        facts = _facts(Path(prefix + ".json"))
        self.extra_ops = facts["extra_ops"] or {}
        self.input_shapes: list[list[int]] = [entry["shape"] for entry in facts["inputs"]]
        self.output_shapes: list[list[int]] = [entry["shape"] for entry in facts["outputs"]]
        self._names = [entry["name"] for entry in facts["inputs"]]
        self._kinds = [np.dtype(entry["dtype"]) for entry in facts["inputs"]]
        self._outputs = [entry["name"] for entry in facts["outputs"]]
        self._batch = int(facts["batch"])
        self._session = _session(prefix + ".params")

    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[np.float16]]:
        """One sample, inputs [1, ...], to the graph's outputs in float16 [1, ...].

        Raises RuntimeError where number or shapes of the inputs are not the model's.
        """
        expected = [tuple(shape[1:]) for shape in self.input_shapes]
        actual = [tuple(array.shape[1:]) for array in inputs]
        if expected != actual or any(array.shape[:1] != (1,) for array in inputs):
            raise RuntimeError(f"the model takes {expected} for each sample, this is {actual}")
        feeds = {}
        for index, name in enumerate(self._names):
            array = inputs[index].astype(self._kinds[index])
            feeds[name] = np.repeat(array, self._batch, axis=0)
        results = self._session.run(self._outputs, feeds)
        with np.errstate(over="ignore"):
            return [np.asarray(result[:1]).astype(np.float16) for result in results]


def _facts(file: Path) -> Any:
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        if facts["emulated"] is True:
            return facts
    except (ValueError, KeyError, TypeError):
        pass
    raise RuntimeError(f"{file} was not written by the emulated vamc; a real card has to run it")


def _session(path: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = _processors()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise RuntimeError(f"{path} cannot be loaded: {str(error)[:200]}") from error


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
