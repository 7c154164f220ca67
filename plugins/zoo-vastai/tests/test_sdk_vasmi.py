"""What vasmi says becomes facts that go with a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from zoo_vastai.sdk.host import Host
from zoo_vastai.sdk.probe import facts
from zoo_vastai.sdk.vasmi import device_facts, parse_list, parse_smi

if TYPE_CHECKING:
    from pathlib import Path

MODE = """Smi version:3.2.1
SPI production for Bbox mode information of
=====================================================================
Appointed Entry:0 Device_Id:0 Die_Id:0 Die_Index:0x00000000
---------------------------------------------------------------------
#               Field Name                    Value
0              FileVersion                       V2
1                 CardType                  VA1-16G
2                      S/N             FCA129E00172
3                 BboxMode              Highperf-AI
=====================================================================
"""
CLOCKS = """=====================================================================
Appointed Entry:0 Device_Id:0 Die_Id:0 Die_Index:0x00000000
---------------------------------------------------------------------
OCLK:       880 MHz    ODSPCLK:    835 MHz    VCLK:       300 MHz
ECLK:        20 MHz    DCLK:        20 MHz    VDSPCLK:    900 MHz
UCLK:      1067 MHz    V3DCLK:     100 MHz    CCLK:      1000 MHz
XSPICLK:     50 MHz    PERCLK:     200 MHz    CEDARCLK:   500 MHz
"""
IN_MHZ = {
    **{"OCLK": 880, "ODSPCLK": 835, "VCLK": 300, "ECLK": 20, "DCLK": 20, "VDSPCLK": 900},
    **{"UCLK": 1067, "V3DCLK": 100, "CCLK": 1000, "XSPICLK": 50, "PERCLK": 200, "CEDARCLK": 500},
}


def test_mode_and_clocks_of_a_die_are_put_together() -> None:
    report = parse_smi(MODE + CLOCKS)

    assert report.version == "3.2.1"
    (card,) = report.cards
    assert (card.entry, card.device_id, card.die_id, card.die_index) == (0, 0, 0, 0)
    assert card.fields == {
        "FileVersion": "V2",
        "CardType": "VA1-16G",
        "S/N": "FCA129E00172",
        "BboxMode": "Highperf-AI",
    }
    assert card.clocks_mhz == IN_MHZ


def test_dies_are_kept_apart() -> None:
    other = MODE.replace("Die_Id:0", "Die_Id:1").replace("0x00000000", "0x0000000a")
    report = parse_smi(MODE + other.replace("FCA129E00172", "FCA129E00173") + CLOCKS)

    assert [(card.die_id, card.die_index) for card in report.cards] == [(0, 0), (1, 10)]
    assert [card.fields["S/N"][-1] for card in report.cards] == ["2", "3"]
    assert [len(card.clocks_mhz) for card in report.cards] == [12, 0]


@pytest.mark.parametrize("text", ["", "no such command\n", "Appointed Entry:x\n"])
def test_other_text_has_no_card(text: str) -> None:
    assert parse_smi(text).cards == ()


def test_clocks_without_an_entry_are_the_first_dies() -> None:
    (card,) = parse_smi("OCLK:  880 MHz\n").cards

    assert (card.die_id, card.die_index, card.clocks_mhz) == (0, None, {"OCLK": 880})


def test_cores_of_the_json_list_are_counted() -> None:
    text = 'a line before\n[{"sn": "A", "aics": [{"type": "aic"}, {"type": "aic"}]}]\nand after\n'

    assert parse_list(text) == ([{"sn": "A", "aics": [{"type": "aic"}] * 2}], 2)
    assert parse_list("[{") is None
    assert parse_list("none") is None


def vasmi(folder: Path, body: str) -> Host:
    folder.mkdir()
    path = folder / "vasmi"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return Host(root=folder / "root", env={"PATH": f"{folder}:/usr/bin:/bin"})


def test_facts_of_a_die(tmp_path: Path) -> None:
    (tmp_path / "mode").write_text(MODE, encoding="utf-8")
    (tmp_path / "clocks").write_text(CLOCKS, encoding="utf-8")
    host = vasmi(
        tmp_path / "bin",
        f"""case "$*" in
"getcardmode -d 0") cat {tmp_path}/mode;;
"getfreq -d 0 -i 0") cat {tmp_path}/clocks;;
"list --display-format=json") echo '[{{"aic": 0}}]';;
*) exit 9;;
esac""",
    )
    version = host.path("/dev/vastai0_version")
    version.parent.mkdir(parents=True)
    version.write_text("Driver: 00.26.01.23\n", encoding="utf-8")

    assert device_facts("0", host) == {
        "emulated": False,
        "driver": "00.26.01.23",
        "sdk": None,
        "smi_version": "3.2.1",
        "card_type": "VA1-16G",
        "serial": "FCA129E00172",
        "mode": "Highperf-AI",
        "device_id": 0,
        "die_id": 0,
        "clocks_mhz": IN_MHZ,
        "inference_cores": 1,
    }
    both = device_facts("0,1", host)["dies"]
    assert isinstance(both, dict)
    assert both["0"]["serial"] == "FCA129E00172"
    assert "vasmi getfreq -d 1 -i 0: exit code 9" in both["1"]["reason"]


def test_a_vasmi_that_knows_less_tells_what_it_can(tmp_path: Path) -> None:
    (tmp_path / "clocks").write_text(CLOCKS, encoding="utf-8")
    script = f"case $1 in getfreq) cat {tmp_path}/clocks;; *) echo unknown >&2; exit 2;; esac"

    found = device_facts("0", vasmi(tmp_path / "bin", script))

    assert (found["card_type"], found["mode"], found["clocks_mhz"]) == (None, None, IN_MHZ)
    assert "vasmi getcardmode -d 0: exit code 2, unknown" in str(found["reason"])


def test_without_vasmi_the_reason_is_told(tmp_path: Path) -> None:
    host = Host(root=tmp_path, env={"PATH": str(tmp_path)})

    found = device_facts("0,1", host)

    assert found == {
        "emulated": False,
        "driver": None,
        "sdk": None,
        "reason": "the program vasmi is not on PATH",
    }


def test_stored_files_have_no_facts() -> None:
    assert facts("files") == {}


def test_the_emulators_facts_are_labelled() -> None:
    found = facts("emulator")

    assert found["emulated"] is True
    assert found["card_type"] == "EMULATED"
    assert found["clocks_mhz"] == IN_MHZ
    assert found["inference_cores"] == 4
    assert "reason" not in found
    assert "driver" not in found
