"""The toy keeps every contract; it is the example, and what the broken plugins are made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import toy_contracts as of_toy

from zoo_core.registry import load_registry
from zoo_core.testing import toy
from zoo_core.testing.toy_parts import draw_images

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

FILES = Path(str(toy.__file__)).parent


class TestPlugin(of_toy.ToyPlugin):
    pass


class TestExporter(of_toy.ToyExporter):
    pass


class TestExporterOfFiles(of_toy.ToyGivenExporter):
    pass


class TestCompiler(of_toy.ToyCompiler):
    pass


class TestRuntime(of_toy.ToyRuntime):
    pass


class TestEmitter(of_toy.ToyOfflineBuilder):
    pass


class TestProfiler(of_toy.ToyProfiler):
    pass


class TestBackend(of_toy.ToyBackend):
    pass


class TestDecoder(of_toy.ToyDecoder):
    pass


class TestDecoderOfAnyTask(of_toy.ToyTaskDecoder):
    pass


class TestShipped(of_toy.ToyShipped):
    pass


class TestDrawn(of_toy.ToyDrawn):
    pass


class TestCalibration(of_toy.ToyShipped):
    purpose = "calibrate"


class TestGiven(of_toy.ToyGiven):
    pass


class TestEvaluator(of_toy.ToyEvaluator):
    pass


class TestEvaluatorOfAnyTask(of_toy.ToyTaskEvaluator):
    pass


def test_the_shipped_images_are_those_that_seed_0_draws(tmp_path: Path) -> None:
    from zoo_core.vision import read_rgb

    draw_images(tmp_path / "drawn", 0)
    shipped = sorted((FILES / "toy_shapes").iterdir())
    assert [path.suffix for path in shipped] == [".png"] * 4 + [".json"]
    for path in shipped:
        drawn = tmp_path / "drawn" / path.name
        if path.suffix == ".json":
            assert path.read_text() == drawn.read_text()
        else:
            assert np.array_equal(read_rgb(path), read_rgb(drawn))


def test_its_card_is_whole() -> None:
    card = load_registry([FILES / "toy.yaml"]).model("toy-detector")
    assert card.weights[0].files["weights"].size == (FILES / "weights.toy").stat().st_size == 20


@pytest.fixture
def toy_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", toy.__name__)


@pytest.mark.usefixtures("toy_only")
@pytest.mark.parametrize(("precision", "int8_nodes"), [("fp32", 0), ("int8", 1)])
def test_zoo_run_finds_every_square(zoo: Zoo, precision: str, int8_nodes: int) -> None:
    arguments = ("run", "toy-detector", "--backend", "toy", "--precision", precision)
    outcome = zoo(*arguments, "--no-bench", "--json", "-")
    assert outcome.code == 0, outcome.stderr
    report = outcome.json
    assert report["metrics"] == {"F1": 1.0}
    assert report["assets"] == {"weights": "published", "data": "published"}
    assert report["precision_report"]["int8_nodes"] == int8_nodes
    assert bool(report["comparison"]) == (precision == "fp32")
    again = zoo(*arguments, "--no-bench", "--json", "-").json
    assert all(stage["cached"] for stage in again["stages"])


@pytest.mark.usefixtures("toy_only")
def test_a_sample_run_of_the_toy_says_so(zoo: Zoo) -> None:
    arguments = ("run", "toy-detector", "--backend", "toy", "--no-bench", "--assets", "sample")
    outcome = zoo(*arguments, "--json", "-")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["assets"] == {"weights": "sample", "data": "sample"}
    assert outcome.json["metrics"]["F1"] == 1.0
    assert outcome.json["comparison"] == []


@pytest.mark.usefixtures("toy_only")
def test_random_weights_of_the_toy_are_not_scored(zoo: Zoo) -> None:
    arguments = ("run", "toy-detector", "--backend", "toy", "--no-bench", "--weights", "random:3")
    outcome = zoo(*arguments, "--json", "-")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metrics"] is None


@pytest.mark.usefixtures("toy_only")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--device", "gpu"), 5, "gpu"),
        (("--precision", "fp16"), 2, "fp16"),
        (("--option", "clap=1"), 2, "did you mean 'clip'?"),
        (("--weights", "absent.toy"), 6, "absent.toy"),
    ],
)
def test_what_the_toy_refuses(zoo: Zoo, arguments: tuple[str, ...], code: int, says: str) -> None:
    outcome = zoo("run", "toy-detector", "--backend", "toy", "--no-bench", *arguments)
    assert outcome.code == code, outcome.stderr
    assert says in outcome.stderr
