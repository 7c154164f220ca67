"""What is in the verify.py of a package; it imports nothing of zoo."""

from __future__ import annotations

import json
import sys
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.vision.agreement import DIFFERENT, agreement

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.vision.agreement import Agreement

_IMAGE_TENSOR = 1e-3


def main(folder: Path) -> int:
    """Run the golden inputs and compare with what zoo predicted, one line each.

    0: all agree, 1: some differ, 2: nothing could be compared.
    """
    sys.path.insert(0, str(folder))
    try:
        model = import_module("model").load(folder)
        cases = sorted((folder / "golden").glob("*.npz"))
        known = (folder / "golden" / "SHA256SUMS").read_text(encoding="utf-8").split()
        sums = dict(zip(known[1::2], known[::2], strict=True))
        results = [_case(path, model, sums.get(path.name, "")) for path in cases]
    except Exception as error:  # an engine may raise anything
        said = " ".join(str(error).split())[:300]
        sys.stderr.write(f"cannot verify: {said}; see README.md\n")
        return 2
    for _, line in results:
        sys.stdout.write(line + "\n")
    for name in _changed(folder):
        sys.stdout.write(f"changed since it was packed: {name}\n")
    right = sum(fine for fine, _ in results)
    sys.stdout.write(f"{right} of {len(results)} images agree with the run of zoo\n")
    return int(right < len(results)) if results else 2


def _changed(folder: Path) -> list[str]:
    """The files that are not as package.json lists them."""
    listing = folder / "package.json"
    if not listing.is_file():
        return []
    files = json.loads(listing.read_text(encoding="utf-8"))["files"]
    places = {name: folder / name for name in files if name != "package.json"}
    return [
        name
        for name, path in places.items()
        if not path.is_file() or sha256(path.read_bytes()).hexdigest() != files[name]
    ]


def told(result: Agreement) -> str:
    """The verdict in words."""
    if result.before is None:
        return f"{result.status}: numbers within {result.score:.2g}"
    moved = f"boxes within {result.pixels:.2g} px, scores within {result.score:.2g}"
    counts = f"{result.matched} of {result.before} detections found again among {result.after}"
    return f"{result.status}: {counts}, {moved}"


def _case(path: Path, model: Any, digest: str) -> tuple[bool, str]:
    """Whether one golden input agrees, and the line about it."""
    if sha256(path.read_bytes()).hexdigest() != digest:
        raise ValueError(f"{path} is damaged")
    with np.load(path) as stored:
        case = {name: stored[name] for name in stored.files}
    size = (int(case["size"][0]), int(case["size"][1]))
    found = model.predict_tensor(case["tensor"], model.steps.geometry(size))
    before = {name[7:]: array for name, array in case.items() if name.startswith("result.")}
    result = agreement(before, found)
    fine, line = result.status != DIFFERENT, f"{case['name']}: {told(result)}"
    image = path.parent / "images" / str(case["name"]).rpartition("/")[2]
    if image.is_file() and find_spec("cv2"):
        tensor, _ = model.tensor(model.read(image))
        same = tensor.shape == case["tensor"].shape
        worst = float(np.abs(tensor - case["tensor"]).max()) if same else float("inf")
        line += f"; tensor of the image within {worst:.2g}"
        fine = fine and worst <= _IMAGE_TENSOR
    return fine, line
