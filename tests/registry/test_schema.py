"""The JSON Schema of registry files and the strict reader know and refuse the same."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import zoo_core
from zoo_core.errors import ZooError
from zoo_core.registry import cards, load_registry, published
from zoo_core.registry.load import PARTS, packed_registry
from zoo_core.vision import Preprocess, steps

ROOT = Path(__file__).parents[2]
SCHEMA_FILE = Path(zoo_core.__file__).parent / "schemas" / "registry.json"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
OURS = sorted(
    [
        packed_registry(),
        ROOT / "zoo_core" / "testing" / "toy.yaml",
        *ROOT.glob("plugins/*/zoo_*/*.yaml"),
    ]
)
GOOD = """
schema: 1
labels: {pets: [cat, dog]}
protocols: {p: {task: detection, values: {conf: 0.1}, unknown: [conf], note: a note}}
families:
  f: {task: detection, exporter: e, decoder: d, evaluator: v, dataset: s, protocol: p, labels: pets}
models:
  whole:
    task: detection
    license: MIT
    source: {name: a/b, url: "https://example.org", commit: c, license: MIT}
    exporter: e
    decoder: d
    evaluator: v
    dataset: s
    size: [32, 64]
    preprocess:
      - {op: decode, colour: rgb}
      - {op: resize, mode: letterbox, size: [32, 64], pad: 114}
      - {op: scale, factor: 0.5}
      - {op: normalise, mean: [0.1, 0.2, 0.3], std: [1, 1, 1]}
      - {op: to_tensor}
    labels: [cat, dog]
    protocol: p
    weights: [{format: torch, files: {weights: {name: w.pth, by_hand: a page, size: 3}}}]
    published:
      - id: r
        protocol: p
        dataset: s
        size: [32, 64]
        weights: published
        precision: fp32
        device: d
        metrics: {AP: 0.5}
        elsewhere: [{where: there, text: "0.6", metrics: {AP: 0.6}}]
        build: {conf: 0.2}
  of-family: {family: f, license: MIT, source: {name: a/b, url: u}, size: [1, 1], preprocess: []}
"""
BAD = [
    ("schema: 1", "schema: 2"),
    ("labels: {pets", "lables: {pets"),
    ("[cat, dog]}", "[cat, 3]}"),
    ("values: {conf", "valeus: {conf"),
    ("unknown: [conf]", "unknown: [3]"),
    ("{p: {task: detection, ", "{p: {"),
    ("exporter: e\n", "exportr: e\n"),
    ("exporter: e\n", "exporter: 3\n"),
    ("    decoder: d\n", ""),
    (
        '    license: MIT\n    source: {name: a/b, url: "https',
        '    source: {name: a/b, url: "https',
    ),
    ("size: [32, 64]\n    pre", "size: [32]\n    pre"),
    ("size: [32, 64]\n    pre", "size: [32, 0]\n    pre"),
    ("commit: c,", "comit: c,"),
    ('{name: a/b, url: "https://example.org"', '{url: "https://example.org"'),
    ("labels: [cat, dog]", "labels: 3"),
    ("{format: torch, ", "{fromat: torch, "),
    ("{format: torch, ", "{"),
    ("files: {weights:", "files: {weight:"),
    ("by_hand: a page", "by_hnd: a page"),
    ("by_hand: a page", f"by_hand: a page, url: u, sha256: {'a' * 64}"),
    ("by_hand: a page", "url: u"),
    ("size: 3}", f"sha256: {'g' * 64}}}"),
    ("size: 3}", f"sha256: {'a' * 32}}}"),
    ("size: 3}", f"md5: {'a' * 64}}}"),
    ("{name: w.pth, by_hand: a page, size: 3}", "{by_hand: a page}"),
    ("name: w.pth", "name: a/w.pth"),
    ("size: 3}", "size: many}"),
    ("- id: r", "- ident: r"),
    ("        precision: fp32\n", ""),
    ("metrics: {AP: 0.5}", "metrics: {AP: 50}"),
    ("metrics: {AP: 0.5}", "metrics: {AP: high}"),
    ("where: there", "wher: there"),
    ('text: "0.6", ', ""),
    ("build: {conf: 0.2}", "build: 0.2"),
    ("op: decode", "op: decod"),
    ("colour: rgb", "color: rgb"),
    ("colour: rgb", "colour: rbg"),
    ("factor: 0.5", "factor: half"),
    ("std: [1, 1, 1]", "std: [1, 1]"),
    ("family: f,", "famly: f,"),
]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "own.yaml"
    monkeypatch.setenv("ZOO_REGISTRY", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def refuses(document: Any) -> bool:
    return not jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def read(path: Path, text: str) -> None:
    """What `zoo check` reads strictly: the files, and each card's preprocessing."""
    path.write_text(text, encoding="utf-8")
    for card in load_registry().models.values():
        if card.preprocess:
            Preprocess.from_data(card.preprocess)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_files_are_accepted(path: Path) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), SCHEMA)


def test_the_packed_files_name_their_schema() -> None:
    path = packed_registry()
    first = path.read_text(encoding="utf-8").splitlines()[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == SCHEMA_FILE.resolve()


def test_both_accept_a_good_file(own: Path) -> None:
    read(own, GOOD)

    assert not refuses(yaml.safe_load(GOOD))


@pytest.mark.parametrize(("old", "new"), BAD)
def test_both_refuse_what_is_wrong(own: Path, old: str, new: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)

    with pytest.raises(ZooError):
        read(own, text)
    assert refuses(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("model", cards.MODEL_KEYS),
        ("protocol", cards.PROTOCOL_KEYS),
        ("repository", cards.REPOSITORY_KEYS),
        ("weights", cards.WEIGHTS_KEYS),
        ("file", cards.SOURCE_KEYS),
        ("published", published.PUBLISHED_KEYS),
        ("elsewhere", published.ELSEWHERE_KEYS),
    ],
)
def test_both_know_the_same_keys(name: str, keys: tuple[str, ...]) -> None:
    part = SCHEMA["$defs"][name]

    assert set(part["properties"]) == set(keys)
    assert part["additionalProperties"] is False


def test_both_know_the_same_parts_and_steps() -> None:
    assert set(SCHEMA["properties"]) == {"schema", *PARTS}
    known = {
        kind.op: {field.name for field in fields(kind)}
        for kind in (
            steps.Decode,
            steps.Resize,
            steps.CentreCrop,
            steps.Scale,
            steps.Normalise,
            steps.ToTensor,
        )
    }
    stated = {
        step["properties"]["op"]["const"]: set(step["properties"]) - {"op"}
        for step in SCHEMA["$defs"]["step"]["anyOf"]
    }
    assert stated == known


def test_every_key_is_described() -> None:
    for name, part in SCHEMA["$defs"].items():
        for key, value in part.get("properties", {}).items():
            described = value.get("description") or SCHEMA["$defs"].get(
                value.get("$ref", "").rpartition("/")[2], {}
            ).get("description")
            assert described, f"{name}.{key}"


def test_the_reference_is_what_the_schema_says() -> None:
    spec = importlib.util.spec_from_file_location("docs_registry", ROOT / "docs" / "registry.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    on_disk = (ROOT / "docs" / "reference" / "registry.md").read_text(encoding="utf-8")
    assert on_disk == module.page(), "run: python docs/registry.py"
