"""Folders that commands fill: a person's files there are neither replaced nor removed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import UsageError
from zoo_core.reporting.owned_files import OwnedFiles
from zoo_core.reporting.run_folder import ADDED, claiming, filled, write_report
from zoo_core.system.file_names import OWN_FILES
from zoo_core.testing.examples import noise
from zoo_core.vision import write_image

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo_core.testing.fixtures import Outcome, Zoo

TOY = ("toy-detector", "--backend", "toy")
MINE = "made by hand"
NO_INPUTS: frozenset[Path] = frozenset()


@pytest.fixture(autouse=True)
def light_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_PLUGINS", "zoo_core.testing.toy,zoo_coco")


def own(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MINE)
    return path


def fill(folder: Path, kind: str, files: dict[str, str], *inputs: Path) -> None:
    with filled(folder, "", kind, frozenset(inputs)) as filling:
        for name, text in files.items():
            (filling.part / name).parent.mkdir(parents=True, exist_ok=True)
            (filling.part / name).write_text(text)


def held(folder: Path) -> set[str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != OWN_FILES]
    return {path.relative_to(folder).as_posix() for path in paths}


def refused(done: Outcome, path: Path) -> None:
    line = done.stderr.splitlines()[-1]
    assert done.code == 2, done.stderr
    assert line.startswith(f"zoo: {path}: ")
    assert line.endswith("; name another folder with --output")


# what is in the way


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("run", *TOY, "--no-bench"), "report.md"),
        (("run", *TOY), "latency_ms.json"),
        (("eval", *TOY), "manifest.json"),
        (("predict", *TOY), "report.json"),
        (("bench", *TOY, "--duration", "0.05"), "bench.json"),
        (("bench", *TOY, "--vs", ":int8"), "versus_ms.json"),
        (("export", *TOY), "model.onnx"),
        (("compile", *TOY), "model.onnx"),
    ],
)
def test_a_file_of_ones_own_is_refused_before_the_work(
    zoo: Zoo, zoo_home: Path, tmp_path: Path, arguments: tuple[str, ...], name: str
) -> None:
    path = own(tmp_path / "out" / name)

    refused(zoo(*arguments, "-o", tmp_path / "out"), path)

    assert path.read_text() == MINE
    assert held(tmp_path / "out") == {name}
    assert not (zoo_home / "store").exists()


def test_export_without_a_folder_leaves_a_model_that_lies_here(zoo: Zoo, tmp_path: Path) -> None:
    path = own(tmp_path / "model.onnx")

    refused(zoo("export", *TOY), Path("model.onnx"))

    assert path.read_text() == MINE


def test_a_text_of_ones_own_is_refused_before_anything_is_written(zoo: Zoo, tmp_path: Path) -> None:
    assert zoo("predict", *TOY, "-o", "first").code == 0
    name = min(name for name in held(tmp_path / "first") if name.startswith("txt/"))
    path = own(tmp_path / "out" / name)

    refused(zoo("eval", *TOY, "-o", "out"), path)

    assert path.read_text() == MINE
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["txt"]


def test_predict_does_not_draw_over_what_it_looks_at(
    zoo: Zoo, zoo_home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "own" / "pictures" / "a.jpg"
    path.parent.mkdir(parents=True)
    write_image(path, noise(48, 64, 0))
    before = path.read_bytes()
    seen = ("predict", *TOY, "--weights", "random")

    refused(zoo(*seen, path.parent, "-o", tmp_path / "own"), path.parent)
    assert not (zoo_home / "store").exists()
    assert zoo(*seen, path, "-o", tmp_path / "own").code == 2
    assert path.read_bytes() == before

    assert zoo(*seen, path.parent, "-o", tmp_path / "out").code == 0
    again = tmp_path / "out" / "pictures"
    drawn = (again / "a.jpg").read_bytes()
    refused(zoo(*seen, again, "-o", tmp_path / "out"), again / "a.jpg")
    assert (again / "a.jpg").read_bytes() == drawn


def test_what_a_command_reads_is_refused_though_zoo_wrote_it(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    fill(folder, "graph", {"model.onnx": "1", "graph.json": "1"})
    link = tmp_path / "link"
    link.symlink_to(folder / "model.onnx")
    for files in ({"model.onnx": "2"}, {"other.json": "2"}):
        with pytest.raises(UsageError, match="is read by this command"):
            fill(folder, "graph", files, Path(os.path.realpath(link)))

    fill(folder, "artefact", {"model.xml": "2"}, folder / "model.onnx")

    assert held(folder) == {"model.onnx", "graph.json", "model.xml"}


def test_a_file_where_a_folder_must_be_is_told(tmp_path: Path) -> None:
    own(tmp_path / "txt")
    with pytest.raises(UsageError, match="a folder must be made there"):
        fill(tmp_path, "results", {"txt/a.txt": "1"})


# the same folder again


@pytest.mark.parametrize(
    "arguments",
    [
        ("eval", *TOY),
        ("predict", *TOY),
        ("bench", *TOY, "--duration", "0.05"),
        ("export", *TOY),
        ("compile", *TOY),
        ("compile", *TOY, "--emit-only"),
    ],
)
def test_a_second_command_leaves_what_it_did_not_write(
    zoo: Zoo, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    to = () if arguments[-1] == "--emit-only" else ("-o",)
    assert zoo(*arguments, *to, "out").code == 0
    first = held(tmp_path / "out")
    mine = [own(tmp_path / "out" / name) for name in ("txt/mine.txt", "pictures/mine.jpg")]

    assert zoo(*arguments, *to, "out").code == 0

    assert held(tmp_path / "out") == {*first, "txt/mine.txt", "pictures/mine.jpg"}
    assert [path.read_text() for path in mine] == [MINE, MINE]


def test_export_and_compile_may_share_a_folder_with_runs(zoo: Zoo, tmp_path: Path) -> None:
    for verb in ("export", "eval", "predict"):
        assert zoo(verb, *TOY, "-o", "out").code == 0
    assert {"model.onnx", "report.json"} <= held(tmp_path / "out")
    assert json.loads((tmp_path / "out" / "report.json").read_text())["schema"] == "zoo.predict/1"


def test_earlier_files_of_the_kind_go_and_others_stay(tmp_path: Path) -> None:
    fill(tmp_path, "results", {"report.json": "1", "old.txt": "1"})
    fill(tmp_path, "bench", {"bench.json": "1", "raw.json": "1"})
    fill(tmp_path, "results", {"report.json": "2", "raw.json": "2"})
    assert held(tmp_path) == {"report.json", "bench.json", "raw.json"}

    fill(tmp_path, "bench", {"bench.json": "3"})
    assert held(tmp_path) == {"report.json", "bench.json", "raw.json"}
    assert (tmp_path / "raw.json").read_text() == "2"


def test_added_files_keep_earlier_ones(tmp_path: Path) -> None:
    fill(tmp_path, ADDED, {"a": "1"})
    fill(tmp_path, ADDED, {"b": "1"})
    fill(tmp_path, ADDED, {"a": "2"})
    assert held(tmp_path) == {"a", "b"}


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    fill(tmp_path / "out", "results", {"report.json": "1"})
    with (
        pytest.raises(KeyboardInterrupt),
        filled(tmp_path / "out", "", "results", NO_INPUTS) as filling,
    ):
        (filling.part / "report.json").write_text("2")
        raise KeyboardInterrupt

    assert (tmp_path / "out" / "report.json").read_text() == "1"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.json", OWN_FILES}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"files": []}',
        '{"files": {"results": 1}}',
        '{"files": {"results": ["../mine", "/mine", "", 1]}}',
    ],
)
def test_a_list_that_is_wrong_makes_nothing_ours(tmp_path: Path, text: str) -> None:
    own(tmp_path / "mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / OWN_FILES).write_text(text)

    assert not OwnedFiles.load(folder).of_kind("results")
    fill(folder, "results", {"report.json": "1"})

    assert (tmp_path / "mine").read_text() == MINE


def test_a_folder_is_filled_by_one_command_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "link").symlink_to(tmp_path / "out")

    @claiming
    def command(then: Callable[[], object], output: Path | None = None) -> object:
        return then()

    def twice(first: Path | None, second: Path | None) -> object:
        return command(lambda: command(lambda: "done", second), first)

    out = tmp_path / "out"
    for second in (out, tmp_path / "x" / ".." / "out", tmp_path / "link"):
        with pytest.raises(UsageError, match="another zoo command writes to it: process") as raised:
            twice(out, second)
        assert raised.value.where == str(second)
        assert str(os.getpid()) in raised.value.what
    assert twice(out, tmp_path / "elsewhere") == twice(None, None) == twice(None, out) == "done"
    assert command(lambda: command(lambda: "done", out)) == command(lambda: "done", out)
    assert list((tmp_path / "home" / "outputs").iterdir()) == []


def test_without_a_home_that_can_be_written_nothing_is_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    assert claiming(lambda output: "done")(tmp_path / "out") == "done"


def test_an_export_into_the_current_folder_replaces_no_other_export(
    zoo: Zoo, tmp_path: Path
) -> None:
    assert zoo("export", *TOY, "--assets", "sample").code == 0
    before = (tmp_path / "model.onnx").read_bytes()
    assert zoo("export", *TOY, "--assets", "sample").code == 0, "the same again"
    other = ("export", *TOY, "--weights", "random:7", "--size", "64,64")
    done = zoo(*other)

    assert done.code == 2
    assert "an earlier, different export has a " in done.stderr
    assert done.stderr.rstrip().endswith("; give -o FOLDER, or `-o .` to replace it")
    assert (tmp_path / "model.onnx").read_bytes() == before
    assert zoo(*other, "-o", ".").code == 0
    assert (tmp_path / "model.onnx").read_bytes() != before


@pytest.mark.parametrize("link", ["txt", "a", OWN_FILES])
def test_a_link_in_the_folder_is_not_followed(link: str, tmp_path: Path) -> None:
    """A list that names files behind a link makes them nobody's but their owner's."""
    victim, out = tmp_path / "victim", tmp_path / "out"
    own(victim / "b" / "a.txt")
    own(victim / "list.json")
    fill(out, "results", {"report.json": "1"})
    owned = json.dumps({"files": {"results": ["txt/b/a.txt", "a/b/a.txt", "report.json"]}})
    (out / OWN_FILES).write_text(owned)
    if link == OWN_FILES:
        (victim / "list.json").write_text(owned)
        (out / link).unlink()
    (out / link).symlink_to(victim / "list.json" if link == OWN_FILES else victim)

    with pytest.raises(UsageError, match="is a link; refusing to write through it"):
        fill(out, "results", {"report.json": "2", "txt/b/a.txt": "2"})

    assert (victim / "b" / "a.txt").read_text() == MINE
    assert (out / "report.json").read_text() == "1"


def test_a_link_to_a_folder_in_place_of_a_file_is_replaced_itself(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    fill(out, "results", {"a.txt": "1"})
    (out / "a.txt").unlink()
    (out / "a.txt").symlink_to(elsewhere)

    fill(out, "results", {"a.txt": "2"})

    assert not list(elsewhere.iterdir())
    assert (out / "a.txt").read_text() == "2"


def test_what_a_killed_command_left_goes_and_what_a_running_one_has_stays(tmp_path: Path) -> None:
    left = tmp_path / ".zoo-0123.part"
    own(left / "report.json")
    old = time.time() - 120
    os.utime(left, (old, old))
    with filled(tmp_path, "", "bench", NO_INPUTS) as running:
        os.utime(running.part, (old, old))
        fill(tmp_path, "results", {"report.json": "1"})
        assert not left.exists()
        assert running.part.exists()


def test_a_report_masks_credentials(tmp_path: Path) -> None:
    write_report(tmp_path / "report.json", {"url": "https://me:secret@host/w.pth", "size": 3})

    document = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert document["size"] == 3
    assert "secret" not in document["url"]
    assert document["url"].endswith("@host/w.pth")
