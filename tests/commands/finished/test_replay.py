"""`zoo replay`: rebuilt bit by bit, changed inputs, lost inputs, damaged manifests."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
import yaml

import zoo_core
from zoo_core.commands.finished.likeness import _matched, _numbers_apart, _reason
from zoo_core.system.paths import cache, home

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.testing.fixtures import Zoo

SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "replay.json"
TOY = ("run", "toy-detector", "--backend", "toy", "--no-bench", "--output", "a")
MINE = ("--weights", "mine.toy", "--dataset", "toy-shapes")
WEIGHTS = Path(zoo_core.__file__).parent / "testing" / "weights.toy"


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


@pytest.fixture
def done(zoo: Zoo, tmp_path: Path) -> Path:
    """The folder of an int8 run of the toy on a person's own weights."""
    shutil.copy(WEIGHTS, tmp_path / "mine.toy")
    assert zoo(*TOY, *MINE, "--precision", "int8").code == 0
    return tmp_path / "a"


def replayed(zoo: Zoo, *options: str, code: int = 0) -> dict[str, Any]:
    result = zoo("replay", "a", "--json", "-", *options)
    assert result.code == code, result.stderr
    document = dict(json.loads(result.stdout))
    if code in (0, 3):
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    return document


def statuses(document: dict[str, Any], kind: str) -> dict[str, str]:
    return {row["name"]: row["status"] for row in document["rows"] if row["kind"] == kind}


def change(folder: Path, edit: Callable[[dict[str, Any]], object], name: str) -> None:
    document = json.loads((folder / name).read_text())
    edit(document)
    (folder / name).write_text(json.dumps(document))


def test_a_run_is_rebuilt_bit_by_bit_in_a_store_of_its_own(zoo: Zoo, done: Path) -> None:
    before = sorted((home() / "store" / "entries").rglob("*"))
    told = replayed(zoo)

    assert told["verdict"] == "equal"
    assert told["sentence"] == "the run is equal bit by bit"
    assert {"stage export", "stage compile"} <= statuses(told, "stage").keys()
    assert {row["status"] for row in told["rows"]} == {"equal"}
    assert (told["versions"], told["environment"], told["output"]) == ([], [], None)
    assert sorted((home() / "store" / "entries").rglob("*")) == before
    assert list(cache("replay").iterdir()) == []


def test_stages_run_again_unless_the_cache_is_asked_for(zoo: Zoo, done: Path) -> None:
    fresh, cached = zoo("replay", "a", "-v"), zoo("replay", "a", "-v", "--cached")

    assert "compile: cached" not in fresh.stderr
    assert "compile: cached" in cached.stderr
    assert fresh.stdout == cached.stdout


def test_the_new_run_folder_can_be_kept(zoo: Zoo, done: Path, tmp_path: Path) -> None:
    told = replayed(zoo, "--output", "b")
    again = json.loads((tmp_path / "b" / "replay.json").read_text())

    assert told["output"] == str(tmp_path / "b")
    assert again == told
    assert json.loads((tmp_path / "b" / "report.json").read_text())["metrics"] is not None


def test_weights_that_are_gone_are_named_by_their_digest(zoo: Zoo, done: Path) -> None:
    (done.parent / "mine.toy").unlink()
    sha256 = json.loads((done / "manifest.json").read_text())["weights"]["files"]["weights"]
    told = zoo("replay", "a")

    assert told.code == 6
    assert sha256["sha256"] in told.stderr
    assert "give --moved weights=PATH" in told.stderr
    assert told.stderr.count("\n") == 1


def test_files_that_moved_are_found_where_they_are_now(zoo: Zoo, done: Path) -> None:
    (done.parent / "mine.toy").rename(done.parent / "other.toy")

    assert replayed(zoo, "--moved", "weights=other.toy")["verdict"] == "equal"


@pytest.mark.parametrize(
    ("moved", "words"),
    [("wieghts=a", "did you mean 'weights'?"), ("weights=", "moved weights: is empty")],
)
def test_what_moved_is_checked(zoo: Zoo, done: Path, moved: str, words: str) -> None:
    told = zoo("replay", "a", "--moved", moved)

    assert told.code == 2
    assert words in told.stderr


def test_changed_weights_are_said_first_and_make_the_replay_different(zoo: Zoo, done: Path) -> None:
    path = done.parent / "mine.toy"
    path.write_bytes(path.read_bytes()[:-4] + struct.pack("<f", -7.5))
    told = zoo("replay", "a")

    assert told.code == 3
    first = next(line for line in told.stderr.splitlines() if line.startswith("changed: "))
    assert first.startswith("changed: weights: ")
    assert told.stdout.splitlines()[1].startswith("weights ")
    assert "different" in told.stdout.splitlines()[1]


