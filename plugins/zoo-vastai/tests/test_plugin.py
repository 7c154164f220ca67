from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import zoo_vastai
from zoo_vastai.cli.app import main
from zoo_vastai.options import READERS, Options
from zoo_vastai.sdk.tools import tools

from zoo_core.api import Target
from zoo_core.errors import UnavailableError
from zoo_core.plugins.manager import Plugins

README = Path(__file__).parents[1] / "README.md"


def test_the_backend_names_all_its_parts() -> None:
    backend = Plugins([zoo_vastai]).backend("vastai")

    assert backend.precisions == ("fp16", "int8")
    assert (backend.compiler, backend.runtime) == ("vastai", "vastai")
    assert (backend.profiler, backend.emitter) == ("vamp", "vastai")
    assert backend.diagnostics is not None
    assert all(step.name and step.state for step in backend.diagnostics())


def test_devices_are_dies_the_emulator_and_files() -> None:
    found = zoo_vastai._probe()
    emulated = {device.id: device.emulated for device in found.devices}

    assert emulated["emulator"] is True
    assert emulated["files"] is False
    assert [name for name, fake in emulated.items() if fake] == ["emulator"]


@pytest.mark.parametrize(("device", "needed"), [("0", True), ("emulator", True), ("files", False)])
def test_stored_outputs_need_no_graph(device: str, needed: bool) -> None:
    target = Target(backend="vastai", precision="fp16", device=device)

    assert zoo_vastai._needs_graph(target) is needed


def test_each_option_of_the_backend_is_read_and_has_a_default() -> None:
    assert set(READERS) == set(zoo_vastai.OPTIONS) == {item.name for item in fields(Options)}


def test_the_readme_explains_every_option() -> None:
    told = set(re.findall(r"`(\w+)`", README.read_text(encoding="utf-8")))

    assert set(zoo_vastai.OPTIONS) <= told


def test_the_console_script_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from zoo_vastai.cli.app import script; script()", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "lint" in done.stdout


def test_texts_are_packed() -> None:
    package = Path(zoo_vastai.__file__).parent

    for name in ("templates/compile.sh", "templates/README.txt"):
        assert (package / name).is_file()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if only zoo-vastai were installed."""
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: ())


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize("name", ["lint", "emulate"])
def test_a_command_that_is_not_installed_says_what_to_install(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "some/path", "--json", "-x"]) == 5

    output = capsys.readouterr()
    assert f"`zoo-vastai {name}` is not installed; pip install ./plugins/zoo-vastai-" in output.err
    assert json.loads(output.out)["error"]["code"] == "unavailable"


@pytest.mark.usefixtures("alone")
def test_help_lists_what_could_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Not installed: pip install ./plugins/zoo-vastai-lint " in capsys.readouterr().out


@pytest.mark.usefixtures("alone")
def test_the_emulator_is_asked_for_where_it_is_needed() -> None:
    with pytest.raises(UnavailableError, match=r"pip install \./plugins/zoo-vastai-emulator"):
        tools("emulator", {})


def test_the_public_formats_import_nothing_of_the_backend() -> None:
    program = (
        "import sys, zoo_vastai.formats.config, zoo_vastai.formats.vdsp;"
        "print([m for m in sys.modules if m.startswith('zoo_vastai.')"
        " and not m.startswith('zoo_vastai.formats')])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
