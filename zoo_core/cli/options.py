"""The options that verbs share: single ones as types, and groups that become a `RunRequest`."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import completion
from zoo_core.errors import UsageError
from zoo_core.planning.request import make_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Fields = dict[str, Any]

JsonTo = Annotated[
    str | None, typer.Option("--json", metavar="FILE|-", help="Write the result as JSON.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MinMetric = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE", help="Gate: exit 3 where a metric is below."),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder to write.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell more.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Tell nothing but errors.")]


def target(
    model: Annotated[
        str,
        typer.Argument(help="A model's id; see `zoo models`.", autocompletion=completion.models),
    ],
    backend: Annotated[
        str | None,
        typer.Option(
            help="See `zoo backends`, which names the default.",
            autocompletion=completion.backends,
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="What the backend offers.")] = "fp32",
    device: Annotated[str | None, typer.Option(help="A device of the backend.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images per inference.")] = 1,
    size: Annotated[
        str | None, typer.Option(metavar="H,W", help="Network input; default: the card's.")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A backend's own option.")
    ] = None,
) -> Fields:
    """What to run, and on what."""
    return {
        "model": model,
        "backend": backend,
        "precision": precision,
        "device": device,
        "batch": batch,
        "size": size,
        "options": dict(_pair(text) for text in option or ()),
    }


def assets(
    assets: Annotated[str, typer.Option(metavar="auto|published|sample")] = "auto",
    weights: Annotated[
        str | None, typer.Option(metavar="PATH|random[:SEED]", help="Weights of your own.")
    ] = None,
    cfg: Annotated[Path | None, typer.Option(help="Darknet .cfg of the weights.")] = None,
    names: Annotated[Path | None, typer.Option(help="Label names, one a line.")] = None,
    source: Annotated[
        str, typer.Option(metavar="builtin|repo|DIR", help="Which code exports the model.")
    ] = "builtin",
) -> Fields:
    """Which weights, and which code exports them."""
    return {"assets": assets, "weights": weights, "cfg": cfg, "names": names, "source": source}


def data(
    images: Annotated[Path | None, typer.Option(help="Folder of images of your own.")] = None,
    annotations: Annotated[Path | None, typer.Option(help="Their truth.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="See `zoo datasets`.", autocompletion=completion.datasets)
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N images.")] = None,
) -> Fields:
    """Which images."""
    return {"images": images, "annotations": annotations, "dataset": dataset, "limit": limit}


def calibration(
    calibration: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Calibration images of your own.")
    ] = None,
    calibration_images: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    calibrator: Annotated[str | None, typer.Option(help="A method of the compiler.")] = None,
) -> Fields:
    """How an integer precision is calibrated."""
    return {
        "calibration": calibration,
        "calibration_images": calibration_images,
        "calibrator": calibrator,
    }


def protocol(
    protocol: Annotated[
        str | None, typer.Option(help="See `zoo protocols`.", autocompletion=completion.protocols)
    ] = None,
    resize: Annotated[
        str | None, typer.Option(metavar="stretch|letterbox", help="Resize mode (bilinear).")
    ] = None,
    **values: Any,
) -> Fields:
    """How predictions are postprocessed; each option derives a new, named protocol.

    `values` are the options of the evaluators that are installed.
    """
    return {"protocol": protocol, "resize": resize, **values}


def _protocol_parameters() -> list[inspect.Parameter]:
    """A parameter for each option that an installed evaluator brings."""
    from zoo_core.plugins.manager import Plugins

    return [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                option.kind | None,
                typer.Option(metavar="|".join(option.choices) or None, help=option.help),
            ],
        )
        for option in Plugins.installed().protocol_options().values()
    ]


EVERYTHING = (target, assets, data, calibration, protocol)
"""The groups of a verb that runs a model over data and scores it."""

COMPILING = (target, assets, calibration)
"""The groups of a verb that ends with the artefact."""


class RequestVerb:
    """A verb whose first parameter is a `RunRequest`, made from the options of groups.

    The one place that composes a signature, so that thirty options are not written out per verb.
    """

    def __init__(self, function: Callable[..., int], groups: Sequence[Callable[..., Fields]]):
        self.function, self._groups = function, groups
        self.__doc__ = function.__doc__

    def command(self) -> Callable[..., int]:
        """The function that typer makes a command of; the evaluators' options come from plugins."""
        shared = [(group, _parameters(group)) for group in self._groups]
        own = _parameters(self.function)[1:]

        def command(**values: Any) -> int:
            from zoo_core.system.machine import keep_freed_memory

            keep_freed_memory()
            fields: Fields = {}
            for group, parameters in shared:
                fields |= group(**{p.name: values.pop(p.name) for p in parameters})
            return self.function(make_request(**fields), **values)

        parameters = [p for _, group in shared for p in group] + own
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__name__, command.__doc__ = self.function.__name__, self.function.__doc__
        return command


def with_request(*groups: Callable[..., Fields]) -> Callable[[Callable[..., int]], RequestVerb]:
    """Give a verb the options of the groups."""
    return lambda function: RequestVerb(function, groups)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    named = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    return [*named, *_protocol_parameters()] if function is protocol else named


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"invalid option '{text}'", where="--option", next="write KEY=VALUE")
    return key, value
