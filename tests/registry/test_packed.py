"""What comes with zoo: YOLOv4 of three repositories, and the figures of a vendor's zoo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo_core.commands.check import check
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.testing import toy

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import ModelCard

SHARED = """
  {name}:
    task: detection
    license: MIT
    source: {{name: a/b, url: "https://example.org"}}
    exporter: e
    decoder: d
    evaluator: v
    dataset: s
    size: [640, 640]
    preprocess: []
    labels: [cat]
    protocol: vastai
"""


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)
    monkeypatch.chdir(tmp_path)
    return load_registry()


def plugin_file(tmp_path: Path, name: str, more: str = "") -> Path:
    path = tmp_path / "plugin.yaml"
    path.write_text(f"schema: 1\nmodels:{SHARED.format(name=name)}{more}", encoding="utf-8")
    return path


def figures(card: ModelCard, row: str) -> list[float]:
    result = next(item for item in card.published if item.id == row)
    return [result.metrics[name] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")]


def test_every_yolov4_of_the_vendors_page_has_a_card(packed: Registry) -> None:
    darknet = ("", "-tiny", "-csp", "-csp-swish", "-csp-x-swish", "x-mish")
    names = {f"yolov4{variant}-darknet" for variant in darknet}
    names |= {"yolov4-tianxiaomo"}

    assert names <= set(packed.models)
    sizes = [packed.models[f"yolov4{variant}-darknet"].size[0] for variant in darknet]
    assert sizes == [416, 416, 512, 640, 640, 640]


def test_every_file_that_is_downloaded_can_be_recognised(packed: Registry) -> None:
    for card in packed.models.values():
        for option in card.weights:
            for source in option.files.values():
                assert source.by_hand or (source.sha256 and len(source.sha256) == 64), card.id


@pytest.mark.parametrize(
    ("model", "row", "expected"),
    [
        ("yolov4-darknet", "vastai-fp16", [0.472, 0.702, 0.517, 0.272, 0.531, 0.636]),
        ("yolov4-darknet", "vastai-int8", [0.440, 0.686, 0.486, 0.242, 0.488, 0.606]),
    ],
)
def test_figures_are_those_of_the_vendor(
    packed: Registry, model: str, row: str, expected: list[float]
) -> None:
    assert figures(packed.model(model), row) == expected


def test_every_row_says_where_it_is_from(packed: Registry) -> None:
    rows = [(card.id, row) for card in packed.models.values() for row in card.published]

    assert rows
    for name, row in rows:
        assert row.provenance, (name, row.id)
        assert row.metrics or row.performance, (name, row.id)


def test_check_finds_no_error_and_names_the_known_contradictions(packed: Registry) -> None:
    findings = check(packed, Plugins())
    messages = {row["message"] for row in findings}

    assert [row for row in findings if row["severity"] == "error"] == []
    assert any("AP 0.503, there 0.501" in text for text in messages)


def test_one_model_can_be_checked_alone(packed: Registry) -> None:
    findings = check(packed, Plugins(), "yolov4x-mish-darknet")

    assert findings
    assert all("models.yolov4x-mish-darknet" in row["where"] for row in findings)


@pytest.mark.parametrize("entry", ["[x]", "text", "{published: 3}", "{published: text}"])
def test_an_entry_of_the_wrong_kind_for_a_listed_model_is_told(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "registry.yaml"
    path.write_text(f"schema: 1\nmodels:\n  yolov8s: {entry}\n", encoding="utf-8")
    (fault,) = load_registry([path]).faults
    assert "yolov8s" in str(fault)


def test_a_plugin_does_not_take_a_model_that_can_be_run(packed: Registry, tmp_path: Path) -> None:
    registry = load_registry([plugin_file(tmp_path, "yolov4-darknet")])
    (fault,) = registry.faults
    assert "yolov4-darknet already exists in" in fault.what
    assert registry.model("yolov4-darknet") == packed.model("yolov4-darknet")


def test_a_model_that_can_be_run_is(packed: Registry) -> None:
    plugins = Plugins([toy])
    registry = load_registry(plugins.registry_files())
    crooked = replace(registry.model("toy-detector"), decoder_params={"strides": 4})
    models = {**registry.models, "toy-detector": crooked}

    findings = check(replace(registry, models=models), plugins, "toy-detector")

    assert [row["severity"] for row in findings] == ["error"]
