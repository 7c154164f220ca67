"""Bad input at the real command line: one clear line, the right code, nothing half-written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import jsonschema
import numpy as np
import pytest

import zoo_core
from zoo_core.toolkit.detection_txt import read_detections

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo_core.testing.fixtures import Outcome, Zoo

CORE = Path(zoo_core.__file__).parent
SHAPES = CORE / "testing" / "toy_shapes"
CMYK = Path(__file__).parents[1] / "data" / "vision" / "cmyk.jpg"
TOY_PLUGINS = "zoo_core.testing.toy,zoo_coco"
RUN = ("run", "toy-detector", "--backend", "toy", "--no-bench")
PREDICT = ("predict", "toy-detector", "--backend", "toy")
SCALE = 81  # 48x64 becomes 3888x5184, twenty megapixels


@pytest.fixture(autouse=True)
def light_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", TOY_PLUGINS)


def refused(done: Outcome, code: int, tmp_path: Path) -> dict[str, Any]:
    """The error of a command that asked for JSON on stdout and for a folder `out`."""
    assert done.code == code, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, json.loads((CORE / "schemas" / "error.json").read_text()))
    error: dict[str, Any] = document["error"]
    assert [line for line in done.stderr.splitlines() if line.startswith("zoo: ")] == [
        done.stderr.splitlines()[-1]
    ]
    assert error["what"] in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
    return error


def names_of_remains(error: dict[str, Any]) -> list[str]:
    """What is in the partial folder that the error names."""
    folder = Path(error["next"].rpartition("log and partial files: ")[2])
    return sorted(path.name for path in folder.iterdir())


def entries(home: Path) -> set[str]:
    """Names of the stages that the store takes for finished."""
    found = (home / "store" / "entries").glob("*/*/manifest.json")
    return {json.loads(path.read_text())["name"] for path in found}


def picture(number: int = 1) -> NDArray[Any]:
    return np.asarray(cv2.imread(str(SHAPES / f"{number}.png")))


def jpeg(bgr: NDArray[Any], orientation: int | None = None) -> bytes:
    data = bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes())
    if orientation is None:
        return data
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


def large() -> NDArray[Any]:
    return np.asarray(
        cv2.resize(picture(), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
    )


def lying() -> NDArray[Any]:
    """What a camera stores of an upright picture that it marks with orientation 6."""
    return np.asarray(cv2.rotate(picture(), cv2.ROTATE_90_COUNTERCLOCKWISE))


def boxes_in(run: Path, stem: str) -> list[tuple[str, list[float]]]:
    """Labels and boxes of an image's text file, in whole pixels, sorted."""
    rows = read_detections(run / "txt" / f"{stem}.txt")
    return sorted((row.label, [float(round(side)) for side in row.box]) for row in rows)


