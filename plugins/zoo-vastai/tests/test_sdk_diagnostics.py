"""Machines of every kind, as trees of files: what the probe and the ladder make of them."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from zoo_vastai.sdk import findings
from zoo_vastai.sdk.diagnostics import BUDGET, diagnostics
from zoo_vastai.sdk.host import Host, Outcome, run
from zoo_vastai.sdk.probe import probe

from zoo_core.errors import install_step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

VERSIONS = '{"python": "3.10.12", "vaststreamx": "2.8.6", "vamc": "3.4.2", "vastgenx": null}\n'
LSPCI = "01:00.0 1200: 1f4f:0100 (rev 01)\n01:00.1 1200: 1f4f:0100 (rev 01)\n"


class Machine:
    """A machine as files below a folder, with programs that answer what a test says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {"PATH": str(root / "usr/bin")}
        self.modules: set[str] = set()
        self.answers: dict[str, Outcome] = {
            "lspci": Outcome(code=0, text=LSPCI),
            "metadata": Outcome(code=0, text=VERSIONS),
            "get_all_cards_count": Outcome(code=0, text="a log line\ncards: 1\n"),
        }
        self.asked: list[tuple[str, ...]] = []

    def file(self, path: str, text: str = "") -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def program(self, name: str) -> str:
        self.file(f"/usr/bin/{name}", "#!/bin/sh\nexit 1\n")
        path = self.root / "usr/bin" / name
        path.chmod(0o755)
        return str(path)

    def pci(self, *ids: str) -> None:
        for number, pair in enumerate(ids):
            vendor, device = pair.split(":")
            folder = f"/sys/bus/pci/devices/0000:{number:02x}:00.0"
            self.file(f"{folder}/vendor", f"0x{vendor}\n")
            self.file(f"{folder}/device", f"0x{device}\n")

    def driver(self, dies: int = 2) -> None:
        self.file("/proc/modules", "xfs 1 0\nvastai_pci 2465792 0 - Live 0x0000000000000000\n")
        for index in range(dies):
            self.file(f"/dev/vacc{index}")
            self.file(f"/dev/vastai{index}")
        self.file("/dev/vastai0_version", "Driver: 00.26.01.23 d3_3_v2_9_a3_1_sp1\nFW: 1\n")

    def sdk(self) -> None:
        self.file("/opt/vastai/vaststream/version.txt", "ai-v3.0.0-20250814\n")
        for name in ("vamc", "vamp", "vasmi", "python3"):
            self.program(name)
        self.file("/usr/lib/python3.10/site-packages/vaststreamx/__init__.py")

    def host(self) -> Host:
        def answer(
            argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None
        ) -> Outcome:
            self.asked.append(tuple(argv))
            words = " ".join(argv)
            found = (said for word, said in reversed(self.answers.items()) if word in words)
            return next(found, Outcome(code=None, trouble="cannot be started"))

        return Host(
            root=self.root,
            env=self.env,
            run=answer,
            has_module=lambda name: name in self.modules,
            python="/nowhere/python",
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "usr/bin").mkdir(parents=True)
    return Machine(tmp_path)


@pytest.fixture
def whole(machine: Machine) -> Machine:
    """A machine with one card of two dies, its driver and the SDK."""
    machine.pci("8086:1237", "1f4f:0100", "1f4f:0100")
    machine.driver()
    machine.sdk()
    return machine


def devices(host: Host) -> dict[str, tuple[bool, str]]:
    return {device.id: (device.available, device.reason) for device in probe(host).devices}


def steps(host: Host) -> dict[str, tuple[bool, str]]:
    return {step.name: (step.ok, step.state) for step in diagnostics(host)}


def test_a_whole_machine_is_available(whole: Machine) -> None:
    whole.modules = {"onnxruntime", "onnx", "zoo_vastai_emulator"}

    found = probe(whole.host())

    assert (found.ok, found.reason, found.next_step) == (True, "", "")
    assert found.version == "ai-v3.0.0-20250814"
    assert [device.id for device in found.devices] == ["0", "1", "emulator", "files"]
    assert all(device.available for device in found.devices)
    assert [device.id for device in found.devices if device.emulated] == ["emulator"]
    assert whole.asked == []


