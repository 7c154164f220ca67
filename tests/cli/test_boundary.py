"""Ctrl-C is an interrupt, whatever error it became on its way up."""

from __future__ import annotations

import pytest

from zoo_core.cli.boundary import guarded
from zoo_core.errors import UnavailableError


def broken_import() -> int:
    """What a native module raises that Ctrl-C hits while it is loaded."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error


def unavailable() -> int:
    try:
        return broken_import()
    except ImportError as error:
        raise UnavailableError("runtime 'x' cannot be loaded") from error


@pytest.mark.parametrize("run", [broken_import, unavailable])
def test_an_interrupt_in_disguise_exits_130(
    run: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(run, ["models"]) == 130  # type: ignore[arg-type]
    assert capsys.readouterr().err.startswith("zoo: interrupted; ")
