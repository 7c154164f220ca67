"""`zoo show`: the resolved card, where its values are written, and what they come to."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

import zoo_core
from zoo_core.commands.show import ShowOptions, show, text
from zoo_core.errors import UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.registry import Registry, load_registry
from zoo_core.testing import toy

SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "show.json"


@pytest.fixture
def plugins() -> Plugins:
    return Plugins([toy])


@pytest.fixture
def registry(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)
    monkeypatch.chdir(tmp_path)
    return load_registry(plugins.registry_files())


def test_every_model_is_shown_as_the_schema_says(registry: Registry, plugins: Plugins) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))

    for name in registry.models:
        result = show(registry, plugins, name, ShowOptions())
        jsonschema.validate({"schema": "zoo.show/1", **result}, schema)
        assert "effective" not in result
        assert set(result["card"]) >= {key.partition(".")[0] for key in result["origins"]}


def test_the_text_is_the_card_as_yaml_under_its_origins(
    registry: Registry, plugins: Plugins
) -> None:
    yaml_text = text(show(registry, plugins, "yolov4-csp-darknet", ShowOptions()))
    card = yaml.safe_load(yaml_text)

    assert card["exporter"] == "darknet"
    assert card["size"] == [512, 512]
    assert len(card["labels"]) == 80
    lines = yaml_text.splitlines()
    above = lines[lines.index("exporter: darknet") - 1]
    assert above.startswith("# family darknet-yolo, ")
    place, _, line = above.rpartition(" ")[2].rpartition(":")
    stated = Path(place).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert stated.strip() == "exporter: darknet"


def test_what_it_comes_to_follows_backend_and_size(registry: Registry, plugins: Plugins) -> None:
    asked = ShowOptions(backend="toy", precision="int8", size=(320, 256))
    effective = show(registry, plugins, "yolov4-darknet", asked)["effective"]

    assert (effective["backend"], effective["precision"]) == ("toy", "int8")
    assert effective["protocol"] == "darknet"
    resize = next(step for step in effective["preprocess"] if step["op"] == "resize")
    assert resize["size"] == [320, 256]
    assert effective["options"] == {}


def test_a_backend_with_a_protocol_of_its_own_changes_the_preprocessing(
    registry: Registry, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = plugins.backend("toy")
    monkeypatch.setattr(Plugins, "backend", lambda _self, _name: backend)
    effective = show(registry, plugins, "yolov4-darknet", ShowOptions(backend="vastai"))[
        "effective"
    ]

    assert effective["protocol"] == "vastai"
    assert effective["options"]["extra_ops"] == {"type": "yolov4_nms"}
    resize = next(step for step in effective["preprocess"] if step["op"] == "resize")
    assert (resize["mode"], resize["pad"]) == ("letterbox", 114)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (ShowOptions(backend="toi"), "did you mean 'toy'"),
        (ShowOptions(backend="toy", precision="int9"), "precision 'int9'; did you mean 'int8'?"),
        (ShowOptions(precision="int8"), "--precision needs --backend"),
    ],
)
def test_what_is_not_known_is_refused(
    registry: Registry, plugins: Plugins, asked: ShowOptions, message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        show(registry, plugins, "toy-detector", asked)

    assert message in str(caught.value)
