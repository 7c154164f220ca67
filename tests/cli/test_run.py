"""What predict looks at, and what verbs say of it: on stdout, on stderr, and with -q."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo_core.api import Prediction, Sample
from zoo_core.benchmark.result import Benchmark
from zoo_core.benchmark.statistics import Steadiness
from zoo_core.commands.predict import _View
from zoo_core.testing.toy_parts import ToyEvaluator

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

TOY = ("toy-detector", "--backend", "toy")
RANDOM = (*TOY, "--weights", "random")


@pytest.fixture(autouse=True)
def light_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")


# what predict looks at


def test_images_are_looked_at_as_a_path_is(zoo: Zoo, tmp_path: Path, write_image: Any) -> None:
    write_image(tmp_path / "mine" / "a.png")
    done = zoo("predict", *RANDOM, "--images", "mine", "--json", "-", "-o", "out")

    assert done.code == 0, done.stderr
    assert [row["picture"] for row in done.json["images"]] == [
        str(tmp_path / "out" / "pictures" / "a.jpg")
    ]
    assert done.json["assets"]["data"] == "given"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("mine", "--images", "mine"), "PATH excludes --images and --annotations"),
        (("mine", "--annotations", "a.json"), "PATH excludes --images and --annotations"),
        (("--annotations", "a.json"), "--annotations needs --images DIR"),
    ],
)
def test_what_is_looked_at_is_said_once(
    zoo: Zoo, tmp_path: Path, write_image: Any, arguments: tuple[str, ...], what: str
) -> None:
    write_image(tmp_path / "mine" / "a.png")
    done = zoo("predict", *RANDOM, *arguments)

    assert done.code == 2
    assert done.stderr.startswith(f"zoo: {what}")


@pytest.mark.parametrize("value", ["2", "-1", "nan", "inf"])
def test_a_score_that_is_drawn_lies_within_0_and_1(zoo: Zoo, tmp_path: Path, value: str) -> None:
    done = zoo("predict", *TOY, f"--show-conf={value}")

    assert done.code == 2
    assert done.stderr.startswith("zoo: --show-conf: ")
    assert list(tmp_path.iterdir()) == []


# what is said


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("predict", *TOY), "because no image was given"),
        (("predict", *TOY, "--assets", "sample"), "as --assets sample asks"),
        (("eval", *TOY, "--assets", "sample"), "as --assets sample asks"),
    ],
)
def test_the_first_line_says_why_the_sample_stands_in(
    zoo: Zoo, arguments: tuple[str, ...], why: str
) -> None:
    first = zoo(*arguments).stderr.splitlines()[0]

    assert first.startswith("SAMPLE RUN of toy-detector ")
    assert first.endswith(f" stands in, {why}")


@pytest.mark.parametrize(
    "arguments",
    [("eval", *TOY), ("predict", *TOY), ("bench", *TOY, "--duration", "0.05", "--no-breakdown")],
)
def test_quiet_says_nothing_beside_the_json(zoo: Zoo, arguments: tuple[str, ...]) -> None:
    done = zoo(*arguments, "--json", "-", "-q")

    assert done.code == 0
    assert done.stderr == ""
    assert done.json["schema"].startswith("zoo.")
    assert zoo(*arguments, "-q").stdout


def test_bench_names_its_folder(zoo: Zoo) -> None:
    done = zoo("bench", *TOY, "--duration", "0.05", "--no-breakdown")
    folder = Path(done.stdout.splitlines()[-1].removeprefix("report: "))
    assert (folder / "bench.json").is_file()


def test_eval_takes_no_bench_and_does_what_it_does_without(zoo: Zoo) -> None:
    plain, said = (zoo("eval", *TOY, *more, "--json", "-") for more in ((), ("--no-bench",)))
    assert plain.code == said.code == 0
    assert plain.json["benchmark"] is said.json["benchmark"] is None
    assert plain.json["metrics"] == said.json["metrics"]


@pytest.mark.parametrize("json_to", [None, "-"])
def test_a_gate_that_a_busy_machine_does_not_decide_is_a_warning(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, json_to: str | None
) -> None:
    never = property(lambda self: Steadiness(False, "busy"))
    monkeypatch.setattr(Benchmark, "steadiness", never)
    asked = ("bench", *RANDOM, "--duration", "0.05", "--no-breakdown", "--max-p90-ms", "1")
    asked = (*asked, *(("--json", json_to) if json_to else ()))
    done, strict = zoo(*asked), zoo(*asked, "--strict")

    assert (done.code, strict.code) == (0, 4)
    said = "--max-p90-ms 1 is not decided: the measurement is not steady (busy)"
    assert said in strict.stderr.splitlines()[-1]
    for outcome in (done, strict):
        figures = outcome.stderr if json_to else outcome.stdout
        assert "single-stream on " in figures
        assert f"warning: {said}" in figures
    if json_to:
        assert done.json["gates"][0]["verdict"] == "not decided"
        assert done.json["warnings"][-1].startswith(said)


def test_predict_counts_by_label_the_most_frequent_first(tmp_path: Path) -> None:
    sample = Sample(id=1, name="a.jpg", path=tmp_path / "a.jpg", size=(16, 24))
    scores = np.array([0.9, 0.8, 0.7, 0.2], np.float32)
    labels = np.array([1, 0, 1, 0], np.int32)

    def description(least: float, **arrays: Any) -> str:
        view = _View(ToyEvaluator(), ["cat", "dog"], least, exif=True)
        return view.row(Prediction(sample=sample, arrays=arrays), "a.jpg").told

    assert description(0.25, scores=scores, labels=labels) == "dog 2, cat 1"
    assert description(0.95, scores=scores, labels=labels) == "nothing found"
    assert description(0.25, scores=scores) == "3 found"
    assert description(0.25, masks=scores) == ""
