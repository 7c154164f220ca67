"""Reports are typed: what a command writes is read back into the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError
from zoo_core.reporting.report import BenchReport, PredictReport, RunReport, load
from zoo_core.reporting.terminal import terminal_lines

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

TOY = ("toy-detector", "--backend", "toy")
SAMPLE = (*TOY, "--assets", "sample")
SERVER = ("--scenario", "server", "--target-qps", "200")


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("run", *TOY, "--assets", "published", "--no-bench"), RunReport),
        (("run", *SAMPLE, "--precision", "int8", "--limit", "2"), RunReport),
        (("bench", *SAMPLE, "--duration", "0.05", "--vs", ":int8"), BenchReport),
        (("bench", *SAMPLE, "--duration", "0.05", "--sweep", "batch=1:2,streams"), BenchReport),
        (
            ("bench", *SAMPLE, "--duration", "0.05", *SERVER, "--no-breakdown"),
            BenchReport,
        ),
        (("predict", *SAMPLE), PredictReport),
    ],
)
def test_a_folder_is_read_back_as_it_was_written(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], kind: type[RunReport]
) -> None:
    done = zoo(*arguments, "--output", "out", "--json", "-")
    assert done.code == 0, done.stderr
    report = load(tmp_path / "out")

    assert type(report) is kind
    assert json.dumps(report.to_data()) == json.dumps(done.json)
    assert list(report.to_data()) == list(report.keys)
    assert kind.from_data(report.to_data()) == report
    shown = terminal_lines(report) if isinstance(report, RunReport) else report.lines()
    assert set(shown) <= set(done.stderr.splitlines())


def test_a_report_is_a_table_in_a_notebook(zoo: Zoo, tmp_path: Path) -> None:
    assert zoo("run", *SAMPLE, "--no-bench", "--output", "a<b").code == 0
    report = load(tmp_path / "a<b")
    html = report._repr_html_()

    assert html.startswith("<table><tr><th>model</th><td>toy-detector</td></tr>")
    assert "<th>F1</th><td>1.0000</td>" in html
    assert "a&lt;b" in html
    assert "a<b" not in html


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": "zoo.run/9"}', '{"schema": "zoo.run/1"}'])
def test_what_is_not_a_report_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="holds no report"):
        load(tmp_path)
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(DataError, match="cannot be read as a report"):
        load(tmp_path)


@pytest.mark.parametrize("part", ["protocol", "assets", "benchmark", "precision_report"])
def test_a_part_that_is_not_an_object_is_refused(zoo: Zoo, tmp_path: Path, part: str) -> None:
    assert zoo("run", *SAMPLE, "--no-bench", "--output", "out").code == 0
    path = tmp_path / "out" / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), part: "x"}))

    with pytest.raises(DataError, match="cannot be read as a report"):
        load(path.parent)
