"""`zoo explain`: why a run's figure is not another one, and what each difference makes of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from zoo_core.cli.json_output import print_json, print_lines
from zoo_core.cli.options import JsonFlag, Quiet, RunFolder, Verbose, with_rules
from zoo_core.cli.progress import progress

Layers = Annotated[
    bool,
    typer.Option("--layers", help="Compare each layer of an int8 run with the float network."),
]
LayerImages = Annotated[
    int, typer.Option(metavar="N", help="Calibration images that --layers runs.")
]
Parts = Annotated[
    bool,
    typer.Option(
        "--parts", help="Split the loss of a reduced precision into boxes, scores and classes."
    ),
]


@with_rules()
def explain(
    values: dict[str, Any],
    run: RunFolder,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="ROW|PROTOCOL",
            help="Published row of the model's card, or a protocol; without it: what there is.",
        ),
    ] = None,
    layers: Layers = False,
    layer_images: LayerImages = 4,
    parts: Parts = False,
    as_json: JsonFlag = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Explain a run's accuracy: what each difference from another protocol makes of it."""
    from zoo_core.commands.finished.explain import Look
    from zoo_core.commands.finished.explain import explain as explain_run

    look = Look(layers=layers, layer_images=layer_images, parts=parts)
    report = explain_run(run, against, values, look, progress(quiet, verbose))
    if as_json:
        return print_json(report.to_data())
    print_lines(None, report.lines(), quiet)
    return 0
