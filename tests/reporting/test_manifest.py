"""The manifest names the request, whoever made it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from zoo_core.planning.request import make_request

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from zoo_core.testing.fixtures import Zoo


def test_a_request_is_data_without_its_defaults() -> None:
    request = make_request("m", images="a/b", conf=0.4, limit=2, precision="fp32")
    assert request.to_data() == {
        "model": "m",
        "images": "a/b",
        "limit": 2,
        "changes": {"conf": 0.4},
    }


def test_the_manifest_holds_the_request(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    done = zoo("eval", "toy-detector", "--backend", "toy", "--limit", "2", "-o", "out")
    assert done.code == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["request"] == {"model": "toy-detector", "backend": "toy", "limit": 2}
