"""The stage that runs `vamc compile` and takes the three files that it leaves."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import StageError
from zoo_core.toolkit.artefact import ARTEFACT_FILE, PRECISION_FILE
from zoo_core.toolkit.files import file_digest, write_json
from zoo_vastai.compile.complaints import last_words, without_stamp
from zoo_vastai.compile.precision import precision_report
from zoo_vastai.compile.program import Ending, Program
from zoo_vastai.names import (
    CALIBRATION_FOLDER,
    CONFIG_FILE,
    EMULATOR,
    GRAPH_FOLDER,
    LOG_FILE,
    MODEL,
    THREE_PIECES,
    VDSP_FILE,
    WORKSPACE,
)
from zoo_vastai.sdk.tools import tools

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import StageContext

_WHERE = "vamc compile"
_NEXT = f"{LOG_FILE} holds its whole output"
_NOTE = 60
_FIRST_DIE = "0"


def build(ctx: StageContext) -> None:
    """Leaves the three files, vdsp.json, config.yaml, vamc.log, artefact.json, precision.json.

    Raises UnavailableError without vamc, StageError where it fails, is killed, takes too long, or
    ends well without leaving the three files anew.
    """
    record = json.loads(ctx.inputs["build"].read_text(encoding="utf-8"))
    work = ctx.out / "work"
    _lay_out(ctx, work)
    workspace = work / WORKSPACE
    before = snapshot(workspace / record["name"])
    _run(ctx, work)
    folder = results_folder(workspace, record["name"])
    wrong = complaint(folder, before)
    if wrong:
        raise StageError(f"exited with code 0 but {wrong}", where=_WHERE, next=_NEXT)
    for name in THREE_PIECES:
        shutil.move(folder / name, ctx.out / name)
    shutil.copyfile(ctx.inputs["config"], ctx.out / CONFIG_FILE)
    shutil.copyfile(ctx.inputs["vdsp"], ctx.out / VDSP_FILE)
    write_json(ctx.out / ARTEFACT_FILE, _artefact(record, ctx.params["emulated"]))
    write_json(ctx.out / PRECISION_FILE, precision_report(ctx.out, record, ctx.params))
    shutil.rmtree(work)


def _lay_out(ctx: StageContext, work: Path) -> None:
    """The folder that config.yaml was written for; what is large is linked into it."""
    work.mkdir()
    shutil.copyfile(ctx.inputs["config"], work / CONFIG_FILE)
    (work / GRAPH_FOLDER).symlink_to(ctx.inputs["graph"].parent.absolute())
    if "calibration" in ctx.inputs:
        (work / CALIBRATION_FOLDER).symlink_to(ctx.inputs["calibration"].absolute())


def _run(ctx: StageContext, work: Path) -> None:
    device = EMULATOR if ctx.params["emulated"] else _FIRST_DIE
    sdk = tools(device, dict(ctx.locations), needs=("vamc",))
    program = Program(
        command=(*sdk.vamc, "compile", CONFIG_FILE),
        folder=work,
        env=sdk.env,
        timeout=ctx.params["timeout"],
    )

    def show(line: str) -> None:
        if line:
            ctx.progress(0, 1, without_stamp(line)[:_NOTE])

    log = ctx.out / LOG_FILE
    try:
        ending = program.run(log, show)
    finally:
        if log.exists():
            with ctx.log.open("ab") as stream:
                stream.write(log.read_bytes())
    if not ending.good:
        raise StageError(_failure(ending, program.timeout, _text(log)), where=_WHERE, next=_NEXT)
    ctx.progress(1, 1, "compiled")


def _failure(ending: Ending, timeout: float, log: str) -> str:
    words = last_words(log)
    last_line = f": {words}" if words else ""
    if ending.timed_out:
        return f"exceeded {timeout:g} s and was stopped; last output{last_line or ': none'}"
    if ending.signal:
        return f"was killed by {ending.signal}{last_line}"
    return f"failed with exit code {ending.code}{last_line}"


def _artefact(record: dict[str, Any], emulated: bool) -> dict[str, Any]:
    return {
        "format": "vastai",
        "model": MODEL,
        "vdsp": VDSP_FILE,
        "precision": record["precision"],
        "batch": record["batch"],
        "emulated": emulated,
        "form": record["form"],
        "nms": record["nms"],
        "name": record["name"],
        "inputs": [{"name": "image", "shape": [1, 3, "height", "width"], "dtype": "uint8"}],
        "preprocess": record["preprocess"],
        "outputs": record["outputs"],
    }


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one writing of a file from another."""

    size: int
    modified_ns: int
    sha256: str


Snapshot = dict[str, FileState]


def snapshot(folder: Path) -> Snapshot:
    """The three files by name, as far as they are there."""
    found = {}
    for name in THREE_PIECES:
        path = folder / name
        if path.is_file():
            state = path.stat()
            found[name] = FileState(state.st_size, state.st_mtime_ns, file_digest(path))
    return found


def complaint(folder: Path, before: Snapshot) -> str:
    """What is wrong with the three files in words; nothing where all are there, new and filled."""
    after = snapshot(folder)
    missing = [name for name in THREE_PIECES if name not in after]
    if missing:
        return f"left no {', '.join(missing)}"
    empty = [name for name in THREE_PIECES if not after[name].size]
    if empty:
        return f"left an empty {', '.join(empty)}"
    stale = [name for name in THREE_PIECES if after[name] == before.get(name)]
    if stale:
        return f"left {', '.join(stale)} of an earlier build as it was"
    return ""


def results_folder(workspace: Path, name: str) -> Path:
    """Where the three files lie: `workspace`/`name`, else the one folder below that has them."""
    usual = workspace / name
    if all((usual / piece).exists() for piece in THREE_PIECES):
        return usual
    others = {path.parent for path in workspace.rglob(THREE_PIECES[0])}
    return others.pop() if len(others) == 1 else usual