def test_a_whole_machine_passes_every_step(whole: Machine) -> None:
    whole.program("lspci")

    found = steps(whole.host())

    assert list(found) == [
        "PCI devices",
        "kernel module",
        "device nodes",
        "driver",
        "SDK",
        "programs",
        "Python packages",
        "cards",
    ]
    assert all(ok for ok, _ in found.values())
    assert found["PCI devices"][1] == "2 (one a die)"
    assert found["kernel module"][1] == "vastai_pci"
    assert found["device nodes"][1] == "2: /dev/vacc0, /dev/vacc1"
    assert found["driver"][1] == "00.26.01.23 d3_3_v2_9_a3_1_sp1"
    assert found["SDK"][1] == "ai-v3.0.0-20250814"
    assert "vaststreamx 2.8.6, vamc 3.4.2" in found["Python packages"][1]
    assert "vastgenx" not in found["Python packages"][1]
    assert found["cards"][1] == "1"


def break_pci(machine: Machine) -> None:
    machine.pci("8086:1237", "8086:0100")


def break_module(machine: Machine) -> None:
    machine.pci("1f4f:0100")


def break_nodes(machine: Machine) -> None:
    machine.pci("1f4f:0100")
    machine.file("/proc/modules", "vastai_pci 1 0\n")


def break_python(machine: Machine) -> None:
    machine.pci("1f4f:0100")
    machine.driver(1)
    machine.program("vamc")


def break_vamc(machine: Machine) -> None:
    machine.pci("1f4f:0100")
    machine.driver(1)
    machine.modules.add("vaststreamx")


@pytest.mark.parametrize(
    ("breakage", "reason", "step"),
    [
        (break_pci, "no VastAI card is on the PCI bus", "--device emulator"),
        (break_module, "the kernel module vastai_pci is not loaded", "driver"),
        (break_nodes, "the driver made no /dev/vacc0", "container"),
        (break_python, "/nowhere/python (this interpreter) has no vaststreamx", "sdk_python"),
        (break_vamc, "the program vamc is not on PATH", "PATH"),
    ],
)
def test_the_first_thing_missing_is_named(
    machine: Machine, breakage: Callable[[Machine], None], reason: str, step: str
) -> None:
    breakage(machine)

    found = probe(machine.host())

    assert (found.ok, found.reason) == (False, reason)
    assert step in found.next_step
    assert devices(machine.host())["0"] == (False, reason)
    assert devices(machine.host())["files"] == (True, "")


def test_without_a_card_each_step_says_what_to_do(machine: Machine) -> None:
    found = diagnostics(machine.host())

    assert [step.ok for step in found] == [False] * 8
    assert all(step.state for step in found)
    assert all(step.next_step for step in found[1:])
    assert machine.asked == []


def test_the_emulator_needs_its_distribution_onnx_and_its_runtime(machine: Machine) -> None:
    missing = f"not installed: {install_step('zoo-vastai-emulator')}"
    assert devices(machine.host())["emulator"] == (False, missing)
    machine.modules = {"zoo_vastai_emulator"}
    assert devices(machine.host())["emulator"] == (False, "not installed: onnxruntime, onnx")
    machine.modules |= {"onnxruntime"}
    assert devices(machine.host())["emulator"] == (False, "not installed: onnx")
    machine.modules |= {"onnx"}
    assert devices(machine.host())["emulator"] == (True, "")


@pytest.mark.parametrize(
    ("mask", "seen"),
    [("1", ["1"]), ("0,1", ["0", "1"]), ("", []), ("7", []), (" 1 , 0", ["0", "1"])],
)
def test_the_mask_hides_dies(whole: Machine, mask: str, seen: list[str]) -> None:
    whole.env[findings.MASK] = mask
    host = whole.host()

    found = probe(host)

    dies = [device for device in found.devices if device.id.isdigit()]
    assert [device.id for device in dies] == ["0", "1"]
    assert [device.id for device in dies if device.available] == seen
    assert all(findings.MASK in device.reason for device in dies if not device.available)
    assert found.ok is bool(seen)
    ok, text = steps(host)["device nodes"]
    assert ok is bool(seen)
    assert f"{findings.MASK} leaves {', '.join(seen) or 'none'}" in text


