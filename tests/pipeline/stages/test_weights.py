"""Bringing weights: what two processes do to one download."""

from __future__ import annotations

from threading import Event, Thread, current_thread
from typing import TYPE_CHECKING, Any, cast

import pytest

from zoo_core.api import StageContext
from zoo_core.pipeline.stages import weights
from zoo_core.system import download as downloads

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("zoo_home")


def context(folder: Path, url: str) -> StageContext:
    folder.mkdir()
    return StageContext(
        inputs={},
        params={"files": {"weights": {"name": "w.bin", "sha256": None, "size": 3}}},
        locations={"weights": url},
        out=folder,
        log=folder / "log.txt",
        resume_dir=folder.with_suffix(".resume_dir"),
        progress=lambda _done, _total, _note="": None,
        plugins=cast("Any", None),
        sessions=cast("Any", None),
    )


def test_a_download_is_not_taken_away_from_another_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second stage comes when the first has downloaded, and looks when the first is done."""
    (tmp_path / "w.bin").write_bytes(b"abc")
    url = (tmp_path / "w.bin").as_uri()
    first, second = context(tmp_path / "first", url), context(tmp_path / "second", url)
    other = Thread(target=weights.fetch, args=[second])
    other_has_it, first_is_done = Event(), Event()
    download = downloads.download

    def interleaved(*arguments: Any) -> Path:
        path = download(*arguments)
        if current_thread() is other:
            other_has_it.set()
            first_is_done.wait(10)
        else:
            other.start()
            other_has_it.wait(0.5)
        return path

    monkeypatch.setattr(downloads, "download", interleaved)
    weights.fetch(first)
    first_is_done.set()
    other.join(10)
    assert (first.out / "w.bin").read_bytes() == b"abc"
    assert (second.out / "w.bin").read_bytes() == b"abc"
