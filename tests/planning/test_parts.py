"""Weights in several files: those that the first one names are found, digested and fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from zoo_core.planning.request import RunRequest
from zoo_core.planning.weights import user_weights
from zoo_core.plugins.manager import Plugins
from zoo_core.testing import model_card, run_stages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.planning.weights import Weights

pytestmark = pytest.mark.usefixtures("zoo_home")


class Parted:
    """An exporter whose weights name the files that they lie in, one a line."""

    formats = ("any",)
    suffixes: Mapping[str, str] = {".list": "list"}
    companions: Mapping[str, str] = {}

    def parts(self, weights: Path) -> Mapping[str, Path]:
        return {name: weights.parent / name for name in weights.read_text().split()}

    def stages(self, card: Any, request: Any) -> list[Any]:
        return []


def given(folder: Path) -> Weights:
    path = folder / "net.list"
    path.write_text("weights.bin sub/weights.bin")
    request = RunRequest(model="any", weights=str(path))
    return user_weights(request, model_card(), {model_card().exporter: cast("Any", Parted())})


def test_each_part_is_fetched_to_its_own_place(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"one")
    (tmp_path / "sub" / "weights.bin").write_bytes(b"other")
    weights = given(tmp_path)
    (stage,) = weights.stages()

    assert stage
    done = run_stages([stage], tmp_path / "run", Plugins([]))["weights"]
    assert (done / "net.list").is_file()
    assert (done / "weights.bin").read_bytes() == b"one"
    assert (done / "sub" / "weights.bin").read_bytes() == b"other"
    assert sorted(weights.references().values()) == [
        "weights/net.list",
        "weights/sub/weights.bin",
        "weights/weights.bin",
    ]


def test_another_part_is_another_network(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "weights.bin").write_bytes(b"one")
    (tmp_path / "sub" / "weights.bin").write_bytes(b"other")
    before = given(tmp_path).stages()[-1]
    (tmp_path / "sub" / "weights.bin").write_bytes(b"third")
    after = given(tmp_path).stages()[-1]

    assert before and after and before.params != after.params
