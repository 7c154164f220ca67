"""Runs that follow a .cfg score what AlexeyAB's C program scores on the same files."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import zoo_core

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(os.environ.get("ZOO_TEST_DATA", "."))
NETWORK = FOLDER / "yolo-fastest-1.1-xl"
IMAGES = FOLDER / "coco-val2017-128"


def replaced(*pairs: tuple[str, str]) -> Callable[[str], str]:
    def change(text: str) -> str:
        for pattern, new in pairs:
            text, count = re.subn(pattern, new, text, flags=re.M)
            assert count, pattern
        return text

    return change


def summed(content: bytes, filters: int = 16, size: int = 3) -> bytes:
    """The same network for grey: the kernels of the first layer summed over their colours."""
    values = np.frombuffer(content[20:], "<f4")
    start, length = 4 * filters, filters * 3 * size * size
    kernel = values[start : start + length].reshape(filters, 3, size, size).sum(1)
    parts = [values[:start], kernel.ravel(), values[start + length :]]
    return content[:20] + np.concatenate(parts).astype("<f4").tobytes()


CASES = {
    "base": (replaced(("^nms_kind", "nms_kind")), 0.2814, 0.5322),
    "letter_box": (replaced(("channels=3", "channels=3\nletter_box=1")), 0.2421, 0.4972),
    "size416": (replaced((r"^(width|height) *=.*$", r"\1=416")), 0.2514, 0.5292),
    "diounms": (
        replaced((r"^nms_kind.*$", "nms_kind=diounms"), (r"^beta_nms.*$", "beta_nms=0.1")),
        *(0.2696, 0.4988),
    ),
    "channels1": (replaced(("channels=3", "channels=1")), 0.2508, 0.4993),
}
"""How the cfg is changed, and what `darknet detector valid` (59596d78, built without AVX) scores on
the first eight images: AP and AP50 of its results by pycocotools."""


@pytest.mark.slow
@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset")
@pytest.mark.parametrize("name", CASES)
def test_the_figures_are_those_of_the_c_program(name: str, tmp_path: Path, zoo_home: Path) -> None:
    change, ap, ap50 = CASES[name]
    weights = tmp_path / "net.weights"
    shutil.copyfile(NETWORK / f"{NETWORK.name}.weights", weights)
    if name == "channels1":
        weights.write_bytes(summed(weights.read_bytes()))
    text = (NETWORK / f"{NETWORK.name}.cfg").read_text()
    weights.with_suffix(".cfg").write_text(change(text))
    report = zoo_core.eval(
        "yolo-fastest-1.1-xl-darknet",
        weights=weights,
        images=IMAGES / "images",
        annotations=IMAGES / "instances.json",
        limit=8,
        output=tmp_path / "out",
    )
    assert report.metrics is not None
    found = report.metrics["AP"], report.metrics["AP50"]
    np.testing.assert_allclose(found, (ap, ap50), atol=0.008)
    assert abs(found[0] - ap) < 0.0008
