from __future__ import annotations

import inspect

import pytest

from zoo_core.cli.verbs import VERBS, function


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_all_verbs_says_what_each_says_of_itself(verb: str) -> None:
    first = inspect.cleandoc(function(verb).__doc__ or "").partition("\n\n")[0]
    assert " ".join(first.split()) == VERBS[verb][1]
