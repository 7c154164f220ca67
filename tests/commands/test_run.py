"""Whole commands on the toy plugin: the command line's contract, without any heavy library."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import zoo_core
from zoo_core.system.paths import cache

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

SCHEMAS = Path(zoo_core.__file__).parent / "schemas"
TOY = ("toy-detector", "--backend", "toy", "--assets", "sample")


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


def valid(document: Any) -> dict[str, Any]:
    """The document, checked against the schema it names."""
    name = document["schema"].removeprefix("zoo.").partition("/")[0]
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    assert isinstance(document, dict)
    return document


def ok(outcome: Outcome) -> Outcome:
    assert outcome.code == 0, outcome.stderr
    return outcome


def error(outcome: Outcome, code: int) -> dict[str, Any]:
    assert outcome.code == code, outcome.stderr
    error_data: dict[str, Any] = valid(outcome.json)["error"]
    line = outcome.stderr.strip().splitlines()[-1]
    assert line.startswith("zoo: ")
    assert error_data["what"] in line
    return error_data


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_run_reports_what_the_contract_says(zoo: Zoo, tmp_path: Path, precision: str) -> None:
    done = ok(zoo("run", *TOY, "--precision", precision, "--no-bench", "--json", "-"))
    report = valid(done.json)

    assert report["model"] == "toy-detector"
    assert report["precision"] == precision
    assert report["assets"] == {"weights": "sample", "data": "sample"}
    assert report["metrics"]["F1"] == 1.0
    assert report["images"] == 4
    assert report["subset"] is None
    assert report["benchmark"] is None
    assert report["comparison"] == []
    assert "sample run" in report["not_comparable"][0]["why"]
    assert report["verify"]["max_abs"] < 1e-4
    assert (report["precision_report"]["int8_nodes"] > 0) == (precision == "int8")
    assert all(stage["cached"] is False for stage in report["stages"])


def test_the_first_line_of_a_sample_run_says_so(zoo: Zoo) -> None:
    done = ok(zoo("run", *TOY, "--no-bench"))

    assert done.stderr.splitlines()[0].startswith("SAMPLE RUN")
    assert done.stdout.splitlines()[0].startswith("SAMPLE RUN, not the published model")


def test_the_run_folder_holds_all_that_a_reader_needs(zoo: Zoo, tmp_path: Path) -> None:
    ok(zoo("run", *TOY, "--no-bench", "--output", "out", "--json", "r.json"))
    folder = tmp_path / "out"

    report = json.loads((folder / "report.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())

    assert report == json.loads((tmp_path / "r.json").read_text())
    assert report["output"] == str(folder)
    assert report["manifest"] == str(folder / "manifest.json")
    assert {path.name for path in folder.iterdir()} >= {
        "report.json",
        "report.md",
        "manifest.json",
        "log.txt",
        "txt",
    }
    assert len(manifest["weights"]["files"]["weights"]["sha256"]) == 64
    assert manifest["protocol"]["hash"] == report["protocol"]["hash"]
    assert [row["key"] for row in manifest["stages"]] == [s["key"] for s in report["stages"]]
    assert "# toy-detector on toy" in (folder / "report.md").read_text()


def test_a_second_run_does_nothing(zoo: Zoo) -> None:
    ok(zoo("run", *TOY, "--no-bench"))
    again = valid(ok(zoo("run", *TOY, "--no-bench", "--json", "-")).json)

    assert all(stage["cached"] for stage in again["stages"])
    assert sum(stage["seconds"] for stage in again["stages"]) == 0


def test_another_threshold_runs_no_network(zoo: Zoo) -> None:
    ok(zoo("run", *TOY, "--no-bench"))
    other = ok(zoo("run", *TOY, "--no-bench", "--conf", "0.5", "--json", "-"))
    report = valid(other.json)

    stage_names = [stage["name"] for stage in report["stages"] if not stage["cached"]]
    assert stage_names == ["settle", "write", "score"]
    assert report["protocol"]["name"] == "toy+conf=0.5"
    assert report["protocol"]["base"] == "toy"


def test_a_limit_is_a_marked_subset_and_growing_it_keeps_full_shards(zoo: Zoo) -> None:
    few = valid(ok(zoo("run", *TOY, "--no-bench", "--limit", "2", "--json", "-")).json)
    more = valid(ok(zoo("run", *TOY, "--no-bench", "--json", "-")).json)

    assert few["images"] == 2
    assert few["subset"]["of"] == 4
    assert more["subset"] is None
    assert any("subset" in text for text in few["warnings"])
    assert not any(row["cached"] for row in few["stages"] if row["name"].startswith("predict"))
    kept = {row["name"]: row["cached"] for row in more["stages"] if "predict" in row["name"]}
    assert kept == {"predict-0000": True, "predict-0001": False}


def test_speed_is_measured_and_its_samples_are_kept(zoo: Zoo, tmp_path: Path) -> None:
    report = valid(ok(zoo("run", *TOY, "--output", "out", "--json", "-")).json)

    assert report["benchmark"]["scenario"] == "single-stream"
    assert report["benchmark"]["latency_ms"]["median"] > 0
    samples = json.loads((tmp_path / "out" / "latency_ms.json").read_text())
    assert len(samples["latency_ms"]) == report["benchmark"]["samples"]


def test_bench_alone(zoo: Zoo) -> None:
    report = valid(ok(zoo("bench", *TOY, "--json", "-")).json)

    assert report["benchmark"]["throughput"] > 0


def test_a_plan_runs_nothing_and_says_what_changed(zoo: Zoo, zoo_home: Path) -> None:
    first = valid(ok(zoo("plan", *TOY, "--json", "-")).json)
    assert not (zoo_home / "store").exists()
    assert not any(row["cached"] for row in first["stages"])

    ok(zoo("run", *TOY, "--no-bench"))
    second = valid(ok(zoo("run", *TOY, "--plan", "--conf", "0.5", "--json", "-")).json)

    changed = {row["name"]: row["changed"] for row in second["stages"] if not row["cached"]}
    assert changed == {
        "settle": ["params.values.conf"],
        "write": ["inputs.settled"],
        "score": ["inputs.settled"],
    }


def test_export_and_compile_leave_their_files_where_asked(zoo: Zoo, tmp_path: Path) -> None:
    ok(zoo("export", *TOY, "--output", "graph"))
    ok(zoo("compile", *TOY, "--output", "artefact"))

    assert (tmp_path / "graph" / "graph.json").exists()
    assert (tmp_path / "graph" / "verify.json").exists()
    assert (tmp_path / "artefact" / "precision.json").exists()


def test_predict_leaves_text_and_pictures(zoo: Zoo, tmp_path: Path) -> None:
    done = ok(zoo("predict", *TOY, "--output", "seen", "--json", "-"))
    report = valid(done.json)

    assert len(report["images"]) == 4
    assert all(Path(row["picture"]).stat().st_size > 0 for row in report["images"])


def test_random_weights_report_no_accuracy(zoo: Zoo) -> None:
    done = zoo("run", "toy-detector", "--backend", "toy", "--weights", "random:3", "--no-bench",
               "--json", "-")  # fmt: skip
    report = valid(ok(done).json)

    assert report["assets"]["weights"] == "random"
    assert report["metrics"] is None
    assert any("random weights" in text for text in report["warnings"])


def test_given_weights_that_are_the_published_ones_are_compared(zoo: Zoo) -> None:
    from zoo_core.testing import toy

    weights = Path(toy.__file__).with_name("weights.toy")
    done = zoo("run", "toy-detector", "--backend", "toy", "--assets", "published", "--no-bench",
               "--json", "-")  # fmt: skip
    published = valid(ok(done).json)

    assert published["assets"]["weights"] == "published"
    assert published["comparison"][0]["difference"] == 0.0
    given = zoo("run", "toy-detector", "--backend", "toy", "--weights", weights,
                "--dataset", "toy-shapes", "--no-bench", "--json", "-")  # fmt: skip
    report = valid(ok(given).json)
    assert report["assets"]["weights"] == "given"
    assert report["comparison"] == published["comparison"]


def test_own_weights_have_a_name_and_no_published_figures(zoo: Zoo, tmp_path: Path) -> None:
    from zoo_core.testing import toy

    content = bytearray(Path(toy.__file__).with_name("weights.toy").read_bytes())
    content[-1] ^= 1
    weights = tmp_path / "my net.toy"
    weights.write_bytes(content)
    given = ("toy-detector", "--backend", "toy", "--weights", weights, "--dataset", "toy-shapes")
    own = ok(zoo("run", *given, "--no-bench", "-o", "own", "--json", "own.json"))
    report = valid(json.loads(Path("own.json").read_text("utf-8")))

    assert (report["model"], report["name"]) == ("toy-detector", "my net")
    assert (report["comparison"], report["not_comparable"]) == ([], [])
    title = "my net (toy-detector)"
    assert f"{title} fp32 on toy/cpu, weights given by hand" in own.stderr
    assert f"\n{title} fp32 32x32 on toy/cpu" in f"\n{own.stdout}"
    assert "compar" not in own.stdout
    page = Path("own/report.md").read_text("utf-8")
    assert page.startswith(f"# {title} on toy")
    assert "the weights are your own" in page
    assert title in zoo("runs").stdout

    asked = ok(zoo("run", *given, "--no-bench", "--name", "mine", "--compare-published",
                   "--json", "-"))  # fmt: skip
    report = valid(asked.json)
    assert report["name"] == "mine"
    why = report["not_comparable"][0]["why"]
    assert why == "weights published, here given by hand, and their sha256 is not in the card"


def test_the_card_s_weights_are_called_as_the_card(zoo: Zoo) -> None:
    report = valid(ok(zoo("run", *TOY, "--no-bench", "--json", "-")).json)
    assert report["name"] == report["model"] == "toy-detector"


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "\x1b[2J", "x" * 81])
def test_a_name_is_one_line_that_can_be_printed(zoo: Zoo, name: str) -> None:
    found = error(zoo("run", *TOY, "--name", name, "--json", "-"), 2)
    assert (found["where"], found["what"][:35]) == ("--name", "must be one line of 1 to 80 charact")


def test_a_gate_that_is_missed_exits_3_and_keeps_the_report(zoo: Zoo) -> None:
    published = ("toy-detector", "--backend", "toy", "--assets", "published", "--no-bench")
    passed = zoo("run", *published, "--min-metric", "F1=0.9")
    missed = zoo("run", *published, "--min-metric", "F1=1.1", "--json", "-")

    assert passed.code == 0, passed.stderr
    assert missed.code == 3
    assert "F1 is 1.0000, the gate is 1.1000" in missed.stderr
    report = valid(missed.json)
    assert report["metrics"]["F1"] == 1.0
    assert (
        "gate F1=1.1 is never met: metrics are fractions, 30 percent is F1=0.30"
        in report["warnings"]
    )


def test_a_gate_on_a_sample_run_exits_6(zoo: Zoo) -> None:
    error_data = error(zoo("run", *TOY, "--min-metric", "F1=0.1", "--json", "-"), 6)

    assert "sample weights" in error_data["what"]


@pytest.mark.parametrize("verb", ["run", "eval"])
def test_a_gate_on_no_metric_is_refused_before_the_work(
    zoo: Zoo, zoo_home: Path, verb: str
) -> None:
    error_data = error(zoo(verb, *TOY, "--min-metric", "f1=0.5", "--json", "-"), 2)

    assert error_data["what"] == "unknown 'f1'"
    assert error_data["where"] == "--min-metric"
    assert error_data["next"] == "did you mean 'F1'?"
    assert not (zoo_home / "store").exists()


def test_a_gate_without_ground_truth_is_refused_before_the_work(
    zoo: Zoo, tmp_path: Path, zoo_home: Path, write_image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")
    write_image(tmp_path / "mine" / "a.png")
    asked = ("eval", "toy-detector", "--backend", "toy", "--weights", "random", "--images", "mine")
    given = (*asked, "--dataset", "folder", "--json", "-")
    error_data = error(zoo(*given, "--min-metric", "F1=0.5"), 6)

    assert error_data["what"] == "a gate needs ground truth, and these images have none"
    assert not (zoo_home / "store").exists()


def test_a_gate_on_a_subset_is_judged_with_a_warning(zoo: Zoo) -> None:
    published = ("toy-detector", "--backend", "toy", "--assets", "published", "--no-bench")
    said = "gate F1=0.9: judged on 2 of 4 images only, which says little about the whole data set"
    gated = (*published, "--min-metric", "F1=0.9")
    part, whole = (ok(zoo("run", *gated, *more)) for more in (("--limit", "2"), ()))

    assert f"warning: {said}\n" in part.stderr
    assert f"warning: {said}\n" in part.stdout
    assert "judged on" not in whole.stderr + whole.stdout
    document = ok(zoo("run", *gated, "--limit", "2", "--json", "-")).json
    assert said in valid(document)["warnings"]


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (("--backend", "toyy"), 2, "did you mean 'toy'?"),
        (("--precision", "int9"), 2, "did you mean 'int8'?"),
        (("--protocol", "toyo"), 2, "did you mean 'toy'?"),
        (("--size", "32"), 2, "write H,W"),
        (("--size", "²,2"), 2, "write H,W"),
        (("--weights", "random:²"), 2, "use random or random:7"),
        (("--min-metric", "F1=nan"), 2, "write NAME=FRACTION"),
        (("--option", "threads"), 2, "write KEY=VALUE"),
        (("--option", "nonsense=1"), 2, "has no option 'nonsense'"),
        (("--assets", "none"), 2, "known: auto, published, sample"),
        (("--conf", "x"), 2, "--conf"),
        (("--batch", "0"), 2, "--batch"),
        (("--device", "gpu9"), 5, "has no device 'gpu9'"),
        (("--assets", "auto", "--weights", "none.toy"), 6, "no such weights file"),
        (("--images", "."), 2, "sample weights do not run on your own images"),
        (("--assets", "published", "--dataset", "toy-shapez"), 2, "did you mean 'toy-shapes'?"),
        (("--min-metric", "F1"), 2, "write NAME=FRACTION"),
    ],
)
def test_bad_input_is_one_line_with_the_right_code(
    zoo: Zoo, change: tuple[str, ...], code: int, text: str
) -> None:
    error_data = error(zoo("run", *TOY, "--no-bench", *change, "--json", "-"), code)

    assert text in f"{error_data['where']} {error_data['what']}; {error_data['next']}"


def test_a_traceback_besides_changes_neither_code_nor_json(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_DEBUG", "1")
    done = zoo("run", "nosuch", "--json", "-")
    assert done.code == 2
    assert done.json["schema"] == "zoo.error/1"
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("zoo: ")


def test_an_unknown_model_is_answered_with_the_closest(zoo: Zoo) -> None:
    error_data = error(zoo("run", "toy-detektor", "--backend", "toy", "--json", "-"), 2)

    assert error_data["next"] == "did you mean 'toy-detector'?"


def test_an_error_goes_to_the_json_file_too(zoo: Zoo, tmp_path: Path) -> None:
    assert zoo("run", "toy-detektor", "--json", "e.json").code == 2

    assert valid(json.loads((tmp_path / "e.json").read_text()))["error"]["code"] == "usage"


@pytest.mark.parametrize(
    "verb",
    ["models", "backends", "plugins", "datasets", "protocols", "check", "doctor", "runs", "gc"],
)
def test_every_list_has_a_schema(zoo: Zoo, verb: str) -> None:
    ok(zoo("run", *TOY, "--no-bench"))

    done = zoo(verb, "--json")

    assert valid(done.json)["schema"] == f"zoo.{verb}/1"


def test_show_gives_the_card_with_its_family(zoo: Zoo) -> None:
    card = valid(ok(zoo("show", "yolov4-tianxiaomo", "--json")).json)["card"]

    assert card["exporter"] == "tianxiaomo-yolov4"
    assert "exporter: tianxiaomo-yolov4" in ok(zoo("show", "yolov4-tianxiaomo")).stdout


def test_models_that_need_a_missing_plugin_say_which(zoo: Zoo) -> None:
    rows = {row["id"]: row for row in valid(ok(zoo("models", "--json")).json)["models"]}

    assert rows["toy-detector"]["runnable"] is True
    assert rows["yolov4-tianxiaomo"]["runnable"] is False
    assert "exporter 'tianxiaomo-yolov4'" in rows["yolov4-tianxiaomo"]["reason"]


def test_runs_are_remembered(zoo: Zoo) -> None:
    ok(zoo("run", *TOY, "--no-bench", "--output", "first"))

    rows = valid(ok(zoo("runs", "--json")).json)["runs"]

    assert [Path(row["output"]).name for row in rows] == ["first"]


def test_gc_removes_everything_when_told(zoo: Zoo, zoo_home: Path) -> None:
    ok(zoo("run", *TOY, "--no-bench"))

    would = valid(ok(zoo("gc", "--all", "--dry-run", "--json")).json)
    kept = valid(ok(zoo("gc", "--json")).json)
    removed_all = valid(ok(zoo("gc", "--all", "--json")).json)

    assert kept["removed"] == []
    assert len(would["removed"]) == len(removed_all["removed"]) == kept["kept"]
    assert not list((zoo_home / "store" / "entries").glob("*/*"))


def test_gc_empties_what_plugins_cache(zoo: Zoo, zoo_home: Path) -> None:
    place = cache("engine")
    (place / "deep").mkdir()
    for name, age in (("new.blob", 0), ("deep/old.blob", 40 * 24 * 3600)):
        (place / name).write_bytes(b"12345")
        then = time.time() - age
        os.utime(place / name, (then, then))

    would = valid(ok(zoo("gc", "--dry-run", "--json")).json)["caches"]
    usual = valid(ok(zoo("gc", "--json")).json)["caches"]
    lines = ok(zoo("gc", "--caches")).stdout.splitlines()

    old = {"name": "engine", "files": 2, "bytes": 10, "removed": 1, "removed_bytes": 5}
    assert would == usual == [old]
    assert lines[1] == "removed 1 of 1 files of the cache engine, 0.0 of 0.0 MB"
    assert not [path for path in (zoo_home / "caches").rglob("*") if path.is_file()]


def test_an_interrupt_exits_130(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo_core.pipeline.runners.LocalRunner.run", interrupted)

    done = zoo("run", *TOY, "--no-bench")

    assert done.code == 130
    assert "the next run resumes here" in done.stderr


def test_zoo_alone_shows_its_help(zoo: Zoo) -> None:
    done = ok(zoo())

    assert "Usage: zoo" in done.stdout


def test_a_plan_compares_with_the_nearest_earlier_result(zoo: Zoo) -> None:
    ok(zoo("run", *TOY, "--no-bench"))
    ok(zoo("run", *TOY, "--no-bench", "--precision", "int8", "--conf", "0.4"))

    rows = valid(ok(zoo("plan", *TOY, "--conf", "0.5", "--json", "-")).json)["stages"]

    assert {r["name"]: r["changed"] for r in rows}["settle"] == ["params.values.conf"]


def test_a_folder_used_again_holds_the_results_of_one_command(zoo: Zoo, tmp_path: Path) -> None:
    ok(zoo("run", *TOY, "--no-bench", "--output", "out"))
    ok(zoo("predict", *TOY, "--output", "out"))

    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not names & {"report.md", "manifest.json", "log.txt"}
