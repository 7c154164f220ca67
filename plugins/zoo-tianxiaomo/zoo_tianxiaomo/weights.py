"""From weights of any format to the network, by exact keys and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zoo_core.errors import DataError, ZooError, some
from zoo_tianxiaomo.checkpoint import read_safetensors, read_torch
from zoo_tianxiaomo.darknet import read_darknet
from zoo_tianxiaomo.layout import ANCHORS, FIELDS
from zoo_tianxiaomo.network import FULL_WIDTHS, Yolov4
from zoo_tianxiaomo.random_weights import fill_randomly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_tianxiaomo.params import NetworkSpec

_WIDTH_KEYS = (
    "down1.conv1.conv.0.weight",
    *(f"down{stage}.conv{2 if stage == 1 else 1}.conv.0.weight" for stage in range(1, 6)),
)
"""The kernels whose output channels are the network's widths."""

_BACKBONE_TENSORS = 552
"""Tensors before the heads: what `yolov4.conv.137.pth` holds."""


def load_network(spec: NetworkSpec, path: Path | None) -> Yolov4:
    """The network with its weights, float32, ready for inference; no random initialisation.

    Raises DataError, naming what differs, for weights that are not exactly this network's.
    """
    if spec.format == "random":
        network = _empty(spec.classes, spec.widths or FULL_WIDTHS)
        fill_randomly(network, spec.seed or 0)
        return network.requires_grad_(False).eval()
    if path is None:
        raise ZooError(f"weights of format '{spec.format}' need a file")
    if spec.format == "darknet":
        network = _empty(spec.classes, spec.widths or FULL_WIDTHS)
        state = read_darknet(path, network)
    else:
        read = {"torch": read_torch, "safetensors": read_safetensors}[spec.format]
        state = original_names(read(path))
        network = _empty(spec.classes, spec.widths or _widths(state))
        _check(state, network, str(path))
    _check_values(state, str(path))
    return _filled(network, state)


def original_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict with the names of today's source.

    `module.` is what torch's DataParallel puts before every key; `neek.` is how the source spelt
    `neck.` from June 2020 to June 2021, and how the published yolov4.pth still does.
    """
    if state and all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    if any(key.startswith("neck.") for key in state):
        return dict(state)
    return {
        f"neck.{key.removeprefix('neek.')}" if key.startswith("neek.") else key: value
        for key, value in state.items()
    }


def _empty(classes: int, widths: Sequence[int]) -> Yolov4:
    with torch.device("meta"):
        return Yolov4(classes, widths)


def _filled(network: Yolov4, state: Mapping[str, Tensor]) -> Yolov4:
    values = {
        key: value if value.dtype == torch.int64 else value.float() for key, value in state.items()
    }
    network.load_state_dict(values, strict=True, assign=True)
    return network.requires_grad_(False).eval()


def _widths(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    kernels = [state[key] for key in _WIDTH_KEYS if key in state]
    if len(kernels) < len(_WIDTH_KEYS) or any(kernel.dim() != 4 for kernel in kernels):
        return FULL_WIDTHS
    widths = tuple(kernel.shape[0] for kernel in kernels)
    fits = min(widths) >= 1 and not any(width % 2 for width in widths[2:])
    return widths if fits else FULL_WIDTHS


def _check(state: Mapping[str, Tensor], network: Yolov4, where: str) -> None:
    wanted = network.state_dict()
    missing = [key for key in wanted if key not in state]
    unknown = [key for key in state if key not in wanted]
    if missing or unknown:
        parts = [_listed("are missing", missing), _listed("are unknown", unknown)]
        what = f"holds another network: of {len(wanted)} keys {'; '.join(filter(None, parts))}"
        raise DataError(what, where=where, next=_hint(state))
    _check_classes(state, network.classes, where)
    shapes = [
        f"{key} {_shape(state[key])} for {_shape(wanted[key])}"
        for key in wanted
        if state[key].shape != wanted[key].shape
    ]
    if shapes:
        what = f"holds another network: shapes {_listed('differ', shapes)}"
        raise DataError(what, where=where, next=_hint(state))
    kinds = [key for key in wanted if _kind(state[key]) != _kind(wanted[key])]
    if kinds:
        what = f"holds another network: dtypes {_listed('differ', kinds)}"
        raise DataError(what, where=where, next=_hint(state))


def _check_classes(state: Mapping[str, Tensor], classes: int, where: str) -> None:
    channels = {state[f"head.conv{layer}.conv.0.bias"].numel() for layer in (2, 10, 18)}
    found, rest = divmod(max(channels), len(ANCHORS[0]))
    if len(channels) == 1 and not rest and found - FIELDS != classes:
        raise DataError(
            f"is a network for {found - FIELDS} classes, the labels are {classes}",
            where=where,
            next="give the names of its classes with --names FILE",
        )


def _check_values(state: Mapping[str, Tensor], where: str) -> None:
    bad = [key for key, value in state.items() if not _is_finite(value)]
    if bad:
        what = f"holds values that are not finite: {_listed('', bad)}"
        raise DataError(what, where=where, next="download the weights again")


def _is_finite(value: Tensor) -> bool:
    # A sum is quick and not finite where a value is not; the reverse is asked only then.
    return bool(torch.isfinite(value.sum())) or bool(torch.isfinite(value).all())


def _hint(state: Mapping[str, Tensor]) -> str:
    if len(state) == _BACKBONE_TENSORS:
        return "this looks like yolov4.conv.137.pth, which has no heads: give yolov4.pth"
    if any(key.startswith("module.") for key in state):
        return "some keys, but not all, start with 'module.': save model.module.state_dict()"
    if any(key.startswith("model.") and key.split(".")[1].isdigit() for key in state):
        return "this looks like an Ultralytics network (YOLOv5 or later)"
    if any(key.startswith("models.") for key in state):
        return "this looks like a network that was converted from a darknet cfg, module by module"
    return "give yolov4.pth of Tianxiaomo/pytorch-YOLOv4, or darknet's yolov4.weights"


def _listed(what: str, names: Sequence[str]) -> str:
    text = f"{len(names)} {what} ({some(names)})"
    return text.replace("  ", " ") if names else ""


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "scalar"


def _kind(value: Tensor) -> str:
    return "real" if value.dtype.is_floating_point else str(value.dtype)
