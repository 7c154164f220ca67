"""The emulated vamp and vasmi, and commands run among the emulated tools."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_vastai_emulator import vamc, vasmi
from zoo_vastai_emulator.command import emulate
from zoo_vastai_emulator.launch import environment, programs
from zoo_vastai_emulator.site import vaststreamx as vsx
from zoo_vastai_emulator.site.vaststreamx.nms import ROWS
from zoo_vastai_emulator.vamp import main
from zoo_vastai_emulator.vamp_figures import Figures, block

from zoo_core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIZES = [(30, 41), (427, 640), (16, 16)]
NMS = {
    "type": "yolov4_nms",
    "params": {
        "num_classes": 2,
        "nms_threshold": 0.65,
        "confidence_threshold": 0.001,
        "anchor": [4, 4, 8, 8],
        "strides": [8],
    },
}
VDSP = {
    "OpType": "FUSION_OP_RGB_LETTERBOX_CVTCOLOR_NORM_TENSOR",
    "OpConfig": {
        "IimageFormat": "RGB_PLANAR",
        "IimageWidth": 20,
        "IimageHeight": 30,
        "OimageWidth": 32,
        "OimageHeight": 16,
        "NormaType": "DIV255",
    },
}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled detector `net/mod` of 16 x 32 pixels, vdsp.json, and list.txt of three npz."""
    folder = tmp_path_factory.mktemp("vamp")
    weight = np.random.default_rng(2).normal(0, 0.3, (14, 3, 8, 8)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["head"], strides=[8, 8])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 32])],
        [helper.make_tensor_value_info("head", TensorProto.FLOAT, [1, 14, 2, 4])],
        [numpy_helper.from_array(weight, "w")],
    )
    imports = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), folder / "net.onnx")
    config = {
        "name": "net",
        "frontend": {"checkpoint": str(folder / "net.onnx"), "shape": {"x": [1, 3, 16, 32]}},
        "graph": {"extra_ops": NMS},
        "backend": {"type": "tvm_vacc", "dtype": "fp16"},
        "workspace": {"path": str(folder)},
    }
    (folder / "c.yaml").write_text(json.dumps(config), encoding="utf-8")
    assert vamc.main(["compile", str(folder / "c.yaml")]) == 0
    (folder / "vdsp.json").write_text(json.dumps(VDSP), encoding="utf-8")
    lines = []
    for number, size in enumerate(SIZES):
        lines.append(str(folder / f"b{3 - number}.npz"))
        np.savez(lines[-1], input_0=pixels(size))
    (folder / "list.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


def pixels(size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(size[0]).integers(0, 256, (3, *size), np.uint8)


def words(*more: str) -> list[str]:
    return ["-m", "net/mod", "--vdsp_params", "vdsp.json", *more]


def figures(text: str) -> dict[str, list[float]]:
    """Numbers by their label; the two groups of latencies share labels."""
    found: dict[str, list[float]] = {}
    for label, value in re.findall(r"^ *(?:- )?([\w ()%°/]+): ([\d.]+)$", text, re.MULTILINE):
        found.setdefault(label, []).append(float(value))
    return found


def test_the_block_keeps_the_invariants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("-i", "2", "-p", "1", "-b", "1", "-d", "0", "-s", "[3,33,44]")) == 0

    out, error = capsys.readouterr()
    assert "emulated" in error
    head, _, body = out.partition("\n- number of instances in each device: 2\n")
    assert head.splitlines()[:7] == [
        "[max_batch_size_]: 16",
        "[input_count]: 1",
        "input[0]: [3,16,32], dtype:u1",
        "[output_count]: 3",
        f"output[0]: [1,{ROWS},1], dtype:f2",
        f"output[1]: [1,{ROWS},1], dtype:f2",
        f"output[2]: [1,{ROWS},4], dtype:f2",
    ]
    assert "*** number of instances in each device:2 ****" in head
    assert "number of samples in each process: 1024\nnumber of process:1\n" in head
    labels = [line.split(":")[0] for line in body.splitlines()]
    assert labels == [
        "devices",
        "batch size",
        "samples",
        "forwad time (s)",
        "throughput (qps)",
        "ai utilize (%)",
        "die memory used (MB)",
        "e2e latency (us)",
        *(f"    {name} latency" for name in ("avg", "min", "max")),
        "model latency (us)",
        *(f"    {name} latency" for name in ("avg", "min", "max")),
    ]
    found = figures(body)
    qps, (queued, model) = found["throughput (qps)"][0], found["avg latency"]
    assert found["samples"][0] / found["forwad time (s)"][0] == pytest.approx(qps, rel=1e-5)
    assert qps * model * 1e-4 == pytest.approx(found["ai utilize (%)"][0], abs=0.01)
    assert qps * queued * 1e-6 / 2 == pytest.approx(16.85, abs=0.1)
    assert found["min latency"][1] == found["max latency"][1] == model


def test_documented_lines_run_as_they_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("-i", "1", "p", "1", "-b", "1", "-d", "[0]", "-t", "10")) == 0
    error = capsys.readouterr().err
    assert "'p' belongs to no flag" in error
    assert "'1' belongs to no flag" in error
    long = ["--instance", "1", "--processes", "2", "--batch_size", "2", "--shape", "[3, 5, 6]"]
    assert main(words(*long, "--iterations", "20")) == 0
    out = capsys.readouterr().out
    assert "batch size: 2\nsamples: 40\n" in out
    assert "number of samples in each process: 20\nnumber of process:2\n" in out


