"""Checks files and folders that people wrote by hand."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_vastai.formats.config import (
    BUILD_FILE,
    config_text,
    is_second_generation,
    parse_config,
)
from zoo_vastai.formats.vdsp import is_legacy, load_json, parse_vdsp, vdsp_text

from zoo_core.errors import DataError, RegistryError
from zoo_core.toolkit.files import load_yaml, read_text
from zoo_vastai_lint.build import build_findings
from zoo_vastai_lint.device import vdsp_findings
from zoo_vastai_lint.keys import key_findings, nearest
from zoo_vastai_lint.known import TOP
from zoo_vastai_lint.network import network_findings
from zoo_vastai_lint.pairs import pair_findings
from zoo_vastai_lint.result import FileReport, Finding
from zoo_vastai_lint.source import Source, json_source, yaml_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo_vastai.formats.vdsp import VdspOp

    from zoo_vastai_lint.result import Severity

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_OURS = re.compile(r"OpType|OpConfig|vdsp_op_type|tvm_vacc|^frontend:", re.MULTILINE)
_RECORD = frozenset({"name", "prefix", "graph", "precision", "outputs"})
_MARKS = ("frontend", "backend", "workspace", "dataset", "graph")
_WORD = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_COMMON = frozenset({"vdsp", "params", "config", "int8", "fp16", "json", "yaml"})


@dataclass(frozen=True, slots=True)
class _Checked:
    """One file as far as it was understood."""

    report: FileReport
    source: Source | None = None
    op: VdspOp | None = None


def lint(paths: Sequence[Path], vdsp: Path | None = None) -> tuple[FileReport, ...]:
    """A report per file, in the order of the paths; folders are walked, hidden ones left out.

    A configuration is held against `vdsp`, else against the vdsp files beside it. Raises
    `DataError` for a path that is not there.
    """
    for path in (*paths, *([vdsp] if vdsp else ())):
        if not path.exists():
            raise DataError("no such file or folder", where=str(path), next="check the path")
    files: dict[Path, bool] = {}
    for path in paths:
        for file in _files(path):
            files[file] = files.get(file, False) or file == path
    checked = [_check(file, named=by_name) for file, by_name in files.items()]
    references = [_check(vdsp, named=True)] if vdsp else []
    loose = [item for item in checked if item.op and files[Path(item.report.path)]]
    folders: dict[Path, list[_Checked]] = {}
    paired = [_paired(item, references or loose, checked, folders) for item in checked]
    return tuple(item.report for item in _collisions(paired))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path).parts
        hidden = any(part.startswith(".") for part in inside)
        if file.suffix.lower() in SUFFIXES and not hidden and file.is_file():
            yield file


def _check(path: Path, *, named: bool) -> _Checked:
    try:
        text = read_text(path)
        is_json = path.suffix.lower() == ".json"
        data = load_json(text, str(path)) if is_json else load_yaml(text, str(path))
    except (DataError, RegistryError) as error:
        if isinstance(error, DataError):
            severity: Severity = "error" if named else "warning"
        else:
            severity = "error" if named or _OURS.search(text) else "info"
        finding = Finding("syntax", severity, error.where, error.what, error.next)
        return _Checked(_report(path, "unknown", findings=(finding,)))
    kind = kind_of(data)
    if kind == "vamc":
        return _config((json_source if is_json else yaml_source)(path, text, data))
    if kind == "vdsp":
        return _vdsp((json_source if is_json else yaml_source)(path, text, data))
    if kind == "unknown" and (_is_record(path, data) or _is_document(data)) and not named:
        return _Checked(_report(path, kind))
    if kind == "unknown":
        what = "is neither a vamc configuration nor a vdsp file"
        finding = Finding("unknown-file", "error" if named else "info", "", what)
    else:
        refusal = _refusal(data, kind)
        finding = Finding("legacy-form", "error", "", refusal.what, refusal.next)
    return _Checked(_report(path, kind, findings=(finding,)))


def _is_record(path: Path, data: Any) -> bool:
    """Whether it is what zoo tells of a build beside the vendor's files, not written by hand."""
    return path.name == BUILD_FILE and isinstance(data, Mapping) and data.keys() >= _RECORD


def _is_document(data: Any) -> bool:
    """Whether it is JSON that zoo writes itself, such as the report of a run."""
    return isinstance(data, Mapping) and str(data.get("schema")).startswith("zoo.")


def kind_of(data: Any) -> str:
    """vamc, vdsp, unknown, or the old forms vamc2 and vdsp-legacy."""
    if not isinstance(data, Mapping) or _is_document(data):
        return "unknown"
    if is_legacy(data):
        return "vdsp-legacy"
    if "OpType" in data or "OpConfig" in data:
        return "vdsp"
    if is_second_generation(data):
        return "vamc2"
    near = {nearest(str(key), TOP) for key in data} & set(_MARKS)
    return "vamc" if len(near) > 1 or "frontend" in data else "unknown"


def _refusal(data: Any, kind: str) -> RegistryError:
    try:
        parse_config(data) if kind == "vamc2" else parse_vdsp(data)
    except RegistryError as refused:
        return refused
    raise AssertionError(kind)


