from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import zoo_vastai_emulator
from zoo_vastai_emulator import command, launch

from zoo_core.plugins.manager import Plugins
from zoo_core.testing import PluginContract


class TestPlugin(PluginContract):
    plugin = zoo_vastai_emulator

    def test_it_registers(self) -> None:
        """It has no hooks: zoo-vastai finds its parts by entry points of its own."""
        (found,) = Plugins([zoo_vastai_emulator]).plugins

        assert found.failure is None


def test_the_launchers_are_packed() -> None:
    folder = Path(zoo_vastai_emulator.__file__).parent

    for name in ("vamc", "vamp", "vasmi"):
        assert (folder / "bin" / name).stat().st_mode & 0o111


def test_zoo_vastai_finds_its_parts() -> None:
    sdk = {point.name: point.load() for point in entry_points(group="zoo_vastai.sdk")}
    commands = {point.name: point.load() for point in entry_points(group="zoo_vastai.commands")}

    assert sdk == {"emulator": launch}
    assert commands["emulate"] is command.emulate
