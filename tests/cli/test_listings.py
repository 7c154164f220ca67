"""The verbs that list and show, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

import zoo_core
from zoo_core.cli.models import _cells
from zoo_core.system.terminal import WIDTH

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

SCHEMAS = Path(zoo_core.__file__).parent / "schemas"
TOY = Path(zoo_core.__file__).parent / "testing" / "toy.yaml"


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


def test_filters_hold_for_the_table_and_for_json(zoo: Zoo) -> None:
    arguments = ("models", "--task", "detection", "--backend", "toy", "--runnable")
    table = zoo(*arguments)
    document = zoo(*arguments, "--json").json

    assert [line.split()[0] for line in table.stdout.splitlines()] == ["1", "model", "toy-detector"]
    jsonschema.validate(document, json.loads((SCHEMAS / "models.json").read_text()))
    assert [row["id"] for row in document["models"]] == ["toy-detector"]


def test_what_runs_comes_first_and_columns_go_where_they_do_not_fit(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {}
    for width in (80, 100, 160):
        monkeypatch.setenv("COLUMNS", str(width))
        tables[width] = zoo("models").stdout.splitlines()
        assert max(map(len, tables[width])) <= width

    titles = ["1 model runs here", "model  ", "toy-detector  "]
    for line, start in zip(tables[160], titles, strict=False):
        assert line.startswith(start)
    second = tables[160][len(titles)]
    assert (
        second
        == f"{len(tables[160]) - 5} models lack one thing; `zoo fetch MODEL` gets it, "
        + ("or tells where it is")
    )
    assert tables[160][4].split() == ["model", "task", "input", "missing", "repository"]
    assert "repository" not in tables[80][4]
    none = zoo("models", "--source", "zoo", "--size", "416").stdout
    assert none.startswith("0 models run here\n")


def test_a_long_name_of_a_file_is_shortened_in_the_middle() -> None:
    row = {"id": "m", "task": "t", "size": (480, 640), "source": "a/b"}
    name = "file retinanet_r101_caffe_fpn_mstrain_3x_coco_20210721_063439-88a8a944.pth"
    assert _cells(row, name) == [
        "m",
        "t",
        "480x640",
        "file retinanet_r101_ca...88a8a944.pth",
        "a/b",
    ]
    assert _cells(row, "")[3] == "-"


def test_an_unknown_filter_exits_2(zoo: Zoo) -> None:
    done = zoo("models", "--backend", "toi")

    assert done.code == 2
    assert done.stderr.strip() == "zoo: --backend: unknown 'toi'; did you mean 'toy'?"


def test_show_tells_origins_and_effective_values(zoo: Zoo) -> None:
    arguments = (
        "show",
        "toy-detector",
        "--backend",
        "toy",
        "--precision",
        "int8",
        "--size",
        "64,64",
    )
    document = zoo(*arguments, "--json").json

    jsonschema.validate(document, json.loads((SCHEMAS / "show.json").read_text()))
    assert document["origins"]["exporter"]["where"].endswith("toy.yaml:15")
    assert document["effective"]["size"] == [64, 64]
    assert zoo("show", "toy-detector", "--size", "64").code == 2


def test_one_model_is_checked_alone(zoo: Zoo) -> None:
    fine = zoo("check", "toy-detector")
    disputed = zoo("check", "yolov4x-mish-darknet", "--json").json

    assert fine.code == 0
    assert fine.stdout.startswith("no findings: toy-detector")
    assert {row["severity"] for row in disputed["findings"]} == {"warning"}
    count = len(disputed["findings"])
    last = zoo("check", "yolov4x-mish-darknet").stdout.splitlines()[-1]
    assert last.startswith(f"{count} warning{'s' * (count != 1)}: yolov4x-mish-darknet, ")
    assert last.endswith(" plugins")
    assert zoo("check", "toy-detectr").code == 2


@pytest.mark.parametrize("verb", ["doctor", "check"])
def test_findings_are_readable_in_a_pipe(
    zoo: Zoo, zoo_home: Path, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZOO_PLUGINS")
    lines = zoo(verb).stdout.splitlines()

    assert any(line.lstrip().startswith("-> ") for line in lines)
    for line in lines:
        assert len(line) <= WIDTH or str(zoo_home) in line or len(line.split()) <= 2, line


def test_what_a_user_wrote_is_checked_first(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = TOY.read_text(encoding="utf-8").replace("toy-detector:", "zz-mine:")
    (tmp_path / "my.yaml").write_text(own.replace("decoder: toy-grid", "decoder: nobody"))
    before = [row["where"] for row in zoo("check", "--json").json["findings"]]
    monkeypatch.setenv("ZOO_REGISTRY", "my.yaml")
    after = [row["where"] for row in zoo("check", "--json").json["findings"]]

    assert after[0] == f"{tmp_path / 'my.yaml'}: models.zz-mine"
    assert after[-len(before) :] == before
