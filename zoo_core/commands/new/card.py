"""Creates the card of a new model of a known family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.commands.new.names import check_new_model
from zoo_core.commands.new.project import NewFiles, fill, template, write_error
from zoo_core.errors import UsageError, ZooError, did_you_mean

if TYPE_CHECKING:
    from zoo_core.api import ModelCard
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


def new_card(
    name: str, family: str | None, output: Path | None, registry: Registry, plugins: Plugins
) -> NewFiles:
    """Write NAME.yaml to the folder `output` (default: the current one).

    Raises UsageError for an unknown family, and for a name or a file that exists, DataError if the
    file cannot be written.
    """
    check_new_model(name, registry)
    known = {card.family: card for card in registry.models.values() if card.family}
    if family not in known:
        what = f"no family '{family}'" if family else "a model needs a family"
        hint = did_you_mean(family or "", [str(item) for item in known])
        raise UsageError(what, where="--family", next=hint)
    path = (output or Path()) / f"{name}.yaml"
    if path.exists():
        raise UsageError("already exists", where=str(path), next="choose another name")
    text = fill(template("model", "model.yaml.tmpl"), _values(name, path, known[family], plugins))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise write_error(path, error) from error
    steps = (
        f"export ZOO_REGISTRY={path}",
        f"zoo check {name}",
        f"zoo show {name}",
        "fill in labels, size and weights",
    )
    return NewFiles(files=(path,), steps=steps)


def _values(name: str, path: Path, like: ModelCard, plugins: Plugins) -> dict[str, str]:
    suffix, weights_format, companions = _weights(like, plugins)
    files = [
        f"          {role}:\n"
        f"            name: {name}{ending}\n"
        f"            by_hand: where a person finds it # or `url`, `size` and `sha256`\n"
        for role, ending in {"weights": suffix, **companions}.items()
    ]
    return {
        "name": name,
        "family": str(like.family),
        "how": f"Used where ZOO_REGISTRY names {path.name}, or this is the ./registry.yaml.",
        "format": weights_format,
        "files": "".join(files),
        "height": str(like.size[0]),
        "width": str(like.size[1]),
        "protocol": like.protocol,
        "dataset": like.dataset,
    }


def _weights(like: ModelCard, plugins: Plugins) -> tuple[str, str, dict[str, str]]:
    """Suffix and format of a weights file, and the suffixes of its companion files by role."""
    try:
        exporter = plugins.exporter(like.exporter)
    except ZooError:
        formats = [option.format for option in like.weights]
        return ".weights", (formats or ["unknown"])[0], {}
    suffix, name = next(iter(exporter.suffixes.items()), (".bin", exporter.formats[0]))
    return suffix, name, dict(exporter.companions)
