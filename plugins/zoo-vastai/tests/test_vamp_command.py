"""How vamp is called."""

from __future__ import annotations

import shlex

from zoo_vastai.vamp.command import VampCommand


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
