"""Rules on vdsp files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from zoo_vastai.formats.vdsp import BERT, LETTERBOX_EXT

from zoo_vastai_lint.keys import unknown_keys, value_finding
from zoo_vastai_lint.known import VDSP_KEYS, VDSP_OPS, VDSP_VALUES
from zoo_vastai_lint.result import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_vastai_lint.source import Source

_USES_MEAN = ("MINUSMEAN_DIVSTD", "DIV255_MINUSMEAN_DIVSTD")


def vdsp_findings(source: Source) -> Iterator[Finding]:
    """Every rule on a vdsp file of today's form."""
    op, config = source.at("OpType"), source.mapping("OpConfig")
    yield from unknown_keys(source.data, ("OpType", "OpConfig"), "")
    yield from unknown_keys(config, VDSP_KEYS, "OpConfig")
    for key in source.repeated:
        what = "is given twice, only the last one counts"
        yield Finding("duplicate-key", "error", key, what, "remove one")
    if isinstance(op, str) and op not in VDSP_OPS:
        yield value_finding("unknown-operator", "OpType", op, VDSP_OPS)
    for key, known in VDSP_VALUES.items():
        value = config.get(key)
        if isinstance(value, str) and value not in known:
            yield value_finding("unknown-value", f"OpConfig.{key}", value, known)
    if op == BERT or not isinstance(op, str):
        return
    if op.startswith("FUSION_OP_RGB"):
        for key in ("NormaType", "ColorCvtCode", "IimageFormat"):
            if key not in config:
                what = f"{op} needs {key}"
                yield Finding("missing-key", "error", "OpConfig", what, f"add {key}")
        if not {"OimageWidth", "OimageHeight"} <= config.keys():
            what = "no OimageWidth and OimageHeight: the vendor's Python scripts read them"
            yield Finding("output-size", "info", "OpConfig", what, "add the network's size")
    yield from _mean(config)
    yield from _letterbox(op, config)
    yield from _crop(op, config)
    yield from _pitch(config)


def _mean(config: Mapping[str, Any]) -> Iterator[Finding]:
    form, mean, std = config.get("NormaType"), config.get("Mean"), config.get("Std")
    if form in ("DIV255", "EQUAL", "DIV1275_MINUSONE"):
        if mean is not None or std is not None:
            what = f"have no effect under {form}"
            yield Finding("unused-mean", "info", "OpConfig.Mean, OpConfig.Std", what)
        return
    if form not in _USES_MEAN:
        return
    for key, values in (("Mean", mean), ("Std", std)):
        if values is None:
            yield Finding("missing-key", "error", "OpConfig", f"{form} needs {key}", f"add {key}")
    if _three(mean) and _three(std):
        yield from _numbers(str(form), mean, std)


def _numbers(form: str, mean: list[float], std: list[float]) -> Iterator[Finding]:
    where = "OpConfig.Mean"
    if 0 in std:
        yield Finding("normalise", "error", "OpConfig.Std", "holds 0")
    if max(mean) > 255:
        what = f"{mean} look like the bits of half floats, as in files of the old form"
        yield Finding("normalise", "error", where, what, "write the numbers themselves")
    elif form == "DIV255_MINUSMEAN_DIVSTD" and max(mean) > 1:
        what = f"{mean} is meant for 0..255, {form} divides by 255 before"
        yield Finding("normalise", "warning", where, what, "MINUSMEAN_DIVSTD is meant")
    elif form == "MINUSMEAN_DIVSTD" and 0 < max(mean) <= 1 and max(std) <= 1:
        what = f"{mean} is meant for 0..1, {form} does not divide by 255"
        yield Finding("normalise", "warning", where, what, "DIV255_MINUSMEAN_DIVSTD is meant")
    if any(float(np.float16(value)) != value for value in (*mean, *std)):
        what = "are not half floats: the device rounds them"
        yield Finding("mean-rounding", "info", "OpConfig.Mean, OpConfig.Std", what)


def _three(values: Any) -> TypeGuard[list[float]]:
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(isinstance(item, int | float) and abs(item) <= 65504 for item in values)
    )


def _letterbox(op: str, config: Mapping[str, Any]) -> Iterator[Finding]:
    if "LETTERBOX" in op and "Padding" not in config:
        what = "is not given: what the device pads with is not published, 114 is assumed"
        yield Finding("padding", "info", "OpConfig.Padding", what, "add Padding: [114, 114, 114]")
    if op == LETTERBOX_EXT:
        what = "takes sizes and place from each image: rgb_letterbox_ext must come with every one"
        yield Finding("letterbox", "info", "OpType", what)
    if "LETTERBOX" not in op and "Padding" in config:
        yield Finding("padding", "warning", "OpConfig.Padding", f"has no effect in {op}")


def _crop(op: str, config: Mapping[str, Any]) -> Iterator[Finding]:
    if not op.startswith("FUSION_OP_RGB_RESIZE_CVTCOLOR_CROP"):
        return
    if not {"CropX", "CropY", "ResizeWidth", "ResizeHeight"} & config.keys():
        what = "names neither sizes nor start: crop_resize_ext must come with every image"
        yield Finding("crop", "info", "OpConfig", what)
        return
    for axis, side in (("X", "Width"), ("Y", "Height")):
        start, resized, out = (
            config.get(key) for key in (f"Crop{axis}", f"Resize{side}", f"Oimage{side}")
        )
        if start is None or resized is None:
            key = f"Crop{axis}" if start is None else f"Resize{side}"
            yield Finding("missing-key", "error", "OpConfig", f"a crop needs {key}", f"add {key}")
        elif all(type(item) is int for item in (start, resized, out)):
            where = f"OpConfig.Crop{axis}"
            if start < 0 or start + out > resized:
                what = f"{start} + {out} pixels leave the resized {resized}"
                yield Finding("crop", "error", where, what)
            elif abs(start - (resized - out) / 2) > 1:
                what = f"{start}: the middle of {resized} begins at {(resized - out) // 2}"
                yield Finding("crop", "warning", where, what, "crop from the middle")


def _pitch(config: Mapping[str, Any]) -> Iterator[Finding]:
    for side in ("Width", "Height"):
        pitch, length = config.get(f"Iimage{side}Pitch"), config.get(f"Iimage{side}")
        if pitch is not None and length is not None and pitch != length:
            what = f"is {pitch}, Iimage{side} is {length}: the two are nearly always equal"
            yield Finding("pitch", "info", f"OpConfig.Iimage{side}Pitch", what)
