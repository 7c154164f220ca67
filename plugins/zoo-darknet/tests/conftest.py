from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from zoo_core.api import StageContext

if TYPE_CHECKING:
    from types import ModuleType

MakeContext = Callable[[Mapping[str, Path], Mapping[str, Any]], StageContext]


@pytest.fixture(scope="session")
def golden() -> ModuleType:
    """The module beside this one that makes the golden networks."""
    path = Path(__file__).with_name("golden_networks.py")
    spec = importlib.util.spec_from_file_location("zoo_darknet_golden_networks", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_context(tmp_path: Path) -> MakeContext:
    """A stage's context with an empty folder of its own."""
    count = 0

    def make(inputs: Mapping[str, Path], params: Mapping[str, Any]) -> StageContext:
        nonlocal count
        count += 1
        out = tmp_path / f"out{count}"
        out.mkdir()
        return StageContext(
            inputs=inputs,
            params=params,
            locations={},
            out=out,
            log=out.with_suffix(".log"),
            resume_dir=out.with_suffix(".resume_dir"),
            progress=lambda done, total, note="": None,
            plugins=cast("Any", None),
            sessions=cast("Any", None),
        )

    return make
