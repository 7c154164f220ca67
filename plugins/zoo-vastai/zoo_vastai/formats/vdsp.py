"""vdsp files: what the device does to an image before the network sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError
from zoo_core.toolkit.files import read_text
from zoo_vastai.formats.plain import plain

if TYPE_CHECKING:
    from pathlib import Path

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


_TRIPLES = ("Mean", "Std")
_TEXTS = ("IimageFormat", "ResizeType", "ColorCvtCode", "NormaType")


def parse_vdsp(data: Any, where: str = "") -> VdspOp:
    """The operation that parsed JSON holds.

    Raises `RegistryError` for what is none, for the two forms that vamp took until release 2.0,
    and for a known key that holds another type.
    """
    if not isinstance(data, Mapping):
        raise RegistryError("is not a vdsp operation: not a JSON object", where=where)
    if is_legacy(data):
        raise RegistryError(
            "is a vdsp file of the old form (vdsp_op_type), which vamp since 2.1 does not read",
            where=where,
            next='write it anew as {"OpType": ..., "OpConfig": {...}}',
        )
    op, config = data.get("OpType"), data.get("OpConfig", {})
    if not isinstance(op, str):
        raise RegistryError("is not a vdsp operation: no OpType", where=where)
    if not isinstance(config, Mapping):
        raise RegistryError(f"OpConfig must be an object, not {config!r}", where=where)
    typed = {
        KEYS[key]: _value(key, value, where)
        for key, value in config.items()
        if key in KEYS and value is not None
    }
    return VdspOp(
        op=op,
        **typed,
        other={key: value for key, value in config.items() if key not in KEYS or value is None},
        has_config="OpConfig" in data,
        beside={key: value for key, value in data.items() if key not in ("OpType", "OpConfig")},
    )


def is_legacy(data: Mapping[str, Any]) -> bool:
    """Whether it has one of the forms before vamp 2.1."""
    return "vdsp_op_type" in data


def read_vdsp(path: Path) -> VdspOp:
    """The operation in a file; raises `DataError` for no file, `RegistryError` for a bad one."""
    return parse_vdsp(load_json(read_text(path), str(path)), str(path))


def load_json(text: str, where: str) -> Any:
    """What the JSON holds; raises `RegistryError` with the line for what is not JSON."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise RegistryError("is nested too deeply", where=where) from error
    except ValueError as error:
        place = f"{where}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else where
        what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise RegistryError(f"is not JSON: {what}", where=place) from error


def vdsp_text(op: VdspOp) -> str:
    """The JSON file."""
    return json.dumps(op.to_data(), indent=4) + "\n"


def _value(key: str, value: Any, where: str) -> Any:
    if key in _TEXTS:
        _require(isinstance(value, str), key, "text", value, where)
        return value
    if key in _TRIPLES or key == "Padding":
        numbers = isinstance(value, list) and all(_is_number(item) for item in value)
        _require(numbers, key, "a list of numbers", value, where)
        _require(key == "Padding" or len(value) == 3, key, "three numbers", value, where)
        return tuple(value)
    _require(isinstance(value, int) and _is_number(value), key, "a whole number", value, where)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _require(good: bool, key: str, words: str, value: Any, where: str) -> None:
    if not good:
        raise RegistryError(f"OpConfig.{key} must be {words}, not {value!r}", where=where)
