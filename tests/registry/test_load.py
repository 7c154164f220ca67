from __future__ import annotations

from pathlib import Path

import pytest

from zoo_core.errors import RegistryError, UsageError
from zoo_core.registry import load_registry
from zoo_core.registry.load import packed_registry

PROTOCOLS = "protocols: {p: {task: detection, values: {conf: 0.1}}}\n"
MODEL = """
models:
  tiny:
    task: detection
    license: MIT
    source: {name: a/b, url: "https://example.org"}
    exporter: e
    decoder: d
    evaluator: v
    dataset: s
    size: [32, 64]
    preprocess: []
    labels: [cat, dog]
    protocol: p
"""


@pytest.fixture
def registry_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.yaml"
    monkeypatch.setenv("ZOO_REGISTRY", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def write(path: Path, body: str) -> None:
    path.write_text(f"schema: 1\n{body}", encoding="utf-8")


def test_the_packed_registry_loads_and_names_its_models() -> None:
    registry = load_registry()

    assert "yolov4-tianxiaomo" in registry.models
    assert registry.model("yolov4-tianxiaomo").labels[0] == "person"
    assert len(registry.model("yolov4-tianxiaomo").labels) == 80


def test_every_published_row_of_the_vendor_has_its_twelve_figures() -> None:
    card = load_registry().model("yolov4-tianxiaomo")
    rows = {row.id: row for row in card.published}

    for name, expected in (("vastai-fp16", 0.433), ("vastai-int8", 0.424)):
        assert len(rows[name].metrics) == 12
        assert rows[name].metrics["AP"] == expected
        assert rows[name].conditions["clocks_mhz"]["OCLK"] == 880
    assert rows["tianxiaomo-pytorch"].metrics == {
        "AP": 0.466,
        "AP50": 0.704,
        "AP75": 0.505,
        "APs": 0.267,
        "APm": 0.524,
        "APl": 0.629,
    }


def test_own_files_lie_over_the_packed_registry(registry_file: Path) -> None:
    write(registry_file, PROTOCOLS + MODEL)

    registry = load_registry()

    assert registry.model("tiny").size == (32, 64)
    assert registry.model("tiny").origin == str(registry_file)
    assert "yolov4-tianxiaomo" in registry.models


def test_a_model_of_a_known_family_is_a_few_lines(registry_file: Path) -> None:
    body = """
models:
  mine:
    family: yolov4-tianxiaomo
    summary: my own
    license: MIT
    labels: [cat, dog]
    protocols: {other: darknet}
"""
    write(registry_file, body)

    card = load_registry().model("mine")

    assert card.exporter == "tianxiaomo-yolov4"
    assert card.labels == ("cat", "dog")
    assert card.protocols == {"vastai": "vastai", "other": "darknet"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("exporter: e", "exportr: e", "unknown key 'exportr'; did you mean 'exporter'?"),
        ("size: [32, 64]", "size: [32]", "size: must be [height, width], is [32]"),
        ("size: [32, 64]", "size: [32, true]", "must be [height, width]"),
        ("task: detection", "task: 3", "task: must be str, is int (3)"),
        ("    exporter: e\n", "", "key 'exporter' is missing"),
        ("protocol: p", "protocol: darknett", "no protocol 'darknett'; did you mean 'darknet'?"),
        ("labels: [cat, dog]", "labels: coco8", "no labels 'coco8'; did you mean 'coco80'?"),
        ("labels: [cat, dog]", "family: yolov4", "no family 'yolov4'"),
        ("license: MIT", "license: MIT\n    license: BSD", "duplicate key 'license'"),
        (
            "license: MIT",
            "license: MIT\n    weights: [{format: x, files: {weights: {url: 'http://a/b'}}}]",
            "a url needs a sha256",
        ),
        ("license: MIT", "license: [MIT", "is not valid YAML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    registry_file: Path, old: str, new: str, message: str
) -> None:
    write(registry_file, PROTOCOLS + MODEL.replace(old, new))

    with pytest.raises(RegistryError) as caught:
        load_registry()

    assert message in str(caught.value)
    assert str(registry_file) in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_plugin_may_not_take_a_name(tmp_path: Path) -> None:
    path = tmp_path / "plugin.yaml"
    write(path, "protocols: {darknet: {task: detection, values: {}}}")

    (fault,) = load_registry([path]).faults
    assert "already exists in" in fault.what


@pytest.mark.parametrize("text", ["models: [", "models: {x: {}}", "schema: 2", "models: {x: 3}"])
def test_a_plugins_file_that_is_wrong_leaves_the_others(tmp_path: Path, text: str) -> None:
    bad, good = tmp_path / "bad.yaml", tmp_path / "good.yaml"
    bad.write_text(text, encoding="utf-8")
    write(good, "protocols: {mine: {task: detection, values: {}}}")

    registry = load_registry([bad, good, tmp_path / "missing.yaml"])

    assert "mine" in registry.protocols
    assert [fault.where.startswith(str(tmp_path)) for fault in registry.faults] == [True, True]
    with pytest.raises(UsageError, match=r"no model 'x'.*left out: .*bad\.yaml"):
        registry.model("x")


def test_a_missing_file_is_named(registry_file: Path) -> None:
    message = "own.yaml: cannot be read: No such file or directory; check the file and ZOO_REGISTRY"
    with pytest.raises(RegistryError, match=message):
        load_registry()


def test_another_schema_is_an_error_with_a_next_step(registry_file: Path) -> None:
    registry_file.write_text("schema: 2\n", encoding="utf-8")

    with pytest.raises(
        RegistryError, match=r"schema 2 is not supported, expected 1; write `schema: 1`, or"
    ):
        load_registry()


def test_an_unknown_model_is_answered_with_the_closest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ZOO_REGISTRY", raising=False)
    with pytest.raises(UsageError, match="did you mean 'yolov4-darknet'"):
        load_registry().model("yolov4-darknett")


def test_the_packed_registry_is_the_one_of_the_checkout() -> None:
    assert packed_registry() == Path(__file__).parents[2] / "registry.yaml"


def test_digests_are_read_in_lower_case_and_told_when_they_are_none(registry_file: Path) -> None:
    weights = "    weights: [{format: t, files: {weights: {name: w, by_hand: p, sha256: %s}}}]\n"
    write(registry_file, PROTOCOLS + MODEL + weights % ("AB" * 32))
    assert load_registry().model("tiny").weights[0].files["weights"].sha256 == "ab" * 32

    write(registry_file, PROTOCOLS + MODEL + weights % "abc")
    with pytest.raises(RegistryError, match="must be 64 hexadecimal digits, is 'abc'") as caught:
        load_registry()
    assert caught.value.where.endswith("models.tiny.weights[0].files.weights.sha256")