# images


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.jpg", jpeg(picture())[:-200]),
        ("empty.png", b""),
        ("page.jpg", b"<!DOCTYPE html><html></html>"),
        ("noise.jpg", bytes(range(256)) * 8),
        ("huge.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 10**5, 10**5) + b"\x08"),
    ],
)
def test_a_damaged_image_is_named(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").write_bytes((SHAPES / "1.png").read_bytes())
    (folder / name).write_bytes(content)

    error = refused(zoo(*PREDICT, folder, "-o", "out", "--json", "-"), 6, tmp_path)

    assert error["where"] == str(folder / name)
    assert "log.txt" in names_of_remains(error)
    assert "predict-0000" not in entries(zoo_home)
    assert "compile" in entries(zoo_home)


def test_a_damaged_calibration_image_is_told_by_its_own_name(zoo: Zoo, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "cut.jpg").write_bytes(jpeg(picture())[:-200])

    done = zoo(*RUN, "--precision", "int8", "--calibration", folder, "-o", "out", "--json", "-")

    assert refused(done, 6, tmp_path)["where"] == str(folder / "cut.jpg")


def test_every_kind_of_image_is_read(zoo: Zoo, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "plain.png").write_bytes((SHAPES / "1.png").read_bytes())
    (folder / "turned.jpg").write_bytes(jpeg(lying(), 6))
    (folder / "large.jpg").write_bytes(jpeg(large()))
    (folder / "grey.png").write_bytes(
        cv2.imencode(".png", cv2.cvtColor(picture(), cv2.COLOR_BGR2GRAY))[1].tobytes()
    )
    (folder / "pixel.png").write_bytes(cv2.imencode(".png", picture()[:1, :1])[1].tobytes())
    shutil.copy(CMYK, folder)

    done = zoo(*PREDICT, folder, "-o", "out", "--json", "-")

    assert done.code == 0, done.stderr
    assert len(done.json["images"]) == 6
    found = {name: boxes_in(tmp_path / "out", name) for name in ("plain", "turned", "large")}
    assert len(found["plain"]) >= 2
    assert found["turned"] == found["plain"]
    assert found["large"] == [
        (label, [SCALE * side for side in box]) for label, box in found["plain"]
    ]
    assert boxes_in(tmp_path / "out", "grey") == []


def test_turned_and_large_images_score_as_their_annotations_say(zoo: Zoo, tmp_path: Path) -> None:
    truth = json.loads((SHAPES / "truth.json").read_text())[0]
    scaled = [{**row, "box": [SCALE * side for side in row["box"]]} for row in truth["objects"]]
    rows = [
        {**truth, "id": 1, "name": "turned.jpg"},
        {**truth, "id": 2, "name": "large.jpg", "size": [48 * SCALE, 64 * SCALE]},
    ]
    rows[1]["objects"] = scaled
    (tmp_path / "turned.jpg").write_bytes(jpeg(lying(), 6))
    (tmp_path / "large.jpg").write_bytes(jpeg(large()))
    (tmp_path / "truth.json").write_text(json.dumps(rows))

    done = zoo(*RUN, "--images", tmp_path, "--annotations", "truth.json", "--json", "-")

    assert done.code == 0, done.stderr
    assert done.json["metrics"]["F1"] == 1.0


def test_names_that_are_no_text_and_shared_stems(zoo: Zoo, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("same.png", "same.jpg", "a b'c.png", "-o.png", "\udcff\udcfe.png"):
        shutil.copy(SHAPES / "1.png", folder / name)

    done = zoo(*PREDICT, folder, "-o", "out", "--json", "p.json")

    assert done.code == 0, done.stderr
    stems = {"same.png", "same.jpg", "a b'c", "-o", "\udcff\udcfe"}
    assert {path.name.removesuffix(".txt") for path in (tmp_path / "out/txt").iterdir()} == stems
    assert {
        path.name.removesuffix(".jpg") for path in (tmp_path / "out/pictures").iterdir()
    } == stems
    assert len(json.loads((tmp_path / "p.json").read_text())["images"]) == 5


def test_a_folder_never_holds_results_of_two_runs(zoo: Zoo, tmp_path: Path) -> None:
    first = zoo(*PREDICT, SHAPES, "-o", "out", "--json", "-")
    again = zoo(*PREDICT, SHAPES, "-o", "out", "--json", "-")
    (tmp_path / "out" / "txt" / "mine.md").touch()
    less = zoo(*PREDICT, SHAPES, "-o", "out", "--limit", "1")

    assert first.json == again.json
    assert less.code == 0
    assert [path.name for path in (tmp_path / "out" / "pictures").iterdir()] == ["1.jpg"]
    names = {path.name for path in (tmp_path / "out" / "txt").iterdir()}
    assert {name for name in names if name.endswith(".txt")} <= {"1.txt"}
    assert "mine.md" in names


@pytest.mark.parametrize("content", [None, "folder", "text"])
def test_no_image_at_all(zoo: Zoo, tmp_path: Path, content: str | None) -> None:
    place = tmp_path / "images"
    if content:
        place.mkdir()
    if content == "text":
        (place / "a.txt").touch()

    error = refused(zoo(*PREDICT, place, "-o", "out", "--json", "-"), 6, tmp_path)

    assert error["where"] == str(place)


# data


def coco(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    document = {
        "images": [{"id": 1, "file_name": "1.png", "height": 48, "width": 64}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9]}],
        "categories": [{"id": 1, "name": "red"}],
    }
    change(document)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(document))
    return path


