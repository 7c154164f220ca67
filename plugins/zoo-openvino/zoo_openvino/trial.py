"""Rewrites tried on the network at hand: what comes out has to stay as near to float as it was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_openvino.compare import ratios_db, rounded
from zoo_openvino.engine import compile_model, infer
from zoo_openvino.rewrites import drop_inner_pairs, restore_mish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from zoo_core.nouns import TensorSpec
    from zoo_openvino.engine import Setting

SEED = 20
SLACK_DB = 0.5
"""What a rewrite may cost an output, signal over difference against the float network.

Both sides are int8, whose steps fall otherwise after the smallest change; that alone moves the
ratio by a few tenths.
"""

REWRITES: tuple[tuple[str, Callable[[Any], int]], ...] = (
    ("restore-mish", restore_mish),
    ("drop-inner-pairs", drop_inner_pairs),
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One rewrite that found something, and what the outputs' ratios were before and after."""

    name: str
    count: int
    kept: bool
    before_db: list[float | None]
    after_db: list[float | None]

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "name": self.name,
            "count": self.count,
            "kept": self.kept,
            "before_db": rounded(self.before_db),
            "after_db": rounded(self.after_db),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What rewrites are judged on: one input, the float network's named outputs, a setting."""

    feeds: Mapping[str, NDArray[Any]]
    names: Sequence[str]
    reference: Sequence[NDArray[Any]]
    setting: Setting
    where: str = ""

    def ratios(self, model: Any) -> list[float | None]:
        """Each output of a model against the float network's, in dB."""
        return self.compiled_ratios(compile_model(model, self.setting, self.where))

    def compiled_ratios(self, compiled: Any) -> list[float | None]:
        """The same of a model that is compiled already."""
        return ratios_db(self.reference, infer(compiled, self.names, self.feeds, self.where))


def rewrite(model: Any, bench: Bench, names: Sequence[str]) -> tuple[Any, list[Tried]]:
    """The model with those of the named rewrites that prove themselves, one after the other."""
    tried: list[Tried] = []
    before = bench.ratios(model)
    for name, apply in REWRITES:
        if name not in names:
            continue
        changed = model.clone()
        count = apply(changed)
        if not count:
            continue
        changed.validate_nodes_and_infer_types()
        after = bench.ratios(changed)
        kept = all(map(_holds, before, after))
        tried.append(Tried(name, count, kept, before, after))
        if kept:
            model, before = changed, after
    return model, tried


def seeded_feeds(inputs: Sequence[TensorSpec]) -> dict[str, NDArray[Any]]:
    """One input in [0, 1) for each spec, of batch 1 where the batch is free.

    Raises UsageError where a dimension other than the first is free, or for other dtypes.
    """
    generator = np.random.default_rng(SEED)
    feeds = {}
    for spec in inputs:
        shape = [1 if axis == 0 and isinstance(n, str) else n for axis, n in enumerate(spec.shape)]
        sizes = [size for size in shape if isinstance(size, int)]
        if len(sizes) < len(shape) or spec.dtype != "float32":
            raise UsageError(
                f"input '{spec.name}' is {spec.dtype} {list(spec.shape)}",
                next="export float32 inputs of a fixed size; only the batch may be free",
            )
        feeds[spec.name] = generator.random(sizes, dtype=np.float32)
    return feeds


def _holds(before: float | None, after: float | None) -> bool:
    least = math.inf if before is None else before
    return (math.inf if after is None else after) >= least - SLACK_DB
