"""Where no backend is named the one runs whose plugin says that it is the default."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import UsageError
from zoo_core.planning.build import Goal, plan_run
from zoo_core.planning.request import RunRequest
from zoo_core.planning.resolve import CacheState
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry
from zoo_core.testing import toy

if TYPE_CHECKING:
    from zoo_core.api import Backend

CACHE = CacheState(is_cached=lambda _: False, is_reachable=lambda _: False)


def planned(monkeypatch: pytest.MonkeyPatch, *default: bool) -> str:
    plugins = Plugins([toy])
    own = plugins.backend("toy")
    known: dict[str, Backend] = {
        f"b{number}": replace(own, name=f"b{number}", default=flag)
        for number, flag in enumerate(default)
    }
    monkeypatch.setattr(Plugins, "backends", lambda _: known)
    registry = load_registry(plugins.registry_files())
    run = plan_run(RunRequest(model="toy-detector"), registry, plugins, CACHE, Goal.COMPILE)
    assert run.request.backend == run.resolved.target.backend
    return run.resolved.backend.name


def test_the_default_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert planned(monkeypatch, False, True) == "b1"


@pytest.mark.parametrize(
    ("default", "step"), [((False, False), "--backend: b0, b1"), ((), "install one")]
)
def test_without_a_default_one_must_be_named(
    monkeypatch: pytest.MonkeyPatch, default: tuple[bool, ...], step: str
) -> None:
    with pytest.raises(UsageError, match="no default backend") as caught:
        planned(monkeypatch, *default)
    assert step in caught.value.next