@pytest.mark.parametrize(
    "more", [["--percentile", "99"], ["-s", "3,5,6"], ["-i", "0"], ["--vdsp", "x"], ["-d", "x"]]
)
def test_what_is_no_flag_is_refused(more: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words(*more))
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["-m", "none/mod"], "none/mod.json is missing or empty"),
        (["--vdsp_params", "none.json"], "none.json"),
        (["--datalist", "none.txt"], "none.txt"),
        (["-d", "7"], r"set_device\(7\) failed"),
    ],
)
def test_what_is_not_there(
    changes: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(*changes)) == 1
    assert re.search(f"vamp: error: .*{message}", capsys.readouterr().err)


def stored(made: Path, folder: Path) -> dict[str, list[NDArray[Any]]]:
    assert main(words("--datalist", "list.txt", "--path_output", str(folder))) == 0
    found = {}
    for path in sorted(folder.iterdir()):
        with np.load(path) as arrays:
            assert arrays.files == ["output_0", "output_1", "output_2"]
            found[path.name] = [arrays[name] for name in arrays.files]
    return found


def test_outputs_are_named_by_their_line_and_equal_the_streams(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = stored(made, tmp_path / "out" / "deep")

    assert list(found) == [f"output_{number:06d}.npz" for number in range(3)]
    assert "samples: 3\n" in capsys.readouterr().out
    vsx.set_device(0)
    graph, model = vsx.Graph(), vsx.ModelOperator(vsx.Model("net/mod"))
    graph.add_operators(*vsx.Operator.load_ops_from_json_file("vdsp.json"), model)
    stream = vsx.Stream(graph)
    stream.register_operator_output(model)
    stream.build()
    for size, arrays in zip(SIZES, found.values(), strict=True):
        kind = vsx.ImageFormat.RGB_PLANAR
        image = vsx.create_image(pixels(size), kind, size[1], size[0], 0)
        (tensors,) = stream.run_sync([image])
        assert [array.shape for array in arrays] == [(1, ROWS, 1), (1, ROWS, 1), (1, ROWS, 4)]
        for array, tensor in zip(arrays, tensors, strict=True):
            assert array.dtype == np.float16
            assert np.array_equal(array, vsx.as_numpy(tensor))
        ids, scores, _ = arrays
        count = int((ids >= 0).sum())
        assert 0 < count < ROWS
        assert (ids[0, count:] == -1).all()
        assert (np.diff(scores[0, :count, 0].astype(float)) <= 0).all()


def test_a_list_that_names_what_is_no_image(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "a.npz", other=np.zeros(3))
    np.savez(tmp_path / "b.npz", input_0=np.zeros((3, 4, 4), np.float32))
    for name in ("a.npz", "b.npz", "c.npz"):
        listed = tmp_path / "l.txt"
        listed.write_text(str(tmp_path / name), encoding="utf-8")
        assert main(words("--datalist", str(listed), "--path_output", str(tmp_path / "o"))) == 1
        assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "numbers"),
    [("missing-npz:1", [0, 2]), ("extra-npz", [0, 1, 2, 3]), ("stale-npz:1", [0, 1, 2])],
)
def test_faults_of_the_files(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, numbers: list[int]
) -> None:
    whole = stored(made, tmp_path / "whole")
    monkeypatch.setenv("ZOO_VASTAI_FAULT", fault)
    found = stored(made, tmp_path / "faulty")
    assert list(found) == [f"output_{number:06d}.npz" for number in numbers]
    age = time.time() - (tmp_path / "faulty" / list(found)[1]).stat().st_mtime
    is_stale = fault.startswith("stale")
    assert (age > 3000) == is_stale
    same = [
        name
        for name, arrays in found.items()
        if name in whole and all(map(np.array_equal, arrays, whole[name]))
    ]
    assert len(same) == (2 if fault != "extra-npz" else 3)


def lines(*faults: str) -> list[str]:
    made = Figures(instances=1, devices=(0,), batch=1, samples=1024, model_us=7749, memory_mb=883.2)
    return block(made, dict.fromkeys(faults, ""))


