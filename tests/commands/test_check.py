"""`zoo check` on names that nothing knows, and on maps that a backend refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.api import CompileRequest, ModelCard, PublishedResult, Stage
from zoo_core.commands.check import check
from zoo_core.errors import RegistryError, UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.testing import toy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROW = PublishedResult(
    id="r",
    protocol="toy",
    dataset="toy-shapes",
    weights="published",
    precision="fp32",
    device="not stated",
    size=(32, 32),
    metrics={"AP": 0.5},
)


@pytest.fixture
def plugins() -> Plugins:
    return Plugins([toy])


@pytest.fixture
def registry(
    plugins: Plugins, zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    """With one more shipped card, whose figures say which metrics the evaluator has."""
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)
    monkeypatch.chdir(tmp_path)
    base = load_registry(plugins.registry_files())
    card = base.model("toy-detector")
    shipped = replace(card, id="other", published=(ROW,))
    return replace(base, models={**base.models, "other": shipped})


def findings(registry: Registry, plugins: Plugins, **changes: Any) -> list[tuple[str, ...]]:
    """What is found on the toy card with changes, as a file of the user's own."""
    card: ModelCard = replace(registry.model("toy-detector"), id="mine", origin="my", **changes)
    rows = check(replace(registry, models={**registry.models, "mine": card}), plugins, "mine")
    return [
        (
            row["where"].removeprefix("my: models.mine."),
            row["severity"],
            row["message"],
            row["next"],
        )
        for row in rows
    ]


def test_an_unknown_further_exporter_is_told(registry: Registry, plugins: Plugins) -> None:
    what = "no exporter 'tou' is installed, so weights for it are refused"
    told = [("exporters.tou", "warning", what, "did you mean 'toy'?")]
    assert findings(registry, plugins, exporters={"tou": {}, "toy": {}}) == told


@pytest.mark.parametrize("key", ["backends", "protocols"])
def test_a_misspelt_backend_is_told(registry: Registry, plugins: Plugins, key: str) -> None:
    result = findings(registry, plugins, **{key: {"toi": {} if key == "backends" else "toy"}})

    what = "no backend 'toi' is installed, so this has no effect"
    assert result == [(f"{key}.toi", "warning", what, "did you mean 'toy'?")]


def test_a_backend_of_a_plugin_that_is_not_installed_is_no_error(
    registry: Registry, plugins: Plugins
) -> None:
    assert findings(registry, plugins, backends={"vastai": {}}) == []  # shipped cards name it
    result = findings(registry, plugins, backends={"somebodys": {}})

    step = "install the plugin that provides it, or correct the name"
    assert [row[1::2] for row in result] == [("warning", step)]


@pytest.mark.parametrize(
    ("change", "where", "next_step"),
    [
        ({"dataset": "toy-shpaes"}, "dataset", "did you mean 'toy-shapes'?"),
        ({"precision": "fp23"}, "precision", "did you mean 'fp32'?"),
        ({"metrics": {"mAP": 0.5}}, "metrics.mAP", "did you mean 'AP'?"),
    ],
)
def test_a_published_row_that_can_never_match_is_told(
    registry: Registry, plugins: Plugins, change: dict[str, Any], where: str, next_step: str
) -> None:
    assert findings(registry, plugins, published=(ROW,)) == []
    ((place, severity, message, step),) = findings(
        registry, plugins, published=(replace(ROW, **change),)
    )

    assert (place, severity, step) == (f"published[0].{where}", "warning", next_step)
    assert "never compared" in message


def test_a_precision_that_is_not_stated_is_no_misspelt_one(
    registry: Registry, plugins: Plugins
) -> None:
    row = replace(ROW, precision="not stated, its command leaves it open")

    assert findings(registry, plugins, published=(row,)) == []


def test_what_a_backend_says_of_its_map_is_told_before_a_run(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[CompileRequest] = []

    def stages(_self: toy.ToyCompiler, request: CompileRequest) -> Sequence[Stage]:
        requests.append(request)
        if "foo" in request.card.backends["toy"]:
            raise RegistryError("unknown 'foo'", where="there", next="known: bar")
        raise UsageError("something that is not about the card")

    monkeypatch.setattr(toy.ToyCompiler, "stages", stages)

    assert findings(registry, plugins, backends={"toy": {"bar": 1}}) == []
    assert findings(registry, plugins, backends={"toy": {"foo": 1}}) == [
        ("there", "error", "unknown 'foo'", "known: bar")
    ]
    assert [(request.target.backend, request.size) for request in requests] == [
        ("toy", (32, 32))
    ] * 2


def test_a_protocol_that_replaces_the_cards_own_resize_is_told(
    registry: Registry, plugins: Plugins
) -> None:
    steps = [dict(step) for step in registry.model("toy-detector").preprocess]
    letterbox = {**steps[1], "mode": "letterbox", "pad": 114, "interpolation": "area"}
    result = findings(registry, plugins, preprocess=(steps[0], letterbox, *steps[2:]))

    assert [row[:3] for row in result] == [
        ("preprocess", "warning",
         "has resize letterbox, but protocol toy has stretch, which runs use"),
        ("preprocess", "warning",
         "has interpolation area, but protocol toy has bilinear, which runs use"),
    ]  # fmt: skip
    assert findings(registry, plugins) == []


def test_what_the_exporter_says_of_its_parameters_is_told_before_a_run(
    registry: Registry, plugins: Plugins
) -> None:
    (found,) = findings(registry, plugins, exporter_params={"strid": 4})
    assert found[1:] == ("error", "unknown 'strid'", "did you mean 'stride'?")
    assert not findings(registry, plugins, exporter_params={"stride": 4})
    assert not findings(registry, plugins, exporter_params={"stride": 999})  # of the size
