"""JUnit XML and annotations, read back by other code than wrote them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from zoo_core.errors import DataError
from zoo_core.reporting.gates.github import annotation, gate_annotations
from zoo_core.reporting.gates.junit import junit
from zoo_core.reporting.gates.rows import GateRow
from zoo_core.reporting.report import StageRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

WHEN = "2026-01-02T03:04:05+0000"
ROWS = (
    GateRow(gate="AP>=0.42", limit=0.42, verdict="passed", sentence="AP is 0.5"),
    GateRow(gate="drop<=0.01", limit=0.01, verdict="missed", sentence="drops by 3%", next="tune"),
    GateRow(gate="yolo-99", limit=0.4, verdict="not decided", sentence="by 9 images", next="more"),
    GateRow(gate="p90<=2", kind="speed", limit=2.0, verdict="missed", sentence="p90 is 3"),
)
STAGES = (
    StageRecord(name="export", key="a", cached=True, seconds=0.25),
    StageRecord(name="score", key="b", cached=False, seconds=1.5),
)


def valid(text: str) -> ET.Element:
    """The root, after checks of what junit-10.xsd of Jenkins' xunit plugin demands."""
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert suite.attrib["name"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        found = {"tests": len(suite), "failures": 0, "errors": 0, "skipped": 0}
        for case in suite:
            assert case.tag == "testcase"
            assert case.attrib["name"]
            assert case.attrib["classname"]
            assert float(case.attrib["time"]) >= 0
            assert len(case) <= 1
            for inner in case:
                assert inner.tag in ("failure", "error", "skipped", "system-out")
                assert inner.tag == "system-out" or inner.attrib["message"]
                key = {"failure": "failures", "error": "errors", "skipped": "skipped"}
                if inner.tag in key:
                    found[key[inner.tag]] += 1
        for element in (root, suite):
            assert {name: int(element.attrib[name]) for name in found} == found
            assert float(element.attrib["time"]) == pytest.approx(
                sum(float(case.attrib["time"]) for case in suite)
            )
    return root


def cases(text: str) -> dict[str, ET.Element]:
    return {case.attrib["name"]: case for case in valid(text).iter("testcase")}


def test_each_gate_and_each_stage_is_a_case() -> None:
    found = cases(junit("zoo run m", WHEN, ROWS, STAGES))

    assert list(found) == ["export", "score", "AP>=0.42", "drop<=0.01", "yolo-99", "p90<=2"]
    assert [inner.tag for inner in found["AP>=0.42"]] == ["system-out"]
    failed = found["drop<=0.01"].find("failure")
    assert failed is not None
    assert failed.attrib == {"message": "drops by 3%", "type": "accuracy_gate"}
    assert failed.text == "drops by 3%\ntune"
    skipped = found["yolo-99"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "by 9 images; more"
    (speed,) = found["p90<=2"]
    assert (speed.tag, speed.attrib["type"]) == ("failure", "speed_gate")
    assert (found["score"].attrib["classname"], found["score"].attrib["time"]) == (
        "zoo.stage",
        "1.500",
    )


def test_what_is_not_decided_fails_where_that_is_asked_for() -> None:
    failed = cases(junit("zoo run m", WHEN, ROWS, strict=True))["yolo-99"].find("failure")
    assert failed is not None
    assert failed.attrib == {"message": "by 9 images", "type": "not decided"}


def test_an_error_that_ended_the_command_is_a_case() -> None:
    error = DataError("no such file", where="a<b>&c", next="check it")
    (inner,) = cases(junit("zoo run", WHEN, (), error=error))["command"]
    assert (inner.tag, inner.attrib["type"]) == ("error", "data")
    assert inner.attrib["message"] == "a<b>&c: no such file; check it"


@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "\ud800", "￾", "￿", "\x0b"])
def test_what_xml_cannot_hold_is_replaced(text: str) -> None:
    row = GateRow(gate=f"a{text}b", limit=0.1, verdict="missed", sentence=f"s{text}")
    (case,) = valid(junit(f"zoo {text}", WHEN, [row])).iter("testcase")
    assert case.attrib["name"].startswith("a")
    assert case.attrib["name"].endswith("b")
    assert text not in ET.tostring(case, encoding="unicode")


def parsed(line: str) -> dict[str, Any]:
    """As the runner reads a command: ActionCommand.TryParseV2 of github.com/actions/runner."""
    assert line.startswith("::")
    assert "\n" not in line
    assert "\r" not in line
    end = line.index("::", 2)
    command, _, properties = line[2:end].partition(" ")
    pairs = [pair.split("=", 1) for pair in properties.split(",") if pair]
    undo = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
    values = {key: replaced(value, undo) for key, value in pairs}
    message = replaced(line[end + 2 :], (*undo[:2], undo[4]))
    return {"command": command, **values, "message": message}


def replaced(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for code, letter in pairs:
        text = text.replace(code, letter)
    return text


@pytest.mark.parametrize(
    "text", ["plain", "100% of: a, b", "a::b", "two\nlines", "%0A", "50%25", "a=b,c=d", "é ✓"]
)
def test_an_annotation_reads_back_as_it_was(text: str) -> None:
    found = parsed(annotation("error", text, text))
    assert found == {"command": "error", "title": text, "message": text}


def test_letters_that_the_runner_would_read_are_escaped() -> None:
    assert annotation("warning", "a: b, 3%", "1%: x, y\r\nz") == (
        "::warning title=a%3A b%2C 3%25::1%25: x, y\\x0d%0Az"
    )


def test_each_gate_is_annotated_by_its_verdict() -> None:
    levels = [parsed(line)["command"] for line in gate_annotations(ROWS, strict=False)]
    assert levels == ["notice", "error", "warning", "error"]
    strict = [parsed(line) for line in gate_annotations(ROWS, strict=True)]
    assert [found["command"] for found in strict] == ["notice", "error", "error", "error"]
    assert strict[2]["title"] == "gate not decided: yolo-99"
    assert strict[2]["message"] == "by 9 images; more"
