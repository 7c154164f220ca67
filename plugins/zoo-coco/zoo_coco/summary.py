"""How COCO's figures are shown: the twelve lines, and the one-line dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = (
    "AP",
    "AP50",
    "AP75",
    "APs",
    "APm",
    "APl",
    "AR1",
    "AR10",
    "AR100",
    "ARs",
    "ARm",
    "ARl",
)
"""The twelve figures in the order of COCO's own summary."""

KEYPOINT_NAMES = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
"""The ten figures of key points in the order of COCO's own summary."""

_ALL = "0.50:0.95"
_ROWS = (
    ("Precision", "AP", _ALL, "all", 100),
    ("Precision", "AP", "0.50", "all", 100),
    ("Precision", "AP", "0.75", "all", 100),
    ("Precision", "AP", _ALL, "small", 100),
    ("Precision", "AP", _ALL, "medium", 100),
    ("Precision", "AP", _ALL, "large", 100),
    ("Recall", "AR", _ALL, "all", 1),
    ("Recall", "AR", _ALL, "all", 10),
    ("Recall", "AR", _ALL, "all", 100),
    ("Recall", "AR", _ALL, "small", 100),
    ("Recall", "AR", _ALL, "medium", 100),
    ("Recall", "AR", _ALL, "large", 100),
)
_KEYPOINT_ROWS = tuple(
    (kind, short, overlap, area, 20)
    for kind, short in (("Precision", "AP"), ("Recall", "AR"))
    for overlap, area in (
        *((_ALL, "all"), ("0.50", "all"), ("0.75", "all")),
        *((_ALL, "medium"), (_ALL, "large")),
    )
)
_SHORT = ("", "_50", "_75", "_s", "_m", "_l")


def summary_lines(stats: Sequence[float], kind: str = "bbox") -> tuple[str, ...]:
    """The twelve lines of COCOeval.summarize without their leading blank, then the dictionary.

    `stats` are the twelve figures, -1 where undefined. The dictionary has the six precisions with
    three digits under the keys that mmdetection and the vendor's evaluation print.
    """
    rows = [_line(row, value) for row, value in zip(_ROWS, stats, strict=True)]
    return (*rows, one_line(stats, kind))


def keypoint_lines(stats: Sequence[float]) -> tuple[str, ...]:
    """The ten lines of COCOeval.summarize for key points, without their leading blank."""
    return tuple(_line(row, value) for row, value in zip(_KEYPOINT_ROWS, stats, strict=True))


def one_line(stats: Sequence[float], kind: str = "bbox") -> str:
    """The six precisions and all of them as one text to copy, as Python prints a dictionary."""
    six = stats[:6]
    values: dict[str, float | str] = {
        f"{kind}_mAP{suffix}": float(f"{value:.3f}")
        for suffix, value in zip(_SHORT, six, strict=True)
    }
    values[f"{kind}_mAP_copypaste"] = " ".join(f"{value:.3f}" for value in six)
    return str(values)


def _line(row: tuple[str, str, str, str, int], value: float) -> str:
    kind, short, overlap, area, most = row
    title = f"Average {kind}"
    return (
        f"{title:<18} ({short}) @[ IoU={overlap:<9} | area={area:>6} | maxDets={most:>3} ] "
        f"= {value:.3f}"
    )
