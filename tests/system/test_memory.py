from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from zoo_core.cli.prepare import prepare

_PROGRAM = """
import resource, sys
import numpy as np
from zoo_core.system.machine import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(24 << 20, np.uint8) for _ in range(4)]
    del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(*(faults() for _ in range(8)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc's way with memory is known here")
def test_memory_that_was_freed_is_used_again() -> None:
    later = {}
    for how in ("plain", "kept"):
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True
        )
        later[how] = sum(int(word) for word in done.stdout.split()[1:])
    assert later["kept"] < 0.01 * later["plain"]


def test_verbs_that_run_a_plan_keep_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class CalledError(Exception):
        pass

    def called() -> None:
        raise CalledError

    monkeypatch.setattr("zoo_core.system.machine.keep_freed_memory", called)
    request: Any = None
    with pytest.raises(CalledError):
        prepare(request, None, quiet=True)
