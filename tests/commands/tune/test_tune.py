"""`zoo tune` from the command line: the toy, whose int8 is made to lose objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

import zoo_core
from zoo_core import testing
from zoo_core.api import TuningStep
from zoo_core.benchmark import compare as compare_module
from zoo_core.commands.tune import trials, tune
from zoo_core.errors import StageError, UsageError
from zoo_core.testing import toy, toy_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.testing.fixtures import Zoo

SCHEMAS = Path(zoo_core.__file__).parent / "schemas"
IMAGES = Path(testing.__file__).parent / "toy_shapes"
TOY = ("toy-detector", "--backend", "toy")
JSON = ("--json", "-")
STEPS = (
    TuningStep(name="tight", kind="range", summary="", options={"clip": "2"}),
    TuningStep(name="wide", kind="range", summary="", options={"clip": "20"}),
    TuningStep(name="wider", kind="range", summary="", options={"clip": "30"}),
)


@pytest.fixture(autouse=True)
def tunable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy alone, with steps to try; its int8 clips nearly everything by default."""
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    real: Callable[..., Any] = toy_parts._quantize
    monkeypatch.setattr(
        toy_parts, "_quantize", lambda model, images, clip: real(model, images, clip or "0.01")
    )
    monkeypatch.setattr(compare_module, "_TURN_SECONDS", 0.001)
    monkeypatch.setattr(tune, "_SECONDS", 0.01)
    monkeypatch.setattr(toy.ToyCompiler, "float_option", "floats", raising=False)
    monkeypatch.setattr(toy.ToyCompiler, "float_operators", ("Conv",), raising=False)
    monkeypatch.setattr(toy.ToyCompiler, "tuning", lambda *_: STEPS, raising=False)


