"""The emulated vamp: the vendor's profiler, which also stores outputs as npz."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_vastai_emulator.refusal import RefusedError
from zoo_vastai_emulator.site.vaststreamx.faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_vastai_emulator.engine import Engine
    from zoo_vastai_emulator.vamp_figures import Figures

NOTE = "vamp: emulated by zoo-vastai: none of these figures is a card's\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    for word in rest:
        if word.startswith("-"):
            parser.error(f"unrecognized arguments: {word}")
        sys.stderr.write(f"vamp: warning: {word!r} belongs to no flag and is ignored\n")
    sys.stderr.write(NOTE)
    requested = faults()
    try:
        _profile(arguments, requested)
    except (RefusedError, RuntimeError, OSError, ValueError) as error:
        sys.stderr.write(f"vamp: error: {error}\n")
        return 1
    return int(requested["rc"]) if requested.get("rc") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="vamp", allow_abbrev=False)
    parser.add_argument("-m", dest="model", required=True)
    parser.add_argument("--vdsp_params", required=True)
    parser.add_argument("-i", "--instance", type=_positive, default=1)
    parser.add_argument("-p", "--processes", type=_positive, default=1)
    parser.add_argument("-b", "--batch_size", type=_positive, default=1)
    parser.add_argument("-d", dest="devices", type=_devices, default=(0,))
    parser.add_argument("-s", "--shape", type=_shape)
    parser.add_argument("--datalist", type=Path)
    parser.add_argument("--path_output", type=Path)
    parser.add_argument("--iterations", type=_positive, default=1024)
    for name in ("-t", "--hwconfig", "--forward_mode", "--backend", "--dtype"):
        parser.add_argument(name)
    return parser


def _profile(arguments: argparse.Namespace, requested: Mapping[str, str]) -> None:
    from zoo_vastai_emulator.engine import Engine
    from zoo_vastai_emulator.vamp_figures import Figures, block

    engine = Engine(arguments.model, arguments.vdsp_params, arguments.batch_size, arguments.devices)
    _say(engine.header())
    listed = _listed(arguments.datalist)
    started = datetime.now().astimezone()
    if listed is None:
        engine.warm(arguments.shape)
    else:
        _store(engine, listed, arguments.path_output, requested)
    total = arguments.iterations * arguments.processes if listed is None else len(listed)
    figures = Figures(
        instances=arguments.instance,
        devices=arguments.devices,
        batch=arguments.batch_size,
        samples=total,
        model_us=engine.model_us * arguments.batch_size,
        memory_mb=engine.memory_mb,
    )
    _say(_banner(figures, started, arguments.processes))
    _say(block(figures, requested))


def _banner(figures: Figures, started: datetime, processes: int) -> list[str]:
    ended = started + timedelta(seconds=figures.samples / figures.throughput)
    return [
        "",
        f"*** number of instances in each device:{figures.instances} ****",
        f"Inference start time: [{started:%Y-%m-%d %H:%M:%S}]",
        f"Inference end time: [{ended:%Y-%m-%d %H:%M:%S}]",
        f"number of samples in each process: {-(-figures.samples // processes)}",
        f"number of process:{processes}",
        "",
    ]


def _listed(datalist: Path | None) -> list[Path] | None:
    if datalist is None:
        return None
    lines = datalist.read_text(encoding="utf-8").splitlines()
    paths = [Path(line.strip()) for line in lines if line.strip()]
    if not paths:
        raise RefusedError(f"{datalist} is empty")
    return paths


def _store(
    engine: Engine, paths: Sequence[Path], folder: Path | None, requested: Mapping[str, str]
) -> None:
    """Run each npz of the list; its outputs go to a file named by its line."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    outputs = []
    for index, path in enumerate(paths):
        outputs = engine.run_npz(path)
        if folder is None or requested.get("missing-npz") == str(index):
            continue
        is_stale = requested.get("stale-npz") == str(index)
        kept = [out * 0 for out in outputs] if is_stale else outputs
        file = folder / f"output_{index:06d}.npz"
        _save(file, kept)
        if is_stale:
            _age(file)
    if folder is not None and "extra-npz" in requested:
        _save(folder / f"output_{len(paths):06d}.npz", outputs)


def _save(file: Path, outputs: Sequence[Any]) -> None:
    import numpy as np

    arrays: dict[str, Any] = {f"output_{number}": out for number, out in enumerate(outputs)}
    np.savez(file, **arrays)


def _age(file: Path) -> None:
    import os

    then = time.time() - 3600
    os.utime(file, (then, then))


def _say(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return number


def _devices(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.strip("[] ").split(","))


def _shape(text: str) -> tuple[int, ...]:
    try:
        sides = json.loads(text)
        if len(sides) == 3 and all(isinstance(side, int) and side > 0 for side in sides):
            return tuple(sides)
    except (ValueError, TypeError):
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not [C,H,W] of one image; that is emulated only")


if __name__ == "__main__":
    sys.exit(main())
