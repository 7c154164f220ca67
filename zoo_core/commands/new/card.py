"""Creates the card of a new model of a known family."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.commands.new.project import fill, new_card_place, template, write_card
from zoo_core.errors import UsageError, ZooError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.api import ModelCard
    from zoo_core.commands.new.project import NewFiles
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


def new_card(
    name: str, family: str | None, output: Path | None, registry: Registry, plugins: Plugins
) -> NewFiles:
    """Write NAME.yaml to the folder `output` (default: the current one).

    Raises UsageError for an unknown family, and for a name or a file that exists, DataError if the
    file cannot be written.
    """
    path = new_card_place(name, output, registry)
    known = {card.family: card for card in registry.models.values() if card.family}
    if family not in known:
        what = f"no family '{family}'" if family else "a model needs a family"
        hint = did_you_mean(family or "", [str(item) for item in known])
        raise UsageError(what, where="--family", next=hint)
    text = fill(template("model", "model.yaml.tmpl"), _values(name, path, known[family], plugins))
    last = "fill in labels, size and weights"
    return write_card(path, text, f"zoo check {name}", f"zoo show {name}", last)


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
