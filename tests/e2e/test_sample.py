"""The README's command, offline: the bundled sample through every stage."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import zoo_core
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.commands.bench import artefact

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import WriteImage, Zoo

README = Path(__file__).parents[2] / "README.md"
COMMAND = "$ zoo run yolov4-tianxiaomo --precision int8\n"
STAGE = re.compile(r"  ([\w-]+): (\d+\.\d s|cached .*)")
LEFT_OUT = "..."
RUN = ("run", "yolov4-tianxiaomo", "--no-bench", "--json", "-")


@pytest.fixture
def sample(zoo: Zoo, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    monkeypatch.setenv("ZOO_HOME", str(shared_home))
    return zoo


def report_of(sample: Zoo, *options: str | Path) -> dict[str, Any]:
    done = sample(*RUN, *options)
    assert done.code == 0, done.stderr
    report: dict[str, Any] = done.json
    schema = Path(zoo_core.__file__).parent / "schemas" / "run.json"
    jsonschema.validate(report, json.loads(schema.read_text()))
    return report


def test_the_sample_scores_and_int8_is_close(sample: Zoo) -> None:
    full = report_of(sample)
    small = report_of(sample, "--precision", "int8")

    for report in (full, small):
        assert report["assets"] == {"weights": "sample", "data": "sample"}
        assert report["images"] == 200
        assert report["comparison"] == []
        assert all("sample" in row["why"] for row in report["not_comparable"])
    assert full["metrics"]["AP"] >= 0.50
    assert full["metrics"]["AP"] - small["metrics"]["AP"] <= 0.010
    assert small["precision_report"]["int8_nodes"] == 107
    assert small["precision_report"]["float_nodes"] == 3


def test_a_second_run_runs_no_stage(sample: Zoo) -> None:
    report_of(sample, "--precision", "int8")
    again = report_of(sample, "--precision", "int8")

    assert all(stage["cached"] for stage in again["stages"])


def shown() -> list[str]:
    """What stands below the command in its console block."""
    text = README.read_text(encoding="utf-8")
    return text.partition(f"```console\n{COMMAND}")[2].partition("```")[0].splitlines()


def shape(line: str) -> str:
    """A line without its figures, names of this machine, and what depends on them."""
    stage = STAGE.fullmatch(line)
    if stage:
        return f"  {stage[1]}:"
    if line.startswith("  "):
        return line[:14].rstrip()
    line = re.sub(r" on .*, \d+ threads?$", " on", line)
    line = re.sub(r"^report: .*/", "report: ", line)
    line = re.sub(r" stages, .*", " stages", line)
    return re.sub(r"\d[\d.,]*", "#", line)


def test_the_lines_of_the_readme_are_printed_in_that_order(
    sample: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artefact, "BenchSettings", lambda: BenchSettings(seconds=0.2))
    done = sample("run", "yolov4-tianxiaomo", "--precision", "int8", "--verbose")
    assert done.code == 0, done.stderr

    (folder,) = (tmp_path / "runs").iterdir()
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    told = [found[1] for line in shown() if (found := STAGE.fullmatch(line))]
    assert sorted(told) == sorted(stage["name"] for stage in report["stages"])

    lines = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    assert {shape(line) for line in lines} >= {f"  {name}:" for name in told}
    real = iter(lines)  # stages end in any order where they run side by side
    for line in shown():
        if line.strip() == LEFT_OUT or line.startswith("  warning") or STAGE.fullmatch(line):
            continue
        wanted = shape(line.removesuffix(LEFT_OUT))
        assert any(shape(other).startswith(wanted) for other in real), line


def test_predict_draws_what_the_sample_sees(sample: Zoo, tmp_path: Path) -> None:
    done = sample("predict", "yolov4-tianxiaomo", "--limit", "6", "-o", "seen", "--json", "-")

    assert done.code == 0, done.stderr
    assert len(list((tmp_path / "seen" / "pictures").glob("*.jpg"))) == 6
    rows = json.loads((tmp_path / "seen" / "predictions.json").read_text())
    assert sum(row["score"] > 0.25 for row in rows) > 6


def test_published_assets_are_never_replaced_by_the_sample(sample: Zoo) -> None:
    done = sample(*RUN, "--assets", "published")

    assert done.code == 6
    assert json.loads(done.stdout)["error"]["code"] == "data"


def test_a_plan_offline_is_shown_with_what_is_missing(sample: Zoo) -> None:
    """The stages as they would be with a network; JSON holds the error alone."""
    done = sample("plan", "nanodet-m")
    assert done.code == 6
    assert "coco-images" in done.stdout
    assert " MB to download" in done.stdout
    assert "zoo: " in done.stderr
    document = sample("plan", "nanodet-m", "--json", "-")
    assert json.loads(document.stdout)["error"]["code"] == "data"


def test_own_images_offline_ask_for_weights(
    sample: Zoo, tmp_path: Path, write_image: WriteImage
) -> None:
    write_image(tmp_path / "own" / "a.png")

    done = sample("predict", "yolov4-tianxiaomo", tmp_path / "own")

    assert done.code == 6
    assert "give --weights FILE" in done.stderr or "zoo fetch" in done.stderr


def test_an_interrupted_run_goes_on_where_it_was(tmp_path: Path) -> None:
    surroundings = {**os.environ, "ZOO_HOME": str(tmp_path / "home"), "ZOO_OFFLINE": "1"}
    command = [sys.executable, "-m", "zoo_core", *RUN[:-2], "-v"]
    first = subprocess.Popen(
        command, env=surroundings, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert first.stderr is not None
    seen = ""
    for line in first.stderr:
        seen += line
        if "export:" in line:
            break
    time.sleep(0.5)
    first.send_signal(signal.SIGINT)
    seen += first.communicate(timeout=120)[1]

    assert first.returncode == 130, seen
    assert "the next run resumes here" in seen
    second = subprocess.run(
        [*command, "--json", "r.json"],
        env=surroundings,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 0, second.stderr
    stages = {s["name"]: s for s in json.loads((tmp_path / "r.json").read_text())["stages"]}
    assert stages["export"]["cached"] is True
    assert stages["score"]["cached"] is False


def test_fetch_never_takes_the_sample(sample: Zoo) -> None:
    done = sample("fetch", "yolov4-tianxiaomo", "--limit", "1")

    assert done.code == 6


def test_int8_of_own_weights_offline_asks_for_calibration_images(
    sample: Zoo, tmp_path: Path
) -> None:
    weights = tmp_path / "w.weights"
    weights.write_bytes(b"not looked at while planning")
    sections = ["[net]", "width=32", "height=32", "channels=3", "[convolutional]", "filters=8"]
    (tmp_path / "w.cfg").write_text("\n".join(sections))
    done = sample("compile", "yolov4-tiny-darknet", "--weights", weights, "--precision", "int8")

    assert done.code == 6
    assert "give --calibration DIR" in done.stderr
