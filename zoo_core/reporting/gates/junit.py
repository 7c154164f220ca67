"""JUnit XML of a command: a test case for each gate and for each stage.

The form is that of the Ant task `junit`, which Jenkins, GitLab and GitHub's actions read: a gate
that is missed is a failure, one that is not decided is skipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from zoo_core.reporting.gates.rows import UNDECIDED
from zoo_core.system.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.errors import ZooError
    from zoo_core.reporting.gates.rows import GateRow
    from zoo_core.reporting.report import StageRecord

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no characters for."""

_SECONDS = len("YYYY-mm-ddTHH:MM:SS")


def junit(
    suite: str,
    when: str,
    gates: Sequence[GateRow],
    stages: Sequence[StageRecord] = (),
    *,
    strict: bool = False,
    error: ZooError | None = None,
) -> str:
    """The document; `suite` is what ran, `when` an ISO time, `error` what ended the command.

    With `strict` a gate that is not decided is a failure.
    """
    cases = [_case(stage.name, "zoo.stage", stage.seconds) for stage in stages]
    cases += [_gate(row, strict) for row in gates]
    if error:
        case = _case("command", "zoo")
        _within(case, "error", str(error), error.code, error.next)
        cases.append(case)
    counts = {
        "tests": len(cases),
        **{f"{kind}s": _count(cases, kind) for kind in ("failure", "error")},
        "skipped": _count(cases, "skipped"),
        "time": f"{sum(stage.seconds for stage in stages):.3f}",
    }
    facts = {name: str(value) for name, value in counts.items()}
    root = ET.Element("testsuites", {"name": "zoo", **facts})
    told = {"name": _legal(suite), "timestamp": when[:_SECONDS], **facts}
    ET.SubElement(root, "testsuite", told).extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _gate(row: GateRow, strict: bool) -> ET.Element:
    case = _case(row.gate, f"zoo.gate.{row.kind}")
    if row.fails(strict):
        kind = UNDECIDED if row.verdict == UNDECIDED else f"{row.kind}_gate"
        _within(case, "failure", row.sentence, kind, row.next)
    elif row.verdict == UNDECIDED:
        ET.SubElement(case, "skipped", {"message": _legal(row.warning())})
    else:
        ET.SubElement(case, "system-out").text = _legal(row.line())
    return case


def _case(name: str, classname: str, seconds: float = 0.0) -> ET.Element:
    facts = {"classname": classname, "name": _legal(name), "time": f"{seconds:.3f}"}
    return ET.Element("testcase", facts)


def _within(case: ET.Element, tag: str, message: str, kind: str, step: str) -> None:
    text = "\n".join(filter(None, (message, step)))
    inner = ET.SubElement(case, tag, {"message": _legal(message), "type": kind})
    inner.text = _legal(text)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", shown(text))


def _count(cases: Sequence[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)
