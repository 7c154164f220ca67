"""The Python API: the verbs as functions, with typed reports and the errors of the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import zoo_core as zoo
from zoo_core.errors import DataError, UsageError
from zoo_core.reporting.report import BenchReport, RunReport
from zoo_core.vision import read_rgb

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

TOY: dict[str, Any] = {"backend": "toy", "assets": "sample"}


@pytest.fixture(autouse=True)
def _toy(zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> dict[str, Any]:
    """The toy's weights as a file of the user's."""
    weights = tmp_path / "mine.toy"
    weights.write_bytes(files("zoo_core.testing").joinpath("weights.toy").read_bytes())
    return {"backend": "toy", "weights": str(weights)}


@pytest.fixture
def picture() -> Path:
    return Path(str(files("zoo_core.testing"))) / "toy_shapes" / "1.png"


def test_a_run_is_a_typed_report_that_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    report = zoo.run("toy-detector", bench=False, output="out", progress=lines.append, **TOY)

    assert isinstance(report, RunReport)
    assert report.metrics is not None
    assert zoo.load("out") == report
    assert lines[0].startswith("SAMPLE RUN of toy-detector")
    assert any(line.startswith("  score: ") for line in lines)
    assert "toy-detector" in report._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_the_command_line_makes_the_same_request(zoo: Zoo) -> None:
    from zoo_core.commands.public import eval

    options = ("--conf", "0.4", "--limit", "2", "--option", "gain=2")
    done = zoo("eval", "toy-detector", "--backend", "toy", "--json", "-", *options[:4])
    report = eval("toy-detector", backend="toy", conf=0.4, limit=2)

    mine, theirs = report.to_data(), done.json
    assert [row["key"] for row in mine["stages"]] == [row["key"] for row in theirs["stages"]]
    assert mine["protocol"] == theirs["protocol"]
    assert mine["metrics"] == theirs["metrics"]


def test_a_benchmark() -> None:
    report = zoo.bench("toy-detector", duration=0.05, breakdown=False, output="out", **TOY)

    assert isinstance(report, BenchReport)
    assert report.benchmark is not None
    assert report.benchmark.figures.throughput > 0
    assert zoo.load("out").to_data() == report.to_data()


def test_predictions_of_paths_arrays_and_pictures_are_equal(
    own: dict[str, Any], picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Picture:
        """What PIL's images have."""

        def __init__(self, pixels: np.ndarray[Any, Any]) -> None:
            self.pixels = pixels

        def convert(self, mode: str) -> np.ndarray[Any, Any]:
            assert mode == "RGB"
            return self.pixels

    pixels = read_rgb(picture)
    (first,) = zoo.predict("toy-detector", picture, show_conf=0.1, **own)
    row = json.loads(json.dumps(first.to_data()))
    assert row["image"] == str(picture)
    assert row["labels"] == list(first.labels or ())
    np.testing.assert_allclose(row["boxes"], first.boxes)
    others = zoo.predict(
        "toy-detector", [pixels, Picture(pixels), str(picture)], show_conf=0.1, **own
    )
    (alone,) = zoo.predict("toy-detector", pixels, show_conf=0.1, **own)

    assert first.boxes is not None
    assert first.boxes.shape == (len(first.labels or ()), 4)
    assert first.image == str(picture)
    assert [other.image for other in others] == [0, 1, str(picture)]
    for other in (*others, alone):
        assert np.array_equal(other.boxes, first.boxes)
        assert np.array_equal(other.scores, first.scores)
        assert other.labels == first.labels
    assert capsys.readouterr() == ("", "")
    assert not Path("runs").exists()


def test_files_of_any_name_and_pictures_of_any_kind(
    own: dict[str, Any], picture: Path, tmp_path: Path
) -> None:
    (first,) = zoo.predict("toy-detector", picture, show_conf=0.1, **own)
    names = ("one/same.png", "two/same.png", "two/no ending", "two/\u7a7a\n.jpg")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture.read_bytes())

    rows = zoo.predict("toy-detector", (n for n in names), show_conf=0.1, **own)

    assert [row.image for row in rows] == list(names)
    assert all(np.array_equal(row.boxes, first.boxes) for row in rows)


