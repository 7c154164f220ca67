"""Runs one command and notes how long it took and how much memory it had at its largest.

A program of its own, because a process inherits the largest size of the one that started it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main(arguments: list[str]) -> int:
    """`launch.py REPORT COMMAND...`; returns the command's exit code."""
    report, *command = arguments
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    scale = 1 if sys.platform == "darwin" else 1024
    told = {"seconds": seconds, "peak_bytes": usage.ru_maxrss * scale}
    Path(report).write_text(json.dumps(told), encoding="utf-8")
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
