"""The profiler vamp: against scripts that stand for a card's vamp, and against the emulator."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_vastai.profiler import VampProfiler
from zoo_vastai.sdk.host import run
from zoo_vastai.sdk.tools import tools
from zoo_vastai.vamp.parse import parse_output

from zoo_core.api import Target
from zoo_core.errors import StageError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BLOCK = """- number of instances in each device: 1
devices: [0]
batch size: 1
samples: 1024
forwad time (s): 8.24034
throughput (qps): 124.267
ai utilize (%): 96.3077
die memory used (MB): 883.234
e2e latency (us):
    avg latency: 135770
    min latency: 16622
    max latency: 148289
model latency (us):
    avg latency: 7749
    min latency: 7749
    max latency: 7749
"""


def target(device: str = "0", batch: int = 1, **options: str) -> Target:
    return Target(backend="vastai", precision="fp16", device=device, batch=batch, options=options)


def profiled(artefact: Path, wanted: Target, **options: str) -> Mapping[str, Any]:
    found = VampProfiler().profile(artefact, wanted, options)
    assert json.loads(json.dumps(found)) == found
    return found


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    folder = tmp_path / "an artefact"
    folder.mkdir()
    for name in ("mod.json", "mod.so", "mod.params", "pre.json"):
        (folder / name).write_text("x", encoding="utf-8")
    (folder / "artefact.json").write_text('{"vdsp": "pre.json"}', encoding="utf-8")
    return folder


class Card:
    """A machine whose vamp is a shell script; its arguments and folder are kept in a file."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bin = folder / "bin"
        self._bin.mkdir()
        self._kept = folder / "kept"
        monkeypatch.setenv("PATH", f"{self._bin}{os.pathsep}/usr/bin{os.pathsep}/bin")

    def vamp(self, body: str) -> None:
        path = self._bin / "vamp"
        keep = f'for word in "$PWD" "$@"; do echo "$word"; done > {self._kept}'
        path.write_text(f"#!/bin/sh\n{keep}\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def prints(self, text: str, then: str = "exit 0") -> None:
        file = self._bin / "text"
        file.write_text(text, encoding="utf-8")
        self.vamp(f"cat {file}\n{then}")

    @property
    def kept(self) -> list[str]:
        return self._kept.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    return Card(tmp_path, monkeypatch)


def test_a_cards_figures_are_told_with_all_that_belongs_to_them(card: Card, artefact: Path) -> None:
    card.prints("a warning of a library\n" + BLOCK, "echo careful >&2")

    found = profiled(artefact, target("1"))

    assert card.kept[1:] == [
        *("-m", f"{artefact}/mod", "--vdsp_params", f"{artefact}/pre.json"),
        *("-i", "1", "-p", "1", "-b", "1", "-d", "1"),
    ]
    assert (found["tool"], found["emulated"], found["broken"]) == ("vamp", False, [])
    assert found["command"].startswith("vamp -m '")
    assert found["figures"]["throughput_qps"] == 124.267
    assert found["figures"]["model_latency_avg_us"] == 7749
    assert found["figures"]["queueing_latency_max_us"] == 148289
    assert [name for name in found["figures"] if "latency" in name] == [
        f"{group}_latency_{which}_us"
        for group in ("queueing", "model")
        for which in ("avg", "min", "max")
    ]
    assert None not in found["figures"].values()
    assert [item["ok"] for item in found["invariants"]] == [True] * 4
    assert found["unknown_lines"] == ["a warning of a library"]
    assert found["raw"] == "a warning of a library\n" + BLOCK
    assert found["raw_errors"] == "careful\n"
    assert found["device"]["reason"] == "the program vasmi is not on PATH"


def test_options_reach_vamp(card: Card, artefact: Path) -> None:
    card.prints(BLOCK)
    wanted = target("0", 4, instances="2", processes="3", iterations="64", nms="host")

    found = profiled(artefact, wanted, shape="[3, 416, 416]")

    assert card.kept[5:] == [
        *("-i", "2", "-p", "3", "-b", "4", "-d", "0"),
        *("-s", "[3,416,416]", "--iterations", "64"),
    ]
    assert {item["ok"] for item in found["invariants"]} == {None}


def test_vamp_works_in_a_folder_of_its_own_that_goes_away(
    card: Card, artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(artefact.parent)
    card.prints(BLOCK, "touch core.dump")

    profiled(artefact.relative_to(artefact.parent), target())

    folder = card.kept[0]
    assert os.path.basename(folder).startswith("zoo-vamp-")  # noqa: PTH119
    assert not os.path.exists(folder)  # noqa: PTH110
    assert not (tmp_path / "core.dump").exists()


def test_a_broken_invariant_is_told(card: Card, artefact: Path) -> None:
    card.prints(BLOCK.replace("124.267", "224.267"))

    assert profiled(artefact, target())["broken"] == [
        "throughput",
        "ai_utilisation",
        "queueing_depth",
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo 'no card' >&2; exit 3", "it failed with code 3: no card"),
        ("kill -11 $$", "it was ended by SIGSEGV: no output"),
        ("exit 0", "it printed no block of figures; its last line: no output"),
        ("echo hello", "its last line: hello"),
    ],
)
def test_a_vamp_that_fails_is_one_line(card: Card, artefact: Path, body: str, message: str) -> None:
    card.vamp(body)

    with pytest.raises(StageError) as caught:
        profiled(artefact, target())

    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.exit_code == 1


def test_a_block_that_is_cut_off_or_garbled_is_refused(card: Card, artefact: Path) -> None:
    card.prints(BLOCK[:-60])
    with pytest.raises(StageError, match="the block lacks model_latency"):
        profiled(artefact, target())

    card.prints(BLOCK.replace("124.267", "###"))
    with pytest.raises(StageError, match="the block lacks throughput_qps"):
        profiled(artefact, target())


def test_a_vamp_that_hangs_is_ended(card: Card, artefact: Path) -> None:
    card.prints(BLOCK, "sleep 600")

    with pytest.raises(StageError, match=r"gave no answer within 0\.5 s") as caught:
        profiled(artefact, target(vamp_timeout="0.5"))

    assert "vamp_timeout" in caught.value.next


def test_what_cannot_be_measured_is_refused(card: Card, artefact: Path) -> None:
    with pytest.raises(UnavailableError, match="the program vamp is not on PATH"):
        profiled(artefact, target())
    card.prints(BLOCK)
    with pytest.raises(UsageError, match="one die, not '0,1'"):
        profiled(artefact, target("0,1"))
    with pytest.raises(UsageError, match="one die, not 'files'"):
        profiled(artefact, target("files"))
    with pytest.raises(UsageError, match="one die, not '²'"):
        profiled(artefact, target("²"))
    (artefact / "mod.so").unlink()
    with pytest.raises(StageError, match=r"the artefact lacks mod\.so"):
        profiled(artefact, target())


VDSP = {
    "OpType": "FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR",
    "OpConfig": {
        "IimageFormat": "RGB_PLANAR",
        **{"IimageWidth": 40, "IimageHeight": 48, "OimageWidth": 32, "OimageHeight": 32},
        **{"ResizeType": "BILINEAR_CV", "ColorCvtCode": "NO_CHANGE", "NormaType": "DIV255"},
    },
}
CONFIG = """name: small
frontend:
  checkpoint: small.onnx
  type: onnx
  dtype: fp32
  shape:
    input: [1, 3, 32, 32]
backend:
  type: tvm_vacc
  dtype: fp16
workspace:
  path: built
"""


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network, compiled by the emulated vamc."""
    folder = tmp_path_factory.mktemp("emulated")
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weight"], ["output"], pads=[1, 1, 1, 1])],
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 4, 32, 32])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(folder / "small.onnx"))
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    found = tools("emulator", {})
    outcome = run((*found.vamc, "compile", "config.yaml"), 120, found.env, folder)
    assert outcome.code == 0, outcome
    built = folder / "built" / "small"
    (built / "vdsp.json").write_text(json.dumps(VDSP), encoding="utf-8")
    return built


def test_the_emulator_is_measured_and_labelled(emulated: Path) -> None:
    found = profiled(emulated, target("emulator"))

    assert found["emulated"] is True
    assert found["device"]["emulated"] is True
    assert found["device"]["card_type"] == "EMULATED"
    assert found["broken"] == found["doubts"] == found["unknown_lines"] == []
    assert [item["ok"] for item in found["invariants"]] == [True] * 4
    assert found["banner"]["inputs"] == ["[3,32,32], dtype:u1"]
    assert found["figures"]["samples"] == 1024
    assert found["blocks"] == 1
    assert len(parse_output(found["raw"]).blocks) == 1


@pytest.mark.parametrize(
    ("fault", "key", "value"),
    [
        ("wrong-invariant", "broken", ["throughput", "ai_utilisation", "queueing_depth"]),
        ("garbage-line", "broken", []),
        ("indent", "unknown_lines", []),
        ("format-a", "broken", []),
    ],
)
def test_faults_of_the_emulated_vamp_are_seen(
    emulated: Path, monkeypatch: pytest.MonkeyPatch, fault: str, key: str, value: object
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", fault)

    found = profiled(emulated, target("emulator"))

    assert found[key] == value
    assert len(found["unknown_lines"]) == (fault == "garbage-line")
    assert found["figures"]["format"] == ("A" if fault == "format-a" else "B")


def test_an_exit_code_of_the_emulated_vamp_is_a_failure(
    emulated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "rc:5")

    with pytest.raises(StageError, match="it failed with code 5"):
        profiled(emulated, target("emulator"))
