"""The configurations of `vamc compile`, third generation: read, written and made from a request."""

from __future__ import annotations

from zoo_vastai.config.model import (
    BackendPart,
    DatasetPart,
    Frontend,
    GraphPart,
    Sampler,
    VamcConfig,
)
from zoo_vastai.config.read import config_text, parse_config, read_config
from zoo_vastai.config.render import Build, CalibrationImages, build_name, render_config

__all__ = [
    "BackendPart",
    "Build",
    "CalibrationImages",
    "DatasetPart",
    "Frontend",
    "GraphPart",
    "Sampler",
    "VamcConfig",
    "build_name",
    "config_text",
    "parse_config",
    "read_config",
    "render_config",
]
