"""What a report warns of, of whose code exported the network."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from zoo_core.reporting.warnings import _by_halves, _by_source, decoder_doubts, exported_by


def run(source: str, *trees: dict[str, Any]) -> Any:
    plan = [SimpleNamespace(stage=SimpleNamespace(params={"source": tree})) for tree in trees]
    repository = SimpleNamespace(name="owner/net", commit="abc")
    return SimpleNamespace(
        request=SimpleNamespace(source=source),
        plan=[SimpleNamespace(stage=SimpleNamespace(params={})), *plan],
        resolved=SimpleNamespace(card=SimpleNamespace(repository=repository)),
    )


@pytest.mark.parametrize("source", ["builtin", "repo"])
def test_the_card_says_whose_code_it_is(source: str) -> None:
    asked = run(source, {"url": "https://example.com", "commit": "abc"})
    assert exported_by(asked) == source
    assert list(_by_source(asked)) == []


def test_a_folder_is_named_with_its_own_commit() -> None:
    same, other = run("look at me", {"commit": "abc"}), run("net", {"commit": "def"})
    assert exported_by(same) == "look at me at abc"
    assert list(_by_source(same)) == []
    assert exported_by(other) == "net at def"
    assert list(_by_source(other)) == [
        "exported by net at def, not by owner/net at abc as the card states"
    ]


def test_a_folder_without_a_commit() -> None:
    unknown = run("net", {"commit": None})
    assert exported_by(unknown) == "net at no commit"
    assert len(list(_by_source(unknown))) == 1
    assert exported_by(run("net at home")) == "net at home"
    assert list(_by_source(run("net at home"))) == []


@pytest.mark.parametrize(
    ("named", "value", "count"),
    [
        ("yolox", 0.0, 1),
        ("yolox", 0.004, 1),
        ("yolox", 0.01, 0),
        (None, 0.0, 0),
        ("yolox", None, 0),
    ],
)
def test_a_decoder_that_finds_nothing_is_doubted(
    named: str | None, value: float | None, count: int
) -> None:
    told = list(decoder_doubts(named, {"values": {"AP": value, "AP50": 0.0}}))
    assert len(told) == count
    assert not count or told[0].startswith(f"AP is {value:.3f} with --decoder yolox")
    assert not list(decoder_doubts(named, None))


@pytest.mark.parametrize(("changed", "count"), [(0, 0), (10, 0), (11, 1)])
def test_calibration_that_has_not_settled_is_told(changed: int, count: int) -> None:
    halves = {"tensors": 100, "by": 0.1, "changed": changed, "worst": "t", "worst_change": 0.345}
    told = list(_by_halves({"calibration": {"images": 50, "halves": halves}}))
    assert len(told) == count
    if told:
        assert told[0].startswith(
            "calibration has not settled: half of its 50 images give other ranges, by more than "
            "10% for 11 of 100 tensors (worst: t, 34%)"
        )
    assert list(_by_halves({"calibration": {"images": 50}})) == []
    assert list(_by_halves({})) == []
