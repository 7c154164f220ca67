"""Writes docs/reference/registry.md from the JSON Schema of registry files; a test compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo_core

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = Path(zoo_core.__file__).parent / "schemas" / "registry.json"
PAGE = Path(__file__).parent / "reference" / "registry.md"

_HEAD = """<!-- Made by docs/registry.py from zoo_core/schemas/registry.json; edit that. -->

# registry.yaml

Facts about models; what they name (exporters, decoders, data sets) is provided by plugins. Files
are laid over each other: the packed ones, those of plugins, `./registry.yaml`, those that
`ZOO_REGISTRY` names. A plugin may not give a name that is taken, but may take over a model that is
only listed (`exporter: none`); it then keeps the listed figures after its own. An unknown key is an
error.

The first line `# yaml-language-server: $schema=PATH` makes editors complete and check a file. PATH
is that of the schema which comes with zoo:

```console
$ python -c "import zoo_core; print(zoo_core.__path__[0] + '/schemas/registry.json')"
```
"""
_TITLES = {
    "model": "A model, or a family",
    "protocol": "A protocol",
    "repository": "`source`",
    "weights": "An item of `weights`, and `sample`",
    "file": "A file",
    "step": "An item of `preprocess`",
    "published": "An item of `published`",
    "elsewhere": "An item of `elsewhere`",
}


def page() -> str:
    """The page's text."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts = ["## The file\n", schema["description"] + "\n", *_table(schema)]
    for name, title in _TITLES.items():
        part = schema["$defs"][name]
        parts += [f"\n## {title}\n", part["description"] + "\n"]
        for step in part.get("anyOf", ()):
            parts += [f"\n### {step['properties']['op']['const']}\n", step["description"] + "\n"]
            parts += _table(step)
        parts += _table(part) if "properties" in part else ()
    return _HEAD + "\n" + "\n".join(parts) + "\n"


def _table(part: dict[str, Any]) -> Iterator[str]:
    needed = set(part.get("required", ()))
    yield "| key | | |\n| --- | --- | --- |"
    for key, value in part["properties"].items():
        must = "needed" if key in needed else ""
        yield f"| `{key}` | {must} | {_text(value)} |"


def _text(value: dict[str, Any]) -> str:
    said = str(value.get("description", ""))
    if "$ref" in value and not said:
        return f"See below: {_TITLES[value['$ref'].rpartition('/')[2]]}."
    choices = [json.dumps(choice) for choice in value.get("enum", ()) if choice is not None]
    if choices:
        said += f" One of {', '.join(choices)}."
    examples = value.get("examples", ())
    return said + (f" Such as {', '.join(examples)}." if examples else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
