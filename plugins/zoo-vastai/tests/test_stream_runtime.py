from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest
from zoo_vastai.sdk.tools import Tools
from zoo_vastai.stream import runtime as module
from zoo_vastai.stream.runtime import VastaiRuntime, dies

from zoo_core.api import Target
from zoo_core.errors import DataError, SampleError, StageError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SDK = Path(__file__).with_name("stream_sdk")
PYTHON = os.environ.get("ZOO_TEST_SDK_PYTHON", sys.executable)
"""Set it to another Python that has NumPy, as old as 3.8, to test the worker under that one."""
CRASH, HANG, VALUE_ERROR, RUN_ERROR, REFUSE, EXIT, ONCE, STATUS, SHORT = range(201, 210)
FAULTS = {
    CRASH: "killed by SIGSEGV, also with nothing beside it",
    VALUE_ERROR: "get_operator_output: ValueError: stream is closed, also",
    RUN_ERROR: "803012",
    EXIT: "exit status 3",
    STATUS: "run_async gives status 7",
    SHORT: "the SDK gives 0 results for 1 images",
}


def target(device: str = "0", **options: str) -> Target:
    return Target(backend="vastai", precision="fp16", device=device, options=options)


def image(number: int, height: int = 5, width: int = 7, fault: int = 0) -> NDArray[np.uint8]:
    pixels = np.full((1, 3, height, width), 9, np.uint8)
    pixels[0, 0, 0, 0] = fault
    pixels[0, 1, 0, 0] = number
    return pixels


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    folder = tmp_path / "artefact"
    folder.mkdir()
    for name in ("mod.json", "mod.so", "mod.params", "vdsp.json"):
        (folder / name).write_text("{}\n", encoding="utf-8")
    return describe(folder)


def describe(folder: Path, **changes: Any) -> Path:
    data: dict[str, Any] = {
        "format": "vastai",
        "model": "mod",
        "vdsp": "vdsp.json",
        "precision": "fp16",
        "batch": 1,
        "emulated": False,
        "form": "nms",
        "inputs": [{"name": "image", "shape": [1, 3, "height", "width"], "dtype": "uint8"}],
        "outputs": [
            {"name": "ids", "shape": [1, 4, 1], "dtype": "float32"},
            {"name": "scores", "shape": [1, 4, 1], "dtype": "float32"},
            {"name": "boxes", "shape": [1, 4, 4], "dtype": "float32"},
        ],
    }
    text = json.dumps({**data, **changes})
    (folder / "artefact.json").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def sdk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The stand-in is found; nothing that a test started is left: process, thread, or log."""
    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(logs))
    env = {**os.environ, "PYTHONPATH": str(SDK), "STREAM_SDK_ONCE": str(tmp_path / "once")}
    found = Tools(vamc=(), vamp=(), vasmi=(), python=(PYTHON,), env=env, emulated=False)
    monkeypatch.setattr(module, "tools", lambda *_, **__: found)
    threads, children = set(threading.enumerate()), set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= children
    assert set(threading.enumerate()) <= threads


def run_all(session: Any, images: list[NDArray[np.uint8]]) -> list[Any]:
    """Results in order; an error stands in the place of its image."""

    def one(pixels: NDArray[np.uint8]) -> Any:
        try:
            return session.run({"image": pixels})
        except SampleError as error:
            return error

    with ThreadPoolExecutor(session.workers) as pool:
        return list(pool.map(one, images))


def test_every_image_gets_its_own_result(artefact: Path) -> None:
    images = [image(number, 3 + number % 5, 4 + number % 7) for number in range(60)]
    with VastaiRuntime().open(artefact, target("0,1", queue="3"), "throughput") as session:
        assert session.input_kind == "image"
        assert session.workers == 6
        found = run_all(session, images)
    most, devices = 0, set()
    for number, arrays in enumerate(found):
        assert list(arrays) == ["ids", "scores", "boxes"]
        assert all(array.dtype == np.float32 for array in arrays.values())
        assert arrays["ids"].shape == (1, 4, 1)
        assert arrays["ids"][0, 0, 0] == number
        height, width = images[number].shape[2:]
        assert arrays["boxes"][0, 0].tolist() == [0, 0, width, height]
        most = max(most, int(arrays["boxes"][0, 1, 0]))
        devices.add(int(arrays["boxes"][0, 1, 1]))
    assert devices == {0, 1}
    assert 1 < most <= 3


def test_latency_is_synchronous_and_on_one_die(artefact: Path) -> None:
    with VastaiRuntime().open(artefact, target("1,0")) as session:
        assert session.workers == 1
        boxes = session.run({"image": image(3)})["boxes"]
    assert boxes[0, 1, 1:3].tolist() == [1, 1]


@pytest.mark.parametrize("fault", FAULTS)
def test_one_bad_image_costs_only_itself(artefact: Path, fault: int) -> None:
    images = [image(number, fault=fault if number == 5 else 0) for number in range(12)]
    with VastaiRuntime().open(artefact, target(queue="4"), "throughput") as session:
        found = run_all(session, images)
    assert isinstance(found[5], SampleError)
    assert FAULTS[fault] in str(found[5])
    good = [int(arrays["ids"][0, 0, 0]) for arrays in found if not isinstance(arrays, SampleError)]
    assert good == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]


def test_a_hanging_image_is_given_up(artefact: Path) -> None:
    images = [image(number, fault=HANG if number == 2 else 0) for number in range(5)]
    options = target(queue="2", timeout="1.5")
    with VastaiRuntime().open(artefact, options, "throughput") as session:
        found = run_all(session, images)
    assert "no answer from the device within 1.5 s, also" in str(found[2])
    assert [int(a["ids"][0, 0, 0]) for n, a in enumerate(found) if n != 2] == [0, 1, 3, 4]


def test_what_fails_once_is_made_good(artefact: Path) -> None:
    images = [image(number, fault=ONCE if number == 1 else 0) for number in range(4)]
    with VastaiRuntime().open(artefact, target(), "throughput") as session:
        found = run_all(session, images)
    assert [int(arrays["ids"][0, 0, 0]) for arrays in found] == [0, 1, 2, 3]
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_no_image_is_blamed_for_its_place(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every third image of a process brings it down, whichever it is."""
    env = {**module.tools().env, "STREAM_SDK_NTH": "3"}  # type: ignore[call-arg]
    found = Tools(vamc=(), vamp=(), vasmi=(), python=(PYTHON,), env=env, emulated=False)
    monkeypatch.setattr(module, "tools", lambda *_, **__: found)
    images = [image(number) for number in range(7)]
    with VastaiRuntime().open(artefact, target(queue="3"), "throughput") as session:
        results = run_all(session, images)
    assert [int(arrays["ids"][0, 0, 0]) for arrays in results] == list(range(7))


