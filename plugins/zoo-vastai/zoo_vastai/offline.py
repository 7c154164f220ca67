"""The offline builder: a folder to compile and measure on a machine with the SDK."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

from zoo_core.api import Stage
from zoo_core.errors import UsageError
from zoo_vastai.formats.config import BUILD_FILE
from zoo_vastai.names import (
    CALIBRATION_FOLDER,
    CONFIG_FILE,
    FILES,
    GRAPH_FOLDER,
    VDSP_FILE,
)
from zoo_vastai.vamp.command import VampCommand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import CompileRequest, StageContext

_SCRIPT = "compile.sh"
_README = "README.txt"
_LIST = "calibration.txt"
_FOLDER = "files"
_DATALIST = "npz_datalist.txt"
_LOCAL_LIST = "vamp_datalist.txt"
_OUTPUTS = "npz_output"
_IMAGES = f"  {CALIBRATION_FOLDER}/      images for int8, listed in {_LIST}\n"


class VastaiOfflineBuilder:
    """Writes a folder to carry to a machine with the SDK."""

    def stages(self, request: CompileRequest) -> Sequence[Stage]:
        """`configure` as for a compilation, then `emit`; the same refusals as the compiler's."""
        from zoo_vastai.compile.notes import build_notes
        from zoo_vastai.compiler import build_inputs, check_request, configure_stage

        check_request(request)
        if request.target.devices == (FILES,):
            step = "leave --device away, or name a die"
            raise UsageError("--emit-only writes what a card is compiled for", next=step)
        emit = Stage(
            name="emit",
            run="zoo_vastai.offline:build",
            params={
                "options": _carried(request),
                "notes": list(build_notes(request)),
                "protocol": request.protocol.name,
            },
            inputs=build_inputs(request),
            outputs=(_FOLDER,),
            sources=("zoo_vastai.templates",),
        )
        return [configure_stage(request), emit]


def build(ctx: StageContext) -> None:
    """Leaves `files`: graph, config.yaml, vdsp.json, calibration images, compile.sh, README.txt."""
    record = json.loads(ctx.inputs["build"].read_text(encoding="utf-8"))
    folder = ctx.out / _FOLDER
    folder.mkdir()
    for argument, name in (("config", CONFIG_FILE), ("vdsp", VDSP_FILE), ("build", BUILD_FILE)):
        shutil.copyfile(ctx.inputs[argument], folder / name)
    _copy_graph(ctx.inputs["graph"].parent / record["graph"], folder / GRAPH_FOLDER)
    if "calibration" in ctx.inputs:
        _copy_images(ctx, folder)
    words = _words(record, ctx.params)
    for name in (_SCRIPT, _README):
        template = files("zoo_vastai").joinpath(f"templates/{name}").read_text(encoding="utf-8")
        (folder / name).write_text(Template(template).substitute(words), encoding="utf-8")
    (folder / _SCRIPT).chmod(0o755)


def _copy_graph(graph: Path, folder: Path) -> None:
    """The graph, and what it keeps in files of its own, which are named after it."""
    folder.mkdir()
    for path in sorted(graph.parent.iterdir()):
        if path.is_file() and path.name.startswith(graph.name):
            shutil.copyfile(path, folder / path.name)


def _copy_images(ctx: StageContext, folder: Path) -> None:
    images = sorted(ctx.inputs["calibration"].iterdir())
    (folder / CALIBRATION_FOLDER).mkdir()
    for number, path in enumerate(images):
        shutil.copyfile(path, folder / CALIBRATION_FOLDER / path.name)
        ctx.progress(number + 1, len(images), "calibration images")
    lines = [f"{CALIBRATION_FOLDER}/{path.name}\n" for path in images]
    (folder / _LIST).write_text("".join(lines), encoding="utf-8")


def _words(record: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, str]:
    height, width = record["size"]
    vamp = VampCommand(prefix=record["prefix"], vdsp_params=VDSP_FILE, batch=record["batch"])
    options = " ".join(
        f"--option {shlex.quote(f'{key}={value}')}" for key, value in params["options"].items()
    )
    notes = [f"- {text}\n" for text in params["notes"]]
    return {
        "name": record["name"],
        "prefix": shlex.quote(record["prefix"]),
        "folder": shlex.quote(record["prefix"].rpartition("/")[0]),
        "model": shlex.quote(record["model"]),
        "precision": record["precision"],
        "measure": replace(vamp, shape=f"[3,{height},{width}]").shell(),
        "store": replace(vamp, datalist=_LOCAL_LIST, path_output=_OUTPUTS).shell(),
        "npz": f"zoo-vastai npz IMAGES --output npz --datalist {_DATALIST}",
        "images": _IMAGES if record["calibration"] else "",
        "protocol": shlex.quote(params["protocol"]),
        "options": f" {options}" if options else "",
        "notes": "".join(notes) or "- none\n",
    }


def _carried(request: CompileRequest) -> dict[str, str]:
    """Options that the stored outputs must be read with, as they were compiled."""
    options = request.target.options
    return {"nms": options["nms"]} if "nms" in options else {}
