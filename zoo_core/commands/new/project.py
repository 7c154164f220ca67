"""Writes a plugin's folder from the templates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from zoo_core.commands.new.names import check_free
from zoo_core.errors import DataError, UsageError
from zoo_core.system.files import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from importlib.resources.abc import Traversable

    from zoo_core.commands.new.names import Naming
    from zoo_core.plugins.manager import Plugins

_SUFFIX = ".tmpl"
_DESCRIBED: Mapping[str, str] = MappingProxyType(
    {
        "exporter": "A family of detectors: weights to graphs, and graphs' outputs to boxes.",
        "backend": "A backend: a graph becomes an artefact, and an artefact is run.",
        "decoder": "A decoder: a network's outputs become boxes.",
        "dataset": "A data set: a folder of images, and boxes in a CSV file.",
        "evaluator": "An evaluator: what was found and what is there become figures.",
    }
)
_NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "exporter": ("numpy>=1.26", "onnx>=1.16", "torch>=2.4"),
        "backend": ("numpy>=1.26", "onnx>=1.16", "protobuf>=4"),
        "decoder": ("numpy>=1.26",),
        "dataset": (),
        "evaluator": ("numpy>=1.26",),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What was written: files in order, and what to type next."""

    files: tuple[Path, ...]
    steps: tuple[str, ...]


def new_plugin(kind: str, naming: Naming, output: Path | None, plugins: Plugins) -> Made:
    """Write the distribution into `output` (by default a folder of its name, here).

    Nothing is left where it fails. Raises UsageError for a name that is taken and for a folder that
    is there, DataError where it cannot be written.
    """
    check_free(naming, kind, plugins)
    folder = output or Path(naming.distribution)
    files = write_all(folder, dict(_texts(kind, naming)))
    steps = (
        f"pip install -e '{folder}[testing]'",
        f"zoo plugins test {naming.name}",
        f"change {folder / naming.module}, and {folder / 'tests'} with it",
    )
    return Made(files=files, steps=steps)


def write_all(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Files by their path in a new folder, all of them or none."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        step = "name another folder with --output"
        raise UsageError("is there already, and not empty", where=str(folder), next=step)
    place = folder.absolute()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(place.parent) as part:
            for name, text in texts.items():
                path = part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            place.mkdir(exist_ok=True)
            for item in part.iterdir():
                item.rename(place / item.name)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return tuple(folder / name for name in texts)


def _unwritable(folder: Path, error: OSError) -> DataError:
    step = "name another folder with --output"
    return DataError(f"cannot be written: {error.strerror}", where=str(folder), next=step)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every `{{name}}` replaced."""
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def template(*parts: str) -> str:
    """The text of one template."""
    return _root().joinpath(*parts).read_text(encoding="utf-8")


def _texts(kind: str, naming: Naming) -> Iterator[tuple[str, str]]:
    values = {
        "name": naming.name,
        "distribution": naming.distribution,
        "module": naming.module,
        "class": naming.words,
        "description": _DESCRIBED[kind],
        "dependencies": _listed(("zoo-core>=0.1,<0.2", *_NEEDS[kind])),
    }
    for folder in ("common", kind):
        for name, text in _walk(_root().joinpath(folder)):
            place = name.removesuffix(_SUFFIX)
            place = place.replace("__module__", naming.module).replace("__short__", naming.short)
            yield place, fill(text, values)


def _listed(needs: Sequence[str]) -> str:
    return "".join(f'    "{need}",\n' for need in needs)


def _root() -> Traversable:
    return resources.files("zoo_core.commands.new").joinpath("templates")


def _walk(folder: Traversable, above: str = "") -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda one: one.name):
        if item.is_dir():
            yield from _walk(item, f"{above}{item.name}/")
        elif item.name.endswith(_SUFFIX):
            yield f"{above}{item.name}", item.read_text(encoding="utf-8")
