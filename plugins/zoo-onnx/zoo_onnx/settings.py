"""What an ONNX file says of how it is run, read without its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import GivenSettings
from zoo_core.toolkit.onnx_file import quantisation
from zoo_onnx.file import outline
from zoo_onnx.take import check_pixels, look

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import ModelCard
    from zoo_onnx.stated import Stated


def settings(path: Path, stated: Stated, card: ModelCard) -> GivenSettings:
    """Size, channels and batch, where the file has them fixed, and whether it is quantised.

    Raises `DataError` for a file that is not what the card says, or that takes no image.
    """
    model = outline(path)
    image, text = look(model, stated, path.name)
    check_pixels(image, card.preprocess, path.name)
    height, width = image.sides
    size = (height or card.size[0], width or card.size[1]) if height or width else None
    batch = image.batch if isinstance(image.batch, int) else None
    known = {"size": size, "channels": image.channels, "batch": batch}
    return GivenSettings(
        size=size,
        channels=image.channels,
        batch=batch,
        quantised=quantisation(model) is not None,
        fixed_size=None not in image.sides,
        origins={name: f"{path.name}: input {text}" for name, value in known.items() if value},
    )
