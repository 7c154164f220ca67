"""`zoo package`: what is written runs, and gives the run's results, where zoo is not installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

import zoo_core

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "package.json"
SAMPLE = ("--assets", "sample", "--limit", "5", "--no-bench", "--output", "run")
real_data = pytest.mark.skipif(
    "ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset: no real images here"
)


@pytest.fixture(scope="module")
def without_zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with all packages of this one, but nothing of zoo."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    told = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    site = Path(told.stdout.strip())
    for item in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not item.name.startswith(("zoo", "_zoo")) and item.suffix not in (".pth", ".egg-link"):
            (site / item.name).symlink_to(item)
    absent = subprocess.run(
        [python, "-I", "-c", "import zoo_core"], capture_output=True, check=False
    )
    assert absent.returncode == 1
    return python


@pytest.fixture
def own(zoo: Zoo, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    monkeypatch.setenv("ZOO_HOME", str(shared_home))
    return zoo


def verified(python: Path, package: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-I", str(package / "verify.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("yolov4-tianxiaomo", ("--precision", "int8")),
        ("yolov4-tianxiaomo", ("--backend", "openvino", "--option", "cache=none")),
        ("crops-classifier", ("--precision", "int8")),
        ("scenes-segmenter", ("--backend", "openvino", "--precision", "int8")),
    ],
)
def test_a_package_of_the_sample_runs_without_zoo(
    own: Zoo, tmp_path: Path, without_zoo: Path, model: str, options: tuple[str, ...]
) -> None:
    assert own("run", model, *SAMPLE, *options).code == 0
    made = own("package", "run", "-o", "packed", "--images", "3", "--json", "-")
    assert made.code == 0, made.stderr
    document = json.loads(made.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    packed = tmp_path / "packed"

    assert json.loads((packed / "package.json").read_text()) == document
    assert set(document["files"]) == {
        path.relative_to(packed).as_posix()
        for path in packed.rglob("*")
        if path.is_file() and path.name not in ("package.json", ".zoo-files.json")
    }
    done = verified(without_zoo, packed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3 of 3 images agree with the run of zoo"
    assert done.stdout.count(": equal: ") == 3
    text = (packed / "model.py").read_text()
    assert not re.search(r"^\s*(from|import) zoo", text, re.MULTILINE)
    image = next((packed / "golden" / "images").iterdir())
    command = [str(without_zoo), "-I", str(packed / "model.py"), str(image)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["image"] == str(image)


@pytest.fixture
def packed(own: Zoo, tmp_path: Path) -> Path:
    assert own("run", "crops-classifier", *SAMPLE).code == 0
    assert own("package", "run", "-o", "packed", "--no-images").code == 0
    return tmp_path / "packed"


def change_golden(packed: Path, edit: Any, update: bool = True) -> Path:
    from hashlib import sha256

    path = sorted((packed / "golden").glob("*.npz"))[0]
    with np.load(path) as stored:
        arrays = dict(stored)
    edit(arrays)
    np.savez_compressed(path, **arrays)
    sums = packed / "golden" / "SHA256SUMS"
    if update:
        rest = [line for line in sums.read_text().splitlines() if path.name not in line]
        line = f"{sha256(path.read_bytes()).hexdigest()}  {path.name}"
        sums.write_text("\n".join([*rest, line]) + "\n")
    return path


def test_verify_tells_a_network_that_gives_something_else(packed: Path, without_zoo: Path) -> None:
    change_golden(packed, lambda arrays: arrays.update(tensor=-arrays["tensor"]))
    done = verified(without_zoo, packed)

    assert done.returncode == 1
    assert "different" in done.stdout
    assert done.stdout.splitlines()[-1] == "3 of 4 images agree with the run of zoo"


def test_verify_names_files_that_changed(packed: Path, without_zoo: Path) -> None:
    assert "changed" not in verified(without_zoo, packed).stdout
    with (packed / "model.py").open("a") as stream:
        stream.write("# one more line\n")
    (packed / "requirements.txt").unlink()
    done = verified(without_zoo, packed)

    lines = done.stdout.splitlines()
    assert (done.returncode, lines[-1]) == (0, "4 of 4 images agree with the run of zoo")
    assert lines[-3:-1] == [
        "changed since it was packed: model.py",
        "changed since it was packed: requirements.txt",
    ]


def test_verify_refuses_what_is_damaged_or_missing(packed: Path, without_zoo: Path) -> None:
    path = change_golden(packed, lambda arrays: arrays.update(size=np.array([1, 1])), update=False)
    done = verified(without_zoo, packed)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot verify: {path} is damaged" in done.stderr
    (packed / "artefact" / "model.onnx").write_bytes(b"no network")
    assert verified(without_zoo, packed).returncode == 2


def test_a_package_without_images_says_what_it_holds(packed: Path) -> None:
    assert list((packed / "golden" / "images").iterdir()) == []
    assert "holds copies of images" not in (packed / "README.md").read_text()
    assert "Apache-2.0" in (packed / "licences" / "README.md").read_text()
    assert (packed / "licences" / "zoo-LICENSE").stat().st_size > 5000
    assert (packed / "report" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere", "-o", "x"), 6, "no such run"),
        (("run", "-o", "x", "--images", "0"), 2, "must be at least 1"),
        (("run", "-o", "run"), 2, "run: is the folder of a run"),
    ],
)
def test_what_cannot_be_packed_is_one_line(
    own: Zoo, packed: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    told = own("package", *arguments)

    assert told.code == code
    assert words in told.stderr
    assert not Path("x").exists()


def test_an_artefact_that_is_not_the_runs_is_refused(own: Zoo, packed: Path) -> None:
    path = packed.parent / "run" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["artefact"]["model.onnx"] = "0" * 64
    path.write_text(json.dumps(manifest))
    told = own("package", "run", "-o", "x")

    assert told.code == 6
    assert "is not the run's, so its report would not fit" in told.stderr
    assert not Path("x").exists()


def test_a_backend_without_an_engine_of_its_own_is_named(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy")
    run = ("run", "toy-detector", "--backend", "toy", "--assets", "sample", "--no-bench")
    assert zoo(*run, "--output", "run").code == 0
    told = zoo("package", "run", "-o", "x")

    assert told.code == 2
    assert "backend 'toy' has no engine that runs without zoo" in told.stderr
    assert "--emit-only DIR` its build folder" in told.stderr


@real_data
def test_a_trained_network_gives_the_runs_boxes_without_zoo(
    own: Zoo, tmp_path: Path, without_zoo: Path
) -> None:
    """FastestDet in int8: what model.py finds in image files is what the run found."""
    images = DATA / "coco-val2017-128" / "images"
    given = ("--images", images, "--annotations", images.parent / "instances.json")
    weights = ("--weights", DATA / "third-party" / "FastestDet.onnx")
    calibration = ("--calibration", DATA / "coco-train2017-64" / "images")
    few = ("--calibration-images", "4", "--limit", "6", "--no-bench", "--output", "run")
    options = ("--precision", "int8", *weights, *given, *calibration, *few)
    assert own("run", "fastestdet", *options).code == 0
    assert own("package", "run", "-o", "packed").code == 0
    done = verified(without_zoo, tmp_path / "packed")
    assert done.stdout.count(": equal: ") == 4

    rows = json.loads((tmp_path / "run" / "predictions.json").read_text())
    names = json.loads((images.parent / "instances.json").read_text())["images"]
    files = {row["id"]: str(images / row["file_name"]) for row in names}
    ids = sorted({row["image_id"] for row in rows})
    command = [str(without_zoo), "-I", str(tmp_path / "packed" / "model.py")]
    shown = subprocess.run(
        [*command, *(files[i] for i in ids)], capture_output=True, text=True, check=True
    )
    for image, line in zip(ids, shown.stdout.splitlines(), strict=True):
        known = [row for row in rows if row["image_id"] == image]
        found = json.loads(line)
        corners = np.array([row["bbox"] for row in known])
        corners[:, 2:] += corners[:, :2]
        assert np.allclose(corners, found["boxes"], atol=0.01)
        assert np.allclose([row["score"] for row in known], found["scores"], atol=1e-5)
