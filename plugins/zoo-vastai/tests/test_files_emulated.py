"""The emulated tools: what streams through vaststreamx and what vamp leaves in files are one."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import zoo_vastai
from zoo_vastai.files.adopt import adopt
from zoo_vastai.files.images import find_images, images_to_npz
from zoo_vastai.sdk.tools import tools
from zoo_vastai.stream.runtime import VastaiRuntime

from zoo_core.api import Target
from zoo_core.errors import SampleError
from zoo_core.plugins.manager import Plugins
from zoo_core.testing.contracts.compiled import TinyCompile
from zoo_core.testing.stages import run_stages
from zoo_core.vision import read_rgb

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIZES = ((31, 47), (64, 48), (33, 20), (7, 90))
TARGET = Target(backend="vastai", precision="fp16", device="emulator", options={"queue": "3"})


def compiled(folder: Path, batch: int = 1) -> Path:
    """The kit's tiny graph, by the emulated vamc."""
    plugins = Plugins([zoo_vastai])
    backend = plugins.backend("vastai")
    compiler = plugins.compiler("vastai")
    case = TinyCompile(backend=backend, compiler=compiler, precision="fp16")
    request = replace(case.request(), target=replace(TARGET, batch=batch, options={}))
    stages = compiler.stages(request)
    return run_stages([*case.before(), *stages], folder, plugins)[stages[-1].name]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(3)
    for number, size in enumerate(SIZES):
        pixels = random.integers(0, 255, (*size, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{9 - number}.png"), pixels)
    return find_images(folder)


def planes(path: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(read_rgb(path).transpose(2, 0, 1))[None]


def streamed(artefact: Path, pictures: dict[str, Path], hint: str) -> list[NDArray[Any]]:
    with VastaiRuntime().open(artefact, TARGET, hint) as session:
        (output,) = session.outputs

        def one(path: Path) -> NDArray[Any]:
            return np.asarray(session.run({"image": planes(path)})[output.name])

        with ThreadPoolExecutor(session.workers) as pool:
            return list(pool.map(one, pictures.values()))


def test_both_routes_give_the_same(
    artefact: Path, pictures: dict[str, Path], tmp_path: Path
) -> None:
    through, single = (streamed(artefact, pictures, h) for h in ("throughput", "latency"))
    datalist, outputs = tmp_path / "list.txt", tmp_path / "vamp"
    images_to_npz(pictures, tmp_path / "npz", datalist)
    found = tools("emulator", {})
    command = [*found.vamp, "-m", str(artefact / "mod"), "--vdsp_params"]
    command += [str(artefact / "vdsp.json"), "-i", "1", "-p", "1", "-b", "1", "-d", "0"]
    command += ["--datalist", str(datalist), "--path_output", str(outputs)]
    done = subprocess.run(command, env=dict(found.env), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    out = tmp_path / "adopted"
    out.mkdir()
    context: Any = SimpleNamespace(
        params={"precision": "fp16", "form": "heads", "heads": ["head0"]},
        inputs={},
        locations={"outputs": str(outputs), "datalist": str(datalist)},
        out=out,
        log=tmp_path / "log.txt",
        progress=lambda *_: None,
    )
    adopt(context)
    with VastaiRuntime().open(out, replace(TARGET, device="files")) as session:
        stored = [session.run({"name": np.array([name])})["head0"] for name in pictures]
    assert len({array.tobytes() for array in stored}) == len(SIZES)
    for ways in zip(through, single, stored, strict=True):
        for array in ways:
            assert array.dtype == np.float32
            assert np.array_equal(array, ways[0])


def test_a_batch_gives_what_single_images_do(
    artefact: Path, pictures: dict[str, Path], tmp_path: Path
) -> None:
    double = compiled(tmp_path / "double", batch=2)
    for one, other in zip(
        streamed(artefact, pictures, "latency"),
        streamed(double, pictures, "throughput"),
        strict=True,
    ):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("crash", "killed by SIGSEGV"),
        ("valueerror", "ValueError: stream is closed"),
        ("run-error", "run err, err code: 803012"),
    ],
)
def test_a_fault_of_the_sdk_names_one_image(
    artefact: Path,
    pictures: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    message: str,
) -> None:
    monkeypatch.setitem(os.environ, "ZOO_VASTAI_FAULT", f"{kind}-size:33x20")
    good = bad = 0
    with VastaiRuntime().open(artefact, TARGET, "throughput") as session:

        def one(path: Path) -> Any:
            try:
                return session.run({"image": planes(path)})
            except SampleError as error:
                return error

        with ThreadPoolExecutor(session.workers) as pool:
            results = list(pool.map(one, pictures.values()))
    for path, result in zip(pictures.values(), results, strict=True):
        if read_rgb(path).shape[:2] == (33, 20):
            assert message in str(result)
            bad += 1
        else:
            assert not isinstance(result, SampleError)
            good += 1
    assert (good, bad) == (3, 1)
