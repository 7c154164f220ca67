"""What the measurements are taken of: weights, pictures, builds, and runs of `zoo` beside them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.pipeline.store import Store
from zoo_core.plugins.manager import Plugins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MODEL = "yolov4-tianxiaomo"
ZOO = (sys.executable, "-c", "from zoo_core.cli import script; script()")
CALIBRATION, EVALUATION = 50, 100
_HERE = Path(__file__).parent
_OBJECTS = 5
_PREDICTED = ("zoo_core.pipeline.stages.predict", "zoo_core.pipeline.stages.evaluate")


class BrokenRunError(Exception):
    """A command that was to be measured failed; the message holds its last lines."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended well: wall seconds, its largest memory, its standard output."""

    seconds: float
    peak_bytes: int
    output: str


class Workshop:
    """A folder in which everything is made once, on demand."""

    def __init__(self, folder: Path) -> None:
        """`folder` is empty or was a workshop before."""
        self.folder = folder
        self.plugins = Plugins.installed()

    @cached_property
    def weights(self) -> Path:
        """Full-size YOLOv4 with random weights whose heads find few objects, as a trained net's."""
        path = self.folder / "random.pth"
        if not path.exists():
            self.make("weights", path)
        return path

    @cached_property
    def pictures(self) -> Path:
        """A folder of 100 pictures of 640 x 480 pixels, JPEG."""
        return self._drawn("pictures", EVALUATION, 1)

    @cached_property
    def calibration(self) -> Path:
        """A folder of 50 further pictures."""
        return self._drawn("calibration", CALIBRATION, 2)

    @cached_property
    def annotations(self) -> Path:
        """Made-up truth for the pictures, in COCO's form."""
        path = self.folder / "annotations.json"
        names = sorted(file.name for file in self.pictures.iterdir())
        path.write_text(json.dumps(_truth(names)), encoding="utf-8")
        return path

    @cached_property
    def graph(self) -> Path:
        """The ONNX file as exported: the legacy exporter's."""
        return self.built("export", "exported") / "model.onnx"

    def built(self, verb: str, name: str, *arguments: str, home: str = "home") -> Path:
        """The folder that `zoo export` or `zoo compile` leaves."""
        folder = self.folder / name
        if not folder.exists():
            given = ("--calibration", str(self.calibration)) if verb == "compile" else ()
            self.zoo(verb, *arguments, *given, "--output", str(folder), home=home)
        return folder

    def zoo(self, verb: str, *arguments: str, home: str = "home") -> Finished:
        """Run `zoo VERB` on the model with the weights, in a cache folder of its own."""
        command = [*ZOO, verb, MODEL, "--weights", str(self.weights), *arguments]
        return self.run(command, {"ZOO_HOME": str(self.folder / home)})

    def run(
        self, command: list[str], environment: Mapping[str, str], timeout: float | None = None
    ) -> Finished:
        """Run a command under `launch`; raises BrokenRunError where it fails."""
        report = self.folder / "launched.json"
        done = subprocess.run(
            [sys.executable, "-I", str(_HERE / "launch.py"), str(report), *command],
            cwd=self.folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-3:]
            raise BrokenRunError(f"{' '.join(command[2:6])} ...: {' | '.join(last)}")
        told = json.loads(report.read_text(encoding="utf-8"))
        return Finished(told["seconds"], told["peak_bytes"], done.stdout)

    def make(self, what: str, *arguments: object) -> Finished:
        """Run a function of `making` in a process of its own."""
        command = [sys.executable, "-m", "benchmarks.making", what, *map(str, arguments)]
        return self.run(command, {"PYTHONPATH": str(_HERE.parent)})

    def entries(self, stage: str, home: str = "home") -> dict[str, float]:
        """Seconds of every finished stage of a name in a cache folder, by key."""
        return {
            entry.key: entry.manifest["ended"] - entry.manifest["began"]
            for entry in Store(self.folder / home / "store").entries()
            if entry.manifest["name"] == stage
        }

    def stages(self, home: str) -> dict[str, float]:
        """Seconds of each finished stage in a cache folder that one run filled, by name."""
        return {
            entry.manifest["name"]: entry.manifest["ended"] - entry.manifest["began"]
            for entry in Store(self.folder / home / "store").entries()
        }

    def forget_predictions(self, home: str = "home") -> None:
        """Remove what was predicted and scored, so that the next run does it again."""
        store = Store(self.folder / home / "store")
        for entry in list(store.entries()):
            if str(entry.manifest["parts"].get("run", "")).startswith(_PREDICTED):
                store.remove(entry.key)

    def forget_stage(self, name: str) -> None:
        """Remove the results of a stage, so that it runs again."""
        store = Store(self.folder / "home" / "store")
        for entry in list(store.entries()):
            if entry.manifest["name"] == name:
                store.remove(entry.key)

    def forget(self, name: str) -> None:
        """Remove a folder of the workshop."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _drawn(self, name: str, count: int, seed: int) -> Path:
        import cv2

        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        random = np.random.default_rng(seed)
        for number in range(count):
            cv2.imwrite(str(folder / f"{number:06d}.jpg"), picture(random))
        return folder


def picture(random: np.random.Generator) -> NDArray[np.uint8]:
    """Soft patches of colour under a little noise, uint8 [480, 640, 3]."""
    import cv2

    coarse = random.integers(0, 256, (15, 20, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
    noisy = smooth + random.normal(0, 4, smooth.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _truth(names: list[str]) -> dict[str, Any]:
    images: list[dict[str, Any]] = [
        {"id": number, "file_name": name, "width": 640, "height": 480}
        for number, name in enumerate(names, 1)
    ]
    annotations = [
        {
            "id": _OBJECTS * image["id"] + number,
            "image_id": image["id"],
            "category_id": 1,
            "bbox": [20 + 100 * number, 20 + 60 * number, 80, 120],
            "area": 9600,
            "iscrowd": 0,
        }
        for image in images
        for number in range(_OBJECTS)
    ]
    categories = [{"id": 1, "name": "person"}]
    return {"images": images, "annotations": annotations, "categories": categories}
