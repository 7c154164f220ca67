"""Options shared by several verbs: single ones as types, and groups that make a `RunRequest`."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import completion
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest, make_request, protocol_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Fields = dict[str, Any]

JsonTo = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE|-", help="Write JSON to a file, or to stdout (-)."),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunFolder = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="Run folder, or MODEL:BACKEND:PRECISION for the newest such run."
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Output folder.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Verbose output.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only print errors.")]


def target(
    model: Annotated[
        str,
        typer.Argument(help="Model id; see `zoo models`.", autocompletion=completion.runnable),
    ],
    backend: Annotated[
        str | None,
        typer.Option(
            help="Backend; see `zoo backends`, which marks the default.",
            autocompletion=completion.backends,
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="Precision; see `zoo backends`.")] = "fp32",
    device: Annotated[
        str | None, typer.Option(help="Device of the backend; default: the first available one.")
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Batch size; by default the file's fixed one, or 1."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="H,W", help="Network input height and width; default: the card's."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Option of the backend; repeatable."),
    ] = None,
    tuned: Annotated[
        str,
        typer.Option(
            metavar="auto|none|FILE",
            help="Options that `zoo tune` found, which --option overrides.",
        ),
    ] = "auto",
) -> Fields:
    """The model and the target to run it on."""
    return {
        "model": model,
        "backend": backend,
        "precision": precision,
        "device": device,
        "batch": batch,
        "size": size,
        "options": dict(_pair(text) for text in option or ()),
        "tuned": tuned,
    }


def assets(
    assets: Annotated[
        str,
        typer.Option(
            metavar="auto|published|sample",
            help="Weights and data; auto: published if available, else the sample.",
        ),
    ] = "auto",
    weights: Annotated[
        str | None, typer.Option(metavar="PATH|random[:SEED]", help="Weights file, or random.")
    ] = None,
    cfg: Annotated[Path | None, typer.Option(help="Darknet .cfg file of the weights.")] = None,
    names: Annotated[
        Path | None, typer.Option(help="File of class names: one per line, or YAML.")
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Decoder of a file that any-onnx runs, where several fit; see `zoo plugins`.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of your own weights in reports; default: their file's."),
    ] = None,
    source: Annotated[
        str,
        typer.Option(metavar="builtin|repo|DIR", help="Source code to export the model from."),
    ] = "builtin",
) -> Fields:
    """The weights, and the source code to export them with."""
    return {
        "assets": assets,
        "weights": weights,
        "cfg": cfg,
        "names": names,
        "decoder": decoder,
        "name": name,
        "source": source,
    }


def data(
    images: Annotated[Path | None, typer.Option(help="Folder of images.")] = None,
    annotations: Annotated[
        Path | None, typer.Option(help="Ground truth: an annotation file or a folder of labels.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Data set; see `zoo datasets`.", autocompletion=completion.datasets),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Use only the first N images.")
    ] = None,
    compare_published: Annotated[
        bool,
        typer.Option(
            "--compare-published",
            help="Compare your own weights with published figures.",
        ),
    ] = False,
) -> Fields:
    """The images to evaluate on."""
    return {
        "images": images,
        "annotations": annotations,
        "dataset": dataset,
        "limit": limit,
        "compare_published": compare_published,
    }


def calibration(
    calibration: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Calibration images: folder, pattern or list (.txt)."),
    ] = None,
    calibration_images: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of calibration images.")
    ] = 50,
    calibrator: Annotated[
        str | None, typer.Option(help="Calibration method; default: the compiler's.")
    ] = None,
) -> Fields:
    """How an integer precision is calibrated."""
    return {
        "calibration": calibration,
        "calibration_images": calibration_images,
        "calibrator": calibrator,
    }


def protocol(
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Scoring protocol; see `zoo protocols`.", autocompletion=completion.protocols
        ),
    ] = None,
) -> Fields:
    """The scoring protocol."""
    return {"protocol": protocol}


def rules(
    resize: Annotated[
        str | None, typer.Option(metavar="stretch|letterbox", help="Resize mode (bilinear).")
    ] = None,
    interpolation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="bilinear, bilinear_align_corners (darknet's), nearest, bicubic or area.",
        ),
    ] = None,
    **values: Any,
) -> Fields:
    """Values of the scoring protocol; each option derives a new, named protocol.

    `values` are the options of the installed evaluators.
    """
    return {"resize": resize, "interpolation": interpolation, **values}


def _protocol_parameters() -> list[inspect.Parameter]:
    """A parameter for each option of the installed evaluators."""
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


EVERYTHING = (target, assets, data, calibration, protocol, rules)
"""The groups of a verb that runs a model on data and evaluates it."""

COMPILING = (target, assets, calibration)
"""The groups of a verb that compiles a model."""


class RequestVerb:
    """A verb whose first parameter is made from groups of options: by default a `RunRequest`.

    Signatures are composed here, so that no verb has to declare thirty options.
    """

    def __init__(
        self,
        function: Callable[..., int],
        groups: Sequence[Callable[..., Fields]],
        make: Callable[..., object] = make_request,
    ):
        self.function, self._groups, self._make = function, groups, make
        self.__doc__ = function.__doc__

    def command(self) -> Callable[..., int]:
        """The function for typer, with the options of the groups and of installed evaluators."""
        shared = [(group, _parameters(group)) for group in self._groups]
        own = _parameters(self.function)[1:]
        if rules in self._groups:
            brought = _protocol_parameters()
            _refuse_twins([p for _, group in shared for p in group] + own, brought)
            shared = [(g, ps + brought if g is rules else ps) for g, ps in shared]

        def command(**values: Any) -> int:
            from zoo_core.system.machine import keep_freed_memory

            keep_freed_memory()
            fields: Fields = {}
            for group, parameters in shared:
                fields |= group(**{p.name: values.pop(p.name) for p in parameters})
            return self.function(self._make(**fields), **values)

        parameters = [p for _, group in shared for p in group] + own
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        command.__name__, command.__doc__ = self.function.__name__, self.function.__doc__
        return command


def with_request(*groups: Callable[..., Fields]) -> Callable[[Callable[..., int]], RequestVerb]:
    """A decorator that adds the options of the groups to a verb."""
    return lambda function: RequestVerb(function, groups)


def with_rules(*groups: Callable[..., Fields]) -> Callable[[Callable[..., int]], RequestVerb]:
    """A decorator for a verb on a finished run: its first parameter maps protocol values."""
    return lambda function: RequestVerb(function, (*groups, rules), protocol_values)


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def _refuse_twins(own: Sequence[inspect.Parameter], brought: Sequence[inspect.Parameter]) -> None:
    """Raises UsageError if an option that an evaluator brought has the name of one of zoo's own."""
    known = {"help", *(field.name for field in fields(RunRequest))}
    for parameter in own:
        known |= {parameter.name, *_names(parameter)}
    clashes = known.intersection(p.name for p in brought)
    if clashes:
        raise _twin(min(clashes))


def _names(parameter: inspect.Parameter) -> Iterator[str]:
    """What a parameter is called on the command line, with _ for -."""
    for info in getattr(parameter.annotation, "__metadata__", ()):
        for text in (info.default, *(info.param_decls or ())):
            if isinstance(text, str):  # typer keeps the first one as the default
                yield text.lstrip("-").replace("-", "_")


def _twin(option: str) -> UsageError:
    from zoo_core.plugins.manager import Plugins

    plugins = Plugins.installed()
    providers = plugins.all("evaluator").items()
    name = next(name for name, p in providers if option in {o.name for o in p.options})
    plugin = plugins.owner("evaluator", name)
    return UsageError(
        f"brings the option '{option}', which zoo itself has",
        where=f"evaluator {name}",
        next=f"rename it, or leave the plugin out: `zoo plugins disable {plugin.name}`",
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"invalid option '{text}'", where="--option", next="write KEY=VALUE")
    return key, value
