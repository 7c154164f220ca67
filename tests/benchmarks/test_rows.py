from __future__ import annotations

import pytest

from benchmarks.rows import Row, absent, failed, faster, reached, table, within
from benchmarks.timing import Ratio


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (faster("g", "w", Ratio(1.6, 1.5, 1.7), 1.6), "met"),
        (faster("g", "w", Ratio(1.599, 1.5, 1.7), 1.6), "missed"),
        (within("g", "w", 3.0, 3.0, "s"), "met"),
        (within("g", "w", 3.01, 3.0, "s"), "missed"),
        (within("g", "w", float("nan"), 3.0, "s"), "missed"),
        (reached("g", "w", 105.0, 105.0, "dB"), "met"),
        (reached("g", "w", 104.9, 105.0, "dB"), "missed"),
        (absent("g", "w", ">= 2x", "no VNNI"), "n/a"),
        (failed("g", "broke"), "failed"),
    ],
)
def test_goals_are_met_or_missed(row: Row, verdict: str) -> None:
    assert row.verdict == verdict
    assert row.to_data()["verdict"] == verdict


def test_the_table_has_aligned_columns() -> None:
    rows = [within("g", "short", 1, 2, "s"), absent("g", "a longer one", ">= 2x", "not here")]
    assert table(rows) == [
        "what          goal    result",
        "short         <= 2 s  1 s       met",
        "a longer one  >= 2x   not here  n/a",
    ]
