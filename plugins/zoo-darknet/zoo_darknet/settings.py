"""What a .cfg says of how to run its network, as AlexeyAB's darknet reads it.

`detector valid`, `map`, `test` and `demo` take size, channels and letter_box of [net], and nms_kind
and beta_nms of the last [yolo]; thresholds are the program's own (detector.c, parser.c).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import GivenSettings
from zoo_core.errors import UsageError
from zoo_darknet.topology import plan_network

if TYPE_CHECKING:
    from zoo_core.toolkit.darknet_cfg import Cfg, Section

_BETA = 0.6
"""The exponent of greedynms, whatever beta_nms says, and the default of diounms."""


def settings_of(cfg: Cfg) -> GivenSettings:
    """Size, channels, resize and NMS, and what the cfg's reader warns of."""
    net = cfg.net
    protocol, origins = _resize(net)
    origins["size"] = f"{net.where('width')} width={cfg.width} height={cfg.height}"
    origins["channels"] = f"{net.where('channels')} channels={cfg.channels}"
    heads = [section for section in cfg.layers if section.kind == "yolo"]
    for values, words in map(_nms, heads[-1:]):
        protocol |= values
        origins |= words
    return GivenSettings(
        size=(cfg.height, cfg.width),
        channels=cfg.channels,
        protocol=protocol,
        origins=origins,
        warnings=(*cfg.warnings, *_of_layers(cfg)),
    )


def _of_layers(cfg: Cfg) -> tuple[str, ...]:
    """Warnings about layers; none where they do not fit at the cfg's size: exporting tells."""
    try:
        return plan_network(cfg, cfg.height, cfg.width).warnings
    except UsageError:
        return ()


def _resize(net: Section) -> tuple[dict[str, Any], dict[str, str]]:
    """An int that is not 0 means the letterbox; its sides are rounded down."""
    if not net.integer("letter_box", 0):
        word = "letter_box=0" if "letter_box" in net.options else "no letter_box"
        return {"resize": "stretch"}, {"resize": f"{net.where('letter_box')} {word}"}
    word = f"{net.where('letter_box')} letter_box={net.options['letter_box'].text}"
    return {"resize": "letterbox", "rounding": "down"}, {"resize": word, "rounding": word}


def _nms(head: Section) -> tuple[dict[str, Any], dict[str, str]]:
    """`greedynms` and `diounms` are DIoU; `default`, no word and any other is plain IoU."""
    kind = head.text("nms_kind", "default")
    where = head.where("nms_kind")
    word = f"nms_kind={kind}" if "nms_kind" in head.options else "no nms_kind"
    values: dict[str, Any] = {"nms_kind": "diou" if kind in ("greedynms", "diounms") else "iou"}
    origins = {"nms_kind": f"{where} {word}"}
    beta = head.number("beta_nms", _BETA)
    if kind == "diounms" and beta != _BETA:
        values["beta_nms"] = beta
        origins["beta_nms"] = f"{head.where('beta_nms')} beta_nms={beta:g}"
    return values, origins
