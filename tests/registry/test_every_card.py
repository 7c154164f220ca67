"""Every card that is listed can be planned, or says which file a person must bring."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import onnx
import pytest

from zoo_core.errors import DataError, UsageError
from zoo_core.planning.build import Goal, plan_run
from zoo_core.planning.exporters import exporters
from zoo_core.planning.request import make_request
from zoo_core.planning.resolve import CacheState
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.testing.examples import tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.pipeline.plan import Plan

OFFLINE = CacheState(is_cached=lambda _: False, is_reachable=lambda _: False)
ONLINE = CacheState(is_cached=lambda _: False, is_reachable=lambda _: True)


@cache
def installed() -> tuple[Registry, Plugins]:
    plugins = Plugins.installed()
    return load_registry(plugins.registry_files()), plugins


def planned(card: str, cache: CacheState, **options: str) -> Plan:
    registry, plugins = installed()
    request = make_request(card, backend="onnxruntime", **options)
    return plan_run(request, registry, plugins, cache, Goal.COMPILE).plan


CARDS = list(installed()[0].models)


@pytest.mark.parametrize("name", CARDS)
def test_a_file_of_weights_makes_a_plan(name: str, tmp_path: Path) -> None:
    """For each kind of file that the card's exporters read."""
    card = installed()[0].model(name)
    for exporter in exporters(card, installed()[1]).values():
        for suffix in exporter.suffixes:
            weights = tmp_path / f"w{suffix}"
            if suffix == ".onnx":
                onnx.save(tiny_model(card.size), weights)
            else:
                weights.write_bytes(b"made up")
            for ending in exporter.companions.values():
                (tmp_path / f"w{ending}").write_text("[net]\nwidth=64\nheight=64\nchannels=3\n")
            try:
                plan = planned(name, OFFLINE, weights=str(weights))
            except (DataError, UsageError) as error:
                assert weights.stem in error.where, f"{error}"
            else:
                assert plan.artefact(), name


@pytest.mark.parametrize("name", CARDS)
def test_without_a_file_it_runs_or_names_the_file(name: str) -> None:
    card = installed()[0].model(name)
    try:
        plan = planned(name, ONLINE)
    except (DataError, UsageError) as error:
        assert "--weights" in error.next
        by_hand = [s.name for o in card.weights for s in o.files.values() if s.by_hand]
        assert not by_hand or any(file in error.next for file in by_hand)
    else:
        assert plan.artefact(), name
