"""The stage that makes the graph with the source repository's own export script."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from zoo_core.errors import StageError
from zoo_tianxiaomo.export import network_facts
from zoo_tianxiaomo.onnx_graph import finish, read
from zoo_tianxiaomo.params import ExportSpec
from zoo_tianxiaomo.tree import SCRIPT, check_tree
from zoo_tianxiaomo.weights import load_network

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import StageContext
    from zoo_tianxiaomo.params import NetworkSpec

SHIM = Path(__file__).with_name("shim.py")
TIME_LIMIT = 900.0
"""Seconds that the script may take; it needs about ten."""

_IMAGE = "data/dog.jpg"
_DYNAMIC = -1


def export(context: StageContext) -> None:
    """Leaves `model.onnx` and `graph.json` from the checkout at `source`, with a free batch.

    The checkout is the input or location `source`. The script is judged by the file it writes,
    not by how it ends. Raises DataError for weights that are not the network's, StageError for
    a script that writes no ONNX file, or another than was asked for; its output is in the log.
    """
    spec = ExportSpec.from_data(context.params)
    source = context.paths()["source"].absolute()
    check_tree(source)
    with tempfile.TemporaryDirectory(dir=context.out, prefix=".source-") as name:
        folder = Path(name).absolute()
        context.progress(0, 3, "weights")
        weights, facts = _weights(spec.network, context.inputs.get("weights"), folder)
        context.progress(1, 3, SCRIPT)
        made = folder / "yolov4_{}_3_{}_{}_dynamic.onnx".format(_DYNAMIC, *spec.size)
        sizes = (_DYNAMIC, spec.network.classes, *spec.size)
        files = (str(weights), str(source / _IMAGE))
        arguments = (str(source), spec.form, str(spec.opset), *files, *map(str, sizes))
        status, last = _run(
            arguments, folder, context.log, context.params.get("time_limit", TIME_LIMIT)
        )
        if not made.is_file():
            raise StageError(
                f"{SCRIPT} wrote no ONNX file: {last}",
                where=str(source),
                next=f"its whole output is in {context.log.name}",
            )
        context.progress(2, 3, "shapes")
        origin = {"script": SCRIPT, "exit_status": status, "source": dict(context.params["source"])}
        finish(
            read(made.read_bytes()),
            context.out,
            spec.layout,
            spec.opset,
            {"route": "source", **facts, **origin, "decoder": spec.decoder},
        )
    context.progress(3, 3, "exported")


def _weights(spec: NetworkSpec, given: Path | None, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A file that the script can read, and facts; the weights are checked to be the network's."""
    network = load_network(spec, given)
    if given is not None and spec.format == "torch":
        return given.absolute(), network_facts(network)
    path = folder / "weights.pth"
    torch.save(dict(network.state_dict()), path)
    return path, network_facts(network)


def _run(arguments: Sequence[str], folder: Path, log: Path, limit: float) -> tuple[int, str]:
    """The script's exit status and its last line; all that it says goes to the log.

    Kills it after `limit` seconds.
    """
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "default",
    }
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {SCRIPT} {' '.join(arguments[3:])}\n")
        stream.flush()
        began = stream.tell()
        process = subprocess.Popen(
            [sys.executable, "-P", str(SHIM), *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise StageError(f"{SCRIPT} took more than {limit:.0f} s and was stopped") from None
        finally:
            process.kill()
            process.wait()
    return status, _last_line(log, began)


def _last_line(log: Path, began: int) -> str:
    with log.open("rb") as stream:
        stream.seek(began)
        lines = stream.read().decode("utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip()[:300] if lines else "no output"
