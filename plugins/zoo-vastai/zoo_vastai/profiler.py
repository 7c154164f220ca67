"""The profiler `vamp`: the vendor's tool measures an artefact, and its figures are checked."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo_core.errors import StageError, UsageError
from zoo_core.toolkit.artefact import ARTEFACT_FILE
from zoo_vastai.names import EMULATOR, MODEL, THREE_PIECES, VDSP_FILE
from zoo_vastai.options import Options, options_of
from zoo_vastai.sdk.host import Outcome, run
from zoo_vastai.sdk.tools import tools
from zoo_vastai.sdk.vasmi import device_facts
from zoo_vastai.vamp.command import VampCommand
from zoo_vastai.vamp.invariants import check, doubts
from zoo_vastai.vamp.parse import VampText, parse_output
from zoo_vastai.whole import is_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Target
    from zoo_vastai.sdk.tools import Tools
    from zoo_vastai.vamp.block import VampBlock

_WHERE = "vamp"


class VampProfiler:
    """Runs vamp on one die, or the emulator's, and reads what it prints."""

    def profile(
        self, artefact: Path, target: Target, options: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Vamp's figures with units in their names, invariants, facts of the die, and raw text.

        `figures` holds throughput in images a second, the network's own latency, and the latency
        in vamp's queue, which is not an image's; `broken` names invariants that they break. What is
        `emulated` says nothing of a card's speed. Raises `UnavailableError` without vamp,
        `StageError` for one that fails, hangs or prints no block, `UsageError` for options or
        devices it cannot take.
        """
        target = replace(target, options={**target.options, **options})
        settings = options_of(target)
        device = _one_die(target)
        sdk = tools(device, target.options, needs=("vamp",))
        folder = artefact.resolve()
        _complete(folder)
        command = VampCommand(
            prefix=str(folder / MODEL),
            vdsp_params=str(folder / _vdsp_file(folder)),
            device="0" if sdk.emulated else device,
            instances=settings.instances,
            processes=settings.processes,
            batch=target.batch,
            shape=settings.shape,
            iterations=settings.iterations,
        )
        outcome = _run(command, sdk, settings)
        read = parse_output(outcome.text)
        block = _last_block(read, outcome)
        return {
            "tool": "vamp",
            "command": command.shell(),
            "emulated": sdk.emulated,
            **_data(block, read, settings),
            "device": device_facts(device),
            "raw": outcome.text,
            "raw_errors": outcome.errors,
        }


def _data(block: VampBlock, read: VampText, settings: Options) -> dict[str, Any]:
    invariants = check(block, settings.processes)
    return {
        "figures": block.flat(),
        "invariants": [item.to_data() for item in invariants],
        "broken": [item.name for item in invariants if item.ok is False],
        "doubts": list(doubts(block)),
        "banner": dict(read.banner),
        "blocks": len(read.blocks),
        "unknown_lines": [line.text for line in read.unknown],
    }


def _one_die(target: Target) -> str:
    device = target.device.strip()
    if device == EMULATOR or is_whole(device):
        return device
    what = f"vamp measures one die, not '{device}'"
    raise UsageError(what, where=_WHERE, next="choose one, such as --device 0")


def _complete(folder: Path) -> None:
    missing = [name for name in THREE_PIECES if not (folder / name).is_file()]
    if missing:
        what = f"the artefact lacks {', '.join(missing)}"
        raise StageError(what, where=str(folder), next="compile it again")


def _vdsp_file(folder: Path) -> str:
    try:
        data = json.loads((folder / ARTEFACT_FILE).read_bytes())
    except (OSError, ValueError):
        return VDSP_FILE
    return str(data.get("vdsp") or VDSP_FILE) if isinstance(data, dict) else VDSP_FILE


def _run(command: VampCommand, sdk: Tools, settings: Options) -> Outcome:
    """Vamp's whole text; it works in a folder of its own, where what it may leave is dropped."""
    with TemporaryDirectory(prefix="zoo-vamp-") as place:
        outcome = run(command.argv(sdk.vamp), settings.vamp_timeout, sdk.env, Path(place))
    if outcome.code == 0:
        return outcome
    if outcome.code is None:
        step = "raise --option vamp_timeout, or look at the card with vasmi and dmesg"
        raise StageError(outcome.trouble, where=_WHERE, next=step)
    raise StageError(
        f"{_ending(outcome.code)}: {outcome.last_line}",
        where=_WHERE,
        next=f"try it by hand: {command.shell()}",
    )


def _last_block(read: VampText, outcome: Outcome) -> VampBlock:
    """The block, the last of several; one that is cut off is an error."""
    if read.incomplete:
        raise StageError(read.incomplete[-1].trouble, where=_WHERE, next="run it again")
    if not read.blocks:
        what = f"it printed no block of figures; its last line: {outcome.last_line}"
        raise StageError(what, where=_WHERE, next="see which version of vamp this is")
    return read.blocks[-1]


def _ending(code: int) -> str:
    if code >= 0:
        return f"it failed with code {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