def with_a_person(document: dict[str, Any]) -> None:
    """Of the labels of a COCO model."""
    document["categories"][0]["name"] = "person"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: d.pop("images"), "has no list 'images'"),
        (lambda d: d.pop("annotations"), "has no list 'annotations'"),
        (lambda d: d.pop("categories"), "has no list 'categories'"),
        (lambda d: d["annotations"][0].pop("bbox"), "bbox of annotations[0] is missing"),
        (lambda d: d["annotations"][0].pop("image_id"), "image_id of annotations[0] is missing"),
        (lambda d: d["annotations"][0].update(category_id=2), "of category 2, which the file"),
        (lambda d: d["categories"][0].update(name="green"), "of the model's"),
        (lambda d: d["images"][0].pop("file_name"), "has no file_name"),
        (lambda d: d["images"][0].update(file_name="../a.png"), "leads out of"),
        (lambda d: d["images"][0].update(file_name="b.png"), "annotation of another data set"),
        (lambda d: d["images"].append(d["images"][0]), "is listed twice"),
    ],
)
def test_wrong_annotations(
    zoo: Zoo, tmp_path: Path, change: Callable[[dict[str, Any]], object], what: str
) -> None:
    given = (
        "--dataset",
        "coco-folder",
        "--images",
        SHAPES,
        "--annotations",
        coco(tmp_path, change),
    )

    error = refused(zoo(*RUN, *given, "-o", "out", "--json", "-"), 6, tmp_path)

    assert what in error["what"]
    assert error["where"].endswith("truth.json")
    assert error["next"]


def test_an_annotation_of_another_size(zoo: Zoo, tmp_path: Path) -> None:
    path = coco(tmp_path, lambda d: d["images"][0].update(width=65))
    given = ("--dataset", "coco-folder", "--images", SHAPES, "--annotations", path)

    error = refused(zoo(*RUN, *given, "-o", "out", "--json", "-"), 6, tmp_path)

    assert error["where"] == str(SHAPES / "1.png")
    assert "is 64x48, but its annotation says 65x48" in error["what"]


def test_a_limit_above_the_set_is_the_whole_set(zoo: Zoo) -> None:
    report = zoo(*RUN, "--limit", "1000", "--json", "-").json

    assert report["images"] == 4
    assert report["subset"] is None


def test_nothing_found_scores_zero(zoo: Zoo) -> None:
    report = zoo(*RUN, "--conf", "1", "--json", "-").json

    assert report["metrics"]["F1"] == 0.0


