"""The contract of a runtime: it computes what the graph says, and refuses what does not fit."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from zoo_core.api.trace import Traceable
from zoo_core.benchmark.trace import OperatorTable
from zoo_core.errors import ZooError
from zoo_core.testing.contracts.arrays import copied, same
from zoo_core.testing.contracts.checks import NONSENSE, is_interrupted, must, refusal
from zoo_core.testing.contracts.compiled import BackendPart
from zoo_core.testing.examples import tiny_model
from zoo_core.testing.isolation import ask
from zoo_core.toolkit.artefact import ARTEFACT_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Session, Target

    Compiled = tuple[Path, Target]
    Images = NDArray[np.uint8]
    Floats = NDArray[np.float32]

_BATCH = 2
_HINTS = ("latency", "throughput")
_INPUT_KINDS = ("tensor", "image", "name")
_NOT_ARTEFACTS = ("", "[]", "{}", '{"format": "onnx", "model": 3}')
_MOST = 4
_RUNS = 3


class RuntimeContract(BackendPart):
    """What a runtime keeps. Subclass it, set `plugin` and `name`.

    It opens what the compiler of its backend makes of the kit's tiny graph; `partners` are the
    plugins that bring that compiler or backend where this one does not. `tolerance` is absolute,
    for fp32, on outputs of magnitude 1; `loss` bounds the relative error (of the norm) in other
    precisions; `threads` is how many threads may share a session that recommends fewer workers.
    Sessions that take images get the images that the tensors are made of; those that take names
    are skipped. Override `model` where the session holds one that must be freed.
    """

    kind: ClassVar[str] = "runtime"
    tolerance: float = 1e-4
    loss: float = 0.2
    threads: int = 1
    batch = _BATCH

    def model(self, session: Session) -> Any:
        """The object of an open session that holds the model's memory; None for none."""
        return None

    def test_it_computes_what_the_graph_says(self, tmp_path: Path) -> None:
        """Against ONNX's reference evaluator, in every precision."""
        images = _noises(self.size)
        expected = _reference(images)
        for precision in self._backend().precisions:
            outputs = self._run(self._artefact(tmp_path, precision), [images])[0]
            must(outputs.shape == expected.shape, f"{precision}: outputs are {outputs.shape}")
            difference = outputs - expected
            must(np.isfinite(outputs).all(), f"{precision}: outputs are not finite")
            if precision == "fp32":
                worst = float(np.abs(difference).max())
                must(worst <= self.tolerance, f"fp32: outputs are off by {worst:g}")
            else:
                share = float(np.linalg.norm(difference) / np.linalg.norm(expected))
                must(share <= self.loss, f"{precision}: outputs lose {share:.0%}")

    def test_it_states_how_it_is_run(self, tmp_path: Path) -> None:
        """Its kind of input, threads of one run, and concurrent runs, for either hint."""
        compiled = self._artefact(tmp_path)
        for hint in _HINTS:
            with self._provider().open(*compiled, hint) as session:
                kind, workers, threads = session.input_kind, session.workers, session.threads
            known = ", ".join(_INPUT_KINDS)
            must(kind in _INPUT_KINDS, f"its input_kind is '{kind}', not one of {known}")
            must(type(workers) is int and workers > 0, f"it has {workers} workers for {hint}")
            must(threads is None or threads > 0, f"it runs on {threads} threads (None: not known)")

    def test_outputs_are_as_declared(self, tmp_path: Path) -> None:
        """Names in order, batch first, C-contiguous, of the dtype of their spec."""
        with self._opened(self._artefact(tmp_path)) as session:
            feeds, rows = _feeds_of(session, _noises(self.size))
            names = [spec.name for spec in session.inputs]
            must(names == list(feeds), f"its inputs are {names}, not the graph's")
            outputs, specs = session.run(feeds), session.outputs
        names = list(outputs)
        must(names == [s.name for s in specs], f"outputs are {names}, not as declared")
        must(names == ["head0"], f"outputs are {names}, the graph has head0")
        for spec in specs:
            array = outputs[spec.name]
            must(array.flags.c_contiguous, f"output '{spec.name}' is not C-contiguous")
            must(str(array.dtype) == spec.dtype, f"output '{spec.name}' is {array.dtype}")
            must(len(array) == rows, f"output '{spec.name}' has {len(array)} rows, not {rows}")

    def test_the_order_in_a_batch_does_not_matter(self, tmp_path: Path) -> None:
        """In every precision: an image's outputs are its own."""
        images = _noises(self.size)
        for precision in self._backend().precisions:
            compiled = self._artefact(tmp_path, precision)
            first, second = self._run(compiled, [images, images[::-1]])
            self._check_same(first, second[::-1], f"{precision}: outputs change with the order")

    def test_many_at_once_are_as_one(self, tmp_path: Path) -> None:
        """For either hint, by as many threads as it has workers: the same outputs."""
        compiled, images = self._artefact(tmp_path), _noises(self.size)
        (alone,) = self._run(compiled, [images])
        for hint in _HINTS:
            with self._opened(compiled, hint) as session:
                workers = max(self.threads, min(session.workers, _MOST))
                turns = [images if at % 2 else images[::-1] for at in range(4 * workers)]
                try:
                    with ThreadPoolExecutor(workers) as pool:
                        results = list(pool.map(partial(_outputs_of, session), turns))
                except ZooError as error:
                    raise AssertionError(f"{workers} runs at once fail: {error}") from error
            for at, array in enumerate(results):
                expected = alone if at % 2 else alone[::-1]
                self._check_same(array, expected, f"{workers} runs at once change outputs")

    def test_it_leaves_feeds_and_results_alone(self, tmp_path: Path) -> None:
        """Feeds are unchanged; results are not overwritten by the next run."""
        images = _noises(self.size)
        with self._opened(self._artefact(tmp_path)) as session:
            feeds, _ = _feeds_of(session, images)
            before = copied(feeds)
            first = session.run(feeds)["head0"]
            kept = first.copy()
            session.run(_feeds_of(session, images[::-1])[0])
        must(same(before, feeds), "it changes the feeds")
        must(np.array_equal(first, kept), "a later run overwrites an earlier result")

    def test_it_closes_and_opens_again(self, tmp_path: Path) -> None:
        """With the same outputs, while and after another session is open."""
        compiled, images = self._artefact(tmp_path), _noises(self.size)
        (first,) = self._run(compiled, [images])
        with self._opened(compiled):
            (second,) = self._run(compiled, [images])
        (third,) = self._run(compiled, [images])
        alike = np.array_equal(first, second) and np.array_equal(first, third)
        must(alike, "the outputs of a session that is opened again differ")

    def test_closing_frees_the_model(self, tmp_path: Path) -> None:
        """And a closed session refuses to run."""
        compiled, images = self._artefact(tmp_path), _noises(self.size)
        with self._opened(compiled) as session:
            feeds, _ = _feeds_of(session, images)
            session.run(feeds)
            model = self.model(session)
            alive = weakref.ref(model) if model is not None else lambda: None
            del model
        gc.collect()
        must(alive() is None, "a closed session keeps the model")
        refusal(partial(session.run, feeds), ZooError, "a run of a closed session")

    def test_nothing_is_printed(self, tmp_path: Path) -> None:
        """By a process that opens the artefact and runs it."""
        compiled = self._artefact(tmp_path)
        with self._opened(compiled) as session:
            feeds, _ = _feeds_of(session, _noises(self.size))
        question = self._question("open", compiled)
        answer = ask(replace(question, feeds=feeds), tmp_path)
        must(not answer.error, f"opened in a fresh process: {answer.error}")
        must(not answer.printed, f"it prints {answer.printed}")

    def test_a_trace_has_every_run(self, tmp_path: Path) -> None:
        """Where it can trace: operators by name, within the whole time."""
        runtime, compiled = self._provider(), self._artefact(tmp_path)
        if not isinstance(runtime, Traceable):
            return
        images = _noises(self.size)
        trace = runtime.trace(*compiled, lambda session: _feeds_of(session, images)[0], _RUNS)
        table = OperatorTable.of(trace.durations(), trace.runs).operators
        calls = {row.name: row.calls for row in table if row.type.startswith("Conv")}
        must(calls, "its trace has no convolution")
        must(set(calls.values()) == {_RUNS}, f"{_RUNS} runs are traced as {calls}")
        whole, total = trace.whole_us, sum(event.duration_us for event in trace.events)
        must(whole is None or 0 < total <= whole, f"operators take {total} us of {whole} us")

    def test_an_interrupt_goes_through(self, tmp_path: Path) -> None:
        """Ctrl-C while a session is open ends it and is not swallowed; it opens again."""
        compiled, images = self._artefact(tmp_path), _noises(self.size)

        def interrupted() -> None:
            with self._opened(compiled) as session:
                _outputs_of(session, images)
                raise KeyboardInterrupt

        must(is_interrupted(interrupted), "it swallows an interrupt")
        self._run(compiled, [images])

    def test_wrong_feeds_are_refused(self, tmp_path: Path) -> None:
        """Another shape, another dtype, and an unknown name are ZooErrors that name the input."""
        with self._opened(self._artefact(tmp_path)) as session:
            for of, name, feeds in _wrong_feeds(session, _noises(self.size)):
                error = refusal(partial(session.run, feeds), ZooError, of)
                must(name in str(error), f"the refusal of {of} does not name '{name}': {error}")

    def test_what_is_no_artefact_is_refused(self, tmp_path: Path) -> None:
        """An empty folder, a listing of something else and a cut model: ZooErrors of one line."""
        compiled = self._artefact(tmp_path)
        self._run(compiled, [_noises(self.size)])
        for of, words, folder in _wrong_artefacts(compiled[0], tmp_path):
            error = refusal(partial(self._open, (folder, compiled[1])), ZooError, of)
            must("\n" not in str(error), f"the refusal of {of} has several lines: {error}")
            must(words in str(error), f"the refusal of {of} does not name {words}: {error}")

    def _open(self, compiled: Compiled) -> None:
        with self._provider().open(*compiled) as session:
            _outputs_of(session, _noises(self.size))

    @contextmanager
    def _opened(self, compiled: Compiled, hint: str = "latency") -> Iterator[Session]:
        with self._provider().open(*compiled, hint) as session:
            if session.input_kind == "name":
                pytest.skip("it reads what another program has stored, by the names of samples")
            yield session

    def _run(self, compiled: Compiled, batches: Iterable[Images]) -> list[Floats]:
        with self._opened(compiled) as session:
            return [_outputs_of(session, images) for images in batches]

    def _check_same(self, one: Floats, other: Floats, breach: str) -> None:
        worst = float(np.abs(one - other).max())
        must(worst <= self.tolerance, f"{breach} by {worst:g}")


