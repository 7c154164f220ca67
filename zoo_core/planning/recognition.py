"""A card that leaves the decoder open: the installed decoders say whose a file's outputs are."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import AUTO, RecognisesOutputs
from zoo_core.errors import DataError, UnavailableError, UsageError, check_known, counted, some
from zoo_core.planning.exporters import card_for_format, exporters
from zoo_core.planning.settings import given_settings
from zoo_core.planning.weights import user_weights
from zoo_core.registry.protocols import derive, effective_preprocess
from zoo_core.system.names_file import read_names
from zoo_core.system.terminal import printable
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api import FileOutline, ModelCard, Recognition, ScoringProtocol
    from zoo_core.planning.request import RunRequest
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

_NAMES = "names"
"""The key of a file's metadata under which Ultralytics' exports keep the names of the classes."""

_LONGEST = 1 << 20
_SHOWN = 12
_MOST_CLASSES = 1 << 16
_SCALING = ("scale", "normalise")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """The card with what the user's file was taken for, and a sentence for each assumption.

    `protocols` are the registry's and one with the values of the recognised family. For a card that
    names its decoder all is as it was.
    """

    card: ModelCard
    protocols: Mapping[str, ScoringProtocol]
    warnings: tuple[str, ...] = ()


def recognise(
    request: RunRequest, registry: Registry, plugins: Plugins, decodes: bool
) -> Recognised:
    """The request's card; where it leaves the decoder open, with what the file of `--weights` is.

    A file that no decoder takes keeps the card as it is, unless the run `decodes` its outputs.
    Raises UsageError where no file is given, where several decoders fit and none is chosen, and for
    a `--decoder` that does not belong here; DataError where none fits.
    """
    card = _card(request, registry)
    if not _is_open(card, request):
        return Recognised(card=card, protocols=registry.protocols)
    outline, where = _outline(request, card, plugins)
    answers = _answers(outline, plugins, request.decoder)
    if not (decodes or any(answers.values())):
        words = _in_words(Preprocess.from_data(card.preprocess).to_data())
        only = f"{where}: no decoder recognises it, so it is exported, compiled and timed only"
        only += f"; calibration prepares images as {words}"
        sized = replace(card, size=outline.size)
        return Recognised(card=sized, protocols=registry.protocols, warnings=(only,))
    name, found = _only(answers, outline, where, plugins)
    card = _of_task(card, plugins.decoder(name).task, name, registry)
    labels, told = _labels(request, card, name, found, outline, registry)
    whole = any(spec.dtype == "uint8" for spec in outline.inputs)  # it scales pixels itself
    given = [s for s in found.preprocess if not (whole and s["op"] in _SCALING)]
    base = derive(registry.protocols[card.protocol], found.protocol)
    protocol = replace(base, name=f"{card.protocol}-{name}")
    usual = Preprocess.from_data(given, where=f"decoder {name}")
    steps = effective_preprocess(usual, protocol, outline.size).to_data()
    texts = (
        f"taken for a network of decoder {name}: {found.why}",
        f"does not state its preprocessing, that of {name} is assumed: {_in_words(steps)}",
        *told,
    )
    return Recognised(
        card=replace(
            card,
            decoder=name,
            decoder_params=found.params,
            labels=labels,
            size=outline.size,
            preprocess=tuple(steps),
            protocol=protocol.name,
        ),
        protocols={**registry.protocols, protocol.name: protocol},
        warnings=tuple(f"{where}: {text}" for text in texts),
    )


def _card(request: RunRequest, registry: Registry) -> ModelCard:
    """The card, with the labels of `--names`."""
    if request.model.endswith(".onnx") and request.model not in registry.models:
        step = f"a file is run by the model any-onnx: any-onnx --weights {request.model}"
        raise UsageError(f"no model '{request.model}'", next=step)
    card = registry.model(request.model)
    return replace(card, labels=read_names(request.names)) if request.names else card


def _is_open(card: ModelCard, request: RunRequest) -> bool:
    """Whether the card leaves the decoder open; raises UsageError for options that do not fit."""
    if card.decoder == AUTO:
        if not request.weights or request.weights.partition(":")[0] == "random":
            what = f"{card.id} runs a file of yours, and none is given"
            raise UsageError(what, next="give --weights FILE.onnx")
        return True
    if request.decoder:
        what = f"{card.id} has the decoder {card.decoder}"
        step = "leave it out, or run the card any-onnx, which takes files of any family"
        raise UsageError(what, where=f"--decoder {request.decoder}", next=step)
    return False


def _outline(request: RunRequest, card: ModelCard, plugins: Plugins) -> tuple[FileOutline, str]:
    """The outline of the user's file, and the file's name."""
    weights = user_weights(request, card, exporters(card, plugins))
    sized = replace(card, size=request.size or card.size)
    given = given_settings(card_for_format(sized, plugins, weights.format), plugins, weights)
    where = printable(weights.files["weights"].name)
    if given.outline is None:
        what = f"exporter {card.exporter} does not tell what a file's outputs are"
        raise UsageError(what, where=where, next=f"name a decoder in the card {card.id}")
    return given.outline, where


def _answers(
    outline: FileOutline, plugins: Plugins, only: str | None
) -> dict[str, Recognition | None]:
    """What each decoder says that recognises files, or `only` the one that is named."""
    check_known([only] if only else [], plugins.all("decoder"), "--decoder")
    found = {}
    for name in [only] if only else plugins.all("decoder"):
        try:
            decoder: object = plugins.decoder(name)
        except UnavailableError:
            if only:
                raise
            continue
        if isinstance(decoder, RecognisesOutputs):
            found[name] = decoder.recognise(outline)
        elif only:
            step = "write a card with its decoder_params: `zoo new model NAME`"
            what = "cannot tell its parameters from a file"
            raise UsageError(what, where=f"--decoder {only}", next=step)
    return found


def _only(
    answers: Mapping[str, Recognition | None], outline: FileOutline, where: str, plugins: Plugins
) -> tuple[str, Recognition]:
    """The decoder that fits; raises the error where none or several do, or too many classes."""
    fitting = [(name, found) for name, found in answers.items() if found is not None]
    if len(fitting) == 1:
        name, found = fitting[0]
        if not 1 <= found.classes <= _MOST_CLASSES:
            what = f"would have {found.classes} classes as a network of decoder {name}: {found.why}"
            step = "choose another with --decoder NAME, or write a card (`zoo new model NAME`)"
            raise DataError(what, where=where, next=step)
        return name, found
    if fitting:
        told = "; ".join(f"{name}: {found.why}" for name, found in fitting)
        step = f"choose with {' or '.join(f'--decoder {name}' for name, _ in fitting)}"
        raise UsageError(f"fits {len(fitting)} decoders: {told}", where=where, next=step)
    if len(answers) == 1:
        raise _other(next(iter(answers)), outline, where, plugins)
    outputs = [printable(spec.told) for spec in outline.outputs[:_SHOWN]]
    left = len(outline.outputs) - len(outputs)
    told = ", ".join(outputs) + (f" and {left} more" if left else "")
    raise DataError(
        f"no installed decoder recognises its outputs: {told or 'it has none'}",
        where=where,
        next="write a card that says how they are decoded (`zoo new model NAME`; for outputs of a "
        f"new kind `zoo new decoder NAME`); asked: {', '.join(answers) or 'none is installed'}",
    )


def _other(named: str, outline: FileOutline, where: str, plugins: Plugins) -> DataError:
    """The error for a `--decoder` that does not take the file: what it takes, and which one does.

    With one decoder installed this is that decoder, whether it was named or not.
    """
    all_ = _answers(outline, plugins, None)
    fitting = [name for name, found in all_.items() if found is not None]
    outputs = ", ".join(printable(spec.told) for spec in outline.outputs[:_SHOWN]) or "none"
    takes = plugins.provider("decoder", named).summary
    what = f"its outputs are not those of decoder {named} ({takes}): {outputs}"
    step = f"they fit {' and '.join(fitting)}: give that, or leave --decoder out"
    if not fitting:
        step = "no installed decoder recognises them; write a card (`zoo new model NAME`)"
    return DataError(what, where=where, next=step)


def _of_task(card: ModelCard, task: str, decoder: str, registry: Registry) -> ModelCard:
    """The card with evaluator, data and protocol of a decoder's task, from a card that has it."""
    if task == card.task:
        return card
    others = [each for each in registry.models.values() if each.task == task]
    if not others:
        step = "install a plugin with one, or write it"
        raise UsageError(f"decoder {decoder} is for {task}, and no card is", next=step)
    like = next((each for each in others if each.decoder == decoder), others[0])
    return replace(
        card,
        task=task,
        evaluator=like.evaluator,
        dataset=like.dataset,
        given_dataset=like.given_dataset,
        labels=like.labels,
        protocol=like.protocol,
    )


