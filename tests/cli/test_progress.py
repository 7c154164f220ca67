"""What is said and drawn while a command works."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.cli import output, progress
from zoo_core.cli.json_output import print_lines
from zoo_core.commands.bench import artefact

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo


class Drawn(progress.QuietListener):
    """Knows whether it is on the screen."""

    shown = False

    def __enter__(self) -> Any:
        Drawn.shown = True
        return self

    def __exit__(self, *_: object) -> None:
        Drawn.shown = False


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("talk", "results", "count"), [(1, 1, 1), (0, 1, 2), (1, 0, 2), (0, 0, 2)])
def test_a_warning_is_shown_once_where_both_go_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, talk: bool, results: bool, count: int
) -> None:
    """A file of results keeps it."""
    screen = _Terminal()
    for name, terminal in (("stderr", talk), ("stdout", results)):
        other = io.StringIO()
        monkeypatch.setattr(other, "write", screen.write)
        monkeypatch.setattr(sys, name, screen if terminal else other)
    monkeypatch.setattr(output, "_SAID", set())
    output.say("warning: odd")
    print_lines(None, ["warning: odd", "figure", "warning: odder"], quiet=False)
    assert screen.getvalue().count("warning: odd\n") == count
    assert "figure\nwarning: odder\n" in screen.getvalue()


@pytest.mark.parametrize("verb", ["run", "bench"])
def test_nothing_is_drawn_while_speed_is_measured(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    monkeypatch.setattr(progress, "listener", lambda quiet, verbose: Drawn())
    states = []
    measure = artefact.measure_workload

    def watched(*arguments: Any) -> Any:
        states.append(Drawn.shown)
        return measure(*arguments)

    monkeypatch.setattr(artefact, "measure_workload", watched)
    monkeypatch.setattr(artefact, "BenchSettings", speed_settings)
    duration = ("--duration", "0.05") if verb == "bench" else ()
    done = zoo(verb, "toy-detector", "--backend", "toy", "--assets", "sample", *duration)

    assert done.code == 0, done.stderr
    assert states == [False]
    assert "  single-stream: " in done.stderr


def speed_settings() -> Any:
    from zoo_core.benchmark.settings import BenchSettings

    return BenchSettings(seconds=0.05, warmup_seconds=0.01)


NOISY = """
import os
from zoo_core.api.hooks import hookimpl

ZOO_API = 1

@hookimpl
def zoo_run_stage(stage, context):
    print("noise of", stage.name)
    os.system("echo noise of a tool")
"""


def test_what_stages_print_is_not_in_the_results(tmp_path: Path) -> None:
    (tmp_path / "zoo_noisy_of_test_progress.py").write_text(NOISY, encoding="utf-8")
    plugins = "zoo_noisy_of_test_progress,zoo_core.testing.toy"
    places = {"ZOO_PLUGINS": plugins, "ZOO_HOME": str(tmp_path / "home"), "ZOO_OFFLINE": "1"}
    command = "eval toy-detector --backend toy --assets sample --json -"
    done = subprocess.run(
        [sys.executable, "-m", "zoo_core", *command.split()],
        env={**os.environ, **places, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["schema"] == "zoo.run/1"
    assert "noise of export" in done.stderr
    assert "noise of a tool" in done.stderr