def test_faults_of_the_block() -> None:
    plain = lines()
    assert plain[5] == "throughput (qps): 124.085"
    assert plain[4] == "forwad time (s): 8.25241"
    noisy = lines("garbage-line")
    assert [line for line in noisy if line not in plain] == [noisy[4]]
    assert lines("indent") == [f"    {line}" for line in plain]
    wrong = lines("wrong-invariant")
    assert [line for line in wrong if line not in plain] == ["throughput (qps): 62.0425"]
    old = lines("format-a")
    assert not [line for line in old if line.startswith(("samples", "forwad"))]
    assert "card power (W): 35.6416" in old
    assert old[7] == "throughput (qps): 124.085"
    assert sum(line.startswith("    p") for line in old) == 8


def test_an_exit_code_after_all_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "rc:9")
    assert main(words()) == 9
    assert "model latency" in capsys.readouterr().out


def test_vasmi_lists_what_says_that_it_is_emulated(capsys: pytest.CaptureFixture[str]) -> None:
    assert vasmi.main(["list", "--display-format=json"]) == 0
    text = capsys.readouterr().out
    listed = json.loads(text)
    assert listed["emulated"] is True
    assert {entry["card_type"] for entry in listed["devices"]} == {"EMULATED"}
    assert text.count("aic") == sum(len(entry["cores"]) for entry in listed["devices"]) == 4
    assert vasmi.main(["list"]) == 0
    assert "EMULATED" in capsys.readouterr().out


def test_vasmi_tells_mode_and_clocks_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    assert vasmi.main(["getcardmode", "-d", "0"]) == 0
    assert vasmi.main(["getfreq", "-d", "0", "-i", "0"]) == 0
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "Smi version:3.2.1",
        "SPI production for Bbox mode information of",
        "=" * 69,
        "Appointed Entry:0 Device_Id:0 Die_Id:0 Die_Index:0x00000000",
        "-" * 69,
        "#               Field Name                    Value",
        "0              FileVersion                       V2",
        "1                 CardType                 EMULATED",
        "2                      S/N                 EMULATOR",
        "3                 BboxMode              Highperf-AI",
        "=" * 69,
        "=" * 69,
        "Appointed Entry:0 Device_Id:0 Die_Id:0 Die_Index:0x00000000",
        "-" * 69,
        "OCLK:       880 MHz    ODSPCLK:    835 MHz    VCLK:       300 MHz",
        "ECLK:        20 MHz    DCLK:        20 MHz    VDSPCLK:    900 MHz",
        "UCLK:      1067 MHz    V3DCLK:     100 MHz    CCLK:      1000 MHz",
        "XSPICLK:     50 MHz    PERCLK:     200 MHz    CEDARCLK:   500 MHz",
    ]


def test_vasmi_that_is_absent_or_asked_for_another_die(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vasmi.main(["getfreq", "-d", "2"]) == 1
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "not-found")
    assert vasmi.main(["list"]) == 127
    assert "not found" in capsys.readouterr().err


def test_the_environment_leads_to_the_emulated_tools() -> None:
    env = environment({"PATH": "/usr/bin:/bin", "PYTHONPATH": "/mine", "A": "b"})
    first, rest = env["PATH"].split(os.pathsep, 1)
    assert (rest, env["A"]) == ("/usr/bin:/bin", "b")
    assert env["PYTHONPATH"].split(os.pathsep)[1:] == ["/mine"]
    assert environment(env) == env
    for name in ("vamc", "vamp", "vasmi"):
        assert os.access(Path(first) / name, os.X_OK)
        assert programs()[name][0] == sys.executable
    done = subprocess.run(["vasmi", "list"], env=env, check=True, capture_output=True, text=True)
    assert "EMULATED" in done.stdout
    command = [sys.executable, "-c", "import vaststreamx as v; print(v.EMULATED, v.__version__)"]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("True 2.8")


def test_any_command_among_the_emulated_tools(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    line = "vamp -m net/mod --vdsp_params vdsp.json -i 1 p 1 -b 1"
    assert emulate(line.split()) == 0
    out, error = capfd.readouterr()
    assert "throughput (qps)" in out
    assert "everything below is emulated" in error
    assert emulate(["sh", "-c", "exit 7"]) == 7
    assert emulate(["sh", "-c", "kill -TERM $$"]) == 128 + signal.SIGTERM
    assert emulate(["no-such-program"]) == 127
    assert emulate(["vamc", "compile", "c.yaml"], fault=["segfault"]) == 128 + signal.SIGSEGV
    assert emulate(["vamc", "compile", "c.yaml"], fault=["slow:0", "tvmerror"]) == 1
    assert "TVMError" in capfd.readouterr().err
    with pytest.raises(UsageError, match="no fault is named 'oops'"):
        emulate(["true"], fault=["oops"])


def test_threads_share_a_device_unless_told_to_be_strict() -> None:
    script = "import threading, vaststreamx as v, numpy as n\nv.set_device(0)\nx = []\n"
    script += "t = threading.Thread(target=lambda: x.append(v.from_numpy(n.zeros(1), 0)))\n"
    script += "t.start(); t.join()\nraise SystemExit(len(x))"
    command = [sys.executable, "-W", "ignore", "-c", script]
    assert emulate(command) == 1
    assert emulate(command, strict=True) == 0
