"""What is said and drawn while a command works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.cli import progress
from zoo_core.commands.bench import artefact

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo


class Drawn(progress.QuietListener):
    """Knows whether it is on the screen."""

    shown = False

    def __enter__(self) -> Any:
        Drawn.shown = True
        return self

    def __exit__(self, *_: object) -> None:
        Drawn.shown = False


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
    from zoo_core.benchmark import BenchSettings

    return BenchSettings(seconds=0.05, warmup_seconds=0.01)
