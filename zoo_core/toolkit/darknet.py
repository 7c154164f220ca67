"""Darknet's two file formats: the network's description (`.cfg`) and its values (`.weights`)."""

from __future__ import annotations

from zoo_core.toolkit.darknet_cfg import Cfg, Option, Section, parse_cfg, read_cfg
from zoo_core.toolkit.darknet_weights import WeightsHeader, WeightsReader, write_weights

__all__ = [
    "Cfg",
    "Option",
    "Section",
    "WeightsHeader",
    "WeightsReader",
    "parse_cfg",
    "read_cfg",
    "write_weights",
]