def tuned(zoo: Zoo, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = zoo("tune", *TOY, *JSON, *arguments)
    assert done.code == code, done.stderr
    jsonschema.validate(done.json, json.loads((SCHEMAS / "tune.json").read_text()))
    return dict(done.json)


def f1(zoo: Zoo, *arguments: str) -> tuple[float, dict[str, Any]]:
    done = zoo("eval", *TOY, "--precision", "int8", "--json", "-", *arguments)
    assert done.code == 0, done.stderr
    return done.json["metrics"]["F1"], done.json


def test_later_runs_use_what_was_found_and_say_so(zoo: Zoo) -> None:
    before, _ = f1(zoo)
    report = tuned(zoo)
    assert [trial["name"] for trial in report["trials"]] == ["plain", "tight", "wide"]
    assert report["chosen"]["name"] == "wide"
    assert report["reached"]
    assert report["chosen"]["verdict"] == "not decided"  # four images: there is no interval
    assert "not decided by 4 images" in report["sentence"]
    assert report["trials"][0]["value"] == before < report["reference"] == 1.0
    assert report["gain"]["blocks"] >= 12
    assert report["chosen"]["speed"]["other"] == "int8"
    after, run = f1(zoo)
    assert after == report["chosen"]["value"] == 1.0
    (warning,) = [text for text in run["warnings"] if "zoo tune" in text]
    assert "clip=20" in warning
    assert report["file"] in warning
    assert run["provenance"]["tuned"].startswith("toy-detector--toy--int8--")
    request = json.loads((Path(run["output"]) / "manifest.json").read_text())["request"]
    assert request["options"] == {"clip": "20"}  # what is run again is the same elsewhere
    shown = zoo("show", "toy-detector", "--json").json
    jsonschema.validate(shown, json.loads((SCHEMAS / "show.json").read_text()))
    assert shown["tuned"][report["file"]]["options"] == {"clip": "20"}
    printed = yaml.safe_load(zoo("show", "toy-detector").stdout)
    assert printed["tuned"][report["file"]]["options"] == {"clip": "20"}


def test_the_command_line_goes_first(zoo: Zoo) -> None:
    before, _ = f1(zoo)
    tuned(zoo)
    assert f1(zoo, "--tuned", "none")[0] == before
    value, run = f1(zoo, "--option", "clip=0.01")
    assert value == before
    assert any("--option clip goes first" in text for text in run["warnings"])
    float_run = zoo("eval", *TOY, "--json", "-").json
    assert not any("zoo tune" in text for text in float_run["warnings"])


def test_other_weights_do_not_use_it(zoo: Zoo, tmp_path: Path) -> None:
    tuned(zoo)
    other = tmp_path / "other.toy"
    content = bytearray((Path(testing.__file__).parent / "weights.toy").read_bytes())
    content[4] ^= 1
    other.write_bytes(content)
    given = ("--images", str(IMAGES), "--weights", str(other))
    _, run = f1(zoo, *given)
    assert not any("zoo tune" in text for text in run["warnings"])
    (file,) = (tmp_path / "zoo-home" / "tuned").glob("*.yaml")
    done = zoo("eval", *TOY, "--precision", "int8", *given, "--tuned", str(file))
    assert done.code == 2
    assert "is for weights" in done.stderr


def test_a_file_of_ones_own_is_used_where_it_is_named(zoo: Zoo, tmp_path: Path) -> None:
    before, _ = f1(zoo)
    report = tuned(zoo, "-o", "mine.yaml")
    assert report["file"] == "mine.yaml"
    document = yaml.safe_load(Path("mine.yaml").read_text())
    assert document["options"] == {"clip": "20"}
    assert document["measured"]["tuned"]["value"] == 1.0
    assert f1(zoo)[0] == before
    assert f1(zoo, "--tuned", "mine.yaml")[0] == 1.0
    for text, words, code in (
        ("schema: zoo.tuned/1\nmodel: x\n", "a key is missing", 2),
        ("other: 1\n", "is no file of `zoo tune`", 2),
        (yaml.safe_dump({**document, "options": {"clip": 20}}), "put numbers in quotes", 2),
        (yaml.safe_dump({**document, "options": 8}), "is damaged", 2),
        (yaml.safe_dump({**document, "backend": "other"}), "is for backend other, not toy", 2),
        ("a: [", "is not valid YAML", 2),
    ):
        Path("mine.yaml").write_text(text)
        done = zoo("eval", *TOY, "--precision", "int8", "--tuned", "mine.yaml")
        assert done.code == code
        assert words in done.stderr, done.stderr
    done = zoo("eval", *TOY, "--precision", "int8", "--tuned", "absent.yaml")
    assert done.code == 6


def test_forget(zoo: Zoo) -> None:
    report = tuned(zoo)
    again = tuned(zoo, "--forget")
    assert again == {"schema": "zoo.tune/1", "forgotten": [report["file"]]}
    done = zoo("tune", *TOY, "--forget")
    assert done.code == 2
    assert "nothing was tuned" in done.stderr


def test_speeds_are_not_measured_again(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that was killed after two trials goes on: scores from the store, speeds from it."""
    real, timed = compare_module.compare, []

    def compare(*arguments: Any) -> Any:
        timed.append(arguments)
        if len(timed) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(trials, "compare", compare)
    assert zoo("tune", *TOY, *JSON).code == 130
    assert len(timed) == 2  # int8 against fp32; then the first step that drops less
    report = tuned(zoo)
    assert report["reached"]
    measured = len(timed)
    again = tuned(zoo)
    assert len(timed) == measured
    assert again["chosen"]["speed"] == report["chosen"]["speed"]
    journal = Path(report["file"]).parent / trials.JOURNAL
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    assert [row["trial"] for row in rows if row["speed"]] == ["int8", "wide", "wide"]
    assert len(timed) == 4  # one of them was interrupted
    assert [row["trial"] for row in rows if not row["speed"]] == ["tight"]
    journal.write_text(journal.read_text()[:-40])  # cut off: the last is measured again
    tuned(zoo)
    assert len(timed) == measured + 1


def test_what_is_set_is_not_searched(zoo: Zoo) -> None:
    report = tuned(zoo, "--option", "clip=2", code=3)
    assert [trial["name"] for trial in report["trials"]] == ["plain"]
    assert report["file"] is None
    assert "nothing that was tried drops less" in report["sentence"]


def test_plain_may_be_good_enough(zoo: Zoo) -> None:
    report = tuned(zoo, "--option", "clip=20")
    assert report["reached"]
    assert report["file"] is None
    assert report["chosen"]["name"] == "plain"


def test_a_step_that_fails_is_left_out(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = TuningStep(name="wrong", kind="bias", summary="", options={"clip": "no number"})
    monkeypatch.setattr(toy.ToyCompiler, "tuning", lambda *_: (wrong, *STEPS))
    report = tuned(zoo)
    assert report["trials"][1]["refused"].startswith("failed: ")
    assert report["chosen"]["name"] == "wide"


def test_a_rank_that_fails_loses_nothing(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> list[str]:
        raise StageError("no engine", where="stage rank")

    monkeypatch.setattr(tune, "ranked", fail)
    monkeypatch.setattr(toy.ToyCompiler, "tuning", lambda *_: STEPS[:1])
    done = zoo("tune", *TOY)
    assert done.code == 3
    assert "warning: no layer is tried in float: stage rank: no engine" in done.stderr
    assert "tight" in done.stdout


def test_a_step_that_is_too_slow_is_refused(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def cost(speed: Any, gain: Any, most: float) -> tuple[float, str]:
        return (0.5, "too slow") if speed.this == "wide" else (0.0, "")

    monkeypatch.setattr(trials, "cost_of", cost)
    report = tuned(zoo)
    assert [trial["refused"] for trial in report["trials"]] == ["", "", "too slow", ""]
    assert report["chosen"]["name"] == "wider"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--max-drop", "2"), "--max-drop: must be from 0 to 1"),
        (("--max-speed-cost", "-1"), "--max-speed-cost: must be from 0 to 1"),
        (("--weights", "random", "--images", str(IMAGES)), "no weights whose accuracy"),
    ],
)
def test_a_request_that_cannot_be_tuned(zoo: Zoo, arguments: tuple[str, ...], words: str) -> None:
    done = zoo("tune", *TOY, *arguments)
    assert done.code == 2
    assert words in done.stderr


def test_a_compiler_that_offers_nothing(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(toy.ToyCompiler, "tuning")
    done = zoo("tune", *TOY)
    assert done.code == 2
    assert "backend 'toy' offers nothing to tune" in done.stderr


def test_images_that_calibrate_and_score_are_told(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")
    same = ("--images", str(IMAGES), "--calibration", str(IMAGES))
    weights = str(Path(testing.__file__).parent / "weights.toy")
    report = tuned(zoo, "--weights", weights, *same)
    assert any("4 calibration images are also evaluation images" in w for w in report["warnings"])
    assert any("the images that chose the options" in w for w in report["warnings"])


def test_from_python(zoo: Zoo) -> None:
    report = zoo_core.tune("toy-detector", backend="toy", progress=lambda _: None)
    assert report.reached
    assert report.chosen.name == "wide"
    with pytest.raises(UsageError, match="--trials"):
        zoo_core.tune("toy-detector", backend="toy", trials=0)
