from __future__ import annotations

from dataclasses import replace

import pytest

from zoo_core.api import Stage
from zoo_core.errors import ZooError
from zoo_core.pipeline.plan import make_plan

FIRST = Stage(
    name="first", run="zoo_core.system.hashing:digest", params={"a": 1}, outputs=("x.bin",)
)
SECOND = Stage(
    name="second",
    run="zoo_core.system.hashing:digest",
    inputs={"x": "first/x.bin"},
    outputs=("y.bin",),
    versions=("numpy",),
)


def keys(*stages: Stage) -> list[str]:
    return [item.key for item in make_plan(stages)]


def test_planning_twice_gives_the_same_keys() -> None:
    assert keys(FIRST, SECOND) == keys(FIRST, SECOND)


def test_a_parameter_changes_its_stage_and_all_after_it() -> None:
    changed = replace(FIRST, params={"a": 2})

    before, after = keys(FIRST, SECOND), keys(changed, SECOND)

    assert before[0] != after[0]
    assert before[1] != after[1]


def test_where_things_lie_and_what_they_cost_are_not_in_the_key() -> None:
    moved = replace(FIRST, locations={"images": "/elsewhere"}, cost=50.0)

    assert keys(FIRST) == keys(moved)


@pytest.mark.parametrize(
    "change",
    [
        {"run": "zoo_core.errors:did_you_mean"},
        {"outputs": ("z.bin",)},
        {"versions": ("pluggy",)},
        {"sources": ("zoo_core.pipeline.store",)},
    ],
)
def test_everything_that_a_stage_does_is_in_its_key(change: dict[str, object]) -> None:
    assert keys(FIRST) != keys(replace(FIRST, **change))  # type: ignore[arg-type]


READ = {"params": {"start": 0, "stop": 1}, "ranges": ("x",)}


def test_a_range_of_what_grows_keeps_its_key() -> None:
    few = replace(FIRST, params={"a": 1, "count": 2}, growing=("count",))
    many = replace(few, params={"a": 1, "count": 9})
    cut = replace(FIRST, name="cut", inputs={"all": "first/x.bin"}, growing=("a",))
    reading = replace(SECOND, inputs={"x": "cut/x.bin"}, **READ)
    before, after = keys(few, cut, reading), keys(many, cut, reading)

    assert before[:2] != after[:2]
    assert before[2] == after[2]
    assert keys(few, cut, reading)[2] != keys(few, cut, replace(reading, params={"start": 1}))[2]


def test_a_range_of_other_things_has_another_key() -> None:
    few = replace(FIRST, params={"a": 1, "count": 2}, growing=("count",))
    other = replace(few, params={"a": 2, "count": 2})
    older = replace(few, versions=("numpy",))
    reading = replace(SECOND, **READ)
    result = [keys(planned_stages, reading)[1] for planned_stages in (few, other, older)]
    assert len(set(result)) == 3


def test_what_is_read_whole_has_another_key_when_more_is_there() -> None:
    few = replace(FIRST, params={"count": 2}, growing=("count",))
    many = replace(few, params={"count": 9})
    assert keys(few, SECOND)[1] != keys(many, SECOND)[1]


def test_two_stages_of_one_name_are_refused() -> None:
    with pytest.raises(ZooError, match="two stages are named 'first'"):
        make_plan([FIRST, FIRST])


def test_an_input_that_no_stage_outputs_is_refused() -> None:
    with pytest.raises(ZooError, match="no earlier stage outputs"):
        make_plan([SECOND])


def test_an_input_that_the_stage_does_not_output_is_refused() -> None:
    with pytest.raises(ZooError, match="which 'first' does not output"):
        make_plan([FIRST, replace(SECOND, inputs={"x": "first/other.bin"})])


def test_until_keeps_what_a_stage_needs() -> None:
    aside = replace(FIRST, name="aside", params={"b": 1})

    plan = make_plan([FIRST, aside, SECOND]).until("second")

    assert [item.stage.name for item in plan] == ["first", "second"]


def test_the_maker_of_a_file_is_the_last_stage_that_outputs_it() -> None:
    again = replace(FIRST, name="again")

    result = make_plan([FIRST, again]).maker("x.bin")

    assert result is not None
    assert result.stage.name == "again"