def _noises(size: tuple[int, int]) -> Images:
    """Two images of seeded noise, uint8 [2, 3, height, width], of the network's own size."""
    return np.random.default_rng(5).integers(0, 256, (_BATCH, 3, *size), dtype=np.uint8)


def _tensors(images: Images) -> Floats:
    """The same as the network takes them; see `zoo_core.testing.examples.preprocess`."""
    return np.ascontiguousarray(images * np.float32(1 / 255), np.float32)


def _reference(images: Images) -> NDArray[Any]:
    """What the tiny graph computes from them, by ONNX's reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    height, width = images.shape[2:]
    (head,) = ReferenceEvaluator(tiny_model((height, width))).run(None, {"input": _tensors(images)})
    return np.asarray(head)


def _feeds_of(session: Session, images: Images) -> tuple[dict[str, NDArray[Any]], int]:
    """One run's feeds, and how many rows its outputs have: all images, or the first one."""
    if session.input_kind == "image":
        return {session.inputs[0].name: np.ascontiguousarray(images[:1])}, 1
    return {"input": _tensors(images)}, len(images)


def _outputs_of(session: Session, images: Images) -> Floats:
    """`head0` of all images, in as many runs as it takes."""
    batches = np.split(images, len(images)) if session.input_kind == "image" else [images]
    heads = [session.run(_feeds_of(session, batch)[0])["head0"] for batch in batches]
    return np.concatenate(heads).astype(np.float32)


