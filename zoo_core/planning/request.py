"""The request of a user, before anything is resolved."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from zoo_core.errors import DataError, UsageError, check_known


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The options of `zoo run`; None if not set. `size` is (height, width).

    `weights` is a path, "random" or "random:SEED", and `decoder` chooses among those that fit a
    file without a card. `predict` are images or folders without ground truth, instead of `images`.
    `name` is what reports call the user's own weights, and `compare_published` asks for published
    figures beside theirs. `changes` are the protocol values that options such as `--conf` override.
    `layer_images` are for `zoo explain --layers`. Without `batch` it is what a file of the user's
    has fixed, else 1. `tuned` is `auto`, `none` or a file of `zoo tune`, whose options go after
    `options`.
    """

    model: str
    backend: str | None = None
    precision: str = "fp32"
    device: str | None = None
    batch: int | None = None
    size: tuple[int, int] | None = None
    assets: str = "auto"
    weights: str | None = None
    cfg: Path | None = None
    names: Path | None = None
    decoder: str | None = None
    name: str | None = None
    source: str = "builtin"
    form: str | None = None
    predict: tuple[Path, ...] = ()
    images: Path | None = None
    annotations: Path | None = None
    dataset: str | None = None
    limit: int | None = None
    calibration: Path | None = None
    calibration_images: int = 50
    calibrator: str | None = None
    layer_images: int = 4
    protocol: str | None = None
    floor: float | None = None
    origin: Path | None = None
    compare_published: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    tuned: str = "auto"

    def to_data(self) -> dict[str, Any]:
        """The JSON form, without what is at its default."""
        data: dict[str, Any] = {"model": self.model}
        for item in fields(self)[1:]:
            value = getattr(self, item.name)
            if value not in (item.default, {}):
                data[item.name] = str(value) if isinstance(value, Path) else value
            if item.name == "predict" and value:
                data[item.name] = [str(path) for path in value]
        return data

    def command(self, verb: str) -> str:
        """The command line of a verb that makes this request, for a shell."""
        words = ["zoo", verb, self.model]
        for name, value in {**self.to_data(), **self.changes}.items():
            if name not in ("model", "changes", "options", "form", "floor", "origin"):
                option = f"--{name.replace('_', '-')}"
                text = ",".join(map(str, value)) if name == "size" else str(value)
                words += [option] if value is True else [option, text]
        words += [word for pair in self.options.items() for word in ("--option", "=".join(pair))]
        return shlex.join(words)

    @classmethod
    def from_data(cls, data: Mapping[str, Any], where: str, base: Path) -> RunRequest:
        """The inverse of `to_data`; relative paths start at the folder `base`.

        Raises DataError, naming `where`, for what is not a request.
        """
        options = {name: value for name, value in data.items() if name != "model"}
        try:
            options["predict"] = tuple(base / path for path in options.get("predict", ()))
            options |= {name: base / options[name] for name in _PATHS if name in options}
            for name in ("weights", "source", "tuned"):
                word = options.get(name, "").partition(":")[0]
                if word not in ("", *_NO_PATHS) and (base / options[name]).exists():
                    options[name] = str(base / options[name])
            return make_request(data["model"], **options)
        except (KeyError, TypeError, ValueError, UsageError) as error:
            step = "run it again with this version of zoo"
            what = f"holds a request that cannot be read: {error}"
            raise DataError(what, where=where, next=step) from error


ASSETS = ("auto", "published", "sample")
_MOST = 1_000_000_000
_MOST_SIDE = 1 << 16
_LONGEST_NAME = 80
RESIZE = ("stretch", "letterbox")
_NO_PATHS = ("random", "builtin", "repo")
"""What `weights` and `source` mean in words, whatever files there are."""

_PATHS = ("cfg", "names", "images", "annotations", "calibration", "origin")
_COUNTS = ("batch", "limit", "calibration_images", "layer_images")
_TEXTS = (
    *("backend", "precision", "device", "source", "dataset"),
    *("calibrator", "protocol", "decoder", "tuned"),
)


