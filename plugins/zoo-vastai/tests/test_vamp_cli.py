"""The verb vamp: figures on the terminal or as JSON, and its exit codes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
import zoo_vastai
from zoo_vastai.cli.vamp import vamp
from zoo_vastai.vamp.parse import parse_output
from zoo_vastai.vamp.report import decoded, read_report

from zoo_core.errors import DataError

FOLDER = Path(zoo_vastai.__file__).parent
SCHEMA = json.loads((FOLDER / "schemas" / "vamp.json").read_text(encoding="utf-8"))

BLOCK = """- number of instances in each device: 1
devices: [0]
batch size: 1
samples: 1024
forwad time (s): 2.79899
throughput (qps): 365.846
ai utilize (%): 96.0769
die memory used (MB): 819.371
e2e latency (us):
    avg latency: 46046
    min latency: 5943
    max latency: 60312
model latency (us):
    avg latency: 2625
    min latency: 2625
    max latency: 2625
"""
OLD = """- number of instances in each device: 1
  devices: [0]
  batch szie: 1
  ai utilize (%): 94.7627
  temperature (°C): 40.1822
  card power (W): 45.2899
  die memory used (MB): 1452.95
  throughput(qp5): 156.071
  e2e latency (us):
    avg latency: 15781
    min latency: 12527
    max latency: 24866
    p50 latency: 18484
    p99 latency: 18976
  model latency (us):
    avg latency: 15741
    min latency: 12516
    max latency: 24812
    p50 latency: 18425
    p99 latency: 18924
"""
HARDWARE = """Smi version:3.2.1
=====================================================================
Appointed Entry:0 Device_Id:0 Die_Id:0 Die_Index:0x00000000
---------------------------------------------------------------------
#               Field Name                    Value
1                 CardType                  VA1-16G
2                      S/N             FCA129E00172
Appointed Entry:0 Device_Id:0 Die_Id:0 Die_Index:0x00000000
OCLK:       880 MHz    ODSPCLK:    835 MHz    VCLK:       300 MHz
"""


def told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> tuple[int, Any]:
    file = tmp_path / "saved.txt"
    file.write_text(text, encoding="utf-8")
    code = vamp(str(file), json_wanted=True)
    report = json.loads(capsys.readouterr().out)
    jsonschema.validate(report, SCHEMA)
    return code, report


def test_a_saved_text_becomes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"# int8\n{BLOCK}\n# fp16\n{OLD}\n{HARDWARE}"

    code, report = told(tmp_path, capsys, text)

    assert code == 0
    assert report["schema"] == SCHEMA["$id"] == "zoo.vastai.vamp/1"
    assert report["ok"] is True
    first, second = report["blocks"]
    assert (first["heading"], first["throughput_qps"], first["samples"]) == ("int8", 365.846, 1024)
    assert first["queueing_latency_us"] == {"avg": 46046, "min": 5943, "max": 60312}
    assert second["format"] == "A"
    assert second["model_latency_us"]["p99"] == 18924
    assert {item["ok"] for item in second["invariants"]} == {None}
    card = report["hardware"]["cards"][0]
    assert card["fields"] == {"CardType": "VA1-16G", "S/N": "FCA129E00172"}
    assert card["clocks_mhz"] == {"OCLK": 880, "ODSPCLK": 835, "VCLK": 300}


def test_a_broken_invariant_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = told(tmp_path, capsys, BLOCK.replace("2.79899", "3.79899"))

    assert code == 1
    assert report["ok"] is False
    names = [item["name"] for item in report["blocks"][0]["invariants"] if item["ok"] is False]
    assert names == ["throughput"]


def test_a_block_that_is_cut_off_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, report = told(tmp_path, capsys, BLOCK + "\n" + BLOCK[:200])

    assert code == 1
    assert len(report["blocks"]) == len(report["incomplete"]) == 1
    assert report["incomplete"][0]["line"] == 18


def test_people_read_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "saved.txt"
    broken = BLOCK.replace("96.0769", "99.0")
    file.write_text(f"# int8\n{broken}{HARDWARE}", encoding="utf-8")

    assert vamp(str(file)) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "line 2 (int8): format B, instances 1, batch 1, die 0"
    assert "  throughput           365.846 images/s" in lines
    assert "  model latency        avg 2625, min 2625, max 2625 us" in lines
    assert "  queueing latency     avg 46046, min 5943, max 60312 us" in lines
    assert any(line.startswith("  BROKEN ai_utilisation") for line in lines)
    assert "card 0, die 0: CardType VA1-16G, S/N FCA129E00172" in lines


def test_stdin_is_read(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.TextIOWrapper(io.BytesIO(OLD.encode()), encoding="ascii")
    monkeypatch.setattr("sys.stdin", stream)

    assert vamp("-", json_wanted=True) == 0

    report = json.loads(capsys.readouterr().out)
    assert report["file"] == "stdin"
    assert report["blocks"][0]["temperature_c"] == 40.1822


def test_an_old_chinese_encoding_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "saved.txt"
    file.write_bytes(f"# 性能\n{OLD}".encode("gb18030"))

    assert vamp(str(file), json_wanted=True) == 0

    block = json.loads(capsys.readouterr().out)["blocks"][0]
    assert (block["heading"], block["temperature_c"]) == ("性能", 40.1822)


@pytest.mark.parametrize("text", ["", "nothing here\n", BLOCK[:300]])
def test_no_whole_block_is_a_data_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "saved.txt"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(DataError) as caught:
        vamp(str(file))

    assert caught.value.exit_code == 6
    assert len(str(caught.value).splitlines()) == 1


def test_no_file_is_a_data_error(tmp_path: Path) -> None:
    for place in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(DataError):
            vamp(str(place))


def test_processes_of_the_banner_count() -> None:
    report = read_report("number of process:2\n" + BLOCK, "here")

    assert {item["ok"] for item in report["blocks"][0]["invariants"]} == {None}


PIECES = (b"1e999", b"-1", b"nan", b"\n\n", b"```", b"[0,1,2]", b"9" * 5000, b"0x01", b"\xff")


def mutated(data: bytes, seed: int) -> bytes:
    random = Random(seed)
    text = bytearray(data)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(text))
        if random.random() < 0.5:
            text[at : at + random.randint(0, 30)] = random.choice(PIECES)
        else:
            text[at : at + 1] = bytes([random.randrange(256)])
    return bytes(text)


def test_damaged_texts_are_read_or_refused_and_nothing_else() -> None:
    whole = f"{HARDWARE}number of process:1\n{BLOCK}\n{OLD}".encode()
    validator = jsonschema.Draft202012Validator(SCHEMA)
    outcomes = []

    for seed in range(300):
        text = decoded(mutated(whole, seed))
        parse_output(text)
        try:
            report = read_report(text, "here")
        except DataError as error:
            outcomes.append(error.exit_code)
            continue
        validator.validate(json.loads(json.dumps(report, allow_nan=False)))
        outcomes.append(0)

    assert outcomes.count(0) > 100
    assert set(outcomes) == {0, 6}
