"""`zoo rescore` and `zoo explain`: finished runs by other protocols."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

import zoo_core

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

SCHEMAS = Path(zoo_core.__file__).parent / "schemas"
TOY = ("eval", "toy-detector", "--backend", "toy")


@pytest.fixture(autouse=True)
def only_the_toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")


@pytest.fixture
def registry(zoo: Zoo, tmp_path: Path) -> None:
    """Further protocols, and published rows under them."""
    text = resources.files("zoo_core.testing").joinpath("toy.yaml").read_text()
    document = yaml.safe_load(text)
    values = document["protocols"]["toy"]["values"]
    document["protocols"] = {
        "strict": {"task": "detection", "values": {**values, "conf": 0.999}, "unknown": ["conf"]},
        "boxed": {"task": "detection", "values": {**values, "resize": "letterbox"}},
        "loose": {"task": "detection", "values": {**values, "conf": 0.0001}},
        "odd": {"task": "detection", "values": {"nms": 0.3}},
        "unstated": {"task": "detection", "values": {}},
        "other": {"task": "counting", "values": {"conf": 0.5}},
    }
    card = document["models"]["toy-detector"]
    row = card["published"][0]
    card["published"] = [
        {**row, "id": "low", "protocol": "strict", "metrics": {"F1": 0.25}},
        {**row, "id": "large", "size": [64, 64]},
        {**row, "id": "half", "protocol": "boxed", "precision": "int8", "metrics": {"F1": 0.5}},
        {**row, "id": "elsewhere", "dataset": "toy-drawn"},
        {**row, "id": "silent", "protocol": "odd"},
        {**row, "id": "mute", "protocol": "unstated"},
    ]
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(document))


@pytest.fixture
def run(zoo: Zoo, registry: None, tmp_path: Path) -> Path:
    done = zoo(*TOY, "--assets", "published", "-o", "first")
    assert done.code == 0, done.stderr
    return tmp_path / "first"


def valid(document: Any, schema: str) -> dict[str, Any]:
    jsonschema.validate(document, json.loads((SCHEMAS / f"{schema}.json").read_text()))
    return dict(document)


def steps(text: str) -> list[str]:
    """The stages that ran."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    return [line.partition(":")[0] for line in lines]


def test_another_protocol_needs_no_network(zoo: Zoo, run: Path, tmp_path: Path) -> None:
    """The new folder is that of a run by that protocol, and says from where it comes."""
    done = zoo("rescore", run, "--protocol", "strict", "-o", "second", "--json", "-")
    report = valid(done.json, "run")
    direct = zoo(*TOY, "--assets", "published", "--protocol", "strict", "--json", "-").json

    assert done.code == 0
    assert steps(done.stderr) == ["settle", "write", "score"]
    assert (report["protocol"]["name"], report["metrics"]["F1"]) == ("strict", 0.0)
    assert (
        report["metrics"]
        == direct["metrics"]
        != json.loads((run / "report.json").read_text())["metrics"]
    )
    assert report["benchmark"] is None
    manifest = json.loads((tmp_path / "second" / "manifest.json").read_text())
    assert manifest["rescored_from"] == report["provenance"]["rescored from"] == str(run)
    assert json.loads((run / "manifest.json").read_text())["rescored_from"] is None
    assert f"| rescored from | {run} |" in (tmp_path / "second" / "report.md").read_text()


def test_options_change_the_runs_own_protocol(zoo: Zoo, run: Path) -> None:
    """A rescored run can be scored again, and a protocol takes the place of all changes."""
    first = zoo("rescore", run, "--conf", "0.5", "-o", "second", "--json", "-").json
    assert first["protocol"]["name"] == "toy+conf=0.5"
    again = zoo("rescore", "second", "--protocol", "strict", "--json", "-").json
    assert (again["protocol"]["name"], again["protocol"]["base"]) == ("strict", None)
    named = zoo("rescore", "toy-detector:toy:fp32", "--conf", "0.25", "--json", "-")
    assert named.json["protocol"]["name"] == "strict+conf=0.25"


