"""`zoo explain`: the one explanation that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.against import explain_against
from zoo_core.commands.finished.layers import compare_layers
from zoo_core.commands.finished.parts import split_loss
from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.reporting.int8 import LayersReport, PartsReport
    from zoo_core.reporting.waterfall import ExplainReport

    Explained = ExplainReport | LayersReport | PartsReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is asked of a reduced precision: its layers, or the parts of its loss."""

    layers: bool = False
    layer_images: int = 4
    parts: bool = False


def explain(
    reference: str,
    against: str | None,
    values: Mapping[str, Any],
    look: Look,
    progress: ProgressReporter,
) -> Explained:
    """The protocol's way, the layers or the parts; raises UsageError for more than one of them."""
    asked = [look.layers, look.parts, bool(against or values)]
    if sum(asked) > 1:
        what = "--layers, --parts and --against exclude each other"
        raise UsageError(what, next="give one of them, and protocol values with --against only")
    if look.layers:
        return compare_layers(reference, progress, look.layer_images)
    if look.parts:
        return split_loss(reference, progress)
    return explain_against(reference, against, values, progress)
