"""A file's model made what compilers expect: one float32 image in, all values its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from onnx import TensorProto

from zoo_core.errors import DataError
from zoo_onnx.border import give_float, take_float
from zoo_onnx.further import KNOWN, Frame, fill, is_per_image, unknown, value_of
from zoo_onnx.image import find_image, image_input, in_words, inputs
from zoo_onnx.nodes import tidied
from zoo_onnx.shapes import freeze, size_of
from zoo_onnx.widen import is_half, widen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onnx import ModelProto

    from zoo_onnx.image import ImageInput
    from zoo_onnx.stated import Stated

_SCALING = ("scale", "normalise")


@dataclass(slots=True)
class Intake:
    """The changed model, how the file takes images, and the values of its other inputs.

    `done` says in words what was changed, `warnings` what a user should know of it. `half` is true
    of a network that was in float16.
    """

    model: ModelProto
    image: ImageInput
    constants: dict[str, Any] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    frozen: bool = False
    half: bool = False


def look(model: ModelProto, stated: Stated, where: str) -> tuple[ImageInput, str]:
    """How the model takes images, and that input in words.

    Raises `DataError` where it is not what the card states, takes no image, or takes further inputs
    that nothing gives a value.
    """
    _check_names(model, stated, where)
    values = {**KNOWN, **stated.inputs}
    value = find_image(model, stated.input, frozenset(values), where)
    others = [each for each in inputs(model) if each.name not in {value.name, *values}]
    if others:
        raise unknown(others, where)
    return image_input(value, where), in_words(value)


def check_pixels(image: ImageInput, preprocess: Sequence[Mapping[str, Any]], where: str) -> None:
    """Raise `DataError` where steps of the preprocessing scale what a file takes as uint8."""
    scaling = [str(step["op"]) for step in preprocess if step["op"] in _SCALING]
    if image.kind == TensorProto.UINT8 and scaling:
        raise DataError(
            f"takes pixels of 0 to 255 as uint8, the card's preprocess has {', '.join(scaling)}",
            where=where,
            next="leave that out of the card's preprocess",
        )


def take(
    model: ModelProto, stated: Stated, size: Sequence[int], channels: int, where: str
) -> Intake:
    """Change the model, in place as far as that goes, to the (height, width) asked for.

    Raises `DataError` as `look` does, and for images of another size or number of channels.
    """
    name = look(model, stated, where)[0].name
    model, done = tidied(model, {name, *stated.inputs}, where)
    value = next(each for each in model.graph.input if each.name == name)
    intake = Intake(model, image_input(value, where), done=done)
    if intake.image.channels not in (None, channels):
        what = f"takes images of {intake.image.channels} channels, the preprocess makes {channels}"
        raise DataError(what, where=where, next="write `colour: grey`, rgb or bgr in its decode")
    intake.warnings += [f"{where}: {each}" for each in done if "moved" in each]
    frame = Frame.of(value, intake.image, size_of(intake.image, size, where))
    if is_half(model):
        intake.half = True
        intake.done.append(f"{widen(model)} float16 tensors and casts made float32")
    inside = replace(intake.image, kind=value.type.tensor_type.elem_type)
    if not inside.is_plain:
        take_float(model.graph, value, inside)
        intake.done.append(f"pixels become {inside.text} inside the graph")
    _fill(intake, stated.inputs, frame, where)
    if None in (intake.image.channels, *intake.image.sides):
        freeze(model, value, (channels, *size))
        intake.frozen = True
        intake.done.append("height and width made {}x{}".format(*size))
    if widened := give_float(model.graph):
        intake.done.append(f"{widened} outputs made float32")
    return intake


def _check_names(model: ModelProto, stated: Stated, where: str) -> None:
    """Raise `DataError` where the card states other inputs or outputs than the file has."""
    have = [value.name for value in model.graph.output]
    if stated.outputs and have != list(stated.outputs):
        text = f"its outputs are {', '.join(have)}, the card says {', '.join(stated.outputs)}"
        step = f"write outputs: {json.dumps(have)} in the card's exporter_params"
        raise DataError(text, where=where, next=step)
    known = [value.name for value in model.graph.input]
    absent = [name for name in stated.inputs if name not in known]
    if absent:
        text = f"has no input '{absent[0]}', to which the card gives a value"
        step = f"its inputs are {', '.join(value.name for value in inputs(model))}"
        raise DataError(text, where=where, next=step)


def _fill(intake: Intake, stated: Mapping[str, Any], frame: Frame, where: str) -> None:
    """Give the inputs beside the image the values that the card states, or well-known ones."""
    for value in [each for each in intake.model.graph.input if each.name != intake.image.name]:
        name = value.name
        array = value_of(value, {**KNOWN, **stated}[name], frame, where)
        is_row = is_per_image(value) and isinstance(intake.image.batch, str)
        fill(intake.model, name, array, intake.image.name if is_row else None)
        intake.constants[name] = {"value": array.tolist(), "per_image": is_row}
        intake.done.append(f"input '{name}' made constant")
        if name not in stated:
            intake.warnings.append(
                f"{where}: input '{name}' is taken to be {array.tolist()}, as its name suggests; "
                f"write inputs: {{{name}: VALUE}} in the card's exporter_params to be sure"
            )
