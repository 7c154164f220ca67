"""A real trained network on real COCO images, against figures of independent implementations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(
    "ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset: no real images here"
)

MODEL = (
    "yolo-fastest-1.1-xl-darknet",
    "--weights",
    DATA / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl.weights",
)
IMAGES = (
    "--images",
    DATA / "coco-val2017-128" / "images",
    "--annotations",
    DATA / "coco-val2017-128" / "instances.json",
)
COMMON = ("--conf", "0.001", "--nms-kind", "iou", "--box-labels", "multi")


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the module: most of these runs share their first stages."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def real(zoo: Zoo, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Zoo:
    monkeypatch.setenv("ZOO_HOME", str(shared_home))
    return zoo


def scored(real: Zoo, *options: str | Path) -> dict[str, Any]:
    done = real("run", *MODEL, *IMAGES, "--no-bench", "--json", "-", *options)
    assert done.code == 0, done.stderr
    report: dict[str, Any] = done.json
    return report


@pytest.mark.parametrize(
    ("size", "resize", "nms", "ap", "ap50"),
    [
        ("320,320", "stretch", "0.45", 0.2010, 0.4313),
        ("320,320", "stretch", "0.65", 0.2037, 0.4130),
        ("320,320", "letterbox", "0.45", 0.1778, 0.3633),
        ("320,320", "letterbox", "0.65", 0.1797, 0.3492),
        ("416,416", "stretch", "0.45", 0.2063, 0.4123),
        ("416,416", "stretch", "0.65", 0.2076, 0.4023),
        ("416,416", "letterbox", "0.45", 0.1914, 0.4012),
        ("416,416", "letterbox", "0.65", 0.1924, 0.3881),
    ],
)
def test_the_reference_scores_are_met(
    real: Zoo, size: str, resize: str, nms: str, ap: float, ap50: float
) -> None:
    report = scored(real, *COMMON, "--size", size, "--resize", resize, "--nms", nms)

    assert report["images"] == 128
    assert report["metrics"]["AP"] == pytest.approx(ap, abs=0.001)
    assert report["metrics"]["AP50"] == pytest.approx(ap50, abs=0.001)
    assert report["verify"]["max_abs"] < 1e-4


def test_the_darknet_protocol_scores_as_the_darknet_program(real: Zoo) -> None:
    report = scored(real, "--size", "320,320")

    assert report["protocol"]["name"] == "darknet"
    assert report["metrics"]["AP"] == pytest.approx(0.2076, abs=0.001)
    assert report["metrics"]["AP50"] == pytest.approx(0.4194, abs=0.002)


def test_int8_reports_its_loss_as_it_is(real: Zoo, tmp_path: Path) -> None:
    calibration = DATA / "coco-train2017-64" / "images"
    where = ("--size", "320,320", "--resize", "stretch", "--nms", "0.45")
    float_report = scored(real, *COMMON, *where)
    report = scored(
        real, *COMMON, *where, "--precision", "int8", "--calibration", calibration, "-o", "out"
    )

    precision = report["precision_report"]
    assert precision["int8_nodes"] > 70
    assert precision["float_nodes"] == len(precision["float_node_names"]) == 2
    for name in ("AP", "AP50"):  # on 128 images either sign is possible
        assert abs(float_report["metrics"][name] - report["metrics"][name]) < 0.03
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["calibration"]["images.json"]
    assert not any("calibration images are also" in text for text in report["warnings"])


def test_calibrating_on_the_evaluation_images_is_told(real: Zoo) -> None:
    images = DATA / "coco-val2017-128" / "images"
    report = scored(
        real, *COMMON, "--size", "320,320", "--precision", "int8", "--calibration", images,
        "--calibration-images", "4", "--limit", "8",
    )  # fmt: skip

    assert any("4 calibration images are also evaluation images" in w for w in report["warnings"])


def test_the_run_folder_holds_coco_json_and_a_text_file_per_image(
    real: Zoo, tmp_path: Path
) -> None:
    report = scored(real, *COMMON, "--size", "320,320", "--limit", "12", "-o", "out")
    folder = tmp_path / "out"
    rows = json.loads((folder / "predictions.json").read_text())

    assert report["subset"]["of"] == 128
    assert len(list((folder / "txt").glob("*.txt"))) == 12
    assert {row["image_id"] for row in rows} <= {
        image["id"] for image in json.loads(Path(IMAGES[3]).read_text())["images"]
    }
    texts = [file.read_text() for file in (folder / "txt").glob("*.txt")]
    assert sum(len(text.splitlines()) for text in texts) == len(rows)


def test_the_usual_dog_is_found(real: Zoo, tmp_path: Path) -> None:
    done = real(
        "predict", *MODEL, DATA / "photos" / "dog.jpg", "--size", "320,320", "--resize", "stretch",
        "--conf", "0.25", "--nms", "0.45", "--nms-kind", "iou", "--box-labels", "multi",
        "-o", "seen", "--json", "-",
    )  # fmt: skip

    assert done.code == 0, done.stderr
    found: dict[str, tuple[float, list[float]]] = {}
    for line in (tmp_path / "seen" / "txt" / "dog.txt").read_text().splitlines():
        name, *figures = line.rsplit(" ", 5)
        value, *sides = map(float, figures)
        found.setdefault(name, (value, sides))
    for label, score, box in (
        ("dog", 0.958, [114, 188, 386, 536]),
        ("bicycle", 0.894, [113, 127, 573, 497]),
        ("car", 0.841, [450, 78, 685, 162]),
        ("truck", 0.437, [451, 80, 676, 163]),
    ):
        assert found[label][0] == pytest.approx(score, abs=0.005)
        assert found[label][1] == pytest.approx(box, abs=1.5)
    assert (tmp_path / "seen" / "pictures" / "dog.jpg").stat().st_size > 10_000


def test_other_forms_of_the_truth_give_the_same_figures(real: Zoo, tmp_path: Path) -> None:
    """16 images with COCO's boxes, as COCO JSON, YOLO labels and Pascal VOC in full precision."""
    truth = json.loads(Path(IMAGES[3]).read_text())
    images = {row["id"]: row for row in truth["images"][:16]}
    # The other forms know no crowds, and no area but the box's.
    boxes = [
        row | {"area": row["bbox"][2] * row["bbox"][3]}
        for row in truth["annotations"]
        if row["image_id"] in images and not row["iscrowd"]
    ]
    coco = {**truth, "images": list(images.values()), "annotations": boxes}
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    names = [row["name"] for row in truth["categories"]]
    classes = {row["id"]: number for number, row in enumerate(truth["categories"])}
    for folder in ("yolo/images", "yolo/labels", "voc/JPEGImages", "voc/Annotations"):
        (tmp_path / folder).mkdir(parents=True)
    for number, row in images.items():
        stem, width, height = Path(row["file_name"]).stem, row["width"], row["height"]
        lines, objects = [], []
        for box in (box for box in boxes if box["image_id"] == number):
            x, y, w, h = box["bbox"]
            name, index = names[classes[box["category_id"]]], classes[box["category_id"]]
            middle = f"{(x + w / 2) / width!r} {(y + h / 2) / height!r}"
            lines.append(f"{index} {middle} {w / width!r} {h / height!r}\n")
            left, right = f"<xmin>{x + 1!r}</xmin>", f"<xmax>{x + w!r}</xmax>"
            top, bottom = f"<ymin>{y + 1!r}</ymin>", f"<ymax>{y + h!r}</ymax>"
            corners = f"<bndbox>{left}{top}{right}{bottom}</bndbox>"
            objects.append(f"<object><name>{name}</name>{corners}</object>")
        (tmp_path / "yolo/labels" / f"{stem}.txt").write_text("".join(lines))
        text = f"<annotation>{''.join(objects)}</annotation>"
        (tmp_path / "voc/Annotations" / f"{stem}.xml").write_text(text)
        for folder in ("yolo/images", "voc/JPEGImages"):
            place = tmp_path / folder / row["file_name"]
            place.symlink_to(Path(IMAGES[1]) / row["file_name"])
    (tmp_path / "yolo/data.yaml").write_text(f"val: images\nnames: {json.dumps(names)}\n")

    def metrics(*given: str | Path) -> dict[str, float | None]:
        done = real("eval", *MODEL, "--size", "320,320", *given, "--json", "-")
        assert done.code == 0, done.stderr
        assert done.json["images"] == 16
        found: dict[str, float | None] = done.json["metrics"]
        return found

    expected = metrics("--images", IMAGES[1], "--annotations", "coco.json")
    assert expected["AP"] == pytest.approx(0.24, abs=0.02)
    for given in ("yolo/data.yaml", "voc"):
        assert metrics("--annotations", given) == pytest.approx(expected, abs=1e-9)


def test_an_annotation_of_another_data_set_is_one_line(real: Zoo, tmp_path: Path) -> None:
    other = {
        "images": [{"id": 1, "file_name": "elsewhere.jpg", "height": 10, "width": 10}],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "other.json").write_text(json.dumps(other))

    done = real("run", *MODEL, *IMAGES[:2], "--annotations", "other.json", "--no-bench")

    assert done.code == 6
    assert len(done.stderr.strip().splitlines()) == 1
