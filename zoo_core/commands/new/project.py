"""Creates the folder of a new plugin from templates."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.commands.new.names import KINDS, check_new_model, check_new_plugin
from zoo_core.errors import DataError, UsageError
from zoo_core.system.files import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from zoo_core.commands.new.names import Naming
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

_SUFFIX = ".tmpl"
_OTHER_FOLDER = "name another folder with --output"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFiles:
    """The new files, in order, and the commands to run next."""

    files: tuple[Path, ...]
    steps: tuple[str, ...]


def new_plugin(kind: str, naming: Naming, output: Path | None, plugins: Plugins) -> NewFiles:
    """Write the distribution to `output` (default: a folder of its name in the current folder).

    Leaves no files if it fails. Raises UsageError for a name that exists and for a folder that is
    not empty, DataError if the folder cannot be written.
    """
    check_new_plugin(naming, kind, plugins)
    folder = output or Path(naming.distribution)
    files = _write_folder(folder, dict(_texts(kind, naming)))
    steps = (
        f"pip install -e '{folder}[testing]'",
        f"zoo plugins test {naming.name}",
        f"change {folder / naming.module}, and {folder / 'tests'} with it",
    )
    return NewFiles(files=files, steps=steps)


def new_card_place(name: str, output: Path | None, registry: Registry) -> Path:
    """NAME.yaml in the folder `output` (default: the current one).

    Raises UsageError for a name that is invalid or known, and for a file that exists.
    """
    check_new_model(name, registry)
    path = (output or Path()) / f"{name}.yaml"
    if path.exists():
        raise UsageError("already exists", where=str(path), next="choose another name")
    return path


def write_card(path: Path, text: str, *steps: str) -> NewFiles:
    """Write a card, and what to do with it; raises DataError if it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise write_error(path, error) from error
    return NewFiles(files=(path,), steps=(f"export ZOO_REGISTRY={path}", *steps))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every `{{name}}` replaced."""
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def template(*parts: str) -> str:
    """The text of one template."""
    return _root().joinpath(*parts).read_text(encoding="utf-8")


def write_error(path: Path, error: OSError) -> DataError:
    """The error for a file or folder that cannot be written."""
    return DataError(f"cannot be written: {error.strerror}", where=str(path), next=_OTHER_FOLDER)


def _write_folder(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write files by path to a new folder, all of them or none."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "already exists and is not empty"
        raise UsageError(what, where=str(folder), next=_OTHER_FOLDER)
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target.parent) as temporary:
            for name, text in texts.items():
                path = temporary / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            target.mkdir(exist_ok=True)
            for item in temporary.iterdir():
                item.rename(target / item.name)
    except OSError as error:
        raise write_error(folder, error) from error
    return tuple(folder / name for name in texts)


def _texts(kind: str, naming: Naming) -> Iterator[tuple[str, str]]:
    """Path and text of every file of a new plugin."""
    dependencies = ("zoo-core>=0.1,<0.2", *KINDS[kind].dependencies)
    values = {
        "name": naming.name,
        "distribution": naming.distribution,
        "module": naming.module,
        "class": naming.class_name,
        "description": KINDS[kind].description,
        "dependencies": "".join(f'    "{item}",\n' for item in dependencies),
    }
    for folder in ("common", kind):
        for name, text in _templates(_root().joinpath(folder)):
            path = name.removesuffix(_SUFFIX)
            path = path.replace("__module__", naming.module).replace("__short__", naming.short)
            yield path, fill(text, values)


def _root() -> Traversable:
    return resources.files("zoo_core.commands.new").joinpath("templates")


def _templates(folder: Traversable, parent: str = "") -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.is_dir():
            yield from _templates(item, f"{parent}{item.name}/")
        elif item.name.endswith(_SUFFIX):
            yield f"{parent}{item.name}", item.read_text(encoding="utf-8")
