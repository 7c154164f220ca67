"""`zoo show`: a model's card with the origin of each value, and the effective values."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import yaml

from zoo_core.errors import UsageError, did_you_mean
from zoo_core.planning.tuned import read, tuned_files
from zoo_core.registry.origins import origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.api import ModelCard
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """Optional backend, precision and input size (height, width) to resolve the card for."""

    backend: str | None = None
    precision: str | None = None
    size: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.backend or self.precision or self.size)


def show(registry: Registry, plugins: Plugins, model: str, options: ShowOptions) -> dict[str, Any]:
    """{"card", "origins", "tuned"} and, if any option is set, "effective"; all of it JSON.

    "tuned" has what `zoo tune` found, by its file. Raises UsageError for an unknown model, backend
    or precision.
    """
    card = registry.model(model)
    result: dict[str, Any] = {
        "card": _plain(asdict(card)),
        "origins": {key: asdict(origin) for key, origin in origins(registry, model).items()},
    }
    tuned = tuned_files(model, options.backend, options.precision)
    result["tuned"] = {str(path): read(path).to_data() for path in tuned}
    if options:
        result["effective"] = _plain(_effective(card, registry, plugins, options))
    return result


def text(result: Mapping[str, Any]) -> str:
    """The result of `show` as YAML, each value under a comment with its origin."""
    lines: list[str] = []
    for key, value in result["card"].items():
        lines += [*_comments(key, result["origins"]), _yaml(key, value)]
    if "effective" in result:
        lines += ["# effective values", _yaml("effective", result["effective"])]
    if result["tuned"]:
        lines += ["# found by `zoo tune`, by file", _yaml("tuned", result["tuned"])]
    return "\n".join(lines) + "\n"


def _comments(key: str, origins_of: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, origin in origins_of.items():
        if name == key:
            yield f"# {origin['layer']}, {origin['where']}"
        elif name.startswith(f"{key}."):
            yield f"# {name.removeprefix(f'{key}.')}: {origin['layer']}, {origin['where']}"


def _effective(
    card: ModelCard, registry: Registry, plugins: Plugins, options: ShowOptions
) -> dict[str, Any]:
    from zoo_core.registry.protocols import choose, effective_preprocess
    from zoo_core.vision import Preprocess

    size = options.size or card.size
    protocol = choose(registry.protocols, card, options.backend or "", None)
    values: dict[str, Any] = {
        **_backend_values(plugins, options),
        "size": size,
        "protocol": protocol.name,
        "protocol_values": dict(protocol.values),
    }
    if card.preprocess:
        base = Preprocess.from_data(card.preprocess, where=f"{card.origin}: models.{card.id}")
        values["preprocess"] = effective_preprocess(base, protocol, size).to_data()
    if options.backend:
        values["options"] = card.backends.get(options.backend, {})
    return values


def _backend_values(plugins: Plugins, options: ShowOptions) -> dict[str, Any]:
    if options.precision and not options.backend:
        raise UsageError("--precision needs --backend", next="see `zoo backends`")
    if not options.backend:
        return {}
    backend = plugins.backend(options.backend)
    if options.precision and options.precision not in backend.precisions:
        what = f"backend '{backend.name}' does not support precision '{options.precision}'"
        raise UsageError(what, next=did_you_mean(options.precision, backend.precisions))
    precision = {"precision": options.precision} if options.precision else {}
    return {"backend": backend.name, **precision}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=dict))


def _yaml(key: str, value: Any) -> str:
    flow = None if isinstance(value, (dict, list)) else False
    dumped = yaml.safe_dump(
        {key: _without_none(value)},
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=flow,
    )
    return str(dumped).rstrip()


def _without_none(value: Any) -> Any:
    """The value without keys that are None, which only JSON output keeps."""
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return [_without_none(inner) for inner in value] if isinstance(value, list) else value
