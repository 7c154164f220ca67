from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zoo_vastai
from zoo_vastai.files.images import find_images, images_to_npz
from zoo_vastai.formats.config import read_config
from zoo_vastai.formats.vdsp import read_vdsp
from zoo_vastai_emulator.launch import environment
from zoo_vastai_lint.run import lint

from zoo_core.errors import UsageError
from zoo_core.testing.examples import noise
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .conftest import Case


def emitted(case: Case, place: Path) -> Path:
    """The emitted folder, moved away from all that it was made of."""
    stages = zoo_vastai._offline_builder().stages(case.request)
    assert stages[-1].name == "emit"
    assert stages[-1].outputs == ("files",)
    shutil.copytree(case.run(stages)["emit"] / "files", place)
    shutil.rmtree(case.folder / "store")
    return place


def script(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(folder / "compile.sh"), *arguments],
        env=environment() if env is None else dict(env),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_files_are_whole_without_the_sdk(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    folder = emitted(case.with_(precision="int8", device="0"), tmp_path / "carried")
    config = read_config(folder / "config.yaml")

    assert sorted(path.name for path in folder.iterdir()) == [
        "README.txt", "build.json", "calibration", "calibration.txt", "compile.sh", "config.yaml",
        "graph", "vdsp.json",
    ]  # fmt: skip
    assert (folder / config.frontend.checkpoint).is_file()
    assert config.dataset is not None
    assert config.dataset.path is not None
    assert config.dataset.sampler is not None
    images = sorted((folder / config.dataset.path).iterdir())
    assert config.dataset.sampler.get_data_num == len(images) == 4
    listed = (folder / "calibration.txt").read_text(encoding="utf-8").split()
    assert [folder / line for line in listed] == images
    assert read_vdsp(folder / "vdsp.json").image_format == "RGB_PLANAR"
    for name in ("config.yaml", "compile.sh", "README.txt", "build.json"):
        assert str(tmp_path) not in (folder / name).read_text(encoding="utf-8")


def test_lint_finds_nothing_in_what_zoo_tells_of_a_build(case: Case, tmp_path: Path) -> None:
    folder = emitted(case.with_(device="0"), tmp_path / "carried")
    (folder / "other.json").write_text('{"name": "of another program"}', encoding="utf-8")
    told = {Path(report.path).name: report for report in lint([folder])}

    assert told["build.json"].findings == ()
    assert [finding.rule for finding in told["other.json"].findings] == ["unknown-file"]


@pytest.mark.parametrize("options", [{}, {"nms": "host"}])
def test_the_folder_compiles_and_stores_outputs_elsewhere(
    case: Case, tmp_path: Path, options: dict[str, str]
) -> None:
    """On the emulator, from the shell, with inputs whose list was made at another place."""
    folder = emitted(case.with_(device="0", options=options), tmp_path / "carried")
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        write_image(tmp_path / "pictures" / f"{number}.png", noise(40, 70, number))
    images_to_npz(
        find_images(tmp_path / "pictures"), tmp_path / "made" / "npz", tmp_path / "made" / "l.txt"
    )
    shutil.move(tmp_path / "made" / "npz", folder / "npz")
    shutil.move(tmp_path / "made" / "l.txt", folder / "npz_datalist.txt")

    done = script(folder)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((folder / "build.json").read_text(encoding="utf-8"))
    for piece in ("json", "so", "params"):
        assert (folder / f"{told['prefix']}.{piece}").stat().st_size
    assert "throughput (qps):" in (folder / "vamp.txt").read_text(encoding="utf-8")
    stored = sorted((folder / "npz_output").iterdir())
    assert [path.name for path in stored] == [f"output_{n:06d}.npz" for n in range(3)]
    with np.load(stored[0]) as arrays:
        assert len(arrays.files) == (2 if options else 3)


def test_compiling_and_measuring_may_be_done_apart(case: Case, tmp_path: Path) -> None:
    folder = emitted(case.with_(device="0"), tmp_path / "carried")
    early = script(folder, "measure")
    assert early.returncode == 1
    assert "there is no deploy_weights/" in early.stderr

    assert script(folder, "compile").returncode == 0
    assert not (folder / "vamp.txt").exists()
    assert script(folder, "measure").returncode == 0
    assert script(folder, "mesure").returncode == 2


def test_a_machine_without_vamc_is_told(case: Case, tmp_path: Path) -> None:
    folder = emitted(case.with_(device="0"), tmp_path / "carried")
    done = script(folder, env={"PATH": os.pathsep.join(("/usr/bin", "/bin"))})

    assert done.returncode == 5
    assert done.stderr == "vamc is not on PATH: install the SDK\n"


@pytest.mark.parametrize("fault", ["tvmerror", "segfault", "missing-file:mod.so", "empty-file"])
def test_a_failed_compilation_fails_the_script(case: Case, tmp_path: Path, fault: str) -> None:
    folder = emitted(case.with_(device="0"), tmp_path / "carried")
    done = script(folder, env={**environment(), "ZOO_VASTAI_FAULT": fault})

    assert done.returncode not in (0, 2, 5)
    assert "compiled:" not in done.stdout


def test_the_readme_says_how_outputs_come_back(case: Case, tmp_path: Path) -> None:
    folder = emitted(case.with_(options={"nms": "device"}, device="0"), tmp_path / "carried")
    text = (folder / "README.txt").read_text(encoding="utf-8")

    assert "--device files --option outputs=npz_output" in text
    assert "--option nms=device" in text
    assert "conf 0.001 and NMS IoU 0.65 are part of the build" in text


def test_what_is_stored_already_is_not_emitted(case: Case) -> None:
    with pytest.raises(UsageError, match="--emit-only writes what a card is compiled for"):
        zoo_vastai._offline_builder().stages(case.with_(device="files").request)