def test_a_card_of_ones_own_need_not_be_there_any_more(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tmp_path / "own.yaml"
    toy = yaml.safe_load((WEIGHTS.parent / "toy.yaml").read_text())
    only = {"schema": 1, "models": {"my-toy": toy["models"]["toy-detector"]}}
    card.write_text(yaml.safe_dump(only))
    monkeypatch.setenv("ZOO_REGISTRY", str(card))
    assert zoo("run", "my-toy", "--backend", "toy", "--assets", "sample", "--no-bench",
               "--output", "a").code == 0  # fmt: skip
    card.unlink()
    monkeypatch.delenv("ZOO_REGISTRY")
    told = replayed(zoo)

    assert told["verdict"] == "equal"
    assert [row["name"] for row in told["environment"]] == ["ZOO_REGISTRY"]


def test_another_version_then_is_told(zoo: Zoo, done: Path) -> None:
    change(done, lambda manifest: manifest["versions"].update(numpy="1.0"), "manifest.json")
    told = replayed(zoo)

    assert told["verdict"] == "equal"
    assert [(row["name"], row["then"]) for row in told["versions"]] == [("numpy", "1.0")]


def test_an_artefact_that_differs_is_explained_and_its_results_decide(zoo: Zoo, done: Path) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        stage = next(row for row in manifest["stages"] if row["name"] == "compile")
        stage["outputs"]["model.onnx"]["sha256"] = "0" * 64
        stage["parts"]["versions"] = {"onnxruntime": "1.24"}

    change(done, edit, "manifest.json")
    told = replayed(zoo)
    row = next(row for row in told["rows"] if row["name"] == "stage compile")

    assert (row["status"], row["then"]) == ("different", "0" * 12)
    assert "onnxruntime 1.24 then, " in row["why"]
    assert told["verdict"] == "within tolerance"


@pytest.mark.parametrize(
    ("shift", "verdict", "code"), [(0.0005, "within tolerance", 0), (0.3, "different", 3)]
)
def test_metrics_are_held_against_the_report(
    zoo: Zoo, done: Path, shift: float, verdict: str, code: int
) -> None:
    def edit(report: dict[str, Any]) -> None:
        report["metrics"]["F1"] -= shift

    change(done, edit, "report.json")
    told = replayed(zoo, code=code)

    assert told["verdict"] == verdict
    assert statuses(told, "metrics") == {"metrics": verdict}


def test_predictions_that_are_gone_leave_it_open(zoo: Zoo, done: Path) -> None:
    listed = json.loads((done / ".zoo-files.json").read_text())
    assert listed
    kept = {"report.json", "report.md", "manifest.json", "log.txt", ".zoo-files.json"}
    for path in done.rglob("*"):
        if path.is_file() and path.name not in kept:
            path.unlink()
    told = zoo("replay", "a")

    assert told.code == 6
    assert "the run is not known" in told.stdout


def damaged(**keys: Any) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest.update(keys)


@pytest.mark.parametrize(
    ("edit", "code", "words"),
    [
        (damaged(schema="zoo.manifest/0"), 6, "is of schema 'zoo.manifest/0'"),
        (damaged(stages=3), 6, "is damaged: stages is 3"),
        (damaged(stages=[{"name": "x"}]), 6, "is damaged: parts are missing"),
        (damaged(request=None), 6, "is damaged: holds no request"),
        (damaged(request={"model": 3}), 6, "holds a request that cannot be read"),
        (damaged(registry={"schema": 1, "models": {"toy-detector": 3}}), 2, "manifest.json"),
        (damaged(weights=None), 6, "is damaged: weights is None"),
    ],
)
def test_a_manifest_that_cannot_be_replayed_is_one_line(
    zoo: Zoo, done: Path, edit: Callable[[dict[str, Any]], object], code: int, words: str
) -> None:
    change(done, edit, "manifest.json")
    told = zoo("replay", "a")

    assert told.code == code, told.stderr
    assert words in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_folder_that_is_no_run_is_one_line(zoo: Zoo, tmp_path: Path) -> None:
    assert zoo("replay", "nowhere").code == 6
    assert "holds no manifest.json" in zoo("replay", str(tmp_path)).stderr


def boxes(*rows: tuple[float, float]) -> dict[str, Any]:
    corners = np.array([[x, 0, x + 10, 10] for x, _ in rows], float).reshape(-1, 4)
    scores = np.array([score for _, score in rows], float)
    return {"boxes": corners, "scores": scores, "labels": np.zeros(len(rows), int)}


def test_boxes_are_matched_image_by_image() -> None:
    old = {1: boxes((0, 0.9)), 2: boxes((0, 0.8), (40, 0.3))}
    near = {1: boxes((0.4, 0.9)), 2: boxes((40, 0.3), (0, 0.8))}
    far = {1: boxes((0, 0.9)), 3: boxes((0, 0.8))}

    assert (row := _matched(old, near)).status == "within tolerance"
    assert row.why == "predictions: 3 matched, boxes within 0.4 px, scores within 0"
    assert (row := _matched(old, far)).status == "different"
    assert row.why.endswith("2 of 3 images differ (2, 3)")


def test_numbers_in_other_files_are_compared(tmp_path: Path) -> None:
    texts = {"a": "cat 0.90 1", "b": "cat 0.91 1", "c": "dog 0.90 1"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    assert _numbers_apart(tmp_path / "a", tmp_path / "b") == pytest.approx(0.01)
    assert _numbers_apart(tmp_path / "a", tmp_path / "c") == float("inf")


def test_reasons_say_what_a_stage_was_made_from() -> None:
    old = {"versions": {"onnx": "1"}, "source": "a", "params": {"x": 1}, "inputs": {"g": ["k"]}}
    new = {"versions": {"onnx": "2"}, "source": "b", "params": {"x": 2}, "inputs": {"g": ["l"]}}

    assert _reason(old, new) == ("onnx 1 then, 2 now, its code has changed, parameter x and 1 more")
    assert "does not repeat itself" in _reason(old, old)
