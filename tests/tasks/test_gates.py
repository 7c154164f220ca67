"""Gates by whole commands, on a network whose metrics have intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
import numpy as np
import pytest

import zoo_core

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

PLUGINS = ("zoo_classification", "zoo_coco", "zoo_sample", "zoo_onnx", "zoo_onnxruntime")
CARD = ("crops-classifier", "--calibration-images", "24")
FEW = (*CARD, "--limit", "60")
INT8 = ("--precision", "int8")


def gates(done: Outcome, code: int = 0) -> list[dict[str, Any]]:
    assert done.code == code, done.stderr
    schema = Path(zoo_core.__file__).parent / "schemas" / "run.json"
    jsonschema.validate(done.json, json.loads(schema.read_text()))
    rows: list[dict[str, Any]] = done.json["gates"]
    return rows


def test_a_floor_is_decided_by_the_interval_of_the_report(commands: Zoo, tmp_path: Path) -> None:
    asked = ("eval", *FEW, "--gate", "top5>=0.5", "--gate", "top1>=0.999", "-o", "out")
    done = commands(*asked, "--json", "-", "--junit", "deep/j.xml")
    low, missed = gates(done, code=3 if done.code else 0)
    bounds = done.json["intervals"]["top1"]

    assert low["verdict"] == "passed"
    assert [missed["low"], missed["high"]] == bounds
    assert missed["verdict"] == ("missed" if bounds[1] < 0.999 else "not decided")
    page = (tmp_path / "out" / "report.md").read_text()
    assert "## Gates\n\n| gate | verdict |" in page
    names = [case.attrib["name"] for case in ET.parse(tmp_path / "deep/j.xml").iter("testcase")]
    assert names[-2:] == ["top5>=0.5", "top1>=0.999"]
    assert "score" in names
    assert any("judged on 60 of 500 images" in text for text in done.json["warnings"])
    stored = json.loads((tmp_path / "out" / "report.json").read_text())
    assert stored["gates"] == done.json["gates"]


def test_a_drop_is_against_the_fp32_run_in_the_store(commands: Zoo) -> None:
    assert commands("eval", *FEW, "-o", "float").code == 0
    (row,) = gates(
        commands("eval", *FEW, *INT8, "--gate", "drop<=0.9", "-o", "int8", "--json", "-")
    )
    float_, int8 = (dict(np.load(Path(name, "resamples.npz"))) for name in ("float", "int8"))
    paired = float_["top1"].astype(float) - int8["top1"]
    low, high = np.quantile(paired, [0.025, 0.975])
    mean, drop = paired.mean(), row["value"]
    shift = -1.5 * (mean - drop)
    bounds = (drop - (high - mean) + min(0, shift), drop + mean - low + max(0, shift))

    assert row["reference"] == "fp32 on onnxruntime, stored"
    assert (row["low"], row["high"]) == pytest.approx(bounds)
    assert row["verdict"] == "passed"
    (same,) = gates(
        commands("eval", *FEW, *INT8, "--gate", "drop<=0.9", "--against", "float", "--json", "-")
    )
    assert {k: same[k] for k in ("value", "low", "high")} == {
        k: row[k] for k in ("value", "low", "high")
    }
    assert same["reference"].endswith("float")


def test_a_drop_is_against_a_remembered_run_where_the_store_is_empty(
    commands: Zoo, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    assert commands("eval", *FEW, "-o", "float").code == 0
    (tmp_path / "home" / "store").rename(tmp_path / "gone")
    asked = ("eval", *FEW, *INT8, "--gate", "yolo-99", "--json", "-")
    (row,) = gates(commands(*asked))
    assert row["reference"].endswith(str(Path("float")))
    assert row["limit"] == pytest.approx(
        0.99 * json.loads(Path("float/report.json").read_text())["metrics"]["top1"]
    )
    other = commands("eval", *CARD, "--limit", "40", *INT8, "--gate", "yolo-99", "--json", "-")
    assert other.code == 6
    assert "no fp32 run of this network on these images by this protocol" in other.stdout


@pytest.mark.parametrize(
    ("more", "code", "what"),
    [
        (("--gate", "top9>=0.1"), 2, "--gate: unknown 'top9'; did you mean"),
        (("--gate", "drop:top9<=0.1"), 2, "--gate: unknown 'top9'"),
        (("--gate", "top1>0.1"), 2, "--gate: invalid gate 'top1>0.1'"),
        (("--gate", "p90<=3"), 2, "--gate: 'p90<=3' limits a speed, and none is measured"),
        (("--gate", "drop<=0.1"), 6, "'drop<=0.1' has no reference: this is the fp32 run itself"),
        (("--gate", "yolo-99"), 6, "'yolo-99' has no reference: this is the fp32 run itself"),
        (("--against", "float"), 2, "--against: is for the gates drop and yolo-99"),
        (("--gate", "drop<=0.1", "--against", "nowhere"), 6, "nowhere: no such run"),
        (("--junit", "-"), 2, "--junit: needs a file"),
        (("--junit", ""), 2, "--junit needs a file"),
        (("--junit", "x.json", "--json", "./x.json"), 2, "x.json is the file of --json, too"),
        (("--junit", "out/report.json", "-o", "out"), 2, "could be a file of the output folder"),
        (("--junit", "."), 6, ".: is a folder; name another file with --junit"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_the_work(
    commands: Zoo, tmp_path: Path, more: tuple[str, ...], code: int, what: str
) -> None:
    done = commands("eval", *CARD, "--limit", "24", *more)
    assert done.code == code
    assert what in done.stderr.splitlines()[-1]
    assert not (tmp_path / "runs").exists()


def test_a_run_on_other_images_is_no_reference(commands: Zoo, tmp_path: Path) -> None:
    assert commands("eval", *FEW, "-o", "float").code == 0
    asked = ("eval", *CARD, "--limit", "40", "--gate", "drop<=0.1", "--against", "float")
    done = commands(*asked, "--junit", "j.xml", "-o", "out")
    assert done.code == 6
    said = "--against float: not comparable: the data sets or subsets differ: 60 and 40 images"
    assert said in done.stderr
    (error,) = ET.parse(tmp_path / "j.xml").iter("error")
    assert error.attrib["type"] == "data"
    assert said in error.attrib["message"]
    assert not (tmp_path / "out").exists()


def test_speed_is_gated_where_it_is_measured(commands: Zoo) -> None:
    gate = ("--gate", "throughput>=1e12", "--strict", "--junit", "j.xml")
    done = commands("run", *CARD, "--limit", "12", *gate, "--json", "-")
    (row,) = gates(done, 4)
    assert row["kind"] == "speed"
    assert row["verdict"] == ("missed" if done.json["benchmark"]["steady"] else "not decided")
    (failed,) = ET.parse("j.xml").iter("failure")
    assert failed.attrib["message"] == row["sentence"]


def test_a_command_that_measures_no_accuracy_refuses_its_gates(commands: Zoo) -> None:
    done = commands("bench", CARD[0], "--gate", "top1>=0.1")
    assert done.code == 2
    assert "'top1>=0.1' limits accuracy, and `zoo bench` measures none" in done.stderr
    done = commands("bench", CARD[0], "--gate", "speedup>=2")
    assert done.code == 2
    assert "speedup needs --vs" in done.stderr


def test_on_github_a_run_annotates_its_gates_and_adds_to_the_summary(
    commands: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    asked = ("eval", *CARD, "--limit", "24", "--gate", "top5>=0.1", "--json", "-")
    assert "::notice" not in commands(*asked).stderr
    assert summary.read_text() == "before\n"

    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    done = commands(*asked, "-o", "out")
    assert gates(done)[0]["verdict"] == "passed"
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("::"))
    assert line.startswith("::notice title=gate passed%3A top5>=0.1::top5>=0.1: top5 is")
    page = Path("out/report.md").read_text()
    assert summary.read_text() == f"before\n{page}\n"

    summary.write_text("")
    assert commands(*asked[:-4], "--gate", "top1>=1", "--strict", "-q").code == 3
    assert summary.read_text().startswith("- **gate ")

    summary.write_text("x" * ((1 << 20) - 100))
    full = commands(*asked)
    assert "the summary of this step is full" in full.stderr
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder"))
    lost = commands(*asked)
    assert lost.code == 0
    assert "the summary of this step cannot be written" in lost.stderr


def test_python_has_the_same_gates(commands: Zoo) -> None:
    import zoo_core as zoo
    from zoo_core.errors import AccuracyGateError

    few = {"limit": 24, "calibration_images": 24}
    report = zoo.eval(CARD[0], gate=["top5>=0.1"], **few)
    assert [row.verdict for row in report.gates] == ["passed"]
    with pytest.raises(AccuracyGateError, match="top1 is"):
        zoo.eval(CARD[0], gate=["top1>=1"], strict=True, **few)
    assert zoo.load(report.header.output) == report


class TestPublished:
    """`yolo-99` of a published row, on the toy that has one."""

    TOY = ("eval", "toy-detector", "--backend", "toy", "--assets", "published")

    @pytest.fixture(autouse=True)
    def only_the_toy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")

    def test_the_whole_data_set_by_the_row_s_protocol(self, zoo: Zoo) -> None:
        """Four images decide nothing."""
        (row,) = gates(zoo(*self.TOY, "--gate", "yolo-99", "--json", "-"))
        assert row["reference"] == "published row toy-itself (the test of this card)"
        assert (row["limit"], row["value"], row["verdict"]) == (0.99, 1.0, "not decided")
        assert zoo(*self.TOY, "--gate", "yolo-99", "--strict").code == 3

    def test_reduced_precision_is_held_to_the_row_in_float(self, zoo: Zoo) -> None:
        (row,) = gates(zoo(*self.TOY, *INT8, "--gate", "yolo-99:F1", "--json", "-"))
        assert row["reference"].startswith("published row")

    @pytest.mark.parametrize(
        ("more", "why"),
        [
            (("--limit", "2"), "all 4 images, here 2"),
            (("--conf", "0.4"), "protocol toy, here toy"),
            (("--size", "16,16"), "size 32x32, here 16x16"),
        ],
    )
    def test_other_conditions_are_refused(
        self, zoo: Zoo, zoo_home: Path, more: tuple[str, ...], why: str
    ) -> None:
        done = zoo(*self.TOY, *more, "--gate", "yolo-99")
        assert done.code == 6
        assert f"not comparable with toy-itself: {why}" in done.stderr
        assert not (zoo_home / "store").exists()

    def test_a_sample_run_is_refused(self, zoo: Zoo, zoo_home: Path) -> None:
        done = zoo(*self.TOY[:-1], "sample", "--gate", "yolo-99", "--json", "-")
        assert (done.code, done.json["error"]["code"]) == (6, "data")
        assert "a gate on sample weights" in done.json["error"]["what"]
        assert not (zoo_home / "store").exists()

    @pytest.mark.parametrize("gate", ["F1>=0.1", "drop<=0.1", "yolo-99"])
    def test_random_weights_are_refused(self, zoo: Zoo, gate: str) -> None:
        done = zoo(*self.TOY[:-2], "--weights", "random", "--gate", gate)
        assert done.code == 6
        assert "a gate on random weights" in done.stderr

    def test_a_drop_needs_a_run(self, zoo: Zoo) -> None:
        done = zoo(*self.TOY, *INT8, "--gate", "drop<=0.1")
        assert done.code == 6
        assert "'drop<=0.1' has no reference: no fp32 run" in done.stderr
        assert zoo(*self.TOY).code == 0
        (row,) = gates(zoo(*self.TOY, *INT8, "--gate", "drop<=0.1", "--json", "-"))
        assert (row["reference"], row["verdict"]) == ("fp32 on toy, stored", "not decided")
