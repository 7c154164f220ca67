from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from benchmarks import coco, command, image
from benchmarks.hangs import place_of, watched
from benchmarks.rows import within
from benchmarks.workshop import BrokenRunError, Workshop, picture
from zoo_core.toolkit.detection.anchors import decode_heads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.rows import Row


def test_made_up_heads_have_the_density_that_is_asked_for() -> None:
    counts = [
        len(decode_heads(image.heads(cells), image._HEADS, 80, image._GEOMETRY, 0.001))
        for cells in (image._DENSE, image._BETWEEN, image._SPARSE)
    ]
    assert 3500 < counts[0] < 5000
    assert 150 < counts[1] < 500
    assert 10 < counts[2] < 60


def test_made_up_scenes_can_be_scored_and_are_not_all_found() -> None:
    engine = pytest.importorskip("zoo_coco.engine")
    truth, detections, images = coco.scenes(40, 300, 3000)
    figures = engine.chosen_engine()(truth, detections, images)
    assert 0.05 < figures.stats[0] < 0.95
    assert len({row["id"] for row in truth["annotations"]}) == 300


def test_memory_and_exit_codes_are_those_of_the_command(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    large = workshop.run([sys.executable, "-c", "x = bytearray(300 << 20); print(len(x))"], {})
    small = workshop.run([sys.executable, "-c", "print(1)"], {})
    assert large.output.strip() == str(300 << 20)
    assert small.peak_bytes < 100 << 20 < 300 << 20 < large.peak_bytes
    with pytest.raises(BrokenRunError, match="no such"):
        workshop.run([sys.executable, "-c", "raise SystemExit('no such thing')"], {})


def test_pictures_and_truth_belong_together(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    truth = json.loads(workshop.annotations.read_text(encoding="utf-8"))
    names = {path.name for path in workshop.pictures.iterdir()}
    assert {row["file_name"] for row in truth["images"]} == names
    assert len(names) == 100
    assert {row["image_id"] for row in truth["annotations"]} == {r["id"] for r in truth["images"]}
    assert picture(np.random.default_rng(1)).shape == (480, 640, 3)


def test_a_run_that_hangs_tells_where_it_was() -> None:
    code = (
        "import sys, time\n"
        "print('  weights: 0.1 s', file=sys.stderr, flush=True)\n"
        "def stuck(): time.sleep(60)\n"
        "stuck()\n"
    )
    told = watched([sys.executable, "-c", code], {}, 2)
    assert told.startswith("after 'weights: 0.1 s', at File \"<string>\", line 3 in stuck")


def test_a_run_that_ends_tells_nothing_and_one_that_fails_is_an_error() -> None:
    assert watched([sys.executable, "-c", ""], {}, 60) == ""
    with pytest.raises(subprocess.CalledProcessError):
        watched([sys.executable, "-c", "raise SystemExit(3)"], {}, 60)


def test_what_tells_nothing_has_no_place() -> None:
    assert place_of("") == "after 'nothing', at ?"


def test_the_table_is_printed_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows() -> Iterator[Row]:
        yield within("image", "quick", 0.5, 0.6, "ms")
        raise RuntimeError("broke\noff")

    monkeypatch.setattr(image, "rows", rows)
    target = tmp_path / "figures.json"
    code = command.main(["--only", "image", "--json", str(target), "--folder", str(tmp_path / "f")])
    printed = capsys.readouterr().out
    assert code == 1
    assert "quick" in printed
    assert "RuntimeError: broke" in printed
    data: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
    assert [row["verdict"] for row in data["rows"]] == ["met", "failed"]
    assert data["environment"]["cpu_count"] >= 1


def test_an_unknown_group_is_refused() -> None:
    with pytest.raises(SystemExit, match="unknown group 'speed'"):
        command.main(["--only", "speed"])


def test_the_one_command_says_what_it_can_do() -> None:
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, str(folder), "--help"], capture_output=True, text=True, check=True
    )
    assert all(group in done.stdout for group in command.GROUPS)
