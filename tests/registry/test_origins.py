"""Every value of a card is traced to the file and line that state it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo_core.registry import load_registry
from zoo_core.registry.origins import origins

if TYPE_CHECKING:
    from pathlib import Path

OWN = """schema: 1
labels:
  pets: [cat, dog]
protocols:
  p: {task: detection, values: {conf: 0.1}}
families:
  f:
    task: detection
    license: MIT
    exporter: e
    decoder: d
    evaluator: v
    dataset: s
    labels: pets
    size: [32, 64]
    preprocess: []
    protocol: p
    protocols:
      x: p
    source:
      name: a/b
      url: https://example.org
models:
  m:
    family: f
    size: [16, 16]
    protocols:
      y: p
    source:
      commit: c0ffee
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    monkeypatch.setenv("ZOO_REGISTRY", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def line_of(text: str) -> int:
    return next(n for n, line in enumerate(OWN.splitlines(), 1) if text in line)


def test_values_are_traced_to_card_and_family(own: Path) -> None:
    places = {key: (o.layer, o.where) for key, o in origins(load_registry(), "m").items()}

    assert places["size"] == ("card", f"{own}:{line_of('[16, 16]')}")
    assert places["exporter"] == ("family f", f"{own}:{line_of('exporter: e')}")
    assert "training_overlap" not in places


def test_what_is_merged_of_both_is_traced_key_by_key(own: Path) -> None:
    places = {key: (o.layer, o.where) for key, o in origins(load_registry(), "m").items()}

    assert places["protocols.x"] == ("family f", f"{own}:{line_of('x: p')}")
    assert places["protocols.y"] == ("card", f"{own}:{line_of('y: p')}")
    assert places["repository.commit"] == ("card", f"{own}:{line_of('c0ffee')}")


def test_labels_by_name_lead_to_the_list(own: Path) -> None:
    origin = origins(load_registry(), "m")["labels"]

    stated = f"{own}:{line_of('labels: pets')}"
    assert origin.layer == f"family f ({stated}), labels pets"
    assert origin.where == f"{own}:{line_of('pets: [')}"


def test_the_last_file_that_has_the_model_counts(own: Path, tmp_path: Path) -> None:
    over = tmp_path / "registry.yaml"
    body = "yolov4-darknet: {family: yolov4-tianxiaomo, size: [1, 2], license: MIT}"
    over.write_text(f"schema: 1\nmodels: {{{body}}}\n", encoding="utf-8")

    places = origins(load_registry(), "yolov4-darknet")

    assert places["size"].where == f"{over}:2"
    assert "published" not in places