def test_a_refused_image_needs_no_restart(artefact: Path) -> None:
    for hint in ("latency", "throughput"):
        with VastaiRuntime().open(artefact, target(restarts="0"), hint) as session:
            first = session.run({"image": image(1)})["boxes"][0, 1, 3]
            with pytest.raises(SampleError, match="create_image: RuntimeError: width must be even"):
                session.run({"image": image(2, fault=REFUSE)})
            assert session.run({"image": image(3)})["boxes"][0, 1, 3] == first


def test_restarts_are_bounded(artefact: Path) -> None:
    with VastaiRuntime().open(artefact, target(restarts="1"), "throughput") as session:
        with pytest.raises(SampleError, match="SIGSEGV, also"):
            session.run({"image": image(1, fault=CRASH)})
        with pytest.raises(StageError) as caught:
            session.run({"image": image(2)})
        assert not isinstance(caught.value, SampleError)
        assert "failed, after 1 restarts: " in str(caught.value)
        assert "Segmentation fault" in str(caught.value)
        log = Path(caught.value.where.removeprefix("log "))
        assert "the SDK greets on stdout" in log.read_text(encoding="utf-8")
        with pytest.raises(StageError, match="after 1 restarts"):
            session.run({"image": image(3)})


def test_the_log_goes_where_nothing_failed(artefact: Path) -> None:
    with VastaiRuntime().open(artefact, target()):
        assert list(Path(tempfile.gettempdir()).iterdir())
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_a_batch_is_filled(artefact: Path) -> None:
    describe(artefact, batch=4)
    with VastaiRuntime().open(artefact, target(queue="6"), "throughput") as session:
        found = run_all(session, [image(number) for number in range(11)])
        alone = session.run({"image": image(77)})
    assert [int(arrays["ids"][0, 0, 0]) for arrays in found] == list(range(11))
    assert alone["ids"][0, 0, 0] == 77


def test_closing_ends_a_hanging_worker_and_those_who_wait(artefact: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with VastaiRuntime().open(artefact, target(), "throughput") as session:
            waiting = pool.submit(session.run, {"image": image(1, fault=HANG)})
            time.sleep(0.3)
        with pytest.raises(StageError, match="closed"):
            waiting.result(10)
    with pytest.raises(UsageError, match="closed"):
        session.run({"image": image(1)})


def test_an_interrupt_leaves_nothing_behind(artefact: Path) -> None:
    def interrupted() -> None:
        with VastaiRuntime().open(artefact, target()) as session:
            session.run({"image": image(1)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_ends_the_wait_for_a_model_leaves_nothing_behind(
    artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            raise error

    script = tmp_path / "slow.py"
    script.write_text("import time; time.sleep(60)")
    monkeypatch.setattr("zoo_vastai.stream.process.SCRIPT", script)
    monkeypatch.setattr("zoo_vastai.stream.process.Event", Ended)
    with pytest.raises(error):
        VastaiRuntime().open(artefact, target()).__enter__()
    assert not list(Path(tempfile.gettempdir()).iterdir())


def test_a_log_that_an_error_names_is_there(artefact: Path) -> None:
    (artefact / "mod.json").write_text("broken", encoding="utf-8")
    with pytest.raises(StageError) as caught:
        VastaiRuntime().open(artefact, target()).__enter__()
    assert Path(caught.value.where.removeprefix("log ")).is_file()
    with pytest.raises(UnavailableError):
        VastaiRuntime().open(artefact, target("7")).__enter__()
    assert len(list(Path(tempfile.gettempdir()).iterdir())) == 1


def test_facts_of_the_device(artefact: Path) -> None:
    with VastaiRuntime().open(artefact, target("0,1"), "throughput") as session:
        facts = session.facts()  # type: ignore[attr-defined]
    assert facts["cards"] == [["TEST-1", "u-1"]]
    assert facts["die_1_power_w"] == pytest.approx(30.99)
    assert facts["die_0_temperature_c"] == pytest.approx(34.48)


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"images": image(1)}, "only input is 'image'"),
        ({"image": image(1).astype(np.float32)}, "float32"),
        ({"image": image(1)[0]}, r"\[3, 5, 7\], not uint8"),
        ({"image": np.zeros((2, 3, 4, 4), np.uint8)}, "not uint8"),
    ],
)
def test_wrong_feeds_are_refused(artefact: Path, feeds: Any, message: str) -> None:
    with (
        VastaiRuntime().open(artefact, target()) as session,
        pytest.raises(UsageError, match=message),
    ):
        session.run(feeds)


