"""The short campaigns: a few damaged files for each reader, chosen by hypothesis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.campaign import campaign, outcome
from fuzz.edits import MOST, damaged
from fuzz.readers import Reader, readers
from zoo_core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = st.integers(0, MOST)
EDITS = st.lists(st.tuples(st.integers(0, 63), NUMBERS, NUMBERS), min_size=1, max_size=5)
SHORT = settings(
    max_examples=60,
    deadline=2000,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", sorted(readers()))
def test_good_files_are_read(name: str, tmp_path: Path) -> None:
    """Else the damaged ones would all fail for the same reason."""
    reader = readers()[name]
    for number, seed in enumerate(reader.seeds):
        path = tmp_path / f"{number}{reader.ending}"
        path.write_bytes(seed)
        reader.read(path)


@pytest.mark.parametrize("name", sorted(readers()))
def test_only_zoo_errors_leave_a_reader(name: str, tmp_path: Path) -> None:
    reader = readers()[name]
    path = tmp_path / f"file{reader.ending}"

    @SHORT
    @given(st.integers(0, 9), EDITS)
    def check(seed: int, edits: list[tuple[int, int, int]]) -> None:
        path.write_bytes(damaged(reader, seed, edits))
        assert outcome(reader, path) == ""

    check()


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("raise KeyError(1)", "KeyError at "),
        ("memory = bytearray(3 << 30)", "MemoryError at "),
        ("import os; os.kill(os.getpid(), 11)", "the process ended with -11"),
        ("import time; t = time.process_time()\nwhile time.process_time() < t + 2.2: pass", "took"),
    ],
)
def test_a_campaign_tells_what_goes_wrong_and_goes_on(
    fault: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that ends itself stands in for a library that crashes."""

    def read(path: Path) -> None:
        text = path.read_bytes()
        if text == b"x":
            return
        if text.endswith(b"3"):
            exec(fault)
        raise DataError("is damaged")

    reader = Reader(name="mine", read=read, make=lambda: (b"x",))
    monkeypatch.setattr("fuzz.campaign.readers", lambda: {"mine": reader})
    monkeypatch.setattr("fuzz.campaign.case", lambda reader, seed, number: b"%d" % number)

    found = campaign("mine", 0, 0, 6)

    assert [finding.number for finding in found] == [3]
    assert what in found[0].what