def test_a_last_batch_that_is_not_full(zoo: Zoo, tmp_path: Path) -> None:
    for batch in ("1", "3"):
        assert zoo(*RUN, "--batch", batch, "-o", f"out{batch}").code == 0

    texts = [
        {path.name: path.read_text() for path in (tmp_path / f"out{batch}" / "txt").iterdir()}
        for batch in "13"
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 4
    assert all(texts[0].values())


# weights


class Hostile:
    """Leaves a file where its pickle is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def weights_of(tmp_path: Path, kind: str) -> Path:
    import torch

    path = tmp_path / kind
    if kind == "hostile.pth":
        torch.save({"a": Hostile(tmp_path / "mark")}, path)
    elif kind == "hostile-old.pth":
        torch.save({"a": Hostile(tmp_path / "mark")}, path, _use_new_zipfile_serialization=False)
    elif kind == "hostile-raw.pth":
        path.write_bytes(pickle.dumps(Hostile(tmp_path / "mark")))
    elif kind == "other.pth":
        torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    elif kind.startswith("page."):
        path.write_text("<!DOCTYPE html><html></html>")
    elif kind.startswith("cut."):
        whole = tmp_path / "whole.pth"
        torch.save({"fc.weight": torch.zeros(64, 64)}, whole)
        path.write_bytes(whole.read_bytes()[:900])
    return path


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("none.pth", "no such weights file"),
        ("hostile.pth", "nothing of it was run"),
        ("hostile-old.pth", "nothing of it was run"),
        ("hostile-raw.pth", "is a Python pickle"),
        ("other.pth", "holds another network"),
        ("page.pth", "is an HTML page"),
        ("page.safetensors", "is an HTML page"),
        ("page.weights", "is an HTML page"),
        ("cut.pth", "truncated"),
        ("cut.safetensors", "is a zip archive"),
    ],
)
def test_wrong_weights_are_named_and_never_run(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, what: str
) -> None:
    monkeypatch.delenv("ZOO_PLUGINS")
    path = weights_of(tmp_path, kind)

    done = zoo(
        "run", "yolov4-tianxiaomo", "--weights", path, "--size", "96,96", "--no-bench",
        "--dataset", "coco-folder", "--images", SHAPES,
        "--annotations", coco(tmp_path, with_a_person), "-o", "out", "--json", "-",
    )  # fmt: skip

    error = refused(done, 6, tmp_path)
    assert what in error["what"]
    assert error["where"] == str(path)
    assert not (tmp_path / "mark").exists()
    assert "export" not in entries(zoo_home)


@pytest.mark.parametrize(
    "wrong",
    [
        ("[net]\nwidth=32\nheight=32\nchannels=3\n[wobble]\n", 2, "unknown type [wobble]"),
        ("[net]\nwidth=32\nheight=32\nchannels=3\n", 2, "no"),
        ("<html></html>", 6, ""),
    ],
)
def test_a_wrong_cfg(
    zoo: Zoo,
    zoo_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    wrong: tuple[str, int, str],
) -> None:
    text, code, what = wrong
    monkeypatch.delenv("ZOO_PLUGINS")
    (tmp_path / "net.cfg").write_text(text)
    (tmp_path / "net.weights").write_bytes(struct.pack("<3iQ", 0, 2, 5, 0) + bytes(400))

    done = zoo(
        "run", "yolov4-darknet", "--weights", "net.weights", "--no-bench", "--dataset",
        "coco-folder", "--images", SHAPES, "--annotations", coco(tmp_path, with_a_person),
        "-o", "out", "--json", "-",
    )  # fmt: skip

    error = refused(done, code, tmp_path)
    assert what in error["what"]
    assert "net.cfg" in error["where"]
    assert not entries(zoo_home), "it is told while the run is planned"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"TOY1 but other bytes", "is not the expected file: sha256"),
        (b"TOY1", "has 4 bytes at its source, expected 20"),
        (b"<!DOCTYPE html>pages", "is an HTML page"),
        (None, ""),
    ],
)
def test_wrong_downloads_are_refused(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    content: bytes | None, what: str,
) -> None:  # fmt: skip
    published = tmp_path / "weights.toy"
    if content is not None:
        published.write_bytes(content)
    right = (CORE / "testing" / "weights.toy").read_bytes()
    sha256 = hashlib.sha256(right).hexdigest()
    card = (CORE / "testing" / "toy.yaml").read_text().partition("models:\n")[2]
    card = card.replace("toy-detector:", "toy-web:").replace(
        'resource: "zoo_core.testing:weights.toy", size: 20',
        f'url: "{published.as_uri()}", size: 20',
    )
    assert sha256 in card
    (tmp_path / "mine.yaml").write_text(f"schema: 1\nmodels:\n{card}")
    monkeypatch.setenv("ZOO_REGISTRY", "mine.yaml")
    command = ("run", "toy-web", "--backend", "toy", "--assets", "published", "--no-bench")

    error = refused(zoo(*command, "-o", "out", "--json", "-"), 6, tmp_path)
    assert what in error["what"]
    assert error["where"].endswith("weights.toy")
    assert entries(zoo_home) == set()

    published.write_bytes(right)
    assert zoo(*command, "-o", "out").code == 0


def test_a_web_page_brought_by_hand_is_refused(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZOO_PLUGINS")
    page = weights_of(tmp_path, "page.pth")

    done = zoo("fetch", "yolov4-tianxiaomo", "--from-file", page)

    assert done.code == 6
    assert done.stderr.startswith(f"zoo: {page}: is an HTML page")
    assert not (zoo_home / "by-hand").exists()


# names


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("toy-detecter",), "did you mean 'toy-detector'?"),
        (("toy-detector", "--backend", "toi"), "did you mean 'toy'?"),
        (("toy-detector", "--backend", "toy", "--precision", "in8"), "did you mean 'int8'?"),
        (("toy-detector", "--backend", "toy", "--protocol", "toi"), "did you mean 'toy'?"),
        (
            ("toy-detector", "--backend", "toy", "--dataset", "toy-shape"),
            "did you mean 'toy-shapes'?",
        ),
        (("toy-detector", "--backend", "toy", "--option", "klip=1"), "did you mean 'clip'?"),
    ],
)
def test_unknown_names_are_answered(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...], hint: str
) -> None:
    error = refused(zoo("run", *arguments, "-o", "out", "--json", "-"), 2, tmp_path)

    assert error["next"] == hint


# places


@pytest.mark.parametrize("output", ["file", "file/below"])
@pytest.mark.parametrize("verb", ["run", "predict", "bench", "export", "compile"])
def test_an_output_that_is_a_file_is_refused_before_the_work(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, verb: str, output: str
) -> None:
    (tmp_path / "file").write_text("mine")

    done = zoo(verb, "toy-detector", "--backend", "toy", "-o", output)

    assert done.code == 6
    assert done.stderr == (
        f"zoo: {tmp_path / 'file'}: is a file, not a folder; name another folder with --output\n"
    )
    assert (tmp_path / "file").read_text() == "mine"
    assert not (zoo_home / "store").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_rights_is_refused_before_the_work(
    zoo: Zoo, zoo_home: Path, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    for option in (("-o", locked / "out"), ("--json", locked / "r.json")):
        done = zoo(*RUN, *option)
        assert done.code == 6
        assert "cannot be written" in done.stderr
    assert not (zoo_home / "store").exists()


@pytest.mark.parametrize(("target", "code"), [("", 2), ("folder", 6), ("file/r.json", 6)])
@pytest.mark.parametrize("model", ["toy-detector", "nothing"])
def test_json_that_cannot_be_written_is_refused_before_the_work(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, target: str, code: int, model: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()

    done = zoo("run", model, "--backend", "toy", "--json", target)

    assert done.code == code
    assert len(done.stderr.splitlines()) == 1
    assert not (zoo_home / "store").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_json_goes_into_the_folder_of_the_run(zoo: Zoo, tmp_path: Path) -> None:
    assert zoo(*RUN, "-o", "out", "--json", "out/deep/r.json").code == 0
    assert json.loads((tmp_path / "out" / "deep" / "r.json").read_text())["images"] == 4


@pytest.mark.parametrize("verb", ["eval", "predict", "export"])
def test_a_full_disk_leaves_no_half_filled_folder(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    arguments = (verb, "toy-detector", "--backend", "toy")
    assert zoo(*arguments, "-o", "before").code == 0
    monkeypatch.setattr("zoo_core.reporting.run_folder.shutil.copyfile", full)

    done = zoo(*arguments, "-o", "out")

    assert done.code == 6
    assert done.stderr.splitlines()[-1] == (
        f"zoo: {tmp_path / 'out'}: the disk is full; "
        "free space, or name another folder with --output"
    )
    assert not (tmp_path / "out").exists()


def test_two_runs_of_one_second_have_a_folder_each(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.strftime", lambda *_: "now")

    assert zoo(*RUN).code == zoo(*RUN).code == 0

    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["now-toy-detector-toy-fp32", "now-toy-detector-toy-fp32-2"]


# processes

SABOTEUR = """
import os, signal
from zoo_core.api.hooks import hookimpl

ZOO_API = 1

@hookimpl
def zoo_run_stage(stage, context):
    if stage.name == os.environ["SABOTAGE_STAGE"]:
        (context.out / "half").write_text("half")
        os.kill(os.getpid(), getattr(signal, os.environ["SABOTAGE_SIGNAL"]))
    return None
"""


def spawn(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.Popen[str]:
    surroundings = {
        **os.environ,
        "ZOO_HOME": str(tmp_path / "home"),
        "ZOO_OFFLINE": "1",
        "PYTHONPATH": str(tmp_path / "plugins"),
        **variables,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "zoo_core", *RUN, "--precision", "int8", *arguments],
        env=surroundings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    ("name", "ending", "code"),
    [
        ("export", "SIGINT", 130),
        ("calibration", "SIGINT", 130),
        ("predict-0001", "SIGINT", 130),
        ("compile", "SIGKILL", -signal.SIGKILL),
    ],
)
def test_an_ended_run_goes_on_where_it_was(
    tmp_path: Path, name: str, ending: str, code: int
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "saboteur.py").write_text(SABOTEUR)
    first = spawn(
        tmp_path, "-o", "out", "--json", "-",
        ZOO_PLUGINS=f"{TOY_PLUGINS},saboteur", SABOTAGE_STAGE=name, SABOTAGE_SIGNAL=ending,
    )  # fmt: skip
    stdout, stderr = first.communicate(timeout=120)

    assert first.returncode == code, stderr
    before = entries(tmp_path / "home")
    assert name not in before
    assert not (tmp_path / "out").exists()
    if ending == "SIGINT":
        assert json.loads(stdout)["error"]["code"] == "interrupted"
        assert stderr.endswith("zoo: interrupted; the next run resumes here\n")
        assert list((tmp_path / "home" / "store" / "work").iterdir()) == []

    second = spawn(tmp_path, "-o", "out", "--json", "-")
    stdout, stderr = second.communicate(timeout=120)
    assert second.returncode == 0, stderr
    stages = {stage["name"]: stage["cached"] for stage in json.loads(stdout)["stages"]}
    assert {stage for stage, cached in stages.items() if cached} == before
    assert not list((tmp_path / "home" / "store" / "entries").glob("*/*/half"))


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    both = [spawn(tmp_path, "--json", f"{name}.json") for name in "ab"]
    for process in both:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr

    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab"]
    assert reports[0]["metrics"] == reports[1]["metrics"]
    assert reports[0]["output"] != reports[1]["output"]
    lines = (tmp_path / "home" / "journal.jsonl").read_text().splitlines()
    made = [json.loads(line)["key"] for line in lines]
    assert sorted(made) == sorted({stage["key"] for stage in reports[0]["stages"]})


def test_a_log_takes_what_is_no_text(zoo: Zoo, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "\udcff.png").touch()

    error = refused(zoo(*PREDICT, folder, "-o", "out", "--json", "-"), 6, tmp_path)

    assert "is an empty file" in error["what"]
    assert "log.txt" in names_of_remains(error)


# plugins and registries


@pytest.mark.parametrize(
    "source",
    [
        "raise RuntimeError('boom\\nand more')",
        "import no_such_package",
        "def (: pass",
        "raise SystemExit(3)",
        "ZOO_API = 99",
        "from pathlib import Path\nfrom zoo_core.api.hooks import hookimpl\n"
        "@hookimpl\ndef zoo_registry_files():\n    return [Path('none.yaml')]",
        "from zoo_core.api.hooks import hookimpl\n"
        "@hookimpl\ndef zoo_backends():\n    raise ValueError('late')",
    ],
)
def test_a_broken_plugin_breaks_nothing_else(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    name = f"broken_{hashlib.md5(source.encode()).hexdigest()}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ZOO_PLUGINS", f"{name},{TOY_PLUGINS}")

    models, backends = zoo("models", "--json"), zoo("backends", "--json")
    plugins = {row["name"]: row for row in zoo("plugins", "--json").json["plugins"]}

    assert models.code == backends.code == 0
    assert {row["id"]: row["runnable"] for row in models.json["models"]}["toy-detector"]
    assert [row["name"] for row in backends.json["backends"]] == ["toy"]
    assert plugins[name]["failure"] or "registry" in source
    assert zoo(*RUN, "--limit", "1").code == 0


def test_a_probe_that_raises_makes_its_backend_unavailable(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flaky_probe.py").write_text(
        "from dataclasses import replace\n"
        "from zoo_core.api.hooks import hookimpl\n"
        "from zoo_core.testing import toy\n\n"
        "def probe():\n    raise OSError('no driver')\n\n"
        "@hookimpl\ndef zoo_backends():\n"
        "    yield replace(next(iter(toy.zoo_backends())), name='flaky', probe=probe)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ZOO_PLUGINS", f"flaky_probe,{TOY_PLUGINS}")

    listed = {row["name"]: row for row in zoo("backends", "--json").json["backends"]}
    done = zoo("run", "toy-detector", "--backend", "flaky", "-o", "out", "--json", "-")

    assert listed["toy"]["available"]
    assert "no driver" in listed["flaky"]["reason"]
    assert "no driver" in refused(done, 5, tmp_path)["what"]


@pytest.mark.parametrize(
    "content",
    [
        b": : [",
        b"\x98\xff",
        b"[]",
        b"",
        b"schema: 9",
        b"schema: 1\nmodles: {}",
        b"schema: 1\nmodels: {x: {family: none}}",
        b"a: !!python/object/apply:os.mkdir [mark]",
        None,
    ],
)
def test_a_bad_registry_is_one_line(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("ZOO_REGISTRY", str(path))

    done = zoo("models", "--json")

    error = refused(done, 2, tmp_path)
    assert error["code"] == "registry"
    assert error["where"].startswith(str(path))
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "mark").exists()


# a real network


@pytest.mark.skipif("ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset")
def test_a_real_network_on_odd_data(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ZOO_PLUGINS")
    data = Path(os.environ["ZOO_TEST_DATA"])
    whole = json.loads((data / "coco-val2017-128" / "instances.json").read_text())
    chosen = {row["id"]: f"image {row['id']:x} ü" for row in whole["images"][:4]}
    plain = {
        "images": [row for row in whole["images"] if row["id"] in chosen],
        "annotations": [row for row in whole["annotations"] if row["image_id"] in chosen],
        "categories": whole["categories"],
    }
    (tmp_path / "plain.json").write_text(json.dumps(plain))
    for row in plain["images"]:
        row["id"] = chosen[row["id"]]
    for row in plain["annotations"]:
        row["image_id"] = chosen[row["image_id"]]
    (tmp_path / "texts.json").write_text(json.dumps(plain))
    command = (
        "run", "yolo-fastest-1.1-xl-darknet", "--size", "96,96", "--no-bench", "--json", "-",
        "--weights", data / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl.weights",
        "--images", data / "coco-val2017-128" / "images", "-o", "out", "--annotations",
    )  # fmt: skip

    first = zoo(*command, "plain.json")
    assert first.code == 0, first.stderr
    metrics = first.json["metrics"]
    assert metrics["AP"] > 0
    assert zoo(*command, "plain.json", "--batch", "3").json["metrics"] == metrics
    assert zoo(*command, "texts.json").json["metrics"] == metrics
    ids = {row["image_id"] for row in json.loads((tmp_path / "out/predictions.json").read_text())}
    assert ids <= set(chosen.values())
    assert zoo(*command, "plain.json", "--conf", "0.999").json["metrics"]["AP"] == 0.0
    assert json.loads((tmp_path / "out/predictions.json").read_text()) == []
