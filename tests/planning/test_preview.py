"""What a plan is expected to take, and what it is compared with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo_core.api import Stage
from zoo_core.pipeline.durations import Durations
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.store import Store
from zoo_core.planning.preview import preview

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from zoo_core.testing.fixtures import Zoo

RUN = "zoo_core.pipeline.stages.leakage:find"


def predict(subject: str, **params: object) -> Stage:
    return Stage(name="predict", run=RUN, params=params, outputs=("a",), subject=subject)


def made(store: Store, stage: Stage) -> None:
    """As a run leaves it."""
    (item,) = make_plan([stage])
    work = store.work(item.key, stage.name)
    (work / "a").write_text("x")
    facts = {"name": stage.name, "subject": stage.subject, "parts": item.parts}
    store.commit(item.key, work, stage.outputs, facts)


def test_a_stage_is_compared_with_the_same_models_results(tmp_path: Path) -> None:
    store, durations = Store(tmp_path / "store"), Durations(tmp_path / "journal.jsonl")
    made(store, predict("mine:9 320x320 t", conf=0.1, model="mine", size=320))
    made(store, predict("other:9 416x416 t", conf=0.2, model="other", size=416))

    def changed(stage: Stage) -> list[str]:
        found = preview(make_plan([stage]), store, durations, explain=True).rows[0]["changed"]
        return list(found)

    now = predict("mine:8 416x416 t", conf=0.2, model="mine", size=416)
    assert changed(now) == ["params.conf", "params.size"]
    assert changed(predict("third:9 416x416 t", conf=0.2, model="third", size=416)) == []


def test_stages_of_unknown_time_are_counted(tmp_path: Path) -> None:
    store, durations = Store(tmp_path / "store"), Durations(tmp_path / "journal.jsonl")
    known = Stage(name="known", run=RUN, outputs=("a",), cost=10, subject="mine:9 320x320 t")
    durations.add(known, "key", 12.0)
    other = Stage(name="other", run=f"{RUN}s", outputs=("a",), subject="mine:9 320x320 t")
    last = Stage(name="last", run=f"{RUN}s", params={"a": 1}, outputs=("a",))

    def line(*stages: Stage) -> str:
        return preview(make_plan(stages), store, durations, explain=False).line()

    assert line(known) == "1 stage, 1 to run, about 12 s"
    assert line(known, other) == (
        "2 stages, 2 to run, about 12 s and 1 stage whose time is not known yet"
    )
    assert line(other, last) == "2 stages, 2 to run, no times known yet"


def test_a_fresh_home_knows_no_times_and_says_so(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    asked = ("toy-detector", "--backend", "toy", "--assets", "sample")
    fresh = zoo("plan", *asked)
    assert fresh.stdout.splitlines()[-1].endswith(" to run, no times known yet")
    assert zoo("plan", *asked, "--json", "-").json["expected_seconds"] is None
    assert zoo("eval", *asked).code == 0
    again = zoo("plan", *asked)
    assert again.stdout.splitlines()[-1].endswith(", all cached")
    assert "no times" not in zoo("plan", *asked, "--precision", "int8").stdout


def test_the_sample_s_thin_network_says_nothing_about_the_card_s_own(
    zoo: Zoo, zoo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    asked = ("toy-detector", "--backend", "toy", "--weights")
    for weights in ("random:1", "random:2"):
        assert zoo("eval", *asked, weights, "-o", "o").code == 0
    rows = [json.loads(line) for line in (zoo_home / "journal.jsonl").read_text().splitlines()]
    subjects = {row["subject"] for row in rows}
    assert subjects == {"", "toy-detector:random 32x32 toy:fp32/cpux1"}
    assert zoo("eval", *asked[:-1], "--assets", "sample", "-o", "o").code == 0
    rows = [json.loads(line) for line in (zoo_home / "journal.jsonl").read_text().splitlines()]
    assert {row["subject"] for row in rows} - subjects == {"toy-detector:20 32x32 toy:fp32/cpux1"}
