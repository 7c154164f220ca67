"""One preprocessing operation of the device as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_vastai.plain import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

RESIZE = "FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR"
RESIZE_CROP = "FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP_NORM_TENSOR"
LETTERBOX = "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR"
LETTERBOX_EXT = "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR_EXT"
BERT = "BERT_EMBEDDING_OP"

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "IimageFormat": "image_format",
        "IimageWidth": "image_width",
        "IimageHeight": "image_height",
        "OimageWidth": "output_width",
        "OimageHeight": "output_height",
        "ResizeType": "resize_type",
        "ResizeWidth": "resize_width",
        "ResizeHeight": "resize_height",
        "CropX": "crop_x",
        "CropY": "crop_y",
        "ColorCvtCode": "colour",
        "NormaType": "norm",
        "Mean": "mean",
        "Std": "std",
        "Padding": "padding",
    }
)
"""Key of the file -> field of `VdspOp`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VdspOp:
    """{"OpType": op, "OpConfig": {...}}; an absent key is None, what is not typed is in `other`.

    Lengths are in pixels. `mean` and `std` are per channel, in the order after the colour
    conversion, and count only where `norm` names them: files under DIV255 and EQUAL carry them
    too, unused. `has_config` tells an empty OpConfig from none.
    """

    op: str
    image_format: str | None = None
    image_width: int | None = None
    image_height: int | None = None
    output_width: int | None = None
    output_height: int | None = None
    resize_type: str | None = None
    resize_width: int | None = None
    resize_height: int | None = None
    crop_x: int | None = None
    crop_y: int | None = None
    colour: str | None = None
    norm: str | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    padding: tuple[int, ...] | None = None
    other: Mapping[str, Any] = field(default_factory=dict)
    has_config: bool = True
    beside: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uses_mean(self) -> bool:
        """Whether mean and std have an effect."""
        return self.norm in ("MINUSMEAN_DIVSTD", "DIV255_MINUSMEAN_DIVSTD")

    def to_data(self) -> dict[str, Any]:
        """The object that the file holds."""
        data: dict[str, Any] = {"OpType": self.op}
        if self.has_config:
            values = {key: getattr(self, name) for key, name in KEYS.items()}
            known = {key: plain(value) for key, value in values.items() if value is not None}
            data["OpConfig"] = {**known, **plain(self.other)}
        return {**data, **plain(self.beside)}