def test_outputs_that_are_not_the_artefacts(artefact: Path) -> None:
    specs = [{"name": name, "shape": [1, 5, 1], "dtype": "float32"} for name in "abc"]
    describe(artefact, outputs=specs)
    with VastaiRuntime().open(artefact, target()) as session, pytest.raises(StageError) as caught:
        session.run({"image": image(1)})
    assert "gives 'a' as [1, 4, 1], not [1, 5, 1]" in str(caught.value)


def test_without_sdk_die_or_model(artefact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError, match=r"set_device\(7\): RuntimeError: status 5"):
        VastaiRuntime().open(artefact, target("7")).__enter__()
    (artefact / "vdsp.json").write_text("none", encoding="utf-8")
    with pytest.raises(StageError, match="there is no operator in "):
        VastaiRuntime().open(artefact, target()).__enter__()
    (artefact / "mod.json").write_text("broken", encoding="utf-8")
    with pytest.raises(StageError, match="cannot be loaded: RuntimeError: cannot load the model"):
        VastaiRuntime().open(artefact, target()).__enter__()
    bare = Tools(vamc=(), vamp=(), vasmi=(), python=(PYTHON,), env=dict(os.environ), emulated=False)
    monkeypatch.setattr(module, "tools", lambda *_, **__: bare)
    with pytest.raises(UnavailableError, match="vaststreamx cannot be imported: ModuleNotFound"):
        VastaiRuntime().open(artefact, target()).__enter__()
    gone = Tools(vamc=(), vamp=(), vasmi=(), python=("/no/python",), env={}, emulated=False)
    monkeypatch.setattr(module, "tools", lambda *_, **__: gone)
    with pytest.raises(UnavailableError, match="/no/python: the SDK's interpreter cannot be"):
        VastaiRuntime().open(artefact, target()).__enter__()


def test_an_answer_that_is_none(
    artefact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "other.py"
    script.write_text("import time; print('hello, hello', flush=True); time.sleep(60)")
    monkeypatch.setattr("zoo_vastai.stream.process.SCRIPT", script)
    with pytest.raises(StageError, match="the worker's answer cannot be read: b'hello, hello' is"):
        VastaiRuntime().open(artefact, target()).__enter__()


def test_artefacts_are_checked(artefact: Path) -> None:
    def refused(device: str = "0") -> str:
        with pytest.raises((DataError, StageError, UsageError)) as caught:
            VastaiRuntime().open(artefact, target(device)).__enter__()
        return str(caught.value)

    assert "the emulator cannot run; compile with --device emulator" in refused("emulator")
    describe(artefact, emulated=True)
    assert "device '0' is real; compile with the vendor's vamc" in refused()
    describe(artefact)
    (artefact / "mod.params").write_bytes(b"")
    assert "mod.params: is empty; compile again" in refused()
    (artefact / "mod.params").unlink()
    assert "has no mod.params" in refused()
    describe(artefact, format="onnx")
    assert "has the format 'onnx', not 'vastai'" in refused()
    (artefact / "artefact.json").write_text("{", encoding="utf-8")
    assert "cannot be read" in refused()
    (artefact / "artefact.json").unlink()
    assert "holds no artefact" in refused()


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("x", "'x' is not a die"),
        ("0,emulator", "not a die"),
        ("0,0", "twice"),
        ("-1", "not a die"),
        ("²", "not a die"),
    ],
)
def test_devices_are_dies(device: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dies(target(device))


@pytest.mark.parametrize(
    "options", [{"queue": "0"}, {"timeout": "x"}, {"restarts": "1.5"}, {"timeout": "inf"}]
)
def test_options_are_checked(artefact: Path, options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        VastaiRuntime().open(artefact, target(**options)).__enter__()
