"""The emulated vaststreamx: the rules of the module, one after the other, and its faults."""

from __future__ import annotations

import ast
import hashlib
import json
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from zoo_vastai_emulator import vamc
from zoo_vastai_emulator.launch import environment
from zoo_vastai_emulator.site import vaststreamx as vsx
from zoo_vastai_emulator.site.vaststreamx.faults import names
from zoo_vastai_emulator.site.vaststreamx.stream import DEPTH

if TYPE_CHECKING:
    from collections.abc import Callable


RGB = vsx.ImageFormat.RGB_PLANAR
RESIZE = {
    "OpType": "FUSION_OP_RGB_RESIZE_CVTCOLOR_NORM_TENSOR",
    "OpConfig": {"IimageFormat": "RGB_PLANAR", "NormaType": "DIV255"},
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled network that gives its input [1, 3, 8, 12] back, `copy/mod`, and a vdsp file."""
    folder = tmp_path_factory.mktemp("card")
    weight = np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)
    imports = [helper.make_opsetid("", 13)]
    for name, batch in (("copy", "batch"), ("four", 4)):
        graph = helper.make_graph(
            [helper.make_node("Conv", ["x", "w"], ["y"])],
            "copy",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 12])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3, 8, 12])],
            [numpy_helper.from_array(weight, "w")],
        )
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        onnx.save(model, folder / f"{name}.onnx")
        config = {
            "name": name,
            "frontend": {
                "checkpoint": str(folder / f"{name}.onnx"),
                "shape": {"x": [4, 3, 8, 12]},
            },
            "backend": {"type": "tvm_vacc", "dtype": "fp16"},
            "workspace": {"path": str(folder)},
        }
        (folder / f"{name}.yaml").write_text(json.dumps(config), encoding="utf-8")
        assert vamc.main(["compile", str(folder / f"{name}.yaml")]) == 0
    (folder / "vdsp.json").write_text(json.dumps(RESIZE), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def device() -> None:
    assert vsx.set_device(0) == 0


def image(value: int = 0, height: int = 8, width: int = 12) -> vsx.Image:
    return vsx.create_image(np.full((3, height, width), value, np.uint8), RGB, width, height, 0)


def stream(folder: Path, build: bool = True) -> Any:
    """A stream and its model operator."""
    output = vsx.ModelOperator(vsx.Model(str(folder / "copy/mod"), 1))
    graph = vsx.Graph()
    graph.add_operators(*vsx.Operator.load_ops_from_json_file(str(folder / "vdsp.json")), output)
    made = vsx.Stream(graph, vsx.StreamBalanceMode.ONCE)
    made.register_operator_output(output)
    if build:
        made.build()
    return made, output


def in_thread(call: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def test_every_thread_sets_its_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, output = stream(folder)
    calls: list[Callable[[], Any]] = [
        image,
        lambda: vsx.from_numpy(np.zeros(3), 0),
        lambda: vsx.Model(str(folder / "copy/mod")),
        lambda: made.run_sync([given]),
        lambda: made.run_async([given]),
        lambda: made.get_operator_output(output),
    ]
    given = image()
    for call in calls:
        with pytest.raises(RuntimeError, match="this thread has no device"):
            in_thread(call)
    monkeypatch.setenv("ZOO_VASTAI_EMULATED_THREADS", "shared")
    assert in_thread(image).width == 12


def test_a_device_is_a_die_and_the_same_everywhere(folder: Path) -> None:
    assert vsx.set_device(2) != 0
    assert vsx.set_device(-1) != 0
    with pytest.raises(RuntimeError, match="device 1, but this thread's device is 0"):
        vsx.create_image(np.zeros((3, 2, 2), np.uint8), RGB, 2, 2, 1)
    made, _ = stream(folder)

    def other_die() -> None:
        assert vsx.set_device(1) == 0
        made.run_async([vsx.create_image(np.zeros((3, 2, 2), np.uint8), RGB, 2, 2, 1)])

    with pytest.raises(RuntimeError, match="a stream on device 0, this thread's is 1"):
        in_thread(other_die)


def test_a_device_that_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "set-device")
    assert vsx.set_device(0) == 1
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "set-device:7")
    assert vsx.set_device(0) == 7


def test_the_card_says_that_it_is_emulated() -> None:
    (card,) = vsx.get_all_cards()
    assert (card.card_type, card.uuid) == ("EMULATED", "EMULATOR-0")
    assert vsx.get_all_cards_count() == 1
    assert [die.device_id for die in card.dies] == [0, 1]
    die = vsx.Die(1)
    assert die.temperature["temperature"][0] * 0.01 == pytest.approx(34.48)
    assert die.power["power"][3] * 1e-6 == pytest.approx(30.99)
    assert die.memory["total"] == die.memory["free"] + die.memory["used"] == 8 << 30
    assert die.utilization["ai"] == 0
    with pytest.raises(ValueError, match="no die 2"):
        vsx.Die(2)


@pytest.mark.parametrize(
    ("shape", "kind", "width", "height", "dtype"),
    [
        ((3, 4, 6), RGB, 4, 6, np.uint8),
        ((4, 6, 3), RGB, 6, 4, np.uint8),
        ((3, 4, 6), vsx.ImageFormat.BGR_INTERLEAVE, 6, 4, np.uint8),
        ((3, 4, 6), RGB, 6, 4, np.float32),
        ((3, 4, 6), RGB, 6, 4, np.int8),
        ((3, 4, 6), "RGB_PLANAR", 6, 4, np.uint8),
        ((3, 0, 6), RGB, 6, 0, np.uint8),
        ((6, 5), vsx.ImageFormat.YUV_NV12, 5, 4, np.uint8),
        ((4, 6, 1), vsx.ImageFormat.GRAY, 6, 4, np.uint8),
    ],
)
def test_images_are_what_they_are_said_to_be(
    shape: tuple[int, ...], kind: Any, width: int, height: int, dtype: Any
) -> None:
    with pytest.raises(ValueError, match="create_image"):
        vsx.create_image(np.zeros(shape, dtype), kind, width, height, 0)


def test_images_of_every_format() -> None:
    cases = {
        RGB: (3, 4, 6),
        vsx.ImageFormat.BGR_INTERLEAVE: (4, 6, 3),
        vsx.ImageFormat.GRAY: (4, 6),
        vsx.ImageFormat.YUV_NV12: (6, 6),
    }
    for kind, shape in cases.items():
        made = vsx.create_image(array=np.ones(shape, np.uint8), format=kind, width=6, height=4)
        assert (made.width, made.height, made.format) == (6, 4, kind)
        assert made.shape == list(shape)
        assert vsx.as_numpy(made).tolist() == np.ones(shape).tolist()


def test_an_image_is_a_copy() -> None:
    array = np.zeros((3, 4, 6), np.uint8)
    made = vsx.create_image(array, RGB, 6, 4, 0)
    array[:] = 9
    vsx.as_numpy(made)[:] = 7
    assert not vsx.as_numpy(made).any()


def test_colours_change_places() -> None:
    planes = np.arange(3 * 4 * 6, dtype=np.uint8).reshape(3, 4, 6)
    made = vsx.create_image(planes, RGB, 6, 4, 0)
    out = vsx.cvtcolor(made, vsx.ImageFormat.BGR_INTERLEAVE)
    assert np.array_equal(vsx.as_numpy(out), planes[::-1].transpose(1, 2, 0))
    back = vsx.cvtcolor(out, RGB)
    assert np.array_equal(vsx.as_numpy(back), planes)
    with pytest.raises(RuntimeError, match="not emulated"):
        vsx.cvtcolor(made, vsx.ImageFormat.YUV_NV12)


def test_a_model_tells_its_shapes(folder: Path) -> None:
    model = vsx.Model(str(folder / "copy/mod"), 2)
    assert (model.batch_size, model.input_count, model.output_count) == (2, 1, 1)
    assert model.input_shape == model.output_shape == [[1, 3, 8, 12]]
    assert model.max_batch_size >= 2


@pytest.mark.parametrize("suffix", [".json", ".so", ".params"])
@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_model_is_three_files(
    folder: Path, tmp_path: Path, suffix: str, content: bytes | None
) -> None:
    for file in (folder / "copy").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    changed = tmp_path / f"mod{suffix}"
    changed.unlink()
    if content is not None:
        changed.write_bytes(content)
    if (suffix, content) == (".so", b"{}"):
        return  # nothing here looks into it
    with pytest.raises(RuntimeError, match=r"missing or empty|not written by|cannot be loaded"):
        vsx.Model(str(tmp_path / "mod"))


def test_outputs_are_registered_before_build(folder: Path) -> None:
    made, output = stream(folder, build=False)
    stranger = vsx.ModelOperator(vsx.Model(str(folder / "copy/mod")))
    with pytest.raises(RuntimeError, match="not of this graph"):
        made.register_operator_output(stranger)
    with pytest.raises(RuntimeError, match="not built"):
        made.run_async([image()])
    made.build()
    with pytest.raises(RuntimeError, match="register before"):
        made.register_operator_output("late", output)
    with pytest.raises(RuntimeError, match="was not registered"):
        made.get_operator_output("late")


def test_results_come_in_order_one_list_for_each_submission(folder: Path) -> None:
    made, output = stream(folder)
    for start in range(0, 10, 2):
        assert made.run_async([image(start), image(start + 1)]) == 0
    for start in range(0, 10, 2):
        result = made.get_operator_output(output)
        assert [len(tensors) for tensors in result] == [1, 1]
        for offset, (tensor,) in enumerate(result):
            array = vsx.as_numpy(tensor)
            assert (array.dtype, array.shape) == (np.float16, (1, 3, 8, 12))
            assert tensor.shape == [1, 3, 8, 12]
            assert tensor.size == 288
            assert array.ravel()[0] == np.float16((start + offset) / np.float32(255))
    made.close_input()


def test_getting_waits_for_what_is_submitted_later(folder: Path) -> None:
    made, output = stream(folder)
    found: list[Any] = []

    def consume() -> None:
        vsx.set_device(0)
        found.append(vsx.as_numpy(made.get_operator_output(output)[0][0]).max())

    consumer = threading.Thread(target=consume)
    consumer.start()
    consumer.join(0.05)
    assert consumer.is_alive()
    made.run_async([image(255)])
    consumer.join()
    assert found == [1]


def test_value_error_after_all_is_drained(folder: Path) -> None:
    made, output = stream(folder)
    for value in range(3):
        made.run_async([image(value)])
    made.close_input()
    made.wait_until_done()
    with pytest.raises(RuntimeError, match="input is closed"):
        made.run_async([image()])
    for _ in range(3):
        assert made.get_operator_output(output)
    for _ in range(2):
        with pytest.raises(ValueError, match="closed"):
            made.get_operator_output(output)


def test_a_second_output_has_to_be_drained_too(folder: Path) -> None:
    _, output = stream(folder)
    operator = vsx.Operator.load_ops_from_json_file(str(folder / "vdsp.json"))[0]
    graph = vsx.Graph(vsx.GraphOutputType.GRAPH_OUTPUT_TYPE_NCHW_HOST)
    graph.add_operators(operator, output)
    made = vsx.Stream(graph)
    made.register_operator_output("model", output)
    shapes = [[(3, 8, 12), vsx.TypeFlag.FLOAT16]]
    made.register_operator_output("prepared", operator, shapes)
    made.build()
    count = 3 * DEPTH

    def submit() -> None:
        vsx.set_device(0)
        for _ in range(count):
            made.run_async([image(51)])

    producer = threading.Thread(target=submit, daemon=True)
    producer.start()

    def drain(name: str, number: int) -> list[Any]:
        vsx.set_device(0)
        return [made.get_operator_output(name) for _ in range(number)]

    assert len(drain("model", DEPTH)) == DEPTH
    producer.join(0.3)
    assert producer.is_alive()
    with ThreadPoolExecutor(2) as pool:
        rest = pool.submit(drain, "model", count - DEPTH)
        prepared = pool.submit(drain, "prepared", count).result()
        assert len(rest.result()) == count - DEPTH
    producer.join()
    values = vsx.as_numpy(prepared[-1][0][0])
    assert (values.shape, values.dtype) == ((1, 3, 8, 12), np.float16)
    assert values.ravel()[0] == np.float16(0.2)


def test_sync_results_are_nested_by_input(folder: Path) -> None:
    made, _ = stream(folder)
    results = made.run_sync([image(1), image(2), image(3)])
    assert [len(tensors) for tensors in results] == [1, 1, 1]
    assert [round(float(vsx.as_numpy(t).max()) * 255) for (t,) in results] == [1, 2, 3]
    with pytest.raises(TypeError, match="a list"):
        made.run_sync(image())


def test_sync_runs_may_overlap(folder: Path) -> None:
    made, _ = stream(folder)

    def run(value: int) -> int:
        vsx.set_device(0)
        return round(float(vsx.as_numpy(made.run_sync([image(value)])[0][0]).max()) * 255)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(40))) == list(range(40))


def test_a_model_alone_takes_tensors(folder: Path) -> None:
    output = vsx.ModelOperator(vsx.Model(str(folder / "four/mod"), 4))
    graph = vsx.Graph(do_copy=False)
    graph.add_operators(output)
    made = vsx.Stream(graph, vsx.StreamBalanceMode.RUN)
    made.register_operator_output(output)
    made.build()
    array = np.arange(288, dtype=np.float16).reshape(1, 3, 8, 12)
    (result,) = made.run_sync([[vsx.from_numpy(array, 0)]])
    assert np.array_equal(vsx.as_numpy(result[0]), array)
    with pytest.raises(RuntimeError, match=r"the model takes \[\(3, 8, 12\)\]"):
        made.run_sync([[vsx.from_numpy(array[..., :5], 0)]])
    with pytest.raises(RuntimeError, match="without a preprocessing operator"):
        made.run_sync([image()])


def test_the_batch_is_the_networks_own(folder: Path) -> None:
    for name, batch in (("copy", 1), ("four", 4)):
        facts = json.loads((folder / name / "mod.json").read_text())
        assert facts["batch"] == batch
        assert facts["inputs"][0]["shape"] == [4, 3, 8, 12]


def test_a_failed_sample_is_one_answer(folder: Path) -> None:
    made, output = stream(folder)
    wrong = vsx.create_image(np.zeros((8, 12, 3), np.uint8), vsx.ImageFormat.BGR_INTERLEAVE, 12, 8)
    for given in (image(1), wrong, image(3)):
        made.run_async([given])
    assert made.get_operator_output(output)
    with pytest.raises(RuntimeError, match="configured for RGB_PLANAR"):
        made.get_operator_output(output)
    assert made.get_operator_output(output)


def test_tiled_outputs_are_not_emulated() -> None:
    with pytest.raises(RuntimeError, match="884"):
        vsx.Graph(vsx.GraphOutputType.GRAPH_OUTPUT_TYPE_884_DEVICE)


RUN_ERROR = "run err, err code: 803012, vafwER_MCU_ERROR_LMCU0"


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [("run-error", Exception, RUN_ERROR), ("valueerror", ValueError, "stream is closed")],
)
def test_errors_from_an_image_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str, error: type[Exception], message: str
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", f"{kind}:3")
    made, output = stream(folder)
    for value in range(4):
        made.run_async([image(value)])
    for _ in range(2):
        made.get_operator_output(output)
    for _ in range(2):
        with pytest.raises(error, match=message) as caught:
            made.get_operator_output(output)
        assert type(caught.value) is error


def test_a_fault_follows_its_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(np.full((3, 8, 12), 5, np.uint8).tobytes()).hexdigest()
    for fault in (f"run-error-hash:{digest[:12]}", "run-error-size:9x12"):
        monkeypatch.setenv("ZOO_VASTAI_FAULT", fault)
        poison = image(5) if "hash" in fault else image(5, height=9)
        for before in (0, 2):
            made, _ = stream(folder)
            for _ in range(before):
                made.run_sync([image(4)])
            with pytest.raises(Exception, match="803012"):
                made.run_sync([poison])


def test_a_fault_that_strikes_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", f"run-error-once:{tmp_path / 'mark'}@2")
    first, _ = stream(folder)
    assert first.run_sync([image()])
    with pytest.raises(Exception, match="803012"):
        first.run_sync([image()])
    second, _ = stream(folder)
    for _ in range(3):
        assert second.run_sync([image()])


def test_a_hang_gives_no_result(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_VASTAI_FAULT", "hang:2")
    made, output = stream(folder)
    found: list[Any] = []

    def consume() -> None:
        vsx.set_device(0)
        while True:
            found.append(made.get_operator_output(output))

    consumer = threading.Thread(target=consume, daemon=True)
    consumer.start()
    for _ in range(3):
        made.run_async([image()])
    consumer.join(0.3)
    assert consumer.is_alive()
    assert len(found) == 1


CRASH = """
import numpy, sys, vaststreamx as vsx
assert vsx.EMULATED
vsx.set_device(0)
model = vsx.ModelOperator(vsx.Model(sys.argv[1] + "/copy/mod"))
graph = vsx.Graph()
graph.add_operators(vsx.Operator.load_ops_from_json_file(sys.argv[1] + "/vdsp.json")[0], model)
stream = vsx.Stream(graph)
stream.register_operator_output(model)
stream.build()
planes = numpy.zeros((3, 5, 7), numpy.uint8)
for number in range(3):
    stream.run_async([vsx.create_image(planes, vsx.ImageFormat.RGB_PLANAR, 7, 5, 0)])
    stream.get_operator_output(model)
    print(number, flush=True)
"""


def test_a_crash_ends_the_process(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for fault, shown, code in (
        ("crash:2", "0\n", -signal.SIGSEGV),
        (f"crash-once:{mark}", "", -signal.SIGSEGV),
        (f"crash-once:{mark}", "0\n1\n2\n", 0),
    ):
        env = {**environment(), "ZOO_VASTAI_FAULT": fault}
        command = [sys.executable, "-c", CRASH, str(folder)]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        assert (done.stdout, done.returncode) == (shown, code), done.stderr


def sources() -> list[Path]:
    return sorted(Path(vsx.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_the_module_is_for_python_3_8_and_needs_no_zoo(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("zoo") for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or not str(node.module).startswith("zoo")


def test_every_fault_is_in_the_table() -> None:
    from zoo_vastai_emulator.site.vaststreamx import faults

    table = str(faults.__doc__)
    for name in names():
        kind, _, way = name.rpartition("-")
        shown = f"`KIND-{way}" if way in ("size", "hash", "once") else f"`{name}"
        assert shown in table, (name, kind)
