"""The stages that make the environment and run the repository's command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError, StageError
from zoo_core.toolkit.files import temporary_folder, write_json
from zoo_core.toolkit.foreign import (
    Environment,
    Limits,
    clean_variables,
    left_out,
    prepare_environment,
    run_program,
)
from zoo_source_repo.params import filled, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import StageContext

_RUNNER = Path(__file__).with_name("inside")
_OWN = "zoo-export"
"""The folder in the repository's copy that holds the weights and, by default, the result."""

_MODEL = "model.onnx"
_MISSING = "missing modules: "
_SHOWN = 60
"""How much of a command an error shows."""


def environment(context: StageContext) -> None:
    """Makes the environment of `params`, and leaves what it holds in environment.json."""
    context.progress(0, 1, "environment")
    _, record = _prepared(context.params, context)
    write_json(context.out / "environment.json", record)
    context.progress(1, 1, "environment")


def export(context: StageContext) -> None:
    """Leaves `model.onnx` by the command of `params`, run in a copy of `source`, and script.json.

    The command is judged by the file that it leaves, not by how it ends; its output is in the log.
    Raises StageError where no file came out, it took too long, or the file is no ONNX model.
    """
    params = context.params
    context.progress(0, 3, "environment")
    python, record = _prepared(params["environment"], context)
    with temporary_folder(context.out) as scratch:
        context.progress(1, 3, "files")
        root = scratch / "repository"
        _copy(context.paths()["source"], root)
        values = _values(context, root)
        for name, text in params["files"].items():
            _write(root, name, filled(text, values))
        pattern = filled(params["output"], {**values, **_inside(values, root)})
        before = {path: _stamp(path) for path in root.glob(pattern)}
        context.progress(2, 3, "the repository's command")
        status, last = _run_all(context, python, scratch, values)
        fresh = [path for path in root.glob(pattern) if before.get(path) != _stamp(path)]
        if len(fresh) != 1 or not fresh[0].is_file() or fresh[0].is_symlink():
            raise _none_came_out(fresh, pattern, status, last, context)
        _take(fresh[0], context.out / _MODEL)
    facts = {"exit_status": status, "source": dict(params["source"]), "environment": record}
    write_json(context.out / "script.json", {**facts, "run": params["run"]})
    context.progress(3, 3, "exported")


def _prepared(data: Mapping[str, Any], context: StageContext) -> tuple[Path, dict[str, Any]]:
    def tell(text: str) -> None:
        context.progress(0, 3, text)

    return prepare_environment(Environment.from_data(data), context.log, tell)


def _copy(source: Path, root: Path) -> None:
    try:
        shutil.copytree(
            source,
            root,
            ignore=left_out,
            ignore_dangling_symlinks=True,
        )
        (root / _OWN).mkdir(exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise DataError(f"cannot be copied: {error}"[:300], where=str(source)) from error


def _values(context: StageContext, root: Path) -> dict[str, Any]:
    """What the placeholders stand for; the weights lie in the copy."""
    params = context.params
    weights = root / _OWN / f"weights{params['suffix']}"
    if "weights" in context.inputs:
        shutil.copyfile(context.inputs["weights"], weights)
    return {
        **params["values"],
        "opset": params["opset"],
        "seed": params["seed"] or 0,
        "weights": weights,
        "output": root / _OWN / _MODEL,
    }


def _inside(values: Mapping[str, Any], root: Path) -> dict[str, str]:
    """The paths among the values as seen from the repository."""
    paths = {name: value for name, value in values.items() if isinstance(value, Path)}
    return {name: path.relative_to(root).as_posix() for name, path in paths.items()}


def _write(root: Path, name: str, text: str) -> None:
    path = root / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"`files` of the card cannot be written: {error.strerror}"
        raise StageError(what, where=name) from error


def _run_all(
    context: StageContext, python: Path, scratch: Path, values: Mapping[str, Any]
) -> tuple[int, str]:
    """The last exit status and line; the commands for random weights must leave some."""
    params, random = context.params, context.params["seed"] is not None
    root = scratch / "repository"
    ended = (0, "no output")
    if random:
        for command in params["random"]:
            ended = _run(command, context, python, scratch, values)
        if not Path(values["weights"]).is_file():
            raise StageError(
                f"the command for random weights left none: {ended[1]}",
                where=params["random"][-1],
                next=f"its whole output is in {context.log.name}",
            )
    for command in params["run"]:
        ended = _run(command, context, python, scratch, values)
    if not root.is_dir():
        what = f"removed the folder in which it ran; its last line: {ended[1]}"
        raise StageError(what, where=params["run"][-1])
    return ended


def _run(
    command: str, context: StageContext, python: Path, scratch: Path, values: Mapping[str, Any]
) -> tuple[int, str]:
    params = context.params
    job = {
        "command": words(command, values),
        "shims": params["shims"],
        "stubs": params["stubs"],
        "opset": params["opset"],
        "seed": params["seed"],
    }
    folder = scratch / "repository" / params["folder"]
    if not folder.is_dir():
        what = "the repository has no such folder"
        raise StageError(what, where=f"`folder` of the card: {params['folder']}")
    path = scratch / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    with context.log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {' '.join(job['command'])}\n")
    own = {name: filled(text, values) for name, text in params["variables"].items()}
    return run_program(
        [str(python), str(_RUNNER), str(path)],
        folder,
        {**clean_variables(scratch, python.parent), **own},
        context.log,
        Limits(
            seconds=params["time_limit"],
            name=f"`{' '.join(job['command'])[:_SHOWN]}` (the card's time_limit)",
            beat=lambda spent: context.progress(2, 3, f"the repository's command, {spent:.0f} s"),
        ),
    )


def _stamp(path: Path) -> tuple[int, int, int]:
    stat = path.lstat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _none_came_out(
    fresh: list[Path], pattern: str, status: int, last: str, context: StageContext
) -> StageError:
    step = f"its whole output is in {context.log.name}"
    if last.startswith(_MISSING):
        step = "add what provides them to `requirements` of the card, or those that an export does "
        step += f"not need to `stubs`; {context.log.name} has the whole output"
    if len(fresh) > 1:
        names = ", ".join(sorted(path.name for path in fresh)[:3])
        what = f"{len(fresh)} files came out ({names}), one is expected: {pattern}"
        return StageError(what, next="state the one in the card's `output`")
    what = f"no ONNX file came out ({pattern}); exit status {status}, its last line: {last}"
    return StageError(what, where=str(context.params["run"][-1]), next=step)


def _take(made: Path, target: Path) -> None:
    """The model with all its values in one file."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import uses_external_data

    try:
        model = onnx.load(made, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise StageError(f"the ONNX file is not whole: {error}"[:300], where=made.name) from error
    if not model.graph.node:
        raise StageError(
            "the ONNX file is empty; see how the command ended in log.txt", where=made.name
        )
    if not any(uses_external_data(tensor) for tensor in model.graph.initializer):
        shutil.copyfile(made, target)
        return
    try:
        onnx.save(onnx.load(made), target)
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        what = f"the values beside the ONNX file cannot be read: {error}"
        raise StageError(what[:300], where=made.name) from error
