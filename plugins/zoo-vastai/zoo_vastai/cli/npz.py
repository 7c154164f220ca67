"""The verbs of the file route: npz makes vamp's inputs, txt scores what the scripts left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo_core.toolkit.files import shown

if TYPE_CHECKING:
    from zoo_core.api import Metrics
    from zoo_vastai.files.text import TextResults

EVALUATOR = "coco-detection"


def npz(
    images: Annotated[str, typer.Argument(help="A folder of images, with any extension.")],
    output: Annotated[str, typer.Option("--output", help="Folder for the npz files.")],
    datalist: Annotated[str, typer.Option("--datalist", help="The list for vamp --datalist.")],
) -> int:
    """Turn images into the npz files that vamp takes, and a list of them in a fixed order."""
    from zoo_vastai.files.images import find_images, images_to_npz

    paths = find_images(Path(images))
    talk = _progress if sys.stderr.isatty() else None
    files = images_to_npz(paths, Path(output), Path(datalist), talk)
    typer.echo(shown(f"{len(files)} images in {output}, listed in {datalist}"))
    return 0


def txt(
    folder: Annotated[str, typer.Argument(help="A folder with one text for each image.")],
    annotations: Annotated[
        str, typer.Option("--annotations", help="Ground-truth annotations in COCO's format.")
    ],
    output: Annotated[
        str | None, typer.Option("--output", help="New folder for predictions.json and txt/.")
    ] = None,
    missing: Annotated[
        str, typer.Option("--missing", help="Images without a text: error, skip or empty.")
    ] = "error",
    evaluator: Annotated[str, typer.Option("--evaluator", help="The evaluator.")] = EVALUATOR,
    json_wanted: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> int:
    """Score detections in the vendor's text form, and write them as COCO JSON."""
    from zoo_core.errors import DataError
    from zoo_core.plugins.manager import Plugins
    from zoo_vastai.files.text import read_texts

    judge, truth = Plugins.installed().evaluator(evaluator), Path(annotations)
    results = read_texts(Path(folder), truth, missing)
    predictions = results.predictions
    if output is not None:
        try:
            Path(output).mkdir(parents=True)
        except OSError as error:
            step = "name a folder that is not there yet"
            raise DataError(error.strerror or "", where=output, next=step) from error
        judge.write(predictions, results.labels, Path(output), truth)
    _tell(judge.score(predictions, truth, results.labels), results, json_wanted)
    return 0


def _tell(metrics: Metrics, results: TextResults, json_wanted: bool) -> None:
    count = len(results.predictions)
    if json_wanted:
        subset = None if count == results.of else {"of": results.of}
        document = {
            "schema": "zoo-vastai.txt/1",
            "images": count,
            "subset": subset,
            "metrics": dict(metrics.values),
        }
        typer.echo(json.dumps(document, indent=1))
        return
    for line in metrics.lines:
        typer.echo(shown(line))
    of = "" if count == results.of else f" of {results.of}: a subset"
    typer.echo(f"{count} images{of}", err=True)


def _progress(done: int, total: int) -> None:
    sys.stderr.write(f"\r{done} of {total} images" + ("\n" if done == total else ""))