def _config(source: Source) -> _Checked:
    findings = [*key_findings(source), *build_findings(source), *network_findings(source)]
    parsed = round_trip = False
    try:
        config = parse_config(source.data)
        parsed = True
        text = config_text(config)
        same = config.to_data() == source.data
        round_trip = same and load_yaml(text, str(source.path)) == source.data
    except RegistryError as error:
        findings += _not_yet_told(findings, error)
    places = [replace(item, where=_place(source, item.where)) for item in findings]
    return _Checked(_report(source.path, "vamc", parsed, round_trip, places), source=source)


def _vdsp(source: Source) -> _Checked:
    findings = list(vdsp_findings(source))
    op: VdspOp | None = None
    round_trip = False
    try:
        op = parse_vdsp(source.data)
        again = load_json(vdsp_text(op), str(source.path))
        round_trip = op.to_data() == source.data and again == source.data
    except RegistryError as error:
        findings += _not_yet_told(findings, error)
    report = _report(source.path, "vdsp", op is not None, round_trip, findings)
    return _Checked(report, source=source, op=op)


def _not_yet_told(findings: Sequence[Finding], error: RegistryError) -> list[Finding]:
    if any(finding.severity == "error" for finding in findings):
        return []
    return [Finding("unreadable", "error", error.where, error.what, error.next)]


def _place(source: Source, where: str) -> str:
    line = source.lines.get(where)
    return f"{where} (line {line})" if line else where


def _report(
    path: Path,
    kind: str,
    parsed: bool = False,
    round_trip: bool = False,
    findings: Sequence[Finding] = (),
) -> FileReport:
    return FileReport(
        path=str(path), kind=kind, parsed=parsed, round_trip=round_trip, findings=tuple(findings)
    )


def _paired(
    item: _Checked,
    references: Sequence[_Checked],
    checked: Sequence[_Checked],
    folders: dict[Path, list[_Checked]],
) -> _Checked:
    """The configuration with what the vdsp files that may belong to it do differently.

    Several may: one that does the same is enough, else the one with the fewest differences is told.
    """
    if item.report.kind != "vamc" or item.source is None:
        return item
    known = {Path(other.report.path): other for other in checked}
    others = list(references) or _beside(Path(item.report.path), known, folders)
    pairs = [
        pair_findings(item.source, other.op, Path(other.report.path).name)
        for other in others
        if other.op
    ]
    least = min(pairs, key=_weight, default=[])
    if not references and all(finding.where == "frontend.shape" for finding in least):
        least = [replace(finding, severity="info") for finding in least]  # made for another size
    places = [replace(finding, where=_place(item.source, finding.where)) for finding in least]
    report = replace(item.report, findings=(*item.report.findings, *places))
    return replace(item, report=report)


def _weight(findings: Sequence[Finding]) -> tuple[int, int]:
    return sum(finding.severity != "info" for finding in findings), len(findings)


def _beside(
    path: Path, known: Mapping[Path, _Checked], folders: dict[Path, list[_Checked]]
) -> list[_Checked]:
    """Vdsp files in the same folder or the vendor's `vdsp_params` next to it, by common words."""
    places = [path.parent, *(parent / "vdsp_params" for parent in list(path.parents)[1:3])]
    others: list[_Checked] = []
    for place in places:
        if place not in folders:
            there = sorted(place.glob("*.json")) if place.is_dir() else []
            folders[place] = [known.get(file) or _check(file, named=False) for file in there]
        others += [other for other in folders[place] if other.op]
    shared = {other.report.path: _likeness(path, Path(other.report.path)) for other in others}
    most = max(shared.values(), default=(False, 0))
    return [other for other in others if shared[other.report.path] == most]


def _likeness(path: Path, other: Path) -> tuple[bool, int]:
    """Whether two names begin with the same word, and how many they share."""
    one, two = (_WORD.findall(item.stem.lower()) for item in (path, other))
    return one[:1] == two[:1], len((set(one) & set(two)) - _COMMON)


def _collisions(checked: Sequence[_Checked]) -> Iterator[_Checked]:
    """Configurations of one folder that write to the same place."""
    places: dict[tuple[Path, str, str], list[str]] = defaultdict(list)
    for item in checked:
        if (key := _target(item)) is not None:
            places[key].append(Path(item.report.path).name)
    for item in checked:
        key = _target(item)
        others = [name for name in places.get(key, ()) if key] if key else []
        others = [name for name in others if name != Path(item.report.path).name]
        if not others or key is None:
            yield item
            continue
        what = (
            f"'{key[2]}' is also the name in {', '.join(others)}: one result overwrites the other"
        )
        finding = Finding("name-collision", "warning", "name", what, "name the precision in it")
        report = replace(item.report, findings=(*item.report.findings, finding))
        yield replace(item, report=report)


def _target(item: _Checked) -> tuple[Path, str, str] | None:
    if item.report.kind != "vamc" or item.source is None:
        return None
    name, folder = item.source.at("name"), item.source.at("workspace", "path")
    if not isinstance(name, str) or not isinstance(folder, str):
        return None
    return Path(item.report.path).parent, str(Path(folder)), name