def test_pictures_are_taken_upright(own: dict[str, Any], picture: Path, tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    with pil.open(picture) as image:
        exif = pil.Exif()
        exif[0x112] = 6
        turned = image.convert("RGB").transpose(pil.Transpose.ROTATE_90)
        turned.save(tmp_path / "turned.png", exif=exif)
        palette = image.convert("RGB").convert("P", palette=pil.Palette.ADAPTIVE)
    (first,) = zoo.predict("toy-detector", picture, show_conf=0.1, **own)
    with pil.open(tmp_path / "turned.png") as opened:
        rows = zoo.predict(
            "toy-detector", [tmp_path / "turned.png", opened, palette], show_conf=0.1, **own
        )

    assert first.boxes is not None
    assert len(first.boxes)
    for row in rows:
        assert np.array_equal(row.boxes, first.boxes)


@pytest.mark.parametrize(
    ("images", "kind", "text"),
    [
        (["good.png", "nowhere.png"], DataError, "nowhere.png: no such image; check the path"),
        (["good.png", "folder"], DataError, "folder: is not a file"),
        (["good.png", "bad.png"], DataError, "bad.png: cannot be decoded as an image"),
        ("", UsageError, "images: is empty"),
        ([""], UsageError, "image 0: is empty"),
        (None, UsageError, "images: is a NoneType, not a path, a PIL image or an array uint8"),
        ([None], UsageError, "image 0: is NoneType, not a path"),
        (b"abc", UsageError, "image 0: is int, not a path"),
        (np.zeros((0, 4, 3), np.uint8), UsageError, "image 0: is uint8 [0, 4, 3], not a path"),
        (np.zeros((4, 4, 3)), UsageError, "image 0: is float64 [4, 4, 3], not a path"),
    ],
)
def test_what_is_not_an_image_is_named_as_the_caller_does(
    images: Any, kind: Any, text: str, own: dict[str, Any], picture: Path, tmp_path: Path
) -> None:
    (tmp_path / "good.png").write_bytes(picture.read_bytes())
    (tmp_path / "bad.png").write_text("not an image")
    (tmp_path / "folder").mkdir()
    with pytest.raises(kind) as caught:
        zoo.predict("toy-detector", images, **own)
    assert str(caught.value).startswith(text)


def test_options_have_the_types_that_python_has_for_them(own: dict[str, Any]) -> None:
    weights = Path(own["weights"])
    report = zoo.eval(
        "toy-detector",
        backend="toy",
        weights=weights,
        precision="fp32",
        limit=1,
        images=files("zoo_core.testing") / "toy_shapes",
        annotations=files("zoo_core.testing") / "toy_shapes" / "truth.json",
        size=np.array([32, 32]),
        batch=np.int64(1),
        options={"clip": 2},
    )

    assert report.header.options == {"clip": "2"}
    assert report.images == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch": "2"}, "--batch: must be an integer of at least 1, not '2'"),
        ({"batch": True}, "--batch: must be an integer"),
        ({"limit": -3}, "--limit: must be an integer of at least 1, not -3"),
        ({"calibration_images": 0}, "--calibration-images: must be an integer of at least 1"),
        ({"size": 32}, "--size: invalid size '32'"),
        ({"precision": 8}, "--precision: must be a string, not 8"),
        ({"device": 3}, "--device: must be a string"),
        ({"weights": 3}, "--weights: must be a path, not 3"),
        ({"weights": ""}, "--weights: is empty"),
        ({"images": ""}, "--images: is empty"),
        ({"images": 3}, "--images: must be a path, not 3"),
        ({"options": ["clip=2"]}, "--options: must map names to values"),
        ({"options": {1: 2}}, "--options: must be a string, not 1"),
        ({"predict": "photos"}, "options: unknown 'predict'"),
        ({"output": ""}, "output: is empty"),
        ({"gates": "AP50=1"}, "gates: must map metrics to numbers, not 'AP50=1'"),
        ({"progress": "x"}, "progress: must be a function of one text, not 'x'"),
        ({"gates": {"AP50": "x"}}, "--min-metric: invalid gate 'AP50=x'"),
        ({"model": None}, "MODEL: must be a string, not None"),
    ],
)
def test_a_value_of_the_wrong_type_is_one_clear_line(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        zoo.eval(**{"model": "toy-detector", **TOY, **options})
    assert str(caught.value).startswith(text)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: zoo.bench("toy-detector", duration="x"), "--duration: must be a number, not 'x'"),
        (lambda: zoo.bench("toy-detector", duration=True), "--duration: must be a number"),
        (lambda: zoo.bench("toy-detector", duration=-1), "--duration: a benchmark cannot take"),
        (lambda: zoo.bench("toy-detector", min_samples=1.5), "--min-samples: must be an integer"),
        (lambda: zoo.bench("toy-detector", min_samples=0), "--min-samples: must be an integer"),
        (lambda: zoo.bench("toy-detector", scenario=["offline"]), "--scenario: must be a string"),
        (lambda: zoo.bench("toy-detector", vs=3), "--vs: must be a string, not 3"),
        (lambda: zoo.bench("toy-detector", sweep=3), "--sweep: must be a string, not 3"),
        (lambda: zoo.predict("toy-detector", "x", show_conf="y"), "show_conf: must be a number"),
        (lambda: zoo.models(source=3), "source: must be a string, not 3"),
    ],
)
def test_so_is_one_of_another_verb(call: Any, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert str(caught.value).startswith(text)


def test_a_folder_and_a_threshold(own: dict[str, Any], picture: Path) -> None:
    result = zoo.predict("toy-detector", picture.parent, **own)
    none = zoo.predict("toy-detector", str(picture.parent), show_conf=1.0, **own)

    assert [Path(str(row.image)).name for row in result] == ["1.png", "2.png", "3.png", "4.png"]
    assert [len(row.labels or ()) for row in none] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: zoo.run("toy-detectr"), UsageError, "did you mean 'toy-detector'"),
        (lambda: zoo.run("toy-detector", precison="int8"), UsageError, "mean 'precision'"),
        (lambda: zoo.eval("toy-detector", size=(0, 4)), UsageError, "invalid size"),
        (lambda: zoo.models(taks="detection"), UsageError, "did you mean 'task'"),
        (lambda: zoo.load("nowhere"), DataError, "holds no report"),
        (lambda: zoo.predict("toy-detector", []), UsageError, "at least one image"),
        (
            lambda: zoo.predict("toy-detector", np.zeros((4, 4), np.uint8)),
            UsageError,
            "an array uint8 [height, width, 3]",
        ),
        (
            lambda: zoo.run("toy-detector", backend="toy", assets="sample", gates={"F1": 0.5}),
            DataError,
            "sample",
        ),
    ],
)
def test_errors_are_those_of_the_command_line(call: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert text in str(caught.value)


def test_the_lists_are_those_of_the_command_line(zoo: Zoo) -> None:
    import zoo_core

    assert (
        zoo_core.models(task="detection")
        == zoo("models", "--task", "detection", "--json").json["models"]
    )
    assert zoo_core.backends() == zoo("backends", "--json").json["backends"]


def test_importing_the_api_imports_nothing_else() -> None:
    code = (
        "import sys, zoo_core; print(sorted(m for m in sys.modules if 'zoo' in m or m == 'numpy'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['zoo_core']\n"
    assert {"run", "eval", "bench", "predict", "models", "backends", "load"} <= set(dir(zoo))
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        _ = zoo.rnu
