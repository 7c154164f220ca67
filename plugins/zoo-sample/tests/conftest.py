from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zoo_sample

from zoo_core.api import DataPlan, DataView
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import run_stages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run_plan(tmp_path_factory: pytest.TempPathFactory) -> Callable[[DataPlan], DataView]:
    """Runs the stages of a data plan in a new store; returns what reading it needs."""

    def run(plan: DataPlan) -> DataView:
        done = run_stages(plan.stages, tmp_path_factory.mktemp("run"), Plugins([zoo_sample]))
        parts = {name: place.partition("/") for name, place in plan.inputs.items()}
        paths: dict[str, Path] = {name: done[at] / file for name, (at, _, file) in parts.items()}
        return DataView(paths=paths, params=plan.params)

    return run