def test_candidates_that_were_stored_from_a_lower_score_serve(zoo: Zoo, registry: None) -> None:
    zoo(*TOY, "--assets", "published", "--protocol", "loose", "-o", "low")
    done = zoo("rescore", "low", "--protocol", "strict", "-o", "second")
    again = zoo("rescore", "second", "--protocol", "loose")

    assert (done.code, again.code) == (0, 0)
    assert steps(done.stderr) == ["settle", "write", "score"]
    assert steps(again.stderr) == []


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--resize", "letterbox"), "resize stretch -> letterbox, pad 127.5, rounding nearest"),
        (("--interpolation", "nearest"), "interpolation bilinear -> nearest"),
        (("--protocol", "boxed"), "resize stretch -> letterbox"),
        (("--size", "64,64"), "size 32x32 -> 64x64"),
        (("--conf", "0.0001"), "candidates above 0.0001 are"),
    ],
)
def test_what_needs_the_network_is_refused_with_the_command(
    zoo: Zoo, run: Path, tmp_path: Path, options: tuple[str, ...], what: str
) -> None:
    done = zoo("rescore", run, *options, "-o", "second")

    assert done.code == 2
    assert what in done.stderr
    assert not (tmp_path / "second").exists()
    words = done.stderr.partition("run `zoo ")[2].partition("`")[0].split()
    direct = zoo(*words, "--json", "-")
    assert direct.code == 0
    assert direct.json["assets"]["weights"] == "published"
    if options[0] == "--size":
        assert direct.json["size"] == [64, 64]
    else:
        name = direct.json["protocol"]["name"]
        assert name == "boxed" if options[0] == "--protocol" else options[1] in name


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (("first",), 2, "nothing to change; give --protocol NAME"),
        (("first", "--protocol", "strict", "-o", "first"), 2, "is the run itself"),
        (("first", "--protocol", "stict"), 2, "did you mean 'strict'"),
        (("first", "--protocol", "other"), 2, "is for counting"),
        (("first", "--conf", "2"), 2, "must lie within 0..1"),
        (("nowhere", "--conf", "0.5"), 6, "no such run"),
        (("empty", "--conf", "0.5"), 6, "holds no manifest.json"),
    ],
)
def test_what_cannot_be_rescored_is_one_line(
    zoo: Zoo, run: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, what: str
) -> None:
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.rglob("*.json"))
    done = zoo("rescore", *arguments)

    assert done.code == code
    assert what in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*.json")) == before


def test_random_weights_have_no_accuracy(zoo: Zoo, run: Path) -> None:
    zoo(*TOY, "--weights", "random", "-o", "random")
    for verb in (("rescore", "random", "--conf", "0.5"), ("explain", "random")):
        done = zoo(*verb)
        assert done.code == 6
        assert "random: has random weights, so no accuracy" in done.stderr


def test_a_store_that_was_emptied_is_told(zoo: Zoo, run: Path, zoo_home: Path) -> None:
    """Then the network runs again; so it does for the explanation."""
    shutil.rmtree(zoo_home / "store")
    done = zoo("rescore", run, "--conf", "0.5")
    assert done.stderr.startswith(
        f"the candidates of {run} are no longer in the store: the network runs again\n"
    )
    assert "predict-0000" in steps(done.stderr)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["stages"] = []
    (run / "manifest.json").write_text(json.dumps(manifest))
    shutil.rmtree(zoo_home / "store")
    done = zoo("explain", run, "--against", "strict")
    assert "were made by other versions of zoo, of a plugin or of a library" in done.stderr
    assert done.code == 0


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (("weights", "files", "weights", "sha256"), "weights"),
        (("dataset", "content"), "images or annotations"),
        (("protocol", "hash"), "protocol toy"),
        (("preprocess",), "preprocessing"),
    ],
)
def test_a_run_of_other_inputs_is_refused(
    zoo: Zoo, run: Path, keys: tuple[str, ...], what: str
) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    inner = manifest
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(manifest))

    for verb in (("rescore", run, "--conf", "0.5"), ("explain", run)):
        done = zoo(*verb)
        assert done.code == 6
        assert f"{run}: cannot be run again: {what} changed since" in done.stderr


def test_what_there_is_to_explain_against(zoo: Zoo, run: Path) -> None:
    document = valid(zoo("explain", run, "--json").json, "explain")
    rows = {row["row"]: row for row in document["rows"]}
    protocols = {row["protocol"]: row for row in document["protocols"]}

    assert document["waterfall"] is None
    assert rows["low"]["changes"] == ["conf 0.25 -> 0.999"]
    assert rows["large"]["changes"] == ["size 32x32 -> 64x64"]
    assert "unknown protocol 'nms'" in rows["silent"]["why"] or rows["silent"]["why"]
    assert protocols["toy"]["changes"] == []
    assert "other" not in protocols
    assert "unstated" not in protocols
    lines = zoo("explain", run).stdout.splitlines()
    assert any(
        line.split() == ["low", "F1", "25.00", "conf", "0.25", "->", "0.999"] for line in lines
    )


def test_the_way_to_a_row_leaves_a_remainder(zoo: Zoo, run: Path) -> None:
    """F1 is 1 here, 0 under the row's protocol, and published as .25."""
    done = zoo("explain", run, "--against", "low", "--json")
    document = valid(done.json, "explain")
    way = document["waterfall"]

    assert steps(done.stderr) == ["settle", "write", "score"]
    assert [(one["change"], one["network"]) for one in way["effects"]] == [
        ("conf 0.25 -> 0.999", False)
    ]
    assert way["effects"][0]["metrics"][0]["values"] == [1.0, 0.0]
    assert way["remainder"] == {"F1": 0.25}
    assert way["why"] == ["what no protocol states: the publisher's code, weights or data"]
    assert document["warnings"] == [
        "protocol strict: not published, assumed: conf",
        "no intervals (4 images): whether an effect is one of these images is not known",
    ]
    text = zoo("explain", run, "--against", "low").stdout
    assert "not explained by the protocol  +25.0" in text
    assert "an effect depends on the order of the changes" in text
    assert "F1 100.00 becomes 0.00 under protocol strict: -100.0" in text


