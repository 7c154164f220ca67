"""Many cases of one reader in a child process, which may crash, hang or run out of memory."""

from __future__ import annotations

import faulthandler
import mmap
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.edits import damaged, random_edits
from fuzz.readers import readers

if TYPE_CHECKING:
    from fuzz.readers import Reader

SECONDS = 2.0
"""Processor time that a case may take."""

MEMORY = 1 << 30
"""Bytes that a case may take beyond what the program holds before it."""

MESSAGE = 20_000
"""Letters of an error's line at most."""

_HANGS = 60.0
_SLOT = struct.Struct("<q")


@dataclass(frozen=True, slots=True)
class Finding:
    """A case that went wrong; `number` makes its file again."""

    reader: str
    number: int
    what: str


def case(reader: Reader, seed: int, number: int) -> bytes:
    """The file of a case."""
    chance = random.Random(f"{reader.name} {seed} {number}")
    return damaged(reader, chance.randrange(1 << 20), random_edits(chance))


def campaign(name: str, seed: int, first: int, count: int) -> list[Finding]:
    """Run cases `first` to `first + count`; a child that dies is replaced by another."""
    stop, found = first + count, []
    while first < stop:
        with mmap.mmap(-1, _SLOT.size) as slot, tempfile.TemporaryFile("w+") as told:
            child = os.fork()
            if child == 0:
                _run(name, seed, range(first, stop), slot, told.fileno())
            status = _wait(child, slot)
            reached = _SLOT.unpack_from(slot)[0]
            told.seek(0)
            for line in told:
                number, _, what = line.rstrip("\n").partition(" ")
                found.append(Finding(name, int(number), what))
        if status == 0:
            break
        found.append(Finding(name, reached, f"the process ended with {status}"))
        first = reached + 1
    return found


def _wait(child: int, slot: mmap.mmap) -> int:
    """The child's exit code; it is killed where a case takes too long."""
    last, since = -1, time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        number = _SLOT.unpack_from(slot)[0]
        if number != last:
            last, since = number, time.monotonic()
        if time.monotonic() - since > _HANGS:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def _run(name: str, seed: int, numbers: range, slot: mmap.mmap, told: int) -> None:
    """In the child: never returns."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    faulthandler.disable()
    code, errors = 1, os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # image libraries talk
    try:
        os.environ["ZOO_HOME"] = str(folder / "home")
        _cases(readers()[name], seed, numbers, slot, (folder, told))
        code = 0
    except BaseException:
        os.dup2(errors, 2)
        traceback.print_exc()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        sys.stderr.flush()
        os._exit(code)


def _cases(
    reader: Reader, seed: int, numbers: range, slot: mmap.mmap, places: tuple[Path, int]
) -> None:
    folder, told = places
    path = folder / (reader.ending if "." in reader.ending[1:] else f"file{reader.ending}")
    _SLOT.pack_into(slot, 0, numbers.start)
    path.write_bytes(reader.seeds[0])
    outcome(reader, path)  # imports what it needs
    _limit()
    parent = os.getppid()
    for number in numbers:
        if os.getppid() != parent:  # it was killed
            return
        _SLOT.pack_into(slot, 0, number)
        path.write_bytes(case(reader, seed, number))
        start = time.process_time()
        what = outcome(reader, path)
        spent = time.process_time() - start
        if spent > SECONDS:
            what = what or f"took {spent:.1f} s"
        if what:
            os.write(told, f"{number} {what}\n".encode("utf-8", "backslashreplace"))


def outcome(reader: Reader, path: Path) -> str:
    """What is wrong with the way a file was read; empty where a ZooError or nothing was raised."""
    from zoo_core.errors import ZooError

    try:
        reader.read(path)
    except ZooError as error:
        long = len(str(error)) > MESSAGE
        return f"a message of more than {MESSAGE:,} letters: {str(error)[:60]!r}" if long else ""
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)
        place = next((f for f in reversed(last) if "zoo_" in f.filename), last[-1])
        where = f"{Path(place.filename).name}:{place.lineno}"
        return f"{type(error).__name__} at {where}: {' '.join(str(error).split())[:100]}"
    return ""


def _limit() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
