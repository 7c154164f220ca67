"""The stages that bring COCO: whole archives, or single images where few are wanted."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from zoo_coco.coco_json import image_index
from zoo_core.api import Source
from zoo_core.errors import DataError
from zoo_core.toolkit.archives import list_zip, unpack_zip
from zoo_core.toolkit.download import Expected, download, downloaded
from zoo_core.toolkit.files import folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo_core.api import StageContext

_AT_ONCE = 8
"""Single images are small; what takes time is asking for them."""


def truth(context: StageContext) -> None:
    """Takes one member of an archive out, as instances.json."""
    member = context.params["member"]
    unpacked = context.out / "unpacked"
    with _archive(context) as path:
        unpack_zip(path, unpacked, [member], context.progress)
    (unpacked / member).replace(context.out / "instances.json")
    shutil.rmtree(unpacked)


def all_images(context: StageContext) -> None:
    """Unpacks an archive's images of one folder into `images`."""
    wanted = context.params["folder"]
    unpacked = context.out / "unpacked"
    with _archive(context) as path:
        members = [name for name in list_zip(path) if _is_image_of(wanted, name)]
        unpack_zip(path, unpacked, members, context.progress)
    (unpacked / wanted).replace(context.out / "images")
    shutil.rmtree(unpacked)


def first_images(context: StageContext) -> None:
    """Downloads the first `count` images of the annotation file into `images`."""
    listed = image_index(context.inputs["annotations"]).images[: context.params["count"]]
    url = context.params["url"]
    _bring(context, [Source(name=row.name, url=f"{url}/{row.name}") for row in listed])


def listed_images(context: StageContext) -> None:
    """Downloads the listed images into `images`; each has the size and sha256 of the list."""
    url = context.locations["url"]
    rows = context.params["files"]
    _bring(context, [Source(url=f"{url}/{row['name']}", **row) for row in rows])


@contextmanager
def _archive(context: StageContext) -> Iterator[Path]:
    """The archive that was brought by hand, which stays; or downloaded, and removed afterwards."""
    source = Source(url=context.locations["url"], **context.params["archive"])
    brought = folder("downloads") / "coco" / source.name
    path = brought if brought.is_file() else brought.parent / "archives" / source.name
    expected = Expected(size=source.size, sha256=source.sha256, md5=source.md5)
    with downloaded(source.url or "", path, context.progress, expected):
        yield path
        if path != brought:
            path.unlink(missing_ok=True)


def _is_image_of(wanted: str, member: str) -> bool:
    path = PurePosixPath(member)
    return str(path.parent) == wanted and path.suffix == ".jpg"


def _bring(context: StageContext, sources: Sequence[Source]) -> None:
    target = context.out / "images"
    target.mkdir()
    pool = ThreadPoolExecutor(_AT_ONCE, "download")
    try:
        waiting = [pool.submit(_one, source, target) for source in sources]
        for done, future in enumerate(as_completed(waiting), start=1):
            future.result()
            context.progress(done, len(sources), "images")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _one(source: Source, target: Path) -> None:
    """Downloads into the cache folder, so that a longer list later fetches only what is new."""
    place = PurePosixPath(source.url or "").parent.name
    kept = folder("downloads") / "coco" / place / source.name
    expected = Expected(size=source.size, sha256=source.sha256)
    download(source.url or "", kept, _unheard, expected)
    if not kept.stat().st_size:
        kept.unlink()
        raise DataError("an empty file", where=source.url or "", next="run again")
    try:
        os.link(kept, target / source.name)
    except OSError:
        shutil.copyfile(kept, target / source.name)


def _unheard(done: float, total: float, note: str = "") -> None:
    """Progress of one small file; what is told is how many files are there."""
