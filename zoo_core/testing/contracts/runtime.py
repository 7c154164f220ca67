"""The contract of a runtime: it computes what the graph says, and refuses what does not fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.checks import backend_with, must, plugins_of, refusal
from zoo_core.testing.contracts.compiled import TinyCompile, require_here
from zoo_core.testing.contracts.feeding import (
    BATCH,
    HINTS,
    INPUT_KINDS,
    feeds_of,
    noises,
    outputs_of,
    reference,
    wrong_feeds,
)
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.testing.given import SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from zoo_core.api import Backend, Runtime, Session, Target
    from zoo_core.plugins.manager import Plugins

_SHARED = "runtime-stages"
_MOST = 4


@dataclass(frozen=True, slots=True)
class _Made:
    artefact: Path
    target: Target


class RuntimeContract(Isolated):
    """What a runtime keeps. Subclass it, set `plugin` and `name`.

    It opens what the compiler of its backend makes of the kit's tiny graph; `partners` are the
    plugins that give that compiler or backend where this one does not. `tolerance` is absolute, for
    fp32, on outputs of magnitude 1; `loss` bounds the relative error (of the norm) in other
    precisions. Sessions that take images get the images that the tensors are made of; those that
    take names have nothing that this contract could feed them, and are skipped.
    """

    plugin: ModuleType
    name: str
    partners: tuple[ModuleType, ...] = ()
    size: tuple[int, int] = SIZE
    tolerance: float = 1e-4
    loss: float = 0.2

    def test_it_computes_what_the_graph_says(self, tmp_path: Path) -> None:
        """Against ONNX's reference evaluator, in every precision."""
        images = noises(self.size)
        expected = reference(images)
        for precision in self._backend().precisions:
            found = self._run(self._make(tmp_path, precision), [images])[0]
            must(found.shape == expected.shape, f"{precision}: outputs are {found.shape}")
            difference = found - expected
            must(np.isfinite(found).all(), f"{precision}: outputs are not finite")
            if precision == "fp32":
                worst = float(np.abs(difference).max())
                must(worst <= self.tolerance, f"fp32: outputs are off by {worst:g}")
            else:
                share = float(np.linalg.norm(difference) / np.linalg.norm(expected))
                must(share <= self.loss, f"{precision}: outputs lose {share:.0%}")

    def test_it_states_how_it_is_run(self, tmp_path: Path) -> None:
        """What a run takes, its threads, and how many may go on at once, for either hint."""
        made = self._make(tmp_path)
        for hint in HINTS:
            with self._runtime().open(made.artefact, made.target, hint) as session:
                kind, workers, threads = session.input_kind, session.workers, session.threads
            must(
                kind in INPUT_KINDS,
                f"its input_kind is '{kind}', which is none of {', '.join(INPUT_KINDS)}",
            )
            must(type(workers) is int and workers > 0, f"it has {workers} workers for {hint}")
            must(threads is None or threads > 0, f"it runs on {threads} threads (None: not known)")

    def test_outputs_are_as_declared(self, tmp_path: Path) -> None:
        """Names in order, batch first, C-contiguous, of the dtype of their spec."""
        with self._opened(self._make(tmp_path)) as session:
            feeds, rows = feeds_of(session, noises(self.size))
            names = [spec.name for spec in session.inputs]
            must(names == list(feeds), f"its inputs are {names}, not the graph's")
            found = session.run(feeds)
            specs = session.outputs
        must(list(found) == [s.name for s in specs], f"outputs are {list(found)}, not as declared")
        must(list(found) == ["head0"], f"outputs are {list(found)}, the graph has head0")
        for spec in specs:
            array = found[spec.name]
            must(array.flags.c_contiguous, f"output '{spec.name}' is not C-contiguous")
            must(str(array.dtype) == spec.dtype, f"output '{spec.name}' is {array.dtype}")
            must(len(array) == rows, f"output '{spec.name}' has {len(array)} rows, not {rows}")

    def test_the_order_in_a_batch_does_not_matter(self, tmp_path: Path) -> None:
        """In every precision: an image's outputs are its own."""
        images = noises(self.size)
        for precision in self._backend().precisions:
            made = self._make(tmp_path, precision)
            first, second = self._run(made, [images, images[::-1]])
            worst = float(np.abs(first - second[::-1]).max())
            must(
                worst <= self.tolerance, f"{precision}: outputs change by {worst:g} with the order"
            )

    def test_many_at_once_are_as_one(self, tmp_path: Path) -> None:
        """Opened for throughput, by as many threads as it has workers: the same outputs."""
        made, images = self._make(tmp_path), noises(self.size)
        (alone,) = self._run(made, [images])
        with self._opened(made, "throughput") as session:
            workers = min(max(session.workers, 1), _MOST)
            turns = [images if at % 2 else images[::-1] for at in range(4 * workers)]
            try:
                with ThreadPoolExecutor(workers) as pool:
                    found = list(pool.map(lambda turn: outputs_of(session, turn), turns))
            except ZooError as error:
                raise AssertionError(f"{workers} runs at once fail: {error}") from error
        for at, array in enumerate(found):
            expected = alone if at % 2 else alone[::-1]
            worst = float(np.abs(array - expected).max())
            must(worst <= self.tolerance, f"{workers} runs at once change outputs by {worst:g}")

    def test_it_leaves_feeds_and_results_alone(self, tmp_path: Path) -> None:
        """What goes in is unchanged; what came out is not overwritten by the next run."""
        images = noises(self.size)
        with self._opened(self._make(tmp_path)) as session:
            feeds, _ = feeds_of(session, images)
            before = {name: array.copy() for name, array in feeds.items()}
            first = session.run(feeds)["head0"]
            kept = first.copy()
            session.run(feeds_of(session, images[::-1])[0])
        for name, array in before.items():
            must(np.array_equal(array, feeds[name]), "it changes the feeds")
        must(np.array_equal(first, kept), "a later run overwrites an earlier result")

    def test_it_closes_and_opens_again(self, tmp_path: Path) -> None:
        """With the same outputs, while and after another session is open."""
        made, images = self._make(tmp_path), noises(self.size)
        (first,) = self._run(made, [images])
        with self._opened(made):
            (second,) = self._run(made, [images])
        (third,) = self._run(made, [images])
        same = np.array_equal(first, second) and np.array_equal(first, third)
        must(same, "the outputs of a session that is opened again differ")

    def test_an_interrupt_goes_through(self, tmp_path: Path) -> None:
        """Ctrl-C while a session is open ends it and is not swallowed; it opens again."""
        made, images = self._make(tmp_path), noises(self.size)
        try:
            with self._opened(made) as session:
                outputs_of(session, images)
                raise KeyboardInterrupt
        except KeyboardInterrupt:
            pass
        except Exception as error:
            what = f"an interrupt becomes {type(error).__name__} ({error})"
            raise AssertionError(what) from error
        else:
            raise AssertionError("it swallows an interrupt")
        self._run(made, [images])

    def test_wrong_feeds_are_refused(self, tmp_path: Path) -> None:
        """Another shape, another dtype of an image, and an unknown name are ZooErrors."""
        with self._opened(self._make(tmp_path)) as session:
            for of, feeds in wrong_feeds(session, noises(self.size)):
                refusal(partial(session.run, feeds), ZooError, of)

    def test_what_is_no_artefact_is_refused(self, tmp_path: Path) -> None:
        """An empty folder and a cut model are ZooErrors."""
        made = self._make(tmp_path)
        self._run(made, [noises(self.size)])
        empty = tmp_path / "empty"
        empty.mkdir()
        refusal(lambda: self._open(_Made(empty, made.target)), ZooError, "an empty folder")
        cut = tmp_path / "cut"
        cut.mkdir()
        for path in made.artefact.iterdir():
            data = path.read_bytes()
            whole = path.suffix == ".json"
            (cut / path.name).write_bytes(data if whole else data[: len(data) // 2])
        refusal(lambda: self._open(_Made(cut, made.target)), ZooError, "a cut model")

    def _open(self, made: _Made) -> None:
        with self._runtime().open(made.artefact, made.target) as session:
            outputs_of(session, noises(self.size))

    @contextmanager
    def _opened(self, made: _Made, hint: str = "latency") -> Iterator[Session]:
        with self._runtime().open(made.artefact, made.target, hint) as session:
            if session.input_kind == "name":
                pytest.skip("it reads what another program has stored, by the names of samples")
            yield session

    def _run(self, made: _Made, batches: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        with self._opened(made) as session:
            return [outputs_of(session, images) for images in batches]

    def _make(self, folder: Path, precision: str | None = None) -> _Made:
        plugins, backend = self._plugins(), self._backend()
        require_here(backend)
        case = TinyCompile(
            backend=backend,
            compiler=plugins.compiler(backend.compiler),
            precision=precision or backend.precisions[0],
            batch=BATCH,
            size=self.size,
        )
        return _Made(case.build(folder.parent / _SHARED, plugins), case.target)

    def _plugins(self) -> Plugins:
        return plugins_of(self.plugin, self.partners)

    def _backend(self) -> Backend:
        return backend_with(self._plugins(), "runtime", self.name)

    def _runtime(self) -> Runtime:
        return self._plugins().runtime(self.name)
