"""What a plugin imports and does when one of its methods is called, in a process of its own.

`python -m zoo_core.testing.isolation ANSWER` reads a pickled `Question` and writes a JSON answer.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from zoo_core.plugins.manager import KINDS, Plugins
from zoo_core.system.hashing import canonical

HEAVY = frozenset(
    {"torch", "torchvision", "onnx", "onnxruntime", "cv2", "openvino", "pycocotools", "tensorflow"}
)
NUMPY = "numpy"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_EVENTS = {
    **dict.fromkeys(("socket.connect", "socket.getaddrinfo"), "connected"),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"), "started"),
    **dict.fromkeys(("os.mkdir", "os.rename", "os.remove", "os.rmdir"), "wrote"),
    **dict.fromkeys(("os.symlink", "os.link", "open"), "wrote"),
}
"""Audit events -> the answer's list that they belong to."""

_TIMEOUT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """List a plugin's providers; or call a provider's method, or probe a backend, if named.

    The method is called with each of the `calls`' arguments. Where it opens a session, that is run
    once with `feeds`.
    """

    plugin: str
    kind: str = ""
    name: str = ""
    method: str = ""
    calls: tuple[tuple[Any, ...], ...] = ()
    feeds: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What happened.

    Heavy and inner modules that were imported, files that were written outside the cache folder,
    hosts that were contacted, programs that were started, text that was printed. `value` is the
    result as data (stages, a data plan, an availability), `error` what was raised.
    """

    heavy: list[str] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    wrote: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    printed: str = ""
    value: Any = None
    error: str = ""
    seconds: float = 0.0


def ask(question: Question, folder: Path, environment: Mapping[str, str] | None = None) -> Answer:
    """Put the question in a new process; `folder` takes its cache and its answer."""
    path = folder / "answer.json"
    path.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "zoo_core.testing.isolation", str(path)],
        input=pickle.dumps(question),
        capture_output=True,
        timeout=_TIMEOUT,
        cwd=folder,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "ZOO_HOME": str(folder / "home"),
            **(environment or {}),
        },
    )
    printed = (done.stdout + done.stderr).decode(errors="replace").strip()
    if not path.exists():
        return Answer(error=f"the process ended with {done.returncode}", printed=printed)
    return Answer(**{**json.loads(path.read_text(encoding="utf-8")), "printed": printed})


def _watch(seen: Mapping[str, list[str]], home: str, event: str, given: tuple[Any, ...]) -> None:
    """An audit hook that notes what a process does outside its cache folder, `home`."""
    verb = _EVENTS.get(event)
    if verb is None or (event == "open" and not given[2] & _WRITING):
        return
    subject = given[1 if event == "socket.connect" else 0]
    name = os.fsdecode(subject) if isinstance(subject, bytes) else str(subject)
    ours = isinstance(subject, int) or name.startswith((home, os.devnull))
    if verb != "wrote" or not ours:
        seen[verb].append(name)


def _answer(question: Question) -> Any:
    module = import_module(question.plugin)
    plugins = Plugins([module])
    for failed in plugins.failures:
        raise RuntimeError(failed.failure)
    if not question.kind:
        return {kind: list(plugins.all(kind)) for kind in KINDS}
    if question.kind == "backend":
        return plain(plugins.backend(question.name).probe())
    provided = plugins.load(question.kind, question.name)
    values = [getattr(provided, question.method)(*arguments) for arguments in question.calls]
    if question.feeds is None:
        return plain(values)
    for value in values:
        with value as session:
            session.run(question.feeds)
    return None


def plain(value: Any) -> Any:
    """Stages, a data plan or an availability as JSON data; TypeError where JSON cannot hold it."""
    return json.loads(canonical(_plain(value)))


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _main(path: Path) -> None:
    question: Question = pickle.load(sys.stdin.buffer)
    seen: dict[str, list[str]] = {verb: [] for verb in _EVENTS.values()}
    sys.addaudithook(partial(_watch, seen, os.environ["ZOO_HOME"]))
    began = time.perf_counter()
    value, error = None, ""
    try:
        value = _answer(question)
    except BaseException as raised:  # whatever it is, the contract names it
        error = f"{type(raised).__name__}: {raised}"
    noted: dict[str, Any] = {verb: list(names) for verb, names in seen.items()}
    answer = Answer(
        heavy=sorted((HEAVY | {NUMPY}) & set(sys.modules)),
        inner=[name for name in sorted(sys.modules) if name.startswith(f"{question.plugin}.")],
        **noted,
        value=value,
        error=error,
        seconds=time.perf_counter() - began,
    )
    path.write_text(json.dumps(asdict(answer)), encoding="utf-8")


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
