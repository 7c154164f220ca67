"""Writes the pages of docs/reference from the code: `python docs/generate.py`; a test compares."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from zoo_core import errors
from zoo_core.api import backend, dataset, evaluation, export, hooks
from zoo_core.cli.app import SETTINGS, VERBS, app, command
from zoo_core.plugins import manager
from zoo_core.registry.cards import MODEL_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent / "reference"
SCHEMAS = Path(errors.__file__).parent / "schemas"
_MADE = "<!-- Generated from the code by docs/generate.py; edit the code. -->"


def pages() -> dict[str, str]:
    """File name -> text of every generated page."""
    return {
        "cli.md": "\n".join([_MADE, "", *_cli()]) + "\n",
        "hooks.md": "\n".join([_MADE, "", *_hooks()]) + "\n",
        "exit-codes.md": "\n".join([_MADE, "", *_exit_codes()]) + "\n",
        "json.md": "\n".join([_MADE, "", *_schemas()]) + "\n",
        "contracts.md": "\n".join([_MADE, "", *_contracts()]) + "\n",
    }


def _cli() -> Iterator[str]:
    yield "# Command line\n"
    yield "Results go to stdout; progress, warnings and errors go to stderr.\n"
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="zoo")
    for name in VERBS:
        verb = command(name)
        inner = typer.Context(verb, info_name=name, parent=context, terminal_width=100, **SETTINGS)
        yield f"## zoo {name}\n\n```\n{verb.get_help(inner)}\n```\n"


def _hooks() -> Iterator[str]:
    yield "# Hooks\n"
    yield inspect.cleandoc(hooks.__doc__ or "") + "\n"
    for name in sorted(set(manager.KINDS.values()) | _other_hooks()):
        function = getattr(hooks, name)
        yield f"## {name}{inspect.signature(function)}\n"
        yield inspect.cleandoc(function.__doc__ or "") + "\n"


def _other_hooks() -> set[str]:
    return {name for name in vars(hooks) if name.startswith("zoo_")}


def _exit_codes() -> Iterator[str]:
    yield "# Exit codes\n"
    yield "| code | name in JSON | meaning |\n| --- | --- | --- |\n| 0 | | success |"
    found = [errors.ZooError, *_subclasses(errors.ZooError)]
    # Those of other modules are there only where something has imported them.
    kinds = [kind for kind in found if kind.__module__ == errors.__name__]
    for kind in sorted(kinds, key=lambda item: (item.exit_code, item.__name__)):
        said = (kind.__doc__ or "").splitlines()[0]
        yield f"| {kind.exit_code} | `{kind.code}` | {said} |"
    yield "| 130 | | Interrupted; the next run continues after the last finished stage. |"


def _subclasses(kind: type[errors.ZooError]) -> list[type[errors.ZooError]]:
    below = kind.__subclasses__()
    return [*below, *(inner for item in below for inner in _subclasses(item))]


def _schemas() -> Iterator[str]:
    yield "# JSON\n"
    yield "Within a version of a schema fields may be added, but not renamed or removed.\n"
    for path in sorted(SCHEMAS.glob("*.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        required = ", ".join(f"`{name}`" for name in schema["required"])
        yield f"## {schema['$id']}\n\n{schema['title']}. Always present: {required}.\n"


def _contracts() -> Iterator[str]:
    yield "# What a plugin implements\n"
    for module in (export, backend, dataset, evaluation):
        yield inspect.cleandoc(module.__doc__ or "") + "\n"
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == module.__name__:
                yield f"## {name}\n\n{inspect.cleandoc(kind.__doc__ or '')}\n"
                yield from _attributes(kind)
                yield from _methods(kind)
    yield "## Decode\n"
    yield f"`{evaluation.Decode}`: one image's outputs without batch axis, in the graph's order,"
    yield "and the image's `Geometry` -> candidates (for detection `Candidates.to_arrays()`).\n"
    yield "# Keys of a model in registry.yaml\n"
    yield ", ".join(f"`{key}`" for key in MODEL_KEYS) + "\n"


def _attributes(kind: type) -> Iterator[str]:
    """Attributes that an author sets, as the class states them."""
    stated = inspect.get_annotations(kind)
    if stated:
        yield "\n".join(f"- `{name}: {form}`" for name, form in stated.items()) + "\n"


def _methods(kind: type) -> Iterator[str]:
    for name, function in vars(kind).items():
        if inspect.isfunction(function) and not name.startswith("_") and function.__doc__:
            yield f"### {kind.__name__}.{name}{inspect.signature(function)}\n"
            yield inspect.cleandoc(function.__doc__) + "\n"


def main() -> None:
    """Write the pages."""
    HERE.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
