"""The command line of the long campaigns."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from fuzz.campaign import campaign, case
from fuzz.readers import readers


def main() -> int:
    """Run the campaigns; the exit code is 1 where a case went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("reader", nargs="*", help=f"default: all of {', '.join(readers())}")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files that went wrong")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage; one reader")
    arguments = parser.parse_args()
    if arguments.atheris:
        from fuzz.guided import guided

        guided(arguments.reader[0], arguments.cases)
    total = 0
    for name in arguments.reader or readers():
        start = time.monotonic()
        found = campaign(name, arguments.seed, arguments.first, arguments.cases)
        spent = time.monotonic() - start
        last = arguments.first + arguments.cases
        print(f"{name} seed {arguments.seed} cases {arguments.first}..{last}: ", end="")
        print(f"{len(found)} findings, {spent:.0f} s", flush=True)
        kinds = Counter(item.what for item in found)
        firsts = {item.what: item.number for item in reversed(found)}
        for what, count in kinds.most_common(20):
            print(f"  {count} x {what}; the first is case {firsts[what]}", flush=True)
        if arguments.keep:
            arguments.keep.mkdir(parents=True, exist_ok=True)
            for number in firsts.values():
                data = case(readers()[name], arguments.seed, number)
                (arguments.keep / f"{name}-{number}").write_bytes(data)
        total += len(found)
    return 1 if total else 0
