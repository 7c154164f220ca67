"""A session that looks up what a device gave for an image, by the image's name."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from zoo_core.api import TensorSpec
from zoo_core.errors import DataError, SampleError, UsageError
from zoo_core.toolkit.artefact import ARTEFACT_FILE
from zoo_vastai.files.datalist import Lines
from zoo_vastai.files.store import FOLDER, FORMAT, StoredOutputs
from zoo_vastai.stream.artefact import read_description

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo_core.api import Arrays, Session

_WORKERS = 2


class FilesSession:
    """Adopted outputs; any thread may run it."""

    input_kind = "name"
    threads: int | None = None
    workers = _WORKERS

    def __init__(self, folder: Path) -> None:
        """Raises `DataError` for a folder without adopted outputs."""
        data = read_description(folder)
        if data.get("format") != FORMAT:
            what = f"has the format '{data.get('format')}', not '{FORMAT}'"
            where = str(folder / ARTEFACT_FILE)
            raise DataError(what, where=where, next="take the files in with --device files")
        self.inputs = tuple(TensorSpec.from_data(spec) for spec in data["inputs"])
        self.outputs = tuple(TensorSpec.from_data(spec) for spec in data["outputs"])
        self._stored = StoredOutputs(folder / FOLDER, len(self.outputs))
        self._lines = Lines(self._stored.lines)
        self._owners: dict[int, str] = {}
        self._lock = Lock()

    def run(self, feeds: Arrays) -> Arrays:
        """Outputs of the sample that is named, str [1], as float32, batch axis first.

        Raises `SampleError` where the list names no such image, or where two images would have
        the same line.
        """
        feed = feeds.get(self.inputs[0].name)
        if feed is None or feed.size != 1 or feed.dtype.kind != "U":
            raise UsageError(f"the only input is '{self.inputs[0].name}', the name of one sample")
        name = str(feed.reshape(-1)[0])
        try:
            number = self._lines.find(name)
        except DataError as error:
            raise SampleError(error.what, next=error.next) from error
        with self._lock:
            owner = self._owners.setdefault(number, name)
        if owner != name:
            line = Path(self._stored.lines[number]).name
            what = f"{line} in the datalist may be of {owner} or of {name}"
            step = "make the list with `zoo-vastai npz`, which gives each image a name of its own"
            raise SampleError(what, next=step)
        rows = self._stored.row(number)
        return {spec.name: array for spec, array in zip(self.outputs, rows, strict=True)}


@contextmanager
def opened_files(artefact: Path) -> Iterator[Session]:
    """A session over the folder that the stage `adopt` left."""
    yield FilesSession(artefact)