def test_precision_and_weights_are_left_to_explain(zoo: Zoo, run: Path) -> None:
    way = zoo("explain", run, "--against", "half", "--json").json["waterfall"]

    assert [(one["change"], one["network"]) for one in way["effects"]] == [
        ("resize stretch -> letterbox, pad 127.5, rounding nearest", True)
    ]
    assert way["why"][0] == "precision int8, here fp32"
    end = way["total"][0]["values"][1]
    assert way["remainder"]["F1"] == pytest.approx(0.5 - end)


def test_the_list_says_where_a_row_is_of_other_images(zoo: Zoo, run: Path) -> None:
    listed = {line.split()[0]: line for line in zoo("explain", run).stdout.splitlines() if line}
    assert listed["elsewhere"].endswith(
        "the protocol is the same; of toy-drawn, not 4 images of toy-shapes"
    )
    assert "images of" not in listed["low"]
    assert listed["mute"].endswith("its source does not state by which protocol it was scored")


def test_other_data_leaves_no_remainder(zoo: Zoo, run: Path) -> None:
    way = zoo("explain", run, "--against", "elsewhere", "--json").json["waterfall"]
    assert way["remainder"] is None
    assert way["why"] == ["data set toy-drawn, here toy-shapes"]
    zoo(*TOY, "--assets", "published", "--limit", "3", "-o", "part")
    part = zoo("explain", "part", "--against", "low", "--json").json["waterfall"]
    assert (part["remainder"], part["why"]) == (None, ["all 4 images, here 3"])
    zoo(*TOY, "--assets", "sample", "-o", "sample")
    done = zoo("explain", "sample", "--against", "low")
    assert "a sample run is never compared with published figures" in done.stdout
    assert "these figures say nothing about the model" in done.stdout


def test_a_change_that_cannot_be_made_is_left_out(zoo: Zoo, run: Path, tmp_path: Path) -> None:
    """The toy's stride is 4, so a side of 33 cannot be run."""
    text = (tmp_path / "registry.yaml").read_text()
    document = yaml.safe_load(text)
    rows = document["models"]["toy-detector"]["published"]
    rows[0]["size"] = [33, 33]
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(document))
    done = zoo("explain", run, "--against", "low", "--json")
    way = valid(done.json, "explain")["waterfall"] if done.code == 0 else None

    assert way is not None, done.stderr
    assert way["left_out"][0].startswith("size 32x32 -> 33x33: ")
    assert [one["change"] for one in way["effects"]] == ["conf 0.25 -> 0.999"]
    assert "size 33x33, here 32x32" in way["why"]


def test_options_lead_to_a_protocol_of_ones_own(zoo: Zoo, run: Path) -> None:
    document = zoo("explain", run, "--conf", "0.999", "--json").json
    assert document["waterfall"]["against"]["protocol"] == "toy+conf=0.999"
    assert document["waterfall"]["total"][0]["difference"] == -1.0
    nothing = zoo("explain", run, "--against", "toy")
    assert "F1 100.00: no value differs from protocol toy" in nothing.stdout
    changed = zoo("explain", run, "--against", "low", "--conf", "0.25", "--json").json["waterfall"]
    assert changed["effects"] == []
    assert changed["why"][0] == "protocol strict, here strict+conf=0.25"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--against", "lou"), "did you mean 'low'"),
        (("--against", "other"), "no published row 'other'"),
        (("--against", "silent"), "--against silent: "),
        (("--against", "mute"), "does not state by which protocol it was scored"),
        (("--conf", "3"), "must lie within 0..1"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_line(
    zoo: Zoo, run: Path, arguments: tuple[str, ...], what: str
) -> None:
    done = zoo("explain", run, *arguments)
    assert done.code == 2
    assert what in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_figure_that_no_longer_comes_out_is_told(zoo: Zoo, run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    report["metrics"]["F1"] = 0.5
    (run / "report.json").write_text(json.dumps(report))
    done = zoo("explain", run, "--against", "strict")
    assert "the run reports F1 0.5000, and scored again it has 1.0000" in done.stdout


def test_both_are_functions_of_python(zoo: Zoo, run: Path) -> None:
    report = zoo_core.rescore(run, protocol="strict", output=run.parent / "second")
    way = zoo_core.explain(run, "low").waterfall

    assert report.metrics == {"F1": 0.0}
    assert way is not None
    assert way.remainder == {"F1": 0.25}
    with pytest.raises(zoo_core.commands.public.UsageError, match="unknown"):
        zoo_core.rescore(run, kernel=3)