def test_the_id_alone_is_no_card(machine: Machine) -> None:
    machine.pci("8086:0100")

    ok, text = steps(machine.host())["PCI devices"]

    assert (ok, text) == (False, "none of VastAI's; the id 0100 is also that of vendor 8086")


def test_lspci_goes_first_and_its_failure_is_survived(whole: Machine) -> None:
    path = whole.program("lspci")
    whole.answers["lspci"] = Outcome(code=0, text="02:00.0 1200: 1f4f:0100\n" * 4)
    assert steps(whole.host())["PCI devices"] == (True, "4 (one a die)")
    assert (path, "-n", "-d:0100") in whole.asked

    whole.answers["lspci"] = Outcome(code=1, errors="lspci: cannot open")
    assert steps(whole.host())["PCI devices"] == (True, "2 (one a die)")


def test_nodes_of_other_spellings_are_dies_too(machine: Machine) -> None:
    for name in ("va10_ctl", "va2_ctl", "va_video0", "vatools"):
        machine.file(f"/dev/{name}")
    assert findings.die_nodes(machine.host()) == {2: "/dev/va2_ctl", 10: "/dev/va10_ctl"}

    machine.file("/dev/vastai0_version")
    machine.file("/dev/vastai0")
    assert findings.die_nodes(machine.host()) == {0: "/dev/vastai0"}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Driver: 00.26.01.23 d3\n", "00.26.01.23 d3"),
        ("FW 1\nDriver Version : 1.2\n", "1.2"),
        ("00.25.11\n", "00.25.11"),
        ("\n", None),
        ("Driver:\x1b[31m 9\n", "[31m 9"),
    ],
)
def test_the_drivers_version_is_one_plain_line(
    machine: Machine, text: str, version: str | None
) -> None:
    machine.file("/dev/vastai0_version", text)

    assert findings.driver_version(machine.host()) == version


def test_packages_that_hide_the_sdk_are_told(whole: Machine) -> None:
    whole.answers["metadata"] = Outcome(code=0, text='{"python": "3.8.10", "vaststreamx": null}\n')

    found = steps(whole.host())

    assert found["Python packages"][0] is False
    assert found["Python packages"][1].endswith("python 3.8.10; no vaststreamx")
    assert found["cards"] == (False, "not checked: no vaststreamx")


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (Outcome(code=0, text="cards: 0\n"), "vaststreamx counts 0"),
        (Outcome(code=0, text="cards: ²\n"), "vaststreamx counts ²"),
        (
            Outcome(code=1, errors="Traceback\nImportError: libvaccrt.so\n"),
            "ImportError: libvaccrt.so",
        ),
        (Outcome(code=None, trouble="gave no answer within 1 s"), "gave no answer within 1 s"),
        (Outcome(code=-11), "no output"),
    ],
)
def test_cards_that_cannot_be_counted_are_told(whole: Machine, outcome: Outcome, told: str) -> None:
    whole.answers["get_all_cards_count"] = outcome

    assert steps(whole.host())["cards"] == (False, told)


@pytest.mark.parametrize("text", ["", "no json", "[1]", "{broken"])
def test_an_interpreter_that_talks_nonsense_is_survived(whole: Machine, text: str) -> None:
    whole.answers["metadata"] = Outcome(code=0, text=text)

    assert steps(whole.host())["Python packages"][0] is False


def test_commands_that_hang_end_with_the_time_that_all_share(whole: Machine) -> None:
    whole.program("lspci")
    allowed: list[float] = []

    def hang(argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Outcome:
        if "metadata" in " ".join(argv):
            return Outcome(code=0, text=VERSIONS)
        allowed.append(timeout)
        return run((sys.executable, "-c", "import time; time.sleep(600)"), timeout)

    found = steps(replace(whole.host(), run=hang))

    assert sum(allowed) <= BUDGET
    assert found["PCI devices"] == (True, "2 (one a die)")
    assert found["cards"][0] is False
    assert "no answer within" in found["cards"][1]


def test_this_very_machine_is_looked_at_without_harm(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZOO_VASTAI_PYTHON", raising=False)

    assert len(diagnostics()) == 8
    assert {"emulator", "files"} <= {device.id for device in probe().devices}
    assert capfd.readouterr() == ("", "")
