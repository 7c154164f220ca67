"""Images become the npz files that vamp takes, and the list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo_core.errors import DataError
from zoo_core.toolkit.files import SUFFIX, text_names
from zoo_core.toolkit.image_files import IMAGE_SUFFIXES
from zoo_core.vision import read_rgb
from zoo_vastai.files.datalist import write_datalist

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def find_images(folder: Path) -> dict[str, Path]:
    """Every image below a folder, whatever its extension: name relative to it -> path, by name.

    Raises `DataError` for a folder without one.
    """
    if not folder.is_dir():
        raise DataError("is not a folder", where=str(folder), next="give the folder of the images")
    images = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not path.name.startswith(".")
    }
    if not images:
        known = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError("holds no image", where=str(folder), next=f"known are {known}")
    return dict(sorted(images.items()))


def images_to_npz(
    images: Mapping[str, Path],
    folder: Path,
    datalist: Path,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write one npz an image (name -> path) into `folder`, and the list of them in that order.

    Each holds `input_0`, uint8 [3, height, width] in RGB, of the image's own size.
    Two images never share a file: where stems collide the whole file name stays in it, and where
    that does too the path. A list that is there is removed first and written last. Raises
    `DataError` for an image that cannot be read.
    """
    datalist.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    datalist.parent.mkdir(parents=True, exist_ok=True)
    names = [name.removesuffix(SUFFIX) for name in text_names(list(images))]
    files = [folder / f"{name}.npz" for name in names]
    for done, (file, path) in enumerate(zip(files, images.values(), strict=True), start=1):
        pixels = read_rgb(path)
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        with file.open("wb") as stream:
            np.savez(stream, input_0=planes)
        if progress is not None:
            progress(done, len(files))
    write_datalist(datalist, files)
    return files
