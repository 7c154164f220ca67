"""PyTorch and safetensors files, read as what they are: hostile until shown otherwise."""

from __future__ import annotations

import pickle
import re
import struct
import zipfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from zoo_core.errors import DataError
from zoo_core.toolkit.files import kind_of, read_head

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 1 << 30
_MOST_PICKLE_BYTES = 16 << 20
_MOST_ENTRIES = 20_000
_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""The pickled magic number that checkpoints of torch before 1.6 start with."""

_BROKEN = (
    *(RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(OSError, MemoryError, ArithmeticError, struct.error),
)
"""What torch raises, by experiment, for files with some of their bytes changed."""

_REFUSED = re.compile(r"(?:Unsupported global: |unsupported )GLOBAL (\S+)")
_AGAIN = "download it again, and compare its size and sha256"
_STATE_ONLY = "give the state dict alone: torch.save(model.state_dict(), FILE)"


def read_torch(path: Path) -> dict[str, Tensor]:
    """The state dict of a `.pth`, in the file's order, its storages mapped from the file.

    Nothing but tensors is unpickled. Raises DataError for a file that is missing, truncated, too
    large, of another kind, or holds anything but a state dict.
    """
    head = _head(path)
    if head.startswith(_ZIP):
        _check_archive(path)
        loaded = _load(path, mapped=True)
    elif head.startswith(_LEGACY):
        loaded = _load(path, mapped=False)
    else:
        kind = kind_of(head) or "no PyTorch checkpoint"
        raise _error(path, f"is {kind}, where a PyTorch checkpoint is expected", "check the file")
    return _state(loaded, path)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, mapped from the file; raises DataError as `read_torch`."""
    head = _head(path)
    kind = kind_of(head)
    if kind is not None:
        raise _error(path, f"is {kind}, where safetensors are expected", "check the file")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise _error(path, f"is not a complete safetensors file: {_line(error)}", _AGAIN) from None


def _head(path: Path) -> bytes:
    head, size = read_head(path), path.stat().st_size
    if size > _MOST_BYTES:
        raise _error(path, f"has {size:,} bytes, far too many for this network", "check the file")
    return head


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        what = f"is a truncated or damaged checkpoint: {_line(error)}"
        raise _error(path, what, _AGAIN) from None
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise _error(path, "is a TorchScript module, not a state dict", _STATE_ONLY)
    pickles = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    swollen = sum(entry.file_size for entry in entries) > path.stat().st_size
    if packed or swollen or len(entries) > _MOST_ENTRIES:
        raise _error(path, "is a zip archive of a kind that PyTorch never writes", "check the file")
    if len(pickles) != 1 or pickles[0].file_size > _MOST_PICKLE_BYTES:
        raise _error(path, "is a zip archive, but no PyTorch checkpoint", "check the file")


def _load(path: Path, *, mapped: bool) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise _error(path, _refusal(str(error)), _STATE_ONLY) from None
    except _BROKEN as error:
        what = f"is a truncated or damaged checkpoint: {type(error).__name__}: {_line(error)}"
        raise _error(path, what, _AGAIN) from None


def _refusal(message: str) -> str:
    """What a refused pickle wanted: torch names the first global that it does not allow."""
    found = _REFUSED.search(message)
    if found is None:
        return "holds more than tensors and was refused; nothing of it was run"
    name = found.group(1)
    yolov5 = " (a YOLOv5 checkpoint?)" if name.startswith(("models.yolo", "ultralytics.")) else ""
    return f"is a pickled object, not a state dict: it wants {name}{yolov5}; nothing of it was run"


def _state(loaded: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(loaded, dict):
        what = f"holds a {type(loaded).__name__}, not a state dict"
        raise _error(path, what, _STATE_ONLY)
    odd = next((key for key, value in loaded.items() if not _is_plain(key, value)), None)
    if odd is not None:
        kind = type(loaded[odd]).__name__
        what = f"is not a state dict: '{odd}' holds a {kind}, not a dense tensor"
        raise _error(path, what, _STATE_ONLY)
    return dict(loaded)


def _is_plain(key: Any, value: Any) -> bool:
    return (
        isinstance(key, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


def _error(path: Path, what: str, next_step: str) -> DataError:
    return DataError(what, where=str(path), next=next_step)
