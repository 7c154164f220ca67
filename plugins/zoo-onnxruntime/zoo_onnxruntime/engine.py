"""ONNX Runtime sessions as this plugin opens them everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as _state

from zoo_core.errors import StageError
from zoo_core.toolkit.onnx_file import Mapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

ORT_ERRORS: tuple[type[Exception], ...] = (
    _state.EPFail,
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NoSuchFile,
    _state.NotImplemented,
    _state.RuntimeException,
)

ALL = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
BASIC = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
"""Optimisations whose result is plain ONNX."""

NONE = ort.GraphOptimizationLevel.ORT_DISABLE_ALL

_EXTERNAL_DATA = "session.model_external_initializers_file_folder_path"
_FATAL = 4
_NO_OPERATOR = (
    re.compile(r"(?P<op>\S+?)\(-?\d+\) is not a registered function/op"),
    re.compile(
        r"Could not find an implementation for (?P<op>\S+) node with name '(?P<node>[^']*)'"
    ),
    re.compile(r"No Op registered for (?P<op>\S+) with domain_version"),
)
"""What ONNX Runtime says of an operator that it does not know, or does not compute on the CPU."""

_NAMED_IN_ERROR = 300


def open_session(
    model: Path | bytes | Mapped,
    threads: int,
    *,
    arena: bool = False,
    level: Any = ALL,
    optimised: Path | None = None,
    where: str = "",
) -> Any:
    """An `onnxruntime.InferenceSession` on the CPU that stays silent and idles when it has no work.

    With `arena` the memory of a run is kept for the next one: faster where runs repeat, at the cost
    of the largest run's memory. `level` is one of the three below; `optimised` is where the
    optimised graph is written. Raises StageError for a graph ONNX Runtime refuses.
    """
    options = cpu_options(threads)
    options.enable_cpu_mem_arena = arena
    options.graph_optimization_level = level
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    return session_of(model, options, where)


def cpu_options(threads: int) -> Any:
    """`onnxruntime.SessionOptions` that every session starts from."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def session_of(model: Path | bytes | Mapped, options: Any, where: str) -> Any:
    """A session with these options; raises StageError for a graph ONNX Runtime refuses."""
    if isinstance(model, Mapped):
        options.add_session_config_entry(_EXTERNAL_DATA, str(model.folder))
        model = model.model
    source = str(model) if isinstance(model, Path) else model
    try:
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except ORT_ERRORS as error:
        raise _refused(message(error), where) from error


def _refused(said: str, where: str) -> StageError:
    """The error of a graph that no session can be made of; it names an operator that is missing."""
    for pattern in _NO_OPERATOR:
        if found := pattern.search(said):
            parts = found.groupdict()
            kind = f" for the types of node '{parts['node']}'" if "node" in parts else ""
            what = f"ONNX Runtime has no operator {parts['op']}{kind}"
            step = "export the network without it, or try another --backend"
            return StageError(what, where=where, next=step)
    what = f"ONNX Runtime refuses the graph: {said}"
    return StageError(what, where=where, next="try another --backend")


def run(
    session: Any, names: list[str], feeds: Mapping[str, NDArray[Any]], where: str = ""
) -> list[NDArray[Any]]:
    """The named outputs of one run; raises StageError where ONNX Runtime fails."""
    try:
        results: list[NDArray[Any]] = session.run(names, dict(feeds))
    except ORT_ERRORS as error:
        raise StageError(f"ONNX Runtime failed: {message(error)}", where=where) from error
    return results


def message(error: Exception) -> str:
    """ONNX Runtime's message in one line."""
    return " ".join(str(error).split())[:_NAMED_IN_ERROR]


def tool() -> str:
    """The engine with its version."""
    return f"onnxruntime {ort.__version__}"
