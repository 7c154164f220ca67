from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from zoo_vastai.decoder import DeviceNmsDecoder
from zoo_vastai.files.adopt import adopt
from zoo_vastai.files.datalist import Lines, read_datalist
from zoo_vastai.files.images import find_images, images_to_npz
from zoo_vastai.files.outputs import content, form_of, npz_outputs
from zoo_vastai.files.store import ADOPTED
from zoo_vastai.stream.runtime import VastaiRuntime

from zoo_core.api import Target
from zoo_core.errors import DataError, SampleError, UsageError, ZooError
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TARGET = Target(backend="vastai", precision="fp16", device="files")


def nms(label: int) -> list[NDArray[Any]]:
    """One image's outputs of a build with NMS: one detection, then padding."""
    ids, scores = np.full((1, 6, 1), -1, np.float16), np.full((1, 6, 1), -1, np.float16)
    boxes = np.full((1, 6, 4), -1, np.float16)
    ids[0, 0], scores[0, 0], boxes[0, 0] = label, 0.25, (1, 2, 30, 40)
    return [ids, scores, boxes]


def heads(label: int, size: int = 64) -> list[NDArray[Any]]:
    return [np.full((1, 6, size // s, size // s), label / 8, np.float16) for s in (8, 16, 32)]


def store(folder: Path, rows: Sequence[list[NDArray[Any]]]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, arrays in enumerate(rows):
        members = {f"output_{n}": array for n, array in enumerate(arrays)}
        np.savez(folder / f"output_{number:06d}.npz", **members)  # type: ignore[arg-type]
    return folder


def listed(path: Path, *names: str) -> Path:
    path.write_text("".join(f"/elsewhere/{name}.npz\n" for name in names), encoding="utf-8")
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return path


def context(tmp_path: Path, outputs: Path, datalist: Path, **params: Any) -> Any:
    out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    out.mkdir()
    return SimpleNamespace(
        params={"precision": "fp16", **params},
        inputs={},
        locations={"outputs": str(outputs), "datalist": str(datalist)},
        out=out,
        log=tmp_path / "log.txt",
        progress=lambda *_: None,
    )


def adopted(tmp_path: Path, outputs: Path, datalist: Path, **params: Any) -> Path:
    ctx = context(tmp_path, outputs, datalist, **params)
    adopt(ctx)
    assert sorted(path.name for path in ctx.out.iterdir()) == sorted(ADOPTED)
    return Path(ctx.out)


def asked(session: Any, name: str) -> Any:
    return session.run({"name": np.array([name])})


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """Odd sizes, every kind of name, stems that collide."""
    folder = tmp_path / "pictures"
    names = ("b/0001.jpg", "a.png", "0002.JPEG", "c/0001.png", "b/0001.bmp", "with blank.jpg")
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((5 + number, 7 + number, 3), 20 * number, np.uint8)
        pixels[..., 2] = 250
        assert cv2.imwrite(str(path), pixels)
    (folder / "notes.txt").write_text("no image", encoding="utf-8")
    return find_images(folder)


def test_images_become_npz(tmp_path: Path, pictures: dict[str, Path]) -> None:
    datalist = tmp_path / "list.txt"
    seen: list[int] = []
    files = images_to_npz(pictures, tmp_path / "npz", datalist, lambda done, of: seen.append(done))
    assert list(pictures) == sorted(pictures)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert read_datalist(datalist).lines == tuple(str(file) for file in files)
    assert len({file.name.casefold() for file in files}) == 6
    assert {"0002.npz", "a.npz", "with blank.npz", "0001.bmp.npz"} <= {file.name for file in files}
    with np.load(files[list(pictures).index("a.png")]) as members:
        assert members.files == ["input_0"]
        planes = members["input_0"]
    assert planes.dtype == np.uint8
    assert planes.shape == (3, 6, 8)
    assert planes[:, 0, 0].tolist() == [250, 20, 20]
    lines = Lines(read_datalist(datalist).lines)
    assert [lines.find(name) for name in pictures] == list(range(6))


def test_an_image_that_cannot_be_read_leaves_no_list(tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    datalist = tmp_path / "list.txt"
    datalist.write_text("of an earlier run", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad\.jpg"):
        images_to_npz(find_images(tmp_path), tmp_path / "npz", datalist)
    assert not datalist.exists()
    with pytest.raises(DataError, match="holds no image"):
        find_images(tmp_path / "npz")


def test_outputs_go_with_their_line_and_nothing_else(tmp_path: Path) -> None:
    """Through the session and the decoder, in float32, whatever the order of asking."""
    datalist = listed(tmp_path / "list.txt", "7", "10", "9")
    outputs = store(tmp_path / "vamp", [nms(7), nms(10), nms(9)])
    folder = adopted(tmp_path, outputs, datalist, form="nms", nms={"num_classes": 80})
    data = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
    assert (data["format"], data["form"], data["count"]) == ("vastai-files", "nms", 3)
    decode = DeviceNmsDecoder().bind({"conf": 0.001, "iou": 0.65}, 80, 0.001)
    with VastaiRuntime().open(folder, TARGET, "throughput") as session:
        assert session.input_kind == "name"
        for name, label in (("9.jpg", 9), ("a/10.PNG", 10), ("7.jpeg", 7)):
            found = asked(session, name)
            assert list(found) == ["ids", "scores", "boxes"]
            assert all(array.dtype == np.float32 for array in found.values())
            row = {key: array[0] for key, array in found.items()}
            candidates = decode(row, Geometry.identity((64, 64)))
            assert candidates["label"].tolist() == [label]
            assert candidates["boxes"].tolist() == [[1, 2, 30, 40]]


def test_heads_are_named_by_their_stride(tmp_path: Path) -> None:
    datalist = listed(tmp_path / "list.txt", "1", "2")
    outputs = store(tmp_path / "vamp", [heads(1)[::-1], heads(2)[::-1]])
    folder = adopted(tmp_path, outputs, datalist, size=[64, 64])
    with VastaiRuntime().open(folder, TARGET) as session:
        found = asked(session, "2.jpg")
        assert list(found) == ["head32", "head16", "head8"]
        assert found["head8"].shape == (1, 6, 8, 8)
        assert float(found["head16"][0, 0, 0, 0]) == 0.25
    named = adopted(tmp_path, outputs, datalist, heads=["x", "y", "z"])
    with VastaiRuntime().open(named, TARGET) as session:
        assert [spec.name for spec in session.outputs] == ["x", "y", "z"]
    other = store(tmp_path / "other", [heads(1, 160)] * 2)
    with pytest.raises(DataError, match="not heads of an input 96 pixels high"):
        adopt(context(tmp_path, other, datalist, size=[96, 96]))
    with pytest.raises(DataError, match="holds 3 outputs, not 1: x"):
        adopt(context(tmp_path, outputs, datalist, heads=["x"]))


def test_heads_take_the_names_of_a_graph(tmp_path: Path) -> None:
    datalist = listed(tmp_path / "list.txt", "1")
    outputs = store(tmp_path / "vamp", [heads(1)])
    for side in (8, 9):
        shapes = {"fine": ["batch", 6, side, side], "mid": [1, 6, 4, 4], "far": [1, 6, 2, 2]}
        specs = [{"name": n, "shape": s, "dtype": "float32"} for n, s in shapes.items()]
        graph = {"format": "onnx", "path": "x", "inputs": [], "outputs": specs, "form": "heads"}
        path = tmp_path / f"graph{side}.json"
        path.write_text(json.dumps({**graph, "facts": {}}), encoding="utf-8")
        ctx = context(tmp_path, outputs, datalist)
        ctx.inputs["graph"] = path
        if side == 8:
            adopt(ctx)
            with VastaiRuntime().open(ctx.out, TARGET) as session:
                assert list(asked(session, "1.jpg")) == ["fine", "mid", "far"]
        else:
            with pytest.raises(DataError, match=r"\[1, 6, 8, 8\] for 'fine', the graph has"):
                adopt(ctx)


def test_the_other_form_is_refused(tmp_path: Path) -> None:
    datalist = listed(tmp_path / "list.txt", "1")
    outputs = store(tmp_path / "vamp", [nms(1)])
    with pytest.raises(UsageError, match=r"form nms, the plan expects heads; .*nms=device"):
        adopt(context(tmp_path, outputs, datalist, form="heads"))
    odd = store(tmp_path / "odd", [[np.zeros((1, 6, 1)), np.zeros((1, 6, 1)), np.zeros((1, 5, 4))]])
    with pytest.raises(DataError, match=r"\[1, 5, 4\] are neither ids"):
        adopt(context(tmp_path, odd, datalist))
    assert form_of(heads(1), "x") == "heads"


def damage(folder: Path, datalist: Path, what: str) -> None:
    third = folder / "output_000002.npz"
    if what == "missing":
        third.unlink()
    elif what == "extra":
        store(folder, [nms(1)] * 5)
    elif what == "stray":
        third.with_name("output_2.npz").write_bytes(third.read_bytes())
    elif what == "stale":
        os.utime(third, (1_500_000_000, 1_500_000_000))
    elif what == "older than its input":
        source = datalist.parent / "in.npz"
        source.write_bytes(b"")
        datalist.write_text(f"{source}\n/b.npz\n/c.npz\n/d.npz\n", encoding="utf-8")
        os.utime(datalist, (1_600_000_000, 1_600_000_000))
        os.utime(source, (4_000_000_000, 4_000_000_000))
    elif what == "cut":
        third.write_bytes(third.read_bytes()[:-40])
    elif what == "unlike":
        np.savez(third, output_0=np.zeros((1, 6, 1), np.float16))
    elif what == "keys":
        np.savez(third, boxes=np.zeros((1, 6, 1), np.float16))
    elif what == "objects":
        np.savez(third, output_0=np.array(["a"]))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", "1 of 4 outputs are missing: output_000002.npz; run vamp again"),
        ("extra", "1 files belong to no line of .*output_000004.npz; they may be of an earlier"),
        ("stray", r"belong to no line of .*: output_2\.npz"),
        ("stale", "1 outputs are older than the list or their inputs: output_000002.npz"),
        ("older than its input", "older than the list or their inputs: output_000000.npz"),
        ("cut", "output_000002.npz: cannot be read"),
        ("unlike", "output_000002.npz: holds float16 .*, unlike output_000000.npz"),
        ("keys", "output_000002.npz: holds boxes, not output_0"),
        ("objects", "output_0 holds <U1, not numbers"),
    ],
)
def test_files_that_do_not_fit_are_named(tmp_path: Path, what: str, message: str) -> None:
    datalist = listed(tmp_path / "list.txt", "1", "2", "3", "4")
    outputs = store(tmp_path / "vamp", [nms(number) for number in range(4)])
    assert len(list(npz_outputs(outputs, read_datalist(datalist)))) == 4
    before = content(outputs, datalist)
    damage(outputs, datalist, what)
    with pytest.raises(DataError, match=message):
        list(npz_outputs(outputs, read_datalist(datalist)))
    if what not in ("stale", "cut"):
        assert content(outputs, datalist) != before


def test_content_tells_outputs_apart(tmp_path: Path) -> None:
    datalist = listed(tmp_path / "list.txt", "1")
    first = content(store(tmp_path / "vamp", [nms(1)]), datalist)
    assert content(store(tmp_path / "again", [nms(1)]), datalist) == first
    assert content(store(tmp_path / "vamp", [nms(2)]), datalist) != first
    with pytest.raises(DataError, match="cannot be read"):
        (tmp_path / "vamp" / "output_000000.npz").write_bytes(b"PK")
        content(tmp_path / "vamp", datalist)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no line"),
        ("a.npz\n\nb.npz\n", ":2: is blank"),
        ("a.npz\nb.npz\na.npz\n", ":3: repeats line 1"),
    ],
)
def test_lists_are_checked(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_datalist(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_datalist(tmp_path / "none.txt")


def test_names_that_no_line_or_two_bear(tmp_path: Path) -> None:
    datalist = tmp_path / "list.txt"
    datalist.write_text("/x/a.npz\n/y/a.npz\n/x/b.npz\n", encoding="utf-8")
    os.utime(datalist, (1_600_000_000, 1_600_000_000))
    outputs = store(tmp_path / "vamp", [nms(number) for number in range(3)])
    with VastaiRuntime().open(adopted(tmp_path, outputs, datalist), TARGET) as session:
        with pytest.raises(SampleError, match=r"names a\.npz in lines 1, 2"):
            asked(session, "a.jpg")
        with pytest.raises(SampleError, match=r"has no c\.npz"):
            asked(session, "c.jpg")
        asked(session, "b.jpg")
        asked(session, "b.jpg")
        with pytest.raises(
            SampleError, match=r"b\.npz in the datalist may be of b\.jpg or of b\.png"
        ):
            asked(session, "b.png")
        with pytest.raises(UsageError, match="name of one sample"):
            session.run({"name": np.array([1])})


def test_what_is_no_artefact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="no artefact"):
        VastaiRuntime().open(tmp_path, TARGET).__enter__()
    (tmp_path / "artefact.json").write_text('{"format": "vastai"}', encoding="utf-8")
    with pytest.raises(DataError, match="not 'vastai-files'"):
        VastaiRuntime().open(tmp_path, TARGET).__enter__()
