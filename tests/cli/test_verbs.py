"""The verbs, and what their options take."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

from zoo_core.cli.app import VERBS, function

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

TOY = ("toy-detector", "--backend", "toy")


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_all_verbs_says_what_each_says_of_itself(verb: str) -> None:
    first = inspect.cleandoc(function(verb).__doc__ or "").partition("\n\n")[0]
    assert " ".join(first.split()) == VERBS[verb]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("eval", *TOY, "-o", ""), "--output"),
        (("export", *TOY, "--output="), "--output"),
        (("new", "model", "mine", "-o", ""), "--output"),
        (("predict", *TOY, ""), "PATH"),
        (("predict", *TOY, "--images", ""), "--images"),
        (("run", *TOY, "--calibration", ""), "--calibration"),
    ],
)
def test_an_empty_path_is_not_this_folder(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], where: str
) -> None:
    done = zoo(*arguments)

    assert done.code == 2
    assert done.stderr == f"zoo: {where}: is empty; give a path, or omit it\n"
    assert list(tmp_path.iterdir()) == []


def test_an_evaluator_brings_the_options_of_its_protocols(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    assert "--nms-kind iou|diou" in zoo("run", "--help").stdout
    monkeypatch.setenv("ZOO_PLUGINS", "")
    assert "--nms-kind" not in zoo("run", "--help").stdout
