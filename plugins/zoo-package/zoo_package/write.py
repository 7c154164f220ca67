"""The files of a package."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError, ZooError
from zoo_core.vision import Preprocess
from zoo_core.vision.headers import orientation
from zoo_core.vision.image import decode_rgb, image_bytes
from zoo_package.model_file import model_file, verify_file
from zoo_package.texts import licences, pinned, readme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import PackageRequest, Prediction


def write(request: PackageRequest) -> list[str]:
    """Write everything but the artefact and the report; returns the lines of verify.py.

    Raises UsageError for a decoder or an evaluator that cannot be taken out of its plugin,
    DataError for an image of the run that is gone, ZooError where verify.py fails.
    """
    folder = request.folder
    model, needs = model_file(request)
    texts = {
        "model.py": model,
        "verify.py": verify_file(),
        "requirements.txt": "\n".join(pinned(needs)) + "\n",
    }
    for name, text in texts.items():
        _write(folder / name, text)
    golden = folder / "golden"
    (golden / "images").mkdir(parents=True)
    steps = Preprocess.from_data(request.preprocess)
    digests, copied = [], 0
    for number, prediction in _chosen(request):
        path, sample = golden / f"{number:06d}.npz", prediction.sample
        data = _bytes_of(prediction)
        tensor, _ = steps.prepare(decode_rgb(data, sample.path, sample.size, steps.exif))
        _write_case(path, tensor, prediction)
        digests.append(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
        if request.images and orientation(data) == 1:  # OpenCV reads others in its own way
            (golden / "images" / Path(sample.name).name).write_bytes(data)
            copied += 1
    _write(golden / "SHA256SUMS", "".join(digests))
    licences(folder / "licences", request)
    _write(folder / "README.md", readme(request, len(digests), copied))
    return _verified(folder)


def _chosen(request: PackageRequest) -> Iterator[tuple[int, Prediction]]:
    """Predictions evenly spaced over the run, with their numbers."""
    of = len(request.predictions)
    chosen = {int(place) for place in np.linspace(0, of - 1, min(request.count, of))}
    return ((n, found) for n, found in enumerate(request.predictions) if n in chosen)


def _bytes_of(prediction: Prediction) -> bytes:
    path = prediction.sample.path
    if not path.is_file():
        what = "the image of the run is not there any more"
        raise DataError(what, where=str(path), next="put it back, or run it again")
    return image_bytes(path)


def _write_case(path: Path, tensor: Any, prediction: Prediction) -> None:
    sample = prediction.sample
    arrays: dict[str, Any] = {f"result.{k}": array for k, array in prediction.arrays.items()}
    arrays |= {"name": np.array(sample.name), "size": np.array(sample.size)}
    np.savez_compressed(path, tensor=tensor, **arrays)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _verified(folder: Path) -> list[str]:
    """What verify.py says; raises ZooError where the package does not give the run's results."""
    command = [sys.executable, "-I", "-B", "verify.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [*done.stdout.splitlines(), *done.stderr.splitlines()] or ["it said nothing"]
        what = f"verify.py fails in the package: {said[-1]}"
        raise ZooError(what, next="report this as a defect of zoo or of the plugin")
    return done.stdout.splitlines()