def _wrong_feeds(session: Session, images: Images) -> Iterator[tuple[str, str, Arrays]]:
    """What must be refused: its name, the input that the refusal must name, the feeds."""
    ((name, array),) = _feeds_of(session, images)[0].items()
    if session.input_kind == "image":
        yield "an image of floats", name, {name: array.astype(np.float32)}
    else:
        yield "an input of the wrong width", name, {name: np.concatenate([array, array], axis=3)}
        yield "an input without a batch axis", name, {name: array[0]}
        yield "an input of bytes", name, {name: array.astype(np.uint8)}
        if isinstance(session.inputs[0].shape[0], int):
            yield "too large a batch", name, {name: np.concatenate([array, array])}
    yield "an input of one channel", name, {name: array[:, :1].copy()}
    yield "an input of an unknown name", name, {f"not-{name}": array}
    yield "an input too many", "more", {name: array, "more": array}


def _wrong_artefacts(artefact: Path, folder: Path) -> Iterator[tuple[str, str, Path]]:
    """What must be refused: its name, words that the refusal must have, a folder with it."""
    empty = folder / "empty"
    empty.mkdir()
    yield "an empty folder", "", empty
    listing = (artefact / ARTEFACT_FILE).read_text(encoding="utf-8")
    foreign = json.dumps({**json.loads(listing), "format": NONSENSE})
    texts = {"another format": foreign, **{f"the listing {t!r}": t for t in _NOT_ARTEFACTS}}
    for number, (of, text) in enumerate(texts.items()):
        place = folder / f"listing{number}"
        shutil.copytree(artefact, place)
        (place / ARTEFACT_FILE).write_text(text, encoding="utf-8")
        yield of, NONSENSE if text == foreign else "", place
    cut = folder / "cut"
    cut.mkdir()
    for path in artefact.iterdir():
        data = path.read_bytes()
        cut_data = data if path.suffix == ".json" else data[: len(data) // 2]
        (cut / path.name).write_bytes(cut_data)
    yield "a cut model", str(cut), cut
