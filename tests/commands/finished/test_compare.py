"""`zoo compare`: differences with intervals, unlike runs, gates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

import zoo_core

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "compare.json"
TOY = ("run", "toy-detector", "--backend", "toy", "--assets", "sample", "--no-bench")


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


@pytest.fixture
def pair(zoo: Zoo, tmp_path: Path) -> tuple[Path, Path]:
    """Two runs of the toy, in float and in int8."""
    for name, precision in (("a", "fp32"), ("b", "int8")):
        assert zoo(*TOY, "--precision", precision, "--output", name).code == 0
    return tmp_path / "a", tmp_path / "b"


def change(folder: Path, **keys: Any) -> None:
    path = folder / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def sampled(folder: Path, value: float, noise: float, shift: float = 0.0) -> None:
    """A run of this F1, whose halves vary with those of other runs but for `noise`."""
    change(folder, metrics={"F1": value}, images=100, per_class={"square": {"F1": value}})
    shared = np.random.default_rng(1).normal(value, 0.05, 400)
    own = shared + np.random.default_rng(2).normal(shift, noise, 400)
    np.savez_compressed(folder / "resamples.npz", F1=own, **{"F1/square": own})


def valid(document: Any) -> dict[str, Any]:
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    return dict(document)


def test_a_loss_is_told_with_its_paired_interval(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    """What both runs share does not widen the interval of their difference."""
    sampled(pair[0], 0.80, 0.0)
    sampled(pair[1], 0.79, 0.001)
    done = zoo("compare", "a", "b", "--json", "-")
    row = valid(done.json)["metrics"][0]

    assert done.code == 0
    assert row["values"] == [0.80, 0.79]
    assert row["difference"] == pytest.approx(-0.01)
    assert row["low"] == pytest.approx(-0.01 - 1.96 * 0.001, abs=0.0005)
    assert row["high"] == pytest.approx(-0.01 + 1.96 * 0.001, abs=0.0005)
    assert done.json["sentence"].startswith("int8 loses 1.0 +- 0.2 F1 (95%: -1.2 to -0.8)")
    assert done.json["classes"][0]["metric"] == "F1/square"
    assert {"what": "precision", "values": ["fp32", "int8"]} in done.json["inputs"]


def test_a_difference_within_its_interval_is_not_decided(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    sampled(pair[0], 0.80, 0.0)
    sampled(pair[1], 0.79, 0.02)
    done = zoo("compare", "a", "b", "--json", "-", "--gate", "drop<=0.02")

    assert done.json["sentence"].endswith("not decided by 100 images")
    assert [gate["verdict"] for gate in valid(done.json)["gates"]] == ["not decided"]
    assert done.code == 0
    assert zoo("compare", "a", "b", "--gate", "drop<=0.02", "--strict").code == 3


@pytest.mark.parametrize(
    ("gate", "verdict", "code"),
    [("drop<=0.005", "missed", 3), ("drop <= 0.02", "passed", 0), ("drop:F1<=0.02", "passed", 0)],
)
def test_gates_go_by_the_interval(
    zoo: Zoo, pair: tuple[Path, Path], gate: str, verdict: str, code: int
) -> None:
    sampled(pair[0], 0.80, 0.0)
    sampled(pair[1], 0.79, 0.001)
    done = zoo("compare", "a", "b", "--gate", gate, "--json", "out.json")

    assert done.code == code
    document = json.loads((pair[0].parent / "out.json").read_text())
    assert [row["verdict"] for row in valid(document)["gates"]] == [verdict]


def test_unlike_runs_are_not_compared(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    sampled(pair[0], 0.80, 0.0)
    sampled(pair[1], 0.79, 0.001)
    report = json.loads((pair[1] / "report.json").read_text())
    protocol = report["protocol"] | {"values": {**report["protocol"]["values"], "conf": 0.7}}
    change(pair[1], protocol=protocol, provenance={"data": "shapes 123"})
    done = zoo("compare", "a", "b", "--json", "-")

    assert done.code == 0
    document = valid(done.json)
    assert document["comparable"] is False
    assert "the protocols differ: conf" in document["why"][0]
    assert "the data sets or subsets differ" in document["why"][1]
    assert document["metrics"][0]["difference"] is None
    assert zoo("compare", "a", "b", "--gate", "drop<=0.5").code == 3


def test_a_run_does_not_differ_from_itself(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    sampled(pair[0], 0.80, 0.0)
    done = zoo("compare", "a", "a", "--json", "-", "--gate", "drop<=0")

    assert valid(done.json)["sentence"] == "F1 does not differ: 0.8000"
    assert (
        done.json["gates"][0]["sentence"] == "drop<=0: F1 drops by 0.0000 (95%: 0.0000 to 0.0000)"
    )
    assert done.code == 0


def test_without_halves_there_is_no_interval(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    done = zoo("compare", "a", "b", "--json", "-", "--gate", "drop<=0.01")

    assert valid(done.json)["metrics"][0]["low"] is None
    assert done.json["sentence"].startswith("F1 does not differ")
    assert (done.code, done.json["gates"][0]["verdict"]) == (0, "not decided")
    assert zoo("compare", "a", "b", "--gate", "drop<=0.01", "--strict").code == 3


def test_the_newest_run_of_a_model_is_found(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    done = zoo("compare", "toy-detector:toy:fp32", "toy-detector:toy:int8", "--json", "-")

    assert [Path(row["run"]).name for row in valid(done.json)["runs"]] == ["a", "b"]
    lost = zoo("compare", "a", "toy-detector:toy:bf16")
    assert lost.code == 6
    assert "--precision bf16` first" in lost.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("a",), 2, "needs two runs or more"),
        (("a", "nowhere"), 6, "nowhere: no such run"),
        (("a", "."), 6, "holds no report"),
        (("a", "b", "--gate", "drop<=2"), 2, "invalid gate"),
        (("a", "b", "--gate", "drop:F2<=0.1"), 2, "no metric 'F2'"),
        (("a", "b", "--gate", "F1>=0.1"), 6, "'F1>=0.1' on sample weights would say nothing"),
        (("a", "b", "--junit", "-"), 2, "--junit: needs a file"),
    ],
)
def test_what_cannot_be_compared_is_told(
    zoo: Zoo, pair: tuple[Path, Path], arguments: tuple[str, ...], code: int, what: str
) -> None:
    done = zoo("compare", *arguments)

    assert done.code == code
    assert what in done.stderr


def test_damaged_halves_are_told(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    (pair[0] / "resamples.npz").write_bytes(b"PK\x03\x04 no archive")
    done = zoo("compare", "a", "b")

    assert done.code == 6
    assert "resamples.npz: cannot be read" in done.stderr


@pytest.mark.parametrize(
    "values",
    [np.zeros(0), np.zeros((2, 2)), np.array(["a"]), np.zeros(3, bool), np.zeros(3, "M8[s]")],
)
def test_halves_that_are_no_figures_are_told(
    zoo: Zoo, pair: tuple[Path, Path], values: Any
) -> None:
    np.savez_compressed(pair[1] / "resamples.npz", F1=values)
    done = zoo("compare", "a", "b")

    assert done.code == 6
    assert "resamples.npz: holds no row of figures for F1" in done.stderr


def test_one_array_in_place_of_the_halves_is_told(zoo: Zoo, pair: tuple[Path, Path]) -> None:
    with (pair[1] / "resamples.npz").open("wb") as stream:
        np.save(stream, np.zeros(3))
    done = zoo("compare", "a", "b")

    assert done.code == 6
    assert "resamples.npz: cannot be read" in done.stderr


@pytest.mark.parametrize(
    "keys",
    [
        {"metrics": {"F1": "0.8"}},
        {"metrics": {"F1": {}}},
        {"metrics": {"F1": True}},
        {"metrics": {"F1": float("nan")}},
        {"metrics": {"F1": 1e308}},
        {"metrics": ["F1"]},
        {"per_class": 3},
        {"per_class": {"square": 3}},
        {"provenance": None},
        {"provenance": {"data": 3}},
        {"size": 3},
        {"options": []},
        {"versions": {"numpy": ["2"]}},
        {"model": None},
    ],
)
def test_a_damaged_report_is_told(zoo: Zoo, pair: tuple[Path, Path], keys: dict[str, Any]) -> None:
    change(pair[1], **keys)
    for runs in (("a", "b"), ("b", "a")):
        done = zoo("compare", *runs)
        assert done.code == 6
        assert str(Path("b", "report.json")) in done.stderr
        assert "is damaged" in done.stderr


def test_python_compares_as_the_command_does(pair: tuple[Path, Path]) -> None:
    sampled(pair[0], 0.80, 0.0)
    sampled(pair[1], 0.79, 0.001)
    report = zoo_core.compare(*pair)

    assert report.sentence.startswith("int8 loses 1.0 +- 0.2 F1")
    assert report.to_data()["comparable"] is True
