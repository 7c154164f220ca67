"""The stage that predicts: what it feeds, in which order it answers, and what a failure leaves."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import pytest

from zoo_core.api import Sample, StageContext, TensorSpec
from zoo_core.errors import SampleError, StageError, UsageError
from zoo_core.pipeline.records import read_records
from zoo_core.pipeline.sessions import SessionPool
from zoo_core.pipeline.stages.inputs import stacked
from zoo_core.pipeline.stages.predict import RECORDS, shard
from zoo_core.vision import Preprocess, write_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Session

STEPS = [
    {"op": "decode", "colour": "rgb"},
    {"op": "resize", "mode": "letterbox", "size": [16, 16]},
    {"op": "scale", "factor": 1 / 255},
    {"op": "to_tensor"},
]


class FakeSession:
    """Answers with the mean of what it is fed; the number of rows it was ever fed is counted."""

    def __init__(self, input_kind: str = "tensor", workers: int = 1) -> None:
        self.inputs = (TensorSpec(name="input", shape=("n", 3, 16, 16)),)
        self.outputs = (TensorSpec(name="mean", shape=("n", 1)),)
        self.threads: int | None = 1
        self.workers = workers
        self.input_kind = input_kind
        self.seen: list[NDArray[Any]] = []
        self.poison: set[int] = set()
        self.error: BaseException | None = None
        self.most = 0
        self.opencv_threads: set[int] = set()
        self._now = 0
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        batch = feeds["input"]
        with self._lock:
            self.opencv_threads.add(cv2.getNumThreads())
            self.seen.append(batch)
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.002)
        with self._lock:
            self._now -= 1
        if batch.dtype.kind == "U":
            return {"mean": np.array([[len(str(name))] for name in batch], np.float32)}
        means = batch.reshape(len(batch), -1).mean(axis=1, dtype=np.float64)
        levels = np.round(means * (255 if batch.dtype == np.float32 else 1)).astype(int)
        for level in levels:
            if self.error and int(level) in self.poison:
                raise self.error
        return {"mean": levels[:, None].astype(np.float32)}


@pytest.fixture
def images(tmp_path: Path) -> list[Sample]:
    """Twelve grey squares; number n is of grey 10 * n."""
    samples = []
    for number in range(12):
        path = tmp_path / f"{number:02d}.png"
        write_image(path, np.full((20, 20, 3), 10 * number, np.uint8))
        samples.append(Sample(id=number, name=path.name, path=path))
    return samples


def context(
    tmp_path: Path, images: list[Sample], session: FakeSession, batch: int = 1
) -> StageContext:
    @contextmanager
    def opened(artefact: Path, target: Any, hint: str) -> Iterator[Session]:
        assert hint == "throughput"
        yield cast("Any", session)

    def bind(params: Any, classes: int, floor: float) -> Any:
        return lambda outputs, geometry: {
            "mean": outputs["mean"],
            "size": np.array(geometry.source),
        }

    plugins = SimpleNamespace(
        dataset=lambda _: SimpleNamespace(samples=lambda _v, start, stop: iter(images[start:stop])),
        runtime=lambda _: SimpleNamespace(open=opened),
        decoder=lambda _: SimpleNamespace(bind=bind),
    )
    out = tmp_path / f"out-{time.monotonic_ns()}"
    out.mkdir()
    target = {"backend": "b", "precision": "fp32", "device": "cpu", "batch": batch, "options": {}}
    return StageContext(
        inputs={"artefact": tmp_path / "artefact.json"},
        params={
            "dataset": "d",
            "data": {},
            "runtime": "r",
            "target": target,
            "decoder": "d",
            "decoder_params": {},
            "decoder_from_graph": False,
            "classes": 1,
            "floor": 0.1,
            "preprocess": Preprocess.from_data(STEPS).to_data(),
            "start": 0,
            "stop": len(images),
        },
        locations={},
        out=out,
        log=out / "log.txt",
        resume_dir=tmp_path / "resume_dir",
        progress=lambda _done, _total, _note="": None,
        plugins=cast("Any", plugins),
        sessions=SessionPool(),
    )


def means(folder: Path) -> list[float]:
    return [float(arrays["mean"][0]) for _, arrays in read_records(folder / RECORDS)]


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("workers", [1, 3])
def test_candidates_are_in_the_samples_order(
    tmp_path: Path, images: list[Sample], workers: int, batch: int
) -> None:
    session = FakeSession(workers=workers)
    ctx = context(tmp_path, images, session, batch)
    shard(ctx)

    assert means(ctx.out) == [10 * number for number in range(12)]
    heads = [head for head, _ in read_records(ctx.out / RECORDS)]
    assert [head["id"] for head in heads] == list(range(12))
    assert heads[0]["size"] == [20, 20]
    assert {len(batch_) for batch_ in session.seen} == {batch}
    assert session.most <= workers


def test_a_session_may_take_the_image_as_it_was_read(tmp_path: Path, images: list[Sample]) -> None:
    session = FakeSession(input_kind="image", workers=4)
    shard(ctx := context(tmp_path, images, session, batch=4))

    assert {image.shape for image in session.seen} == {(1, 3, 20, 20)}
    assert {str(image.dtype) for image in session.seen} == {"uint8"}
    assert means(ctx.out) == [10 * number for number in range(12)]


def test_a_session_may_take_names(tmp_path: Path, images: list[Sample]) -> None:
    session = FakeSession(input_kind="name")
    shard(context(tmp_path, images, session))
    assert sorted(str(batch[0]) for batch in session.seen) == [image.name for image in images]


@pytest.mark.parametrize("batch", [1, 5])
def test_an_image_that_fails_is_named_and_the_others_are_kept(
    tmp_path: Path, images: list[Sample], batch: int
) -> None:
    session = FakeSession()
    session.poison, session.error = {30, 70}, SampleError("the device gave up", next="look at it")
    with pytest.raises(SampleError) as failure:
        shard(context(tmp_path, images, session, batch))

    text = str(failure.value)
    assert text.startswith("image 03.png: the device gave up; 1 more failed: 07.png")
    assert "10 other images are kept" in text

    session.poison, session.seen = set(), []
    shard(again := context(tmp_path, images, session, batch))
    assert means(again.out) == [10 * number for number in range(12)]
    assert sum(len(np.unique(fed, axis=0)) for fed in session.seen) == 2


def test_an_interrupt_keeps_what_is_finished(tmp_path: Path, images: list[Sample]) -> None:
    session = FakeSession()
    session.poison, session.error = {110}, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        shard(context(tmp_path, images, session))

    session.poison, session.seen = set(), []
    shard(again := context(tmp_path, images, session))
    assert means(again.out) == [10 * number for number in range(12)]
    assert len(session.seen) <= 3


def test_opencv_starts_no_threads_beside_the_chains(tmp_path: Path, images: list[Sample]) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        session = FakeSession(workers=2)
        shard(context(tmp_path, images, session))
        assert session.opencv_threads == {1}
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_one_image_alone_is_fed_without_a_copy() -> None:
    feed = np.zeros((3, 4, 4), np.float32)
    assert np.shares_memory(stacked([feed], 1), feed)
    assert stacked([feed], 1).shape == (1, 3, 4, 4)
    assert stacked([feed], 2).shape == (2, 3, 4, 4)


def test_any_other_error_ends_the_stage_at_once(tmp_path: Path, images: list[Sample]) -> None:
    session = FakeSession()
    session.poison, session.error = {0}, StageError("the device is gone")
    with pytest.raises(StageError, match="is gone"):
        shard(context(tmp_path, images, session))
    assert len(session.seen) <= 4


def test_what_only_the_exporter_knows_reaches_the_card_s_decoder(
    tmp_path: Path, images: list[Sample]
) -> None:
    graph = {
        "format": "onnx",
        "path": "m.onnx",
        "inputs": [],
        "outputs": [],
        "form": "heads",
        "facts": {"decoder": {"stride": 8}},
    }
    (tmp_path / "graph.json").write_text(json.dumps(graph), encoding="utf-8")
    for from_graph, expected in ((True, {"stride": 8}), (False, {})):
        ctx = context(tmp_path, images[:1], FakeSession())
        calls: list[Any] = []
        cast("Any", ctx.plugins).decoder = lambda _, calls=calls: SimpleNamespace(
            bind=lambda known, classes, floor: calls.append(known) or (lambda o, g: dict(o))
        )
        params = {**ctx.params, "decoder_from_graph": from_graph}
        inputs = {**ctx.inputs, "graph": tmp_path / "graph.json"}
        fields = {name: getattr(ctx, name) for name in StageContext.__slots__}
        shard(StageContext(**{**fields, "params": params, "inputs": inputs}))
        assert calls == [expected]


@pytest.mark.parametrize("kind", ["tensor", "image"])
def test_another_batch_than_the_network_has_fixed_is_told(
    tmp_path: Path, images: list[Sample], kind: str
) -> None:
    """What takes images one by one batches by itself."""
    session = FakeSession(kind)
    session.inputs = (TensorSpec(name="input", shape=(1, 3, 16, 16)),)
    if kind == "image":
        shard(context(tmp_path, images, session, batch=4))
        return
    with pytest.raises(UsageError, match="takes batches of 1 only, asked for 4; use --batch 1"):
        shard(context(tmp_path, images, session, batch=4))
