"""One model's card, resolved: its values, where each is written, what they come to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import yaml

from zoo_core.errors import UsageError, did_you_mean
from zoo_core.registry.origins import origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.api import ModelCard
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """For which backend, precision and size (height, width) the values are wanted, if any."""

    backend: str | None = None
    precision: str | None = None
    size: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.backend or self.precision or self.size)


def show(registry: Registry, plugins: Plugins, model: str, asked: ShowOptions) -> dict[str, Any]:
    """{"card", "origins"} and, where something was asked, "effective"; all of it JSON.

    Raises UsageError for an unknown model, backend or precision.
    """
    card = registry.model(model)
    found = origins(registry, model)
    shown: dict[str, Any] = {
        "card": _plain(asdict(card)),
        "origins": {key: asdict(origin) for key, origin in found.items()},
    }
    if asked:
        shown["effective"] = _plain(_effective(card, registry, plugins, asked))
    return shown


def text(shown: Mapping[str, Any]) -> str:
    """The same as YAML, each value under a comment that says where it is written."""
    origins_of = shown["origins"]
    lines: list[str] = []
    for key, value in shown["card"].items():
        lines += [*_comments(key, origins_of), _yaml(key, value)]
    if "effective" in shown:
        lines += ["# what these come to here", _yaml("effective", shown["effective"])]
    return "\n".join(lines) + "\n"


def _comments(key: str, origins_of: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, origin in origins_of.items():
        if name == key:
            yield f"# {origin['layer']}, {origin['where']}"
        elif name.startswith(f"{key}."):
            yield f"# {name.removeprefix(f'{key}.')}: {origin['layer']}, {origin['where']}"


def _effective(
    card: ModelCard, registry: Registry, plugins: Plugins, asked: ShowOptions
) -> dict[str, Any]:
    from zoo_core.registry.protocols import choose, effective_preprocess
    from zoo_core.vision import Preprocess

    size = asked.size or card.size
    protocol = choose(registry.protocols, card, asked.backend or "", None)
    values: dict[str, Any] = {
        **_of_backend(plugins, asked),
        "size": size,
        "protocol": protocol.name,
        "protocol_values": dict(protocol.values),
    }
    if card.preprocess:
        base = Preprocess.from_data(card.preprocess, where=f"{card.origin}: models.{card.id}")
        values["preprocess"] = effective_preprocess(base, protocol, size).to_data()
    if asked.backend:
        values["options"] = card.backends.get(asked.backend, {})
    return values


def _of_backend(plugins: Plugins, asked: ShowOptions) -> dict[str, Any]:
    if asked.precision and not asked.backend:
        raise UsageError("--precision needs --backend", next="see `zoo backends`")
    if not asked.backend:
        return {}
    backend = plugins.backend(asked.backend)
    if asked.precision and asked.precision not in backend.precisions:
        what = f"backend '{backend.name}' has no precision '{asked.precision}'"
        raise UsageError(what, next=did_you_mean(asked.precision, backend.precisions))
    chosen = {"precision": asked.precision} if asked.precision else {}
    return {"backend": backend.name, **chosen}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=dict))


def _yaml(key: str, value: Any) -> str:
    flow = None if isinstance(value, (dict, list)) else False
    dumped = yaml.safe_dump(
        {key: _stated(value)},
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=flow,
    )
    return str(dumped).rstrip()


def _stated(value: Any) -> Any:
    """Without the keys that have no value; JSON keeps them."""
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items() if inner is not None}
    return [_stated(inner) for inner in value] if isinstance(value, list) else value
