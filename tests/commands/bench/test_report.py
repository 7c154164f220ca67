"""`zoo bench` on the toy plugin; how fast it is does not matter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import zoo_core
from zoo_core.commands.bench.artefact import measure
from zoo_core.errors import StageError, UsageError

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Outcome, Zoo

SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "bench.json"
TOY = ("bench", "toy-detector", "--backend", "toy", "--assets", "sample")
QUICK = ("--duration", "0.05", "-o", "out", "--json", "-")
PLUGIN = """
from zoo_core.api.hooks import hookimpl
from zoo_core.api import Availability, Backend, Device, Provider

ZOO_API = 1


def probe():
    real = Device(id="cpu", available=True)
    emulator = Device(id="pretend", available=True, emulated=True)
    return Availability(ok=True, version="1", devices=(real, emulator))


class Tool:
    def profile(self, artefact, target, options):
        assert (artefact / "artefact.json").exists()
        return {"tool": "tool", "figures": {"throughput_qps": 124.5, "note": "x"},
                "invariants": [{"name": "a", "ok": True}, {"name": "b", "ok": None}],
                "raw": "the tool's own text\\n"}


class Broken:
    def profile(self, artefact, target, options):
        from zoo_core.errors import StageError
        raise StageError("the tool crashed")


@hookimpl
def zoo_profilers():
    yield Provider(name="tool", summary="a tool", load=Tool)
    yield Provider(name="broken", summary="a broken tool", load=Broken)


def backend(name, profiler):
    return Backend(name=name, summary="has a profiler", compiler="toy", runtime="toy",
                   precisions=("fp32",), probe=probe, profiler=profiler,
                   facts=lambda device: {"name": f"device {device}", "oclk_mhz": 880})


@hookimpl
def zoo_backends():
    yield backend("tooled", "tool")
    yield backend("unlucky", "broken")
    yield backend("bare", None)
