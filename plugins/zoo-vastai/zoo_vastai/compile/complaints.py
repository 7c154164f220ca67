"""What a log of vamc says went wrong, in one line."""

from __future__ import annotations

import re

_TVM = "TVMError"
_STAMP = re.compile(r"^\d{2}/\d{2}/\d{4} \d{2}:\d{2}:\d{2} - vamc - [A-Z]+ *- *")
_ERROR = re.compile(r"\w*error\b|\w*exception\b|\bfault\b", re.IGNORECASE)
_RULE = re.compile(r"^[-=\s]*$")
_NOISE = ("note: run with", "Traceback (most recent call last)", "Stack trace:", 'File "', "[bt]")
_WHERE = re.compile(r"^\S*?[\w./-]+\.(?:cc|cpp|h|py):\d+:\s*")
_LONGEST = 240


def last_words(log: str) -> str:
    """The last lines of a TVMError, else the last error line, else the last line; "" for none.

    A TVMError's text begins behind its name and goes on to the end of the log; what says that a
    check failed is the most telling part of it.
    """
    whole = [line.strip() for line in log.splitlines()]
    whole = [line for line in whole if not _is_noise(without_stamp(line))]
    lines = [without_stamp(line) for line in whole]
    errors = [at for at, line in enumerate(lines) if _TVM in line]
    if errors:
        return _shortened(_tvm(lines[errors[-1] :]))
    named = [text for line, text in zip(whole, lines, strict=True) if _ERROR.search(line)]
    candidates = named or lines
    return _shortened(candidates[-1].removeprefix("err info: ")) if candidates else ""


def without_stamp(line: str) -> str:
    """A line without the time, program and level that vamc writes before it."""
    return _STAMP.sub("", line)


def _is_noise(line: str) -> bool:
    return bool(_RULE.match(line)) or line.startswith(_NOISE)


def _tvm(lines: list[str]) -> str:
    first = lines[0].partition(_TVM)[2].lstrip(": ")
    rest = [_WHERE.sub("", line) for line in (first, *lines[1:]) if line]
    checks = [line for line in rest if "Check failed" in line or "violated" in line]
    chosen = list(dict.fromkeys([*(checks or rest[:1])[-1:], *rest[-1:]]))
    return f"{_TVM}: {'; '.join(chosen)}" if chosen else _TVM


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
