"""The emulated vasmi: facts about a card that says of itself that it is emulated."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from zoo_vastai_emulator.site.vaststreamx.device import CARD_TYPE, DIES, SERIAL
from zoo_vastai_emulator.site.vaststreamx.faults import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VERSION = "3.2.1"
CLOCKS = {
    **{"OCLK": 880, "ODSPCLK": 835, "VCLK": 300},
    **{"ECLK": 20, "DCLK": 20, "VDSPCLK": 900},
    **{"UCLK": 1067, "V3DCLK": 100, "CCLK": 1000},
    **{"XSPICLK": 50, "PERCLK": 200, "CEDARCLK": 500},
}
"""MHz, as published for a VA1-16G: plausible, and no card's."""

_CORES = 2
_WIDE = 69


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    if "not-found" in faults():
        sys.stderr.write("vasmi: command not found\n")
        return 127
    arguments = _parser().parse_args(argv)
    device = arguments.device
    if not 0 <= device < DIES:
        sys.stderr.write(f"vasmi: error: there is no device {device}\n")
        return 1
    lines = _COMMANDS[arguments.command](arguments)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vasmi", description="Emulated by zoo-vastai.")
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("-d", dest="device", type=int, default=0)
    parser.add_argument("-i", dest="core", type=int, default=0)
    parser.add_argument("--display-format", choices=("text", "json"), default="text")
    return parser


def _list(arguments: argparse.Namespace) -> list[str]:
    cards = [
        {
            "card": 0,
            "card_type": CARD_TYPE,
            "sn": SERIAL,
            "die": die,
            "device_id": die,
            "cores": [{"type": "aic", "index": core} for core in range(_CORES)],
        }
        for die in range(DIES)
    ]
    if arguments.display_format == "json":
        return [json.dumps({"smi_version": VERSION, "emulated": True, "devices": cards})]
    rows = [f"card 0  die {die}  {CARD_TYPE}  {SERIAL}" for die in range(DIES)]
    return [f"Smi version:{VERSION}", *rows]


def _card_mode(arguments: argparse.Namespace) -> list[str]:
    fields: Mapping[str, str] = {
        "FileVersion": "V2",
        "CardType": CARD_TYPE,
        "S/N": SERIAL,
        "BboxMode": "Highperf-AI",
    }
    rows = [f"{number}{name:>25}{value:>25}" for number, (name, value) in enumerate(fields.items())]
    return [
        f"Smi version:{VERSION}",
        "SPI production for Bbox mode information of",
        *_entry(arguments.device),
        f"#{'Field Name':>25}{'Value':>25}",
        *rows,
        "=" * _WIDE,
    ]


def _frequencies(arguments: argparse.Namespace) -> list[str]:
    cells = [f"{name + ':':<10}{mhz:>5} MHz    " for name, mhz in CLOCKS.items()]
    rows = ["".join(cells[start : start + 3]) for start in range(0, len(cells), 3)]
    return [*_entry(arguments.device), *rows]


def _entry(device: int) -> list[str]:
    return [
        "=" * _WIDE,
        f"Appointed Entry:{device} Device_Id:{device} Die_Id:{device} Die_Index:0x{device:08x}",
        "-" * _WIDE,
    ]


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], list[str]]] = {
    "list": _list,
    "getcardmode": _card_mode,
    "getfreq": _frequencies,
}


if __name__ == "__main__":
    sys.exit(main())
