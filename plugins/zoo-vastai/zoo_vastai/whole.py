"""Whole numbers in text, as options, dies and counts are given."""

from __future__ import annotations

_MOST_DIGITS = 18


def is_whole(text: str) -> bool:
    """Whether it is digits from 0 to 9 alone, and not so many that `int` refuses them.

    `str.isdigit` holds for "²" too, which `int` does not read.
    """
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