"""


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "tooled_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,tooled_plugin")


def report_of(outcome: Outcome) -> dict[str, Any]:
    assert outcome.code == 0, outcome.stderr
    report: dict[str, Any] = outcome.json
    jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return report


def test_the_report_and_its_folder(zoo: Zoo, tmp_path: Path) -> None:
    done = zoo(*TOY, *QUICK)
    report = report_of(done)
    steps = [row["step"] for row in report["breakdown"]["steps"]]
    assert steps == ["image decode", "preprocess", "runtime", "output decode", "NMS"]
    assert report["breakdown"]["images"] == 4
    assert report["versus"] is report["profile"] is report["sweep"] is None
    assert report["profiler"]["tool"] == "toy"
    assert report["emulated"] is False
    raw = json.loads((tmp_path / "out" / "latency_ms.json").read_text())
    assert len(raw["latency_ms"]) == report["benchmark"]["samples"]
    stored = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert stored["benchmark"] == report["benchmark"]
    assert (tmp_path / "out" / "block.txt").read_text().startswith("-- zoo bench")
    assert "  single-stream: warming up\n" in done.stderr
    assert "-- zoo bench" in done.stderr


@pytest.mark.parametrize("extra", [(), ("-q",)])
def test_lines_are_data_and_progress_is_talk(zoo: Zoo, extra: tuple[str, ...]) -> None:
    done = zoo(*TOY, "--duration", "0.05", "--no-breakdown", *extra)
    assert done.code == 0
    assert done.stdout.startswith("single-stream on ")
    assert "warming up\n" not in done.stdout
    assert ("warming up\n" in done.stderr) is not bool(extra)


def test_given_images_are_taken_apart(
    zoo: Zoo, tmp_path: Path, write_image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zoo_coco", reason="it brings the data set for folders")
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")
    for number in range(3):
        write_image(tmp_path / "mine" / f"{number}.png")
    asked = ("bench", "toy-detector", "--backend", "toy", "--weights", "random:1")
    done = zoo(*asked, "--images", tmp_path / "mine", *QUICK)
    assert report_of(done)["breakdown"]["images"] == 3


def test_a_damaged_image_is_told_before_anything_is_measured(
    zoo: Zoo, tmp_path: Path, write_image: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("zoo_coco", reason="it brings the data set for folders")
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")
    for number in range(3):
        write_image(tmp_path / "mine" / f"{number}.png")
    damaged = tmp_path / "mine" / "2.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    asked = ("bench", "toy-detector", "--backend", "toy", "--weights", "random:1")
    done = zoo(*asked, "--images", tmp_path / "mine", *QUICK)
    assert done.code == 6
    assert "2.png" in done.stderr.splitlines()[-1]
    assert "measuring" not in done.stderr


@pytest.mark.parametrize("scenario", ["single-stream", "multi-stream", "offline", "server"])
def test_every_scenario(zoo: Zoo, scenario: str) -> None:
    rate = ("--target-qps", "200") if scenario == "server" else ()
    report = report_of(zoo(*TOY, "--scenario", scenario, *rate, *QUICK, "--no-breakdown"))
    assert report["benchmark"]["scenario"] == scenario
    assert (report["benchmark"]["server"] is not None) == (scenario == "server")
    assert report["breakdown"] is None


def test_a_second_build_in_turns(zoo: Zoo, tmp_path: Path) -> None:
    report = report_of(zoo(*TOY, "--vs", ":int8", *QUICK, "--no-breakdown"))
    found = report["versus"]
    assert (found["this"], found["other"]) == ("toy:fp32", "toy:int8")
    assert found["blocks"] >= 12
    raw = json.loads((tmp_path / "out" / "versus_ms.json").read_text())
    assert sum(map(len, raw["this_ms"])) == found["runs"]


def test_a_folder_holds_the_files_of_one_benchmark(zoo: Zoo, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "trace.json").write_text("mine")
    shared = (*QUICK, "--no-breakdown", "--assets", "sample")
    report_of(zoo("bench", "toy-detector", "--backend", "tooled", *shared, "--vs", "toy"))
    assert {"tool-raw.txt", "versus_ms.json", "block.txt"} <= {path.name for path in out.iterdir()}
    report_of(zoo("bench", "toy-detector", "--backend", "bare", *shared, "--scenario", "offline"))
    assert (out / "trace.json").read_text() == "mine"
    assert sorted(path.name for path in out.iterdir()) == [
        ".zoo-files.json", "bench.json", "latency_ms.json", "trace.json",
    ]  # fmt: skip


def test_a_sweep_leaves_out_what_the_backend_has_not(zoo: Zoo) -> None:
    report = report_of(zoo(*TOY, "--sweep", "batch=1:2,streams", *QUICK))
    sweep = report["sweep"]
    assert sweep["left_out"] == ["streams"]
    assert [point["settings"] for point in sweep["points"]] == [{"batch": 1}, {"batch": 2}]
    assert sweep["best"] in sweep["points"]
    assert report["benchmark"]["batch"] == sweep["best"]["settings"]["batch"]
    refused = zoo(*TOY, "--sweep", "bach")
    assert refused.code == 2
    assert "did you mean 'batch'?" in refused.stderr


def test_gates(zoo: Zoo, tmp_path: Path) -> None:
    assert zoo(*TOY, "--max-p90-ms", "1").code == 6
    asked = ("bench", "toy-detector", "--backend", "toy", "--weights", "random:1")
    done = zoo(*asked, "--min-throughput", "1e12", "--no-breakdown", *QUICK)
    stored = json.loads((tmp_path / "out" / "bench.json").read_text())
    (row,) = stored["gates"]
    steady = stored["benchmark"]["steady"]
    assert row["verdict"] == ("missed" if steady else "not decided")
    assert done.code == (4 if steady else 0)
    assert done.json == stored
    assert zoo(*asked, "--min-throughput", "1e12", "--no-breakdown", "--strict", *QUICK).code == 4


def test_a_vendors_block_is_for_backends_with_a_vendors_tool(zoo: Zoo) -> None:
    asked = ("bench", "toy-detector", "--assets", "sample", "--no-breakdown", *QUICK, "--backend")
    plain, vendor = report_of(zoo(*asked, "bare")), report_of(zoo(*asked, "tooled"))
    assert plain["benchmark"]["block"] == []
    assert not any("vamp" in line for line in plain["lines"])
    assert vendor["benchmark"]["block"]
    assert set(vendor["benchmark"]["block"]) <= set(vendor["lines"])


def test_what_was_measured_stays_where_a_later_part_fails(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise StageError("the other build crashed")

    monkeypatch.setattr("zoo_core.commands.bench.report.versus", fails)
    done = zoo(*TOY, "--vs", ":int8", *QUICK, "--no-breakdown")
    stored = json.loads((tmp_path / "out" / "bench.json").read_text())

    assert done.code == 1
    assert done.stderr.splitlines()[-1] == (
        "zoo: the other build crashed; what was measured before is in " + str(tmp_path / "out")
    )
    assert stored["benchmark"]["samples"] > 0
    assert stored["versus"] is None
    assert "single-stream on " in done.stderr


def test_what_was_measured_stays_where_a_later_part_is_interrupted(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo_core.commands.bench.report.versus", interrupted)
    done = zoo(*TOY, "--vs", ":int8", *QUICK, "--no-breakdown")
    stored = json.loads((tmp_path / "out" / "bench.json").read_text())

    assert done.code == 130
    assert stored["benchmark"]["samples"] > 0


def test_a_sweep_marks_the_points_that_fail_and_keeps_the_others(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a file that takes batches of 2 only, found out while measuring or planning."""

    def only_two(build: Any, settings: Any, tell: Any) -> Any:
        if build.run.request.batch != 2:
            raise UsageError("the graph takes batches of 2", next="use --batch 2")
        return measure(build, settings, tell)

    monkeypatch.setattr("zoo_core.commands.bench.sweep.measure", only_two)
    report = report_of(zoo(*TOY, "--sweep", "batch=1:2:4", *QUICK))
    failures = [point["failure"] for point in report["sweep"]["points"]]
    assert failures == [
        "the graph takes batches of 2; use --batch 2", "",
        "the graph takes batches of 2; use --batch 2",
    ]  # fmt: skip
    assert report["sweep"]["best"]["settings"] == {"batch": 2}
    assert any(line.split()[:2] == ["1", "failed"] for line in report["lines"])
    done = zoo(*TOY, "--sweep", "batch=1:4", *QUICK)
    assert done.code == 2
    assert done.stderr.splitlines()[-1] == "zoo: the graph takes batches of 2; use --batch 2"


