"""The order in which layers are tried in float, by what the compiler can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from zoo_core.commands.tune import rank
from zoo_core.planning.build import Goal

if TYPE_CHECKING:
    from collections.abc import Mapping


class Offers:
    """A compiler with steps."""

    float_option = "float_nodes"
    float_operators = ("Conv",)

    def tuning(self, *_: Any) -> tuple[()]:
        return ()


class Compares(Offers):
    """One that also compares layers."""

    def layer_stages(self, *_: Any) -> tuple[()]:
        return ()


class Ranks(Compares):
    """One that also ranks them."""

    def rank_stages(self, *_: Any) -> tuple[()]:
        return ()


def row(node: str, own: float | None, operator: str = "Conv") -> dict[str, Any]:
    return {"node": node, "own_snr_db": own, "operator": operator}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Mapping[Goal, Any]:
    rows = {
        Goal.RANK: [{"node": "late"}, {"node": "a,b"}, {"node": "early"}],
        Goal.LAYERS: [
            *(row("mild", 30.0), row("bad", 5.0), row("float", None)),
            *(row("product", 1.0, "Mul"), row("", 0.0), row("bad", 6.0)),
        ],
    }
    monkeypatch.setattr(rank, "_made", lambda work, request, goal, *_: rows[goal])
    return rows


@pytest.mark.parametrize(
    ("compiler", "expected"),
    [
        (Offers(), []),
        (Compares(), ["bad", "mild"]),
        (Ranks(), ["late", "early"]),  # a list with commas cannot hold the other
    ],
)
def test_the_best_knowledge_counts(made: Any, compiler: Any, expected: list[str]) -> None:
    unused: Any = None
    assert rank.ranked(unused, unused, compiler, unused) == expected
