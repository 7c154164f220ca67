from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from zoo_core.api import DataPlan, DataView, Stage, StageContext

WriteTruth = Callable[..., Path]
MakeImages = Callable[[Path, Sequence[str]], None]


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    monkeypatch.delenv("ZOO_COCO_URL", raising=False)


@pytest.fixture
def make_images() -> MakeImages:
    """Writes a small picture, each of another content, for every name."""

    def make(folder: Path, names: Sequence[str]) -> None:
        for number, name in enumerate(names):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture = np.full((20, 30, 3), number * 7 % 256, np.uint8)
            path.write_bytes(cv2.imencode(path.suffix, picture)[1].tobytes())

    return make


@pytest.fixture
def sideways() -> Callable[[Path], None]:
    """Writes a JPEG of 20 x 30 (width x height) pixels that is shown turned, as 30 x 20."""

    def make(path: Path) -> None:
        stored = cv2.imencode(".jpg", np.zeros((30, 20, 3), np.uint8))[1].tobytes()
        exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        path.write_bytes(stored[:2] + segment + stored[2:])

    return make


@pytest.fixture
def write_truth() -> WriteTruth:
    """Writes an annotation file: images as (id, file name), boxes as (image, category, xywh)."""

    def write(
        path: Path,
        images: Sequence[tuple[int | str, str]],
        boxes: Sequence[tuple[int | str, int, Sequence[float]]] = (),
        categories: Sequence[tuple[int, str]] = ((1, "person"), (3, "car")),
    ) -> Path:
        data: dict[str, Any] = {
            "images": [
                {"id": number, "file_name": name, "width": 30, "height": 20}
                for number, name in images
            ],
            "annotations": [
                {"id": n, "image_id": image, "category_id": category, "bbox": list(box)}
                for n, (image, category, box) in enumerate(boxes)
            ],
            "categories": [{"id": number, "name": name} for number, name in categories],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data))
        return path

    return write


RunStage = Callable[..., Path]


@pytest.fixture
def run_stage(tmp_path: Path) -> RunStage:
    """Runs a stage's function as the executor does; returns its folder."""

    def run(stage: Stage, done: dict[str, Path] | None = None) -> Path:
        module, _, function = stage.run.partition(":")
        out = tmp_path / "stages" / f"{stage.name}-{len(list(tmp_path.glob('stages/*')))}"
        out.mkdir(parents=True)
        context = StageContext(
            inputs={arg: _place(ref, done or {}) for arg, ref in stage.inputs.items()},
            params=stage.params,
            locations=stage.locations,
            out=out,
            log=out / "log.txt",
            resume_dir=out.with_suffix(".resume_dir"),
            progress=lambda _done, _total, _note="": None,
            plugins=cast("Any", None),
            sessions=cast("Any", None),
        )
        getattr(import_module(module), function)(context)
        assert {path.name for path in out.iterdir()} == set(stage.outputs)
        return out

    return run


def _place(reference: str, done: dict[str, Path]) -> Path:
    name, _, file = reference.partition("/")
    return done[name] / file


@pytest.fixture
def run_plan(run_stage: RunStage) -> Callable[[DataPlan], DataView]:
    """Runs the stages of a data plan; returns what reading it needs."""

    def run(plan: DataPlan) -> DataView:
        done: dict[str, Path] = {}
        for stage in plan.stages:
            done[stage.name] = run_stage(stage, done)
        paths = {arg: _place(ref, done) for arg, ref in plan.inputs.items()}
        paths |= {arg: Path(place) for arg, place in plan.locations.items()}
        return DataView(paths=paths, params=plan.params)

    return run


class Site:
    """A web server on this machine; `asked` are the paths it was asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        site = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                super().do_GET()

            def log_message(self, *_: Any) -> None:
                pass

        handler = partial(Handler, directory=str(root))
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    root = tmp_path / "site"
    root.mkdir()
    made = Site(root)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setenv("ZOO_COCO_URL", made.url)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()