def test_operators_need_a_runtime_that_tells_them(zoo: Zoo, zoo_home: Path) -> None:
    done = zoo(*TOY, "--profile")
    assert done.code == 2
    assert "does not report the time of operators" in done.stderr
    assert not (zoo_home / "store").exists()


def test_a_vendors_profiler_runs_too(zoo: Zoo, tmp_path: Path) -> None:
    asked = ("bench", "toy-detector", "--backend", "tooled", "--assets", "sample")
    report = report_of(zoo(*asked, *QUICK, "--no-breakdown"))
    assert report["profiler"]["figures"]["throughput_qps"] == 124.5
    assert "raw" not in report["profiler"]
    assert (tmp_path / "out" / "tool-raw.txt").read_text() == "the tool's own text\n"
    assert report["benchmark"]["device_facts"] == {"name": "device cpu", "oclk_mhz": 880}
    assert report["benchmark"]["device_name"] == "device cpu"
    assert "  throughput_qps  124.5" in report["lines"]
    assert "  checks      1 of 1 hold" in report["lines"]


def test_a_backend_without_a_profiler_has_no_figures_of_one(zoo: Zoo) -> None:
    asked = ("bench", "toy-detector", "--backend", "bare", "--assets", "sample")
    report = report_of(zoo(*asked, *QUICK, "--no-breakdown"))
    assert report["profiler"] is None


def test_a_profiler_that_fails_leaves_zoos_own_figures(zoo: Zoo) -> None:
    asked = ("bench", "toy-detector", "--backend", "unlucky", "--assets", "sample")
    report = report_of(zoo(*asked, *QUICK, "--no-breakdown"))
    assert report["benchmark"]["samples"] > 0
    assert report["profiler"] == {"name": "broken", "failure": "the tool crashed"}


def test_an_emulated_device_has_no_speed_but_a_profile(zoo: Zoo) -> None:
    asked = ("bench", "toy-detector", "--assets", "sample", "--device", "pretend")
    report = report_of(zoo(*asked, "--backend", "tooled", *QUICK))
    assert report["benchmark"] is report["breakdown"] is None
    assert report["emulated"] is True
    assert report["profiler"]["figures"]["throughput_qps"] == 124.5
    assert report["lines"]
    assert all(line.startswith("emulated: ") for line in report["lines"])
    assert zoo(*asked, "--backend", "unlucky", *QUICK).code == 1
    assert zoo(*asked, "--backend", "tooled", "--vs", "toy", *QUICK).code == 2
    random = ("bench", "toy-detector", "--backend", "tooled", "--weights", "random:1")
    assert zoo(*random, "--device", "pretend", "--max-p90-ms", "1", *QUICK).code == 6
