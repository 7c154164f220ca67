"""Which class an image truly has, as an index of the card's labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_classification.image_folder import class_folders
from zoo_core.errors import DataError
from zoo_core.toolkit.files import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Sample


def class_numbers(truth: Path, labels: Sequence[str]) -> dict[str, int]:
    """Class folder -> index of its label.

    Of a text file, line n begins with the folder of label n. Of a folder of class folders, each is
    called like a label (blanks or underscores, in any case); or there are as many as labels, and
    they go by their names, as ImageNet's do. Raises `DataError` where neither holds.
    """
    if truth.is_dir():
        return _of_folders([folder.name for folder in class_folders(truth)], labels, str(truth))
    return _of_lines(truth, labels)


def true_class(sample: Sample, numbers: Mapping[str, int], where: str) -> int:
    """The index of the sample's label; its class folder begins its name."""
    folder = sample.name.partition("/")[0]
    if folder not in numbers:
        raise DataError(f"has no class '{folder}', which image {sample.name} is of", where=where)
    return numbers[folder]


def _of_folders(folders: Sequence[str], labels: Sequence[str], where: str) -> dict[str, int]:
    known = {_plain(label): number for number, label in enumerate(labels)}
    strange = [folder for folder in folders if _plain(folder) not in known]
    if not strange:
        return {folder: known[_plain(folder)] for folder in folders}
    if len(folders) == len(labels):
        return {folder: number for number, folder in enumerate(folders)}
    raise DataError(
        f"folder '{strange[0]}' is none of the {len(labels)} labels, and there are {len(folders)}",
        where=where,
        next="give --annotations FILE whose line n begins with the folder of class n",
    )


def _of_lines(truth: Path, labels: Sequence[str]) -> dict[str, int]:
    lines = read_text(truth).splitlines()
    folders = [line.split()[0] for line in lines if line.strip()]
    if len(folders) != len(labels):
        step = "write one class folder a line, in the order of the network's classes"
        what = f"has {len(folders)} lines where there are {len(labels)} labels"
        raise DataError(what, where=str(truth), next=step)
    return {folder: number for number, folder in enumerate(folders)}


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold()
