"""`zoo-vastai lint`: its JSON, its lines, its exit codes."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from zoo_vastai.cli.app import main
from zoo_vastai_lint.run import lint

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

CLEAN = '{"OpType": "BERT_EMBEDDING_OP"}'
CONFIG = """
name: net_fp16
frontend: {checkpoint: /net.onnx, shape: {x: [1, 3, 64, 64]}, type: onnx, dtype: fp32}
backend: {type: tvm_vacc, dtype: fp16}
workspace: {path: /out}
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["lint", *arguments])
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One clean file of each kind, one of another program, one hidden, one of another type."""
    (tmp_path / "build").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "build" / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "vdsp.json").write_text(CLEAN, encoding="utf-8")
    (tmp_path / "other.json").write_text('{"some": [1, 2]}', encoding="utf-8")
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / ".hidden" / "bad.yaml").write_text("name: x\nfrontend: 1\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("frontend:", encoding="utf-8")
    return tmp_path


def test_a_clean_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, str(folder), "--json")
    document = json.loads(out)
    jsonschema.validate(document, _schema())
    assert code == 0
    assert document["schema"] == "zoo.vastai.lint/1"
    told = {item["path"].removeprefix(f"{folder}/"): item for item in document["files"]}
    assert {path: item["kind"] for path, item in told.items()} == {
        "broken.json": "unknown",
        "build/config.yaml": "vamc",
        "other.json": "unknown",
        "vdsp.json": "vdsp",
    }
    assert told["build/config.yaml"]["round_trip"]
    assert told["vdsp.json"]["parsed"]


def test_findings_give_exit_code_1_and_fit_the_schema(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {
        "bad.yaml": CONFIG.replace("dtype: fp16", "dtype: fp16, quantize: {alibrate_mode: max}"),
        "old.json": '{"vdsp_op_type": 301}',
        "older.yaml": "model: {checkpoint: x}\nengine: {}\n",
        "broken.yaml": "frontend: [\n",
        "part.yaml": "frontend: {}\nbackend: {}\n",
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    code, out, _ = run(capsys, "--json", str(folder))
    document = json.loads(out)
    jsonschema.validate(document, _schema())
    assert code == 1
    bad = next(item for item in document["files"] if item["path"].endswith("bad.yaml"))
    assert (bad["parsed"], bad["round_trip"]) == (True, True)
    (finding,) = (item for item in bad["findings"] if item["rule"] == "misspelt-key")
    assert "alibrate_mode" in finding["where"]
    assert "calibrate_mode" in finding["next"]
    kinds = {item["kind"] for item in document["files"]}
    assert kinds == {"vamc", "vdsp", "vamc2", "vdsp-legacy", "unknown"}


def test_the_schema_refuses_what_it_should() -> None:
    good: dict[str, Any] = {"path": "x", "kind": "vamc", "parsed": True, "round_trip": True}
    document = {"schema": "zoo.vastai.lint/1", "files": [{**good, "findings": []}]}
    jsonschema.validate(document, _schema())
    for change in ({"kind": "yaml"}, {"parsed": False}, {"findings": [{"rule": "x"}]}):
        broken = {**document, "files": [{**good, "findings": [], **change}]}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, _schema())


def test_lines_for_people(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.yaml").write_text(CONFIG.replace("checkpoint", "checkpiont"), encoding="utf-8")
    code, out, err = run(capsys, str(folder / "bad.yaml"))
    assert (code, err) == (1, "")
    first, *_, last = out.splitlines()
    assert first.startswith(f"error: {folder / 'bad.yaml'}: frontend.checkpiont (line 3): ")
    assert "did you mean 'checkpoint'?" in first
    assert last.startswith("1 files (1 vamc), 0 come back equal; ")


def test_a_file_named_by_hand_must_be_one_of_ours(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, str(folder / "vdsp.json"))[0] == 0
    assert run(capsys, str(folder / "other.json"))[0] == 1
    assert run(capsys, str(folder / "broken.json"))[0] == 1


def test_a_missing_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, str(tmp_path / "none.yaml"), "--json")
    assert code == 6
    assert json.loads(out)["error"]["code"] == "data"
    assert "no such file or folder" in err
    with pytest.raises(DataError):
        lint([tmp_path], vdsp=tmp_path / "none.json")


@pytest.mark.parametrize("arguments", [["lint"], ["lint", "--jsn", "x"], ["lnt"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_every_verb_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    for verb in ("lint", "vamp", "npz", "txt", "emulate"):
        assert f"  {verb} " in told


def _schema() -> dict[str, Any]:
    text = (files("zoo_vastai_lint") / "schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_documents_that_zoo_writes_itself_are_not_the_vendor_s(tmp_path: Path) -> None:
    """A report names a backend and a data set, as a configuration does."""
    report = {"schema": "zoo.run/1", "backend": "onnxruntime", "dataset": "d", "model": "m"}
    (tmp_path / "report.json").write_text(json.dumps(report), encoding="utf-8")

    (found,) = lint([tmp_path])

    assert (found.kind, found.findings) == ("unknown", ())
