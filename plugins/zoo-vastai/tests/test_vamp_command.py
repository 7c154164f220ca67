"""How vamp is called, and which options it is called by."""

from __future__ import annotations

import shlex

import pytest
import zoo_vastai
from zoo_vastai.vamp.command import VampCommand
from zoo_vastai.vamp.settings import OPTIONS, VampSettings, vamp_settings

from zoo_core.errors import UsageError


def test_the_plain_call_is_the_documented_one_with_a_real_p() -> None:
    command = VampCommand(prefix="deploy/mod", vdsp_params="vdsp.json")

    assert command.shell() == ("vamp -m deploy/mod --vdsp_params vdsp.json -i 1 -p 1 -b 1 -d 0")


def test_shapes_are_quoted_for_a_shell_and_only_there() -> None:
    command = VampCommand(
        prefix="a folder/mod",
        vdsp_params="v.json",
        device="3",
        instances=2,
        processes=4,
        batch=16,
        shape="[3,416,416]",
        iterations=4096,
        datalist="npz_datalist.txt",
        path_output="npz_output",
    )

    argv = command.argv(("python", "-m", "x.vamp"))
    assert argv[:5] == ("python", "-m", "x.vamp", "-m", "a folder/mod")
    assert argv[argv.index("-s") + 1] == "[3,416,416]"
    assert argv[argv.index("-p") + 1] == "4"
    assert argv[argv.index("-d") + 1] == "3"
    assert "-s '[3,416,416]'" in command.shell()
    assert "'a folder/mod'" in command.shell()
    assert shlex.split(command.shell(("python", "-m", "x.vamp"))) == list(argv)


def test_options_become_settings_and_others_are_left_alone() -> None:
    options = {
        "instances": "2",
        "processes": "3",
        "iterations": "64",
        "shape": "[3, 416, 416]",
        "vamp_timeout": "5",
        "nms": "host",
    }

    assert vamp_settings(options) == VampSettings(
        instances=2, processes=3, iterations=64, shape="[3,416,416]", timeout=5.0
    )
    assert vamp_settings({}) == VampSettings()
    assert vamp_settings({"shape": "[[1,512],[1,512]]"}).shape == "[[1,512],[1,512]]"
    assert set(options) - {"nms"} == set(OPTIONS)
    assert set(OPTIONS) <= set(zoo_vastai.OPTIONS)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instances", "0"),
        ("instances", "-1"),
        ("instances", "65"),
        ("processes", "two"),
        ("processes", "٣"),
        ("iterations", "1e3"),
        ("shape", "3,416,416"),
        ("shape", "[3,0,416]"),
        ("shape", "[]"),
        ("shape", '["a"]'),
        ("shape", "[true]"),
        ("vamp_timeout", "0"),
        ("vamp_timeout", "nan"),
        ("vamp_timeout", "soon"),
    ],
)
def test_bad_options_are_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=key):
        vamp_settings({key: value})
