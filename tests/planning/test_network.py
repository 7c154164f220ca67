from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError
from zoo_core.planning.build import Goal, plan_run
from zoo_core.planning.request import RunRequest
from zoo_core.planning.resolve import CacheState
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import load_registry

if TYPE_CHECKING:
    from pathlib import Path

MIRROR = "http://mirror.example"
CFG = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\n"


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize("goal", [Goal.COMPILE, Goal.SCORE])
def test_only_the_hosts_of_the_data_are_asked(
    goal: Goal, limit: int | None, tmp_path: Path, zoo_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirror is enough, whatever else cannot be reached; without it the option is named."""
    monkeypatch.setenv("ZOO_COCO_URL", MIRROR)
    weights = tmp_path / "w.weights"
    weights.write_bytes(b"not looked at while planning")
    weights.with_suffix(".cfg").write_text(CFG)
    request = RunRequest(
        model="yolov4-tiny-darknet", weights=str(weights), precision="int8", limit=limit
    )
    urls: list[str] = []

    def reachable(url: str) -> bool:
        urls.append(url)
        return url.startswith(MIRROR)

    def plan(reach: bool) -> None:
        cache = CacheState(
            is_cached=lambda _: False, is_reachable=reachable if reach else lambda _: False
        )
        plan_run(request, load_registry(), Plugins.installed(), cache, goal)

    plan(reach=True)
    assert urls
    assert all(url.startswith(MIRROR) for url in urls)
    with pytest.raises(DataError, match="no network"):
        plan(reach=False)
