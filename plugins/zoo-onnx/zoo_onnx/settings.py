"""What an ONNX file says of how it is run, read without its values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo_core.api import AUTO, FileOutline, GivenSettings
from zoo_core.errors import DataError
from zoo_core.toolkit.onnx_file import quantisation
from zoo_onnx.file import load, outline
from zoo_onnx.image import inputs, spec
from zoo_onnx.shapes import infer
from zoo_onnx.take import check_pixels, look, take

if TYPE_CHECKING:
    from pathlib import Path

    from onnx import ModelProto

    from zoo_core.api import ModelCard
    from zoo_onnx.image import ImageInput
    from zoo_onnx.stated import Stated

_COLOURS = 3
_SIZE = "imgsz"
"""The key of the metadata under which Ultralytics' exports keep [height, width] of training."""

_MOST = 1 << 14


def settings(path: Path, stated: Stated, card: ModelCard) -> GivenSettings:
    """Size, channels and batch, where the file has them fixed, and whether it is quantised.

    For a card that leaves the decoder open also what its tensors are, at the card's size where the
    file leaves it open.

    A size in the metadata counts where the input has none. Raises `DataError` for a file that is
    not what the card says, or that takes no image.
    """
    model = outline(path)
    image, text = look(model, stated, path.name)
    check_pixels(image, card.preprocess, path.name)
    _check_sides(image, text, path.name)
    height, width = image.sides
    size = (height or card.size[0], width or card.size[1]) if height or width else None
    origins = dict.fromkeys(("size", "channels", "batch"), f"{path.name}: input {text}")
    if size is None and (size := _trained(model)):
        origins["size"] = f"{path.name}: metadata {_SIZE}"
    is_open = card.decoder == AUTO
    batch = image.batch if isinstance(image.batch, int) else None
    known = {"size": size, "channels": image.channels, "batch": batch}
    return GivenSettings(
        size=size,
        channels=image.channels,
        batch=batch,
        quantised=quantisation(model) is not None,
        fixed_size=None not in image.sides,
        origins={name: origins[name] for name, value in known.items() if value},
        outline=_tensors(path, model, image, stated, size or card.size) if is_open else None,
    )


def _check_sides(image: ImageInput, text: str, where: str) -> None:
    known = [side for side in (*image.sides, image.batch) if isinstance(side, int)]
    if any(side > _MOST for side in known):
        what = f"input {text}: more than {_MOST} images or pixels of a side"
        raise DataError(what, where=where, next="export it for images of a usual size")


def _trained(model: ModelProto) -> tuple[int, int] | None:
    """The size that the metadata of a file with open sides state."""
    texts = [row.value for row in model.metadata_props if row.key == _SIZE]
    found = re.fullmatch(r"\[(\d{1,5}), ?(\d{1,5})\]", texts[0]) if texts else None
    height, width = map(int, found.groups()) if found else (0, 0)
    return (height, width) if 0 < height <= _MOST and 0 < width <= _MOST else None


def _tensors(
    path: Path, model: ModelProto, image: ImageInput, stated: Stated, size: tuple[int, int]
) -> FileOutline:
    """The file's tensors at this (height, width).

    Shapes of outputs that it leaves open are inferred; a dimension that stays open is a str.
    """
    taken = [spec(value, image.batch) for value in inputs(model) if value.name == image.name]
    known = [spec(value, image.batch) for value in model.graph.output]
    if any(isinstance(side, str) for one in known for side in one.shape[1:] or ("",)):
        whole = take(load(path), stated, size, image.channels or _COLOURS, path.name).model
        for value in whole.graph.output:
            value.type.tensor_type.ClearField("shape")
        infer(whole)
        known = [spec(value, image.batch) for value in whole.graph.output]
    return FileOutline(
        inputs=tuple(taken),
        outputs=tuple(known),
        size=size,
        metadata={
            row.key: row.value
            for row in model.metadata_props
            if isinstance(row.key, str) and isinstance(row.value, str)
        },
    )
