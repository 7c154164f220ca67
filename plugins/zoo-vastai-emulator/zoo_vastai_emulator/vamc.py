"""The emulated vamc: `vamc compile FILE.yaml` writes mod.json, mod.so and mod.params."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_vastai_emulator.refusal import RefusedError
from zoo_vastai_emulator.site.vaststreamx.faults import die, faults, hang

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_vastai_emulator.compile_config import Request

VERSION = "3.4.2+emulated"
USAGE = "usage: vamc compile FILE.yaml\n"
_LINE = "%(asctime)s - vamc - %(levelname)-8s - %(message)s"
_TIME = "%m/%d/%Y %H:%M:%S"
_TVM_ERROR = """err info:
Traceback (most recent call last):
  File "/emulated/vamc/cli.py", line 1, in compile
tvm._ffi.base.TVMError: Traceback (most recent call last):
  [bt] (0) emulated/libtvm.so(+0x0) [0x0]
  File "/emulated/tvm/src/relay/analysis/type_solver.cc", line 2152
TVMError: an internal invariant was violated while typechecking your program
Check failed: (false) is false: a fault that was asked for
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    if len(arguments) != 2 or arguments[0] not in ("compile", "build"):
        sys.stderr.write(f"{USAGE}vamc: error: cannot understand: {' '.join(arguments) or '-'}\n")
        return 2
    log = logging.Logger("vamc")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_LINE, _TIME))
    log.addHandler(handler)
    return _run(Path(arguments[1]), log)


def _run(path: Path, log: logging.Logger) -> int:
    log.info("vamc %s of zoo-vastai: no card will ever run what it makes", VERSION)
    log.info("config file: %s", path)
    requested = faults()
    _act(requested)
    if "tvmerror" in requested:
        log.error(_TVM_ERROR)
        return 1
    try:
        _compile(path, requested, log)
    except RefusedError as refusal:
        log.error("err info: %s", refusal)
        return 1
    log.info("compile finished")
    return 0


def _act(requested: Mapping[str, str]) -> None:
    """The faults that strike before any work."""
    if "segfault" in requested:
        die()
    if requested.get("hang") == "":
        hang()
    if "slow" in requested:
        time.sleep(float(requested["slow"]))


def _compile(path: Path, requested: Mapping[str, str], log: logging.Logger) -> None:
    from zoo_vastai_emulator.compile_config import read_request

    request = read_request(path)
    log.info("model %s, %s, inputs %s", request.name, request.dtype, dict(request.shapes))
    if "stale" in requested:
        return
    with tempfile.TemporaryDirectory(prefix="vamc-") as work:
        model, facts = _built(request, Path(work), log)
        request.folder.mkdir(parents=True, exist_ok=True)
        files = {
            "mod.params": model,
            "mod.so": f"emulated by zoo-vastai {VERSION}; not a library\n".encode(),
            "mod.json": json.dumps(facts).encode(),
        }
    for name in files:
        (request.folder / name).unlink(missing_ok=True)
    for name, content in _spoilt(files, requested).items():
        (request.folder / name).write_bytes(content)
        log.info("wrote %s, %d bytes", request.folder / name, len(content))


def _built(request: Request, work: Path, log: logging.Logger) -> tuple[bytes, dict[str, Any]]:
    """The network that runs, and what the other programs need to know of it."""
    from zoo_vastai_emulator import network
    from zoo_vastai_emulator.calibration import calibrated
    from zoo_vastai_emulator.facts import facts_of

    model = network.folded(request.checkpoint, request.shapes, work)
    log.info("graph: %d nodes", len(model.graph.node))
    kinds = network.kinds_of(model)
    if request.samples is None:
        log.info("fp16: %d weights rounded", network.round_weights(model))
    else:
        count = calibrated(model, request, kinds, work, log)
        log.info("int8: %d convolutions quantised", count)
    built = work / "built.onnx"
    content = model.SerializeToString()
    built.write_bytes(content)
    source = hashlib.sha256(request.checkpoint.read_bytes()).hexdigest()
    return content, facts_of(request, kinds, built, source)


def _spoilt(files: dict[str, bytes], requested: Mapping[str, str]) -> dict[str, bytes]:
    """The files to write, with the fault that was asked for."""
    if "missing-file" in requested:
        files.pop(requested["missing-file"] or "mod.so", None)
    if "empty-file" in requested:
        files[requested["empty-file"] or "mod.params"] = b""
    return files


if __name__ == "__main__":
    sys.exit(main())
