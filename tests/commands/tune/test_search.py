"""The search by made-up figures: what is tried, in which order, and what is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from zoo_core.api import TuningStep
from zoo_core.benchmark.compare import VersusFigures
from zoo_core.commands.tune.report import TuneReport, optimism, speed_doubts
from zoo_core.commands.tune.search import Search, Trial, verdict_of
from zoo_core.commands.tune.trials import cost_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT = 0.005
FLOAT = "float_nodes"


@dataclass
class Network:
    """Drops by layer, of which layers in float are freed, after what an option takes off."""

    layers: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, float] = field(default_factory=dict)
    dear: frozenset[str] = frozenset()
    most: int = 99
    """How many layers in float speed allows."""

    tried: list[str] = field(default_factory=list)

    def drop(self, options: Mapping[str, str]) -> float:
        floats = options.get(FLOAT, "").split(",")
        layers = sum(drop for name, drop in self.layers.items() if name not in floats)
        return layers - sum(self.options.get(f"{k}={v}", 0.0) for k, v in options.items())

    def make(self, name: str, options: Mapping[str, str], best: Trial) -> Trial:
        self.tried.append(name)
        drop, floats = self.drop(options), [n for n in options.get(FLOAT, "").split(",") if n]
        slow = len(floats) > self.most or self.dear & {f"{k}={v}" for k, v in options.items()}
        verdict, reached = verdict_of(drop, None, None, LIMIT)
        refused = "too slow" if slow else ""
        return Trial(
            name=name, options=options, value=0.4 - drop, drop=drop, verdict=verdict,
            reached=reached, refused=refused,
        )  # fmt: skip

    def search(
        self, steps: Sequence[TuningStep] = (), most: int = 99, floats: Sequence[str] = ()
    ) -> Search:
        verdict, reached = verdict_of(self.drop({}), None, None, LIMIT)
        plain = Trial(name="plain", value=0.4, drop=self.drop({}), verdict=verdict, reached=reached)
        search = Search(self.make, plain, most)
        names = sorted(self.layers, key=lambda name: -self.layers[name])
        search.run(steps, FLOAT, floats, lambda best: names)
        return search


def step(kind: str, key: str, value: str) -> TuningStep:
    return TuningStep(name=f"{key} {value}", kind=kind, summary="", options={key: value})


STEPS = (
    step("calibrator", "c", "a"),
    step("calibrator", "c", "b"),
    step("range", "r", "1"),
    step("bias", "b", "1"),
)


def test_nothing_is_tried_where_plain_is_good_enough() -> None:
    network = Network({"one": 0.004})
    search = network.search(STEPS)
    assert network.tried == []
    assert search.best.name == "plain"


def test_it_ends_at_the_first_step_that_reaches_the_limit() -> None:
    network = Network({"one": 0.02}, {"c=b": 0.016, "r=1": 0.002})
    search = network.search(STEPS)
    assert network.tried == ["c a", "c b"]
    assert search.best.name == "c b"


def test_the_best_of_a_kind_is_kept_for_the_next() -> None:
    network = Network({"one": 0.03}, {"c=a": 0.01, "c=b": 0.005, "r=1": -0.01, "b=1": 0.016})
    search = network.search(STEPS)
    assert network.tried == ["c a", "c b", "r 1", "b 1"]
    assert dict(search.best.options) == {"c": "a", "b": "1"}


def test_a_step_that_costs_too_much_speed_is_left_out() -> None:
    network = Network({"one": 0.03}, {"c=a": 0.03, "c=b": 0.01, "r=1": 0.02}, frozenset({"c=a"}))
    search = network.search(STEPS)
    assert network.tried == ["c a", "c b", "r 1"]
    assert dict(search.best.options) == {"c": "b", "r": "1"}


def spread(bad: Mapping[int, float], count: int = 16) -> dict[str, float]:
    """Layers by rank; those of `bad` drop so much, others nothing."""
    return {f"l{n:02}": bad.get(n, 0.0) for n in range(count)}


def test_groups_grow_and_a_bisection_takes_back_what_is_not_needed() -> None:
    """The drop is in the five worst of sixteen: 1, 2, 4, 8, then back to 6 and 5."""
    network = Network(spread(dict.fromkeys(range(5), 0.006)))
    search = network.search()
    assert [len(t.options[FLOAT].split(",")) for t in search.trials[1:6]] == [1, 2, 4, 8, 6]
    assert search.best.options[FLOAT] == "l00,l01,l02,l03,l04"


def test_no_layer_stays_float_without_need() -> None:
    """The rank is wrong: of the first six layers only two matter."""
    network = Network(spread({1: 0.006, 5: 0.006}))
    names = list(network.layers)
    search = Search(network.make, Trial(name="plain", value=0.4, drop=network.drop({})), 99)
    search.run((), FLOAT, (), lambda best: names)
    assert search.best.options[FLOAT] == "l01,l05"
    assert search.best.reached


def test_speed_bounds_the_layers_and_the_rest_is_not_reached() -> None:
    network = Network(spread(dict.fromkeys(range(9), 0.006)), most=5)
    search = network.search()
    assert len(search.best.options[FLOAT].split(",")) == 5
    assert not search.best.reached
    assert [t.refused for t in search.trials if len(t.options.get(FLOAT, "").split(",")) > 5] == [
        "too slow",
        "too slow",
    ]


def test_between_a_group_too_few_and_one_too_slow_lies_the_answer() -> None:
    network = Network(spread(dict.fromkeys(range(6), 0.006)), most=6)
    search = network.search()
    assert search.best.reached
    assert len(search.best.options[FLOAT].split(",")) == 6


def test_nothing_helps() -> None:
    network = Network({"rest": 0.0}, {"c=a": -0.01, "c=b": -0.01, "r=1": -0.01, "b=1": -0.01})
    network.drop = lambda options: 0.1 + 0.01 * len(options)  # type: ignore[method-assign]
    search = network.search(STEPS)
    assert search.best.name == "plain"
    assert not search.best.reached
    assert network.tried[-1] == "1 layer in float"


@pytest.mark.parametrize(
    ("half", "floats", "verdict"),
    [(0.002, "a", "passed"), (0.004, "b,a", "passed"), (0.01, "a", "not decided")],
)
def test_what_the_interval_decides_is_not_given_up(half: float, floats: str, verdict: str) -> None:
    """Without b in float the drop is 0.002: within the limit, as 0.004 more is not."""
    network = Network({"a": 0.02, "b": 0.002})

    def make(name: str, options: Mapping[str, str], best: Trial) -> Trial:
        trial = network.make(name, options, best)
        drop = trial.drop or 0.0
        told, reached = verdict_of(drop, drop - half, drop + half, LIMIT)
        return replace(trial, verdict=told, reached=reached)

    search = Search(make, Trial(name="plain", value=0.4, drop=0.022, verdict="missed"), 99)
    search.run((), FLOAT, (), lambda best: ["b", "a"])
    assert search.best.options[FLOAT] == floats
    assert search.best.verdict == verdict


def test_layers_that_are_float_already_stay_so() -> None:
    network = Network(spread({0: 0.01}))
    search = network.search(floats=("l15",))
    assert search.best.options[FLOAT] == "l15,l00"


def test_the_number_of_trials_is_bounded() -> None:
    network = Network(spread(dict.fromkeys(range(9), 0.006)))
    search = network.search(STEPS, most=3)
    assert search.spent
    assert len(network.tried) == 3


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((0.004, 0.001, 0.005), ("passed", True)),
        ((0.004, 0.001, 0.006), ("not decided", True)),
        ((0.006, 0.001, 0.009), ("not decided", False)),
        ((0.009, 0.006, 0.012), ("missed", False)),
        ((0.004, 0.006, 0.012), ("missed", False)),
        ((0.004, None, None), ("not decided", True)),
        ((None, None, None), ("not decided", False)),
    ],
)
def test_the_interval_decides_where_it_can(
    bounds: tuple[float | None, float | None, float | None], expected: tuple[str, bool]
) -> None:
    assert verdict_of(*bounds, LIMIT) == expected


def versus(speedup: float, verdict: str) -> VersusFigures:
    return VersusFigures(
        this="a", other="b", scenario="single-stream", blocks=12, runs=24, median_ms=1.0,
        other_median_ms=1.0, speedup=speedup, speedup_interval=(speedup, speedup), p=0.01,
        verdict=verdict,
    )  # fmt: skip


def test_the_cost_is_a_share_of_the_gain() -> None:
    """Twice as fast as fp32; 0.9 times as fast as that: 1.8, so 0.2 of the gain of 1."""
    gain = versus(2.0, "faster")
    assert cost_of(versus(0.9, "slower"), gain, 0.25)[1] == ""
    cost, refused = cost_of(versus(0.9, "slower"), gain, 0.1)
    assert cost == pytest.approx(0.2)
    assert refused == "costs 20% of the gain in speed, more than 10%"
    assert cost_of(versus(0.9, "no difference shown"), gain, 0.1)[1] == ""
    assert cost_of(versus(0.9, "slower"), versus(0.8, "slower"), 0.1) == (None, "")
    assert cost_of(None, None, 0.1) == (None, "")


def test_speeds_that_contradict_each_other_are_told() -> None:
    """A step that cost 7 % against the plain build, and 92 % when measured against fp32."""
    chosen = Trial(name="1 layer in float", drop=0.0, cost=0.07, reached=True)
    report = TuneReport(
        model="m", name="m", backend="b", precision="int8", metric="AP", images=128, max_drop=0.01,
        max_speed_cost=0.1, reference=0.4, trials=(chosen,), chosen=chosen, reached=True,
        gain=versus(1.5, "faster"), speed=versus(1.04, "faster"), seconds=1.0,
    )  # fmt: skip
    (told,) = speed_doubts(report)
    assert "loses 92% of the gain in speed, not 7%" in told
    assert not speed_doubts(replace(report, speed=versus(1.46, "faster")))
    assert not speed_doubts(replace(report, gain=versus(0.9, "slower")))
    assert not speed_doubts(replace(report, speed=None))


def test_optimism_is_what_a_choice_among_equals_seems_to_win() -> None:
    """Of k trials with independent noise of size s the least is -s times the mean maximum."""
    random = np.random.default_rng(0)
    reference = np.full(4000, 0.5)
    rows = [reference - random.normal(0.02, 0.01, 4000) for _ in range(5)]
    found = optimism(reference, rows, [0.02] * 5)
    assert found == pytest.approx(1.163 * 0.01, rel=0.05)  # E max of five standard normals
    far = optimism(reference, rows[:2], [0.02, 0.5])
    assert far == pytest.approx(0.0, abs=1e-3)
    assert optimism(reference, rows[:1], [0.02]) is None
    assert optimism(reference, [rows[0], rows[1] * np.nan], [0.02, 0.02]) is None
