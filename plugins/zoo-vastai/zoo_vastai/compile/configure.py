"""The stage that writes what vamc is given: configuration, preprocessing, calibration images."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from zoo_core.api import Graph, TensorSpec, calibration
from zoo_core.errors import UsageError
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.files import digest, file_digest, write_json, write_text
from zoo_core.vision import read_rgb, write_image
from zoo_vastai.compile.config import Build, CalibrationImages, build_name, render_config
from zoo_vastai.compile.heads import operator_params
from zoo_vastai.compile.preprocess import render_vdsp
from zoo_vastai.formats.config import BUILD_FILE, config_text
from zoo_vastai.formats.vdsp import vdsp_text
from zoo_vastai.names import (
    CALIBRATION_FOLDER,
    CONFIG_FILE,
    GRAPH_FOLDER,
    MODEL,
    VDSP_FILE,
    WORKSPACE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.api import StageContext

_SUFFIXES = ("jpg", "jpeg", "png", "bmp")
"""Endings that the vendor's own configurations name; other images are rewritten as PNG."""

_DIGITS = 10
_PER_CHANNEL = "quantize_per_channel"


def build(ctx: StageContext) -> None:
    """Leaves config.yaml, vdsp.json, build.json and, for int8, the folder `calibration`.

    Paths in config.yaml are relative: `graph` and `calibration` lie beside it, and results come to
    lie under `deploy_weights`. build.json tells the name of the build, its form and its tensors.
    """
    graph = read_graph(ctx.inputs["graph"])
    params = ctx.params
    images = _images(ctx) if "images" in ctx.inputs else None
    extra = _extra_ops(params, graph)
    name = _name(ctx, graph, images)
    config = render_config(
        Build(
            name=name,
            checkpoint=f"{GRAPH_FOLDER}/{graph.path}",
            inputs=_inputs(graph, params),
            dtype=params["precision"],
            preprocess=params["preprocess"],
            size=(params["size"][0], params["size"][1]),
            workspace=f"./{WORKSPACE}/",
            format=graph.format,
            calibration=images,
            extra_ops=extra,
            compile=params["compile"],
            quantize=_quantize(params),
        )
    )
    size = (params["size"][0], params["size"][1])
    write_text(ctx.out / CONFIG_FILE, config_text(config))
    write_text(ctx.out / VDSP_FILE, vdsp_text(render_vdsp(params["preprocess"], size)))
    write_json(ctx.out / BUILD_FILE, _record(params, graph, name, images))


def _record(
    params: Mapping[str, Any], graph: Graph, name: str, images: CalibrationImages | None
) -> dict[str, Any]:
    nms = params["nms"]
    return {
        "name": name,
        "model": params["model"],
        "prefix": f"{WORKSPACE}/{name}/{MODEL}",
        "graph": graph.path,
        "precision": params["precision"],
        "batch": params["batch"],
        "size": list(params["size"]),
        "form": "nms" if nms else graph.form,
        "nms": nms,
        "preprocess": params["preprocess"],
        "outputs": [spec.to_data() for spec in _outputs(nms, graph)],
        "calibration": {"calibrator": images.mode, "images": images.count} if images else None,
    }


def _outputs(nms: Mapping[str, Any] | None, graph: Graph) -> list[TensorSpec]:
    """What one image gives: the graph's heads, or the operator's three tensors."""
    if nms:
        return [
            TensorSpec(name="ids", shape=(1, "rows", 1)),
            TensorSpec(name="scores", shape=(1, "rows", 1)),
            TensorSpec(name="boxes", shape=(1, "rows", 4)),
        ]
    return [TensorSpec(name=spec.name, shape=(1, *spec.shape[1:])) for spec in graph.outputs]


def _inputs(graph: Graph, params: Mapping[str, Any]) -> dict[str, list[int]]:
    if len(graph.inputs) != 1:
        names = ", ".join(spec.name for spec in graph.inputs)
        raise UsageError(f"the graph takes {names}; this backend feeds one image")
    return {graph.inputs[0].name: [params["batch"], 3, *params["size"]]}


def _extra_ops(params: Mapping[str, Any], graph: Graph) -> dict[str, Any] | None:
    op, nms = params["extra_op"], params["nms"]
    if not op:
        return None
    if not nms:
        return {"type": op["type"], **({"params": op["params"]} if op["params"] else {})}
    described = {**params["decoder"], **graph.facts.get("decoder", {})}
    return {
        "type": op["type"],
        "params": operator_params(nms, op["params"], described, str(params["model"])),
    }


def _name(ctx: StageContext, graph: Graph, images: CalibrationImages | None) -> str:
    """A name that says what a person wants to know, and a digest of all that makes the build."""
    params = ctx.params
    resize = next(step for step in params["preprocess"] if step["op"] == "resize")
    nms = params["nms"]
    where = f"nms{nms['confidence_threshold']:g}-{nms['nms_threshold']:g}" if nms else "heads"
    files = sorted((ctx.out / CALIBRATION_FOLDER).iterdir()) if images else []
    whole = {
        "params": dict(params),
        "graph": file_digest(ctx.inputs["graph"].parent / graph.path),
        "images": [file_digest(path) for path in files],
    }
    return build_name(
        str(params["model"]),
        size=(params["size"][1], params["size"][0]),
        batch=params["batch"],
        variant=f"{resize['mode']}-{where}-{digest(whole)[:_DIGITS]}",
        dtype=params["precision"],
    )


def _quantize(params: Mapping[str, Any]) -> dict[str, Any]:
    quantize = params.get("quantize", {})
    return {
        key: value for key, value in quantize.items() if key not in ("calibrate_mode", _PER_CHANNEL)
    }


def _images(ctx: StageContext) -> CalibrationImages:
    """The calibration images in a folder of their own, all of one ending, as the sampler needs."""
    images = calibration.images(ctx.inputs["images"])
    folder = ctx.out / CALIBRATION_FOLDER
    folder.mkdir()
    suffixes = {image.path.suffix.lower().lstrip(".") for image in images}
    same = suffixes.pop() if len(suffixes) == 1 else ""
    suffix = same if same in _SUFFIXES else "png"
    for number, image in enumerate(images):
        place = folder / f"{image.path.stem}.{suffix}"
        if same == suffix:
            _link(image.path, place)
        else:
            write_image(place, read_rgb(image.path))
        ctx.progress(number + 1, len(images), "calibration images")
    quantize = ctx.params["quantize"]
    return CalibrationImages(
        path=f"./{CALIBRATION_FOLDER}/",
        suffix=suffix,
        count=len(images),
        mode=ctx.params["calibrate_mode"],
        per_channel=bool(quantize.get(_PER_CHANNEL, True)),
    )


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, place)