def make_request(model: str, **options: Any) -> RunRequest:
    """Make a request from options: fields of `RunRequest`, and protocol values such as `conf`.

    Paths may be strings, and `size` may be "H,W". An option that is None is not set. Raises
    UsageError for a value of the wrong type, an invalid size, resize mode or choice of assets.
    """
    options = {name: value for name, value in options.items() if value is not None}
    known = {field.name for field in fields(RunRequest)}
    own = [name for name in options if name not in known]
    values = protocol_values(**{name: options.pop(name) for name in own})
    check_known([options.get("assets", "auto")], ASSETS, "--assets")
    for name in options.keys() & _READERS.keys():
        options[name] = _READERS[name](options[name], f"--{name.replace('_', '-')}")
    model = as_text(model, "MODEL")
    return RunRequest(model=model, changes={**options.pop("changes", {}), **values}, **options)


def protocol_values(**options: Any) -> dict[str, Any]:
    """Protocol values from options; an option that is None is not set.

    Raises UsageError for an unknown resize mode, which without another word is bilinear.
    """
    values = {name: value for name, value in options.items() if value is not None}
    if "resize" in values:
        check_known([values["resize"]], RESIZE, "--resize")
        values.setdefault("interpolation", "bilinear")
    return values


def _name(value: object, where: str) -> str:
    name = as_text(value, where)
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        what = f"must be one line of 1 to {_LONGEST_NAME} characters that can be printed"
        raise UsageError(f"{what}, not {name[:_LONGEST_NAME]!r}", where=where)
    return name


def as_text(value: object, where: str) -> str:
    """A string, or UsageError."""
    if not isinstance(value, str):
        raise UsageError(f"must be a string, not {value!r}", where=where)
    return value


def as_count(value: object, where: str) -> int:
    """An integer from 1, or UsageError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise UsageError(f"must be an integer of at least 1, not {value!r}", where=where)
    if int(value) > _MOST:
        raise UsageError(f"must be at most {_MOST:,}", where=where)
    return int(value)


def as_number(value: object, where: str) -> float:
    """A real number, or UsageError."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"must be a number, not {value!r}", where=where)
    return float(value)


def as_path(value: object, where: str) -> Path:
    """A path, or UsageError for an empty one or for a value of another type."""
    if not isinstance(value, str | PathLike):
        raise UsageError(f"must be a path, not {value!r}", where=where)
    if not fspath(value):
        raise UsageError("is empty", where=where, next="give a path, or leave it out")
    return Path(value)


def _weights(value: object, where: str) -> str:
    return value if isinstance(value, str) and value else str(as_path(value, where))


def _size(value: Any, where: str) -> tuple[int, int]:
    if not isinstance(value, Iterable):
        raise UsageError(f"invalid size '{value}'", where=where, next="give (height, width)")
    return size_of(value if isinstance(value, str) else tuple(value))


def _options(value: object, where: str) -> dict[str, str]:
    """Options by name; numbers and truth values become the words of the command line."""
    if not isinstance(value, Mapping):
        raise UsageError(f"must map names to values, not {value!r}", where=where)
    words = {True: "true", False: "false"}
    return {
        as_text(name, where): words[item] if isinstance(item, bool) else str(item)
        for name, item in value.items()
    }


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(_PATHS, as_path),
    **dict.fromkeys(_COUNTS, as_count),
    **dict.fromkeys(_TEXTS, as_text),
    "weights": _weights,
    "floor": as_number,
    "name": _name,
    "size": _size,
    "options": _options,
}


def size_of(value: str | Sequence[int]) -> tuple[int, int]:
    """(height, width) from "H,W" or from two numbers; raises UsageError for anything else."""
    parts = value.replace("x", ",").split(",") if isinstance(value, str) else list(map(str, value))
    if len(parts) != 2 or not all(map(_is_side, parts)):
        raise UsageError(f"invalid size '{value}'", where="--size", next="write H,W as in 416,416")
    return int(parts[0]), int(parts[1])


def _is_side(text: str) -> bool:
    digits = text.strip()
    return digits.isdecimal() and len(digits) < 9 and 0 < int(digits) <= _MOST_SIDE
