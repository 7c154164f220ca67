"""The contract of a runtime: it computes what the graph says, and refuses what does not fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.checks import backend_with, must, plugins_of, refusal
from zoo_core.testing.contracts.compiled import TinyCompile, require_here
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.testing.given import SIZE, tiny_model

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType

    from numpy.typing import NDArray

    from zoo_core.nouns import Arrays, Backend, Runtime, Target
    from zoo_core.plugins import Plugins

_BATCH = 2
_SHARED = "runtime-stages"


@dataclass(frozen=True, slots=True)
class _Made:
    artefact: Path
    target: Target


class RuntimeContract(Isolated):
    """What a runtime keeps. Subclass it, set `plugin` and `name`.

    It opens what the compiler of its backend makes of the kit's tiny graph; `partners` are the
    plugins that give that compiler where this one does not. `tolerance` is absolute, for fp32, on
    outputs of magnitude 1; `loss` bounds the relative error (of the norm) in other precisions.
    """

    plugin: ModuleType
    name: str
    partners: tuple[ModuleType, ...] = ()
    size: tuple[int, int] = SIZE
    tolerance: float = 1e-4
    loss: float = 0.2

    def test_it_computes_what_the_graph_says(self, tmp_path: Path) -> None:
        """Against ONNX's reference evaluator, in every precision."""
        images = self._images()
        expected = self._reference(images)
        for precision in self._backend().precisions:
            found = self._run(self._make(tmp_path, precision), [images])[0]
            difference = found - expected
            must(np.isfinite(found).all(), f"{precision}: outputs are not finite")
            if precision == "fp32":
                worst = float(np.abs(difference).max())
                must(worst <= self.tolerance, f"fp32: outputs are off by {worst:g}")
            else:
                share = float(np.linalg.norm(difference) / np.linalg.norm(expected))
                must(share <= self.loss, f"{precision}: outputs lose {share:.0%}")

    def test_outputs_are_as_declared(self, tmp_path: Path) -> None:
        """Names in order, batch first, C-contiguous, of the dtype of their spec."""
        made = self._make(tmp_path)
        with self._runtime().open(made.artefact, made.target) as session:
            must([s.name for s in session.inputs] == ["input"], "its inputs are not the graph's")
            found = session.run({"input": self._images()})
            specs = session.outputs
            threads = getattr(session, "threads", 0)
        must(threads is None or threads > 0, f"it runs on {threads} threads (None: not known)")
        must(list(found) == [s.name for s in specs], f"outputs are {list(found)}, not as declared")
        must(list(found) == ["head0"], f"outputs are {list(found)}, the graph has head0")
        for spec in specs:
            array = found[spec.name]
            must(array.flags.c_contiguous, f"output '{spec.name}' is not C-contiguous")
            must(str(array.dtype) == spec.dtype, f"output '{spec.name}' is {array.dtype}")
            must(len(array) == _BATCH, f"output '{spec.name}' has {len(array)} rows, not {_BATCH}")

    def test_the_order_in_a_batch_does_not_matter(self, tmp_path: Path) -> None:
        """In every precision: an image's outputs are its own."""
        images = self._images()
        turned = np.ascontiguousarray(images[::-1])
        for precision in self._backend().precisions:
            made = self._make(tmp_path, precision)
            first, second = self._run(made, [images, turned])
            worst = float(np.abs(first - second[::-1]).max())
            must(
                worst <= self.tolerance, f"{precision}: outputs change by {worst:g} with the order"
            )

    def test_it_leaves_feeds_and_results_alone(self, tmp_path: Path) -> None:
        """What goes in is unchanged; what came out is not overwritten by the next run."""
        made = self._make(tmp_path)
        images = self._images()
        before = images.copy()
        with self._runtime().open(made.artefact, made.target) as session:
            first = session.run({"input": images})["head0"]
            kept = first.copy()
            session.run({"input": np.ascontiguousarray(images[::-1])})
        must(np.array_equal(images, before), "it changes the feeds")
        must(np.array_equal(first, kept), "a later run overwrites an earlier result")

    def test_it_closes_and_opens_again(self, tmp_path: Path) -> None:
        """With the same outputs, while and after another session is open."""
        made = self._make(tmp_path)
        images = self._images()
        (first,) = self._run(made, [images])
        with self._runtime().open(made.artefact, made.target):
            (second,) = self._run(made, [images])
        (third,) = self._run(made, [images])
        same = np.array_equal(first, second) and np.array_equal(first, third)
        must(same, "the outputs of a session that is opened again differ")

    def test_wrong_feeds_are_refused(self, tmp_path: Path) -> None:
        """A wrong shape and a wrong name are ZooErrors."""
        made = self._make(tmp_path)
        images = self._images()
        wide = np.concatenate([images, images], axis=3)
        flat = images[:, :1].copy()
        with self._runtime().open(made.artefact, made.target) as session:
            for feeds, of in (
                ({"input": wide}, "an input of the wrong width"),
                ({"input": flat}, "an input of one channel"),
                ({"image": images}, "an input of an unknown name"),
            ):
                refusal(partial(session.run, feeds), ZooError, of)

    def test_what_is_no_artefact_is_refused(self, tmp_path: Path) -> None:
        """An empty folder and a cut model are ZooErrors."""
        made = self._make(tmp_path)
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
            session.run({"input": self._images()})

    def _run(self, made: _Made, batches: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
        with self._runtime().open(made.artefact, made.target) as session:
            found: list[Arrays] = [session.run({"input": batch}) for batch in batches]
        return [arrays["head0"].astype(np.float32) for arrays in found]

    def _images(self) -> NDArray[np.float32]:
        shape = (_BATCH, 3, *self.size)
        return np.random.default_rng(5).random(shape, dtype=np.float32)

    def _reference(self, images: NDArray[np.float32]) -> NDArray[Any]:
        from onnx.reference import ReferenceEvaluator

        (found,) = ReferenceEvaluator(tiny_model(self.size)).run(None, {"input": images})
        return np.asarray(found)

    def _make(self, folder: Path, precision: str | None = None) -> _Made:
        plugins, backend = self._plugins(), self._backend()
        require_here(backend)
        case = TinyCompile(
            backend=backend,
            compiler=plugins.compiler(backend.compiler),
            precision=precision or backend.precisions[0],
            batch=_BATCH,
            size=self.size,
        )
        return _Made(case.build(folder.parent / _SHARED, plugins), case.target)

    def _plugins(self) -> Plugins:
        return plugins_of(self.plugin, self.partners)

    def _backend(self) -> Backend:
        return backend_with(self._plugins(), "runtime", self.name)

    def _runtime(self) -> Runtime:
        return self._plugins().runtime(self.name)