def _labels(
    request: RunRequest,
    card: ModelCard,
    decoder: str,
    found: Recognition,
    outline: FileOutline,
    registry: Registry,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the classes: `--names`, the file's, those of cards with as many, or numbers.

    And what is assumed of them. `card.labels` are those of `--names` already.
    """
    count = found.classes
    if request.names:
        if len(card.labels) != count:
            what = f"has {counted(len(card.labels), 'name')}, the network {count} classes"
            raise UsageError(what, where=str(request.names), next="give --names FILE with as many")
        return card.labels, ()
    own = _own_names(outline.metadata.get(_NAMES, ""))
    if len(own) == count:
        return own, ()
    odd = f"its metadata have {counted(len(own), 'name')} for {count} classes; " if own else ""
    alike = [each for each in registry.models.values() if each.decoder == decoder]
    for each in (card, *alike):
        if len(each.labels) == count:
            told = f"taken for {some(each.labels)}, as in card {each.id}; else give --names FILE"
            return each.labels, (
                f"{odd}does not name its {counted(count, 'class', 'classes')}, {told}",
            )
    told = f"does not name its classes, called class0 to class{count - 1}; else give --names FILE"
    return tuple(f"class{number}" for number in range(count)), (odd + told,)


def _own_names(text: str) -> tuple[str, ...]:
    """Names in metadata, which are a list or a mapping by number in Python's spelling.

    Numbers from 0, as Ultralytics writes where it knows no names, are none.
    """
    try:
        names = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return ()
    if isinstance(names, dict):
        names = [names.get(number) for number in range(len(names))]
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        return ()
    if all(name in (f"{at}", f"class{at}") for at, name in enumerate(names)):
        return ()
    return tuple(printable(name) for name in names)


def _in_words(steps: Sequence[Mapping[str, Any]]) -> str:
    """Preprocessing on one line, without the size, which each run states."""
    return ", ".join(text for step in steps if (text := _WORDS[step["op"]](step)))


def _resize(step: Mapping[str, Any]) -> str:
    text = f"{step['mode']} ({step['interpolation']})"
    return f"{text} padded with {step['pad']:g} ({step['anchor']})" if "pad" in step else text


def _row(values: Sequence[float]) -> str:
    return "/".join(f"{value:g}" for value in values)


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "decode": lambda step: step["colour"] + ("" if step["exif"] else " as stored"),
        "resize": _resize,
        "centre_crop": lambda _: "centre crop",
        "scale": lambda step: f"divided by {1 / step['factor']:.4g}",
        "normalise": lambda step: f"mean {_row(step['mean'])} std {_row(step['std'])}",
        "to_tensor": lambda _: "",
    }
)
"""What each step of a preprocessing is called on one line."""
