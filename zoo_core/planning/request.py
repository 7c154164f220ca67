"""What a user asks for, before anything is looked up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """The options of `zoo run`; None where the user said nothing. `size` is (height, width).

    `weights` is a path, "random" or "random:SEED". `predict` is an image or a folder without truth,
    instead of `images`. `changes` are the protocol values that options
    such as `--conf` change.
    """

    model: str
    backend: str | None = None
    precision: str = "fp32"
    device: str | None = None
    batch: int = 1
    size: tuple[int, int] | None = None
    assets: str = "auto"
    weights: str | None = None
    cfg: Path | None = None
    names: Path | None = None
    source: str = "builtin"
    form: str | None = None
    predict: Path | None = None
    images: Path | None = None
    annotations: Path | None = None
    dataset: str | None = None
    limit: int | None = None
    calibration: Path | None = None
    calibration_images: int = 50
    calibrator: str | None = None
    protocol: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
