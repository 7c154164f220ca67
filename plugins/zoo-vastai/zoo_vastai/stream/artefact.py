"""What the compile stage left, checked before it goes to a device."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.api import TensorSpec
from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.toolkit.artefact import ARTEFACT_FILE
from zoo_vastai.names import EMULATOR, MODEL, NAME, THREE_PIECES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_AGAIN = "compile again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A compiled model: `prefix` names its three pieces, `vdsp` the preprocessing beside them.

    `outputs` are those of one image, batch axis first, float32 as a session gives them.
    `preprocess` is what `vdsp` was written from; some of it differs by image.
    """

    prefix: Path
    vdsp: Path
    batch: int
    emulated: bool
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocess: tuple[Mapping[str, Any], ...]


def read_description(folder: Path) -> Mapping[str, Any]:
    """`artefact.json`; raises `DataError` where there is none, or none that can be read."""
    path = folder / ARTEFACT_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            "is missing: the folder holds no artefact", where=str(path), next=_AGAIN
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path), next=_AGAIN) from error
    if not isinstance(data, dict):
        raise DataError("holds no artefact", where=str(path), next=_AGAIN)
    return data


def read_artefact(folder: Path, device: str) -> Artefact:
    """The artefact in `folder`, for a device ("0", "0,1" or "emulator").

    Raises `DataError` for a folder that holds none, `StageError` where one of its files is missing
    or empty, `UsageError` where it was made for the emulator and the device is real, or the other
    way round.
    """
    data = read_description(folder)
    where = str(folder / ARTEFACT_FILE)
    if data.get("format") != NAME:
        what = f"has the format '{data.get('format')}', not '{NAME}'"
        raise DataError(what, where=where, next="compile with --backend vastai")
    try:
        found = _artefact(folder, data)
    except (KeyError, TypeError, ValueError) as error:
        what = f"is incomplete: {type(error).__name__}: {error}"
        raise DataError(what, where=where, next=_AGAIN) from error
    _check_files(folder, found)
    _check_device(found, device, str(folder))
    return found


def _artefact(folder: Path, data: Mapping[str, Any]) -> Artefact:
    return Artefact(
        prefix=folder / str(data.get("model", MODEL)),
        vdsp=folder / str(data["vdsp"]),
        batch=int(data["batch"]),
        emulated=bool(data["emulated"]),
        inputs=tuple(TensorSpec.from_data(spec) for spec in data["inputs"]),
        outputs=tuple(TensorSpec.from_data(spec) for spec in data["outputs"]),
        preprocess=tuple(data.get("preprocess", ())),
    )


def _check_files(folder: Path, artefact: Artefact) -> None:
    endings = [name.partition(".")[2] for name in THREE_PIECES]
    pieces = [artefact.prefix.with_name(f"{artefact.prefix.name}.{ending}") for ending in endings]
    for path in (*pieces, artefact.vdsp):
        if not path.is_file():
            raise StageError(f"has no {path.name}", where=str(folder), next=_AGAIN)
        if not path.stat().st_size:
            raise StageError("is empty", where=str(path), next=_AGAIN)


def _check_device(artefact: Artefact, device: str, where: str) -> None:
    emulator = device == EMULATOR
    if artefact.emulated and not emulator:
        what = f"was compiled by the emulator, device '{device}' is real"
        raise UsageError(what, where=where, next="compile with the vendor's vamc, for that device")
    if emulator and not artefact.emulated:
        what = "was compiled by the vendor's vamc, which the emulator cannot run"
        raise UsageError(what, where=where, next="compile with --device emulator")
