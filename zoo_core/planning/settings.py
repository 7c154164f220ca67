"""How a run is set up: options of the command first, then the user's files, then the card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import GivenSettings, SettingsReader
from zoo_core.errors import UsageError
from zoo_core.registry.protocols import derive, effective_preprocess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.api import ModelCard, ScoringProtocol
    from zoo_core.planning.request import RunRequest
    from zoo_core.planning.weights import Weights
    from zoo_core.plugins.manager import Plugins
    from zoo_core.vision import Preprocess

_CHANNELS = {1: "grey", 3: "rgb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was settled, and one sentence for each thing that the user's files decided or say."""

    size: tuple[int, int]
    protocol: ScoringProtocol
    preprocess: Preprocess
    warnings: tuple[str, ...] = ()


def given_settings(card: ModelCard, plugins: Plugins, weights: Weights) -> GivenSettings:
    """What the user's own files say; nothing where the card describes these very files."""
    files = {role: Path(place) for role, place in weights.locations.items()}
    if not files or weights.kind == "published" or is_published(card, weights):
        return GivenSettings()
    exporter: object = plugins.exporter(card.exporter)
    if not isinstance(exporter, SettingsReader):
        return GivenSettings()
    return exporter.settings(card, files)


def is_published(card: ModelCard, weights: Weights) -> bool:
    """Whether files that were given are byte for byte those of one of the card's options."""
    digests = {role: source.sha256 for role, source in weights.files.items()}
    return "weights" in digests and any(
        all(
            source.sha256 is not None and digests.get(role) == source.sha256
            for role, source in option.files.items()
        )
        for option in card.weights
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """Settles size, protocol and preprocessing.

    `protocol` is the one chosen, `shown` what viewing changes of it, `base` the card's
    preprocessing.
    """

    request: RunRequest
    card: ModelCard
    protocol: ScoringProtocol
    shown: Mapping[str, Any]
    base: Preprocess
    given: GivenSettings

    def settle(self) -> Settings:
        """Raises UsageError for a number of channels that zoo does not feed."""
        request, given = self.request, self.given
        size = request.size or given.size or self.card.size
        values = dict(self._differing()) if self._follows() else {}
        protocol = derive(self.protocol, {**self.shown, **values, **request.changes})
        base, channels = self.base, given.channels
        if channels is not None and channels not in _CHANNELS:
            step = "zoo feeds colour images (3), or grey ones (1)"
            said = given.said["channels"]
            raise UsageError(f"images of {channels} channels", where=said, next=step)
        if channels is not None:
            base = base.with_channels(channels)
        return Settings(
            size=size,
            protocol=protocol,
            preprocess=effective_preprocess(base, protocol, size),
            warnings=(*self._decisions(size, base), *given.warnings),
        )

    def _follows(self) -> bool:
        """Whether the protocol is the card's own choice, not the user's or a backend's."""
        return self.request.protocol is None and self.protocol.name == self.card.protocol

    def _differing(self) -> Iterator[tuple[str, Any]]:
        for name, value in self.given.protocol.items():
            if name not in self.request.changes and self._known(name) != value:
                yield name, value

    def _known(self, name: str) -> Any:
        """The protocol's value; of a resize mode that it leaves open the card's."""
        known = self.protocol.values.get(name)
        return self.base.mode if known is None and name == "resize" else known

    def _decisions(self, size: tuple[int, int], base: Preprocess) -> Iterator[str]:
        said, card = self.given.said, self.card
        if self.given.size == size != card.size:
            yield f"{said['size']}: size {_by(size)} (card: {_by(card.size)})"
        if base.channels != self.base.channels:
            colours = _CHANNELS[base.channels], _CHANNELS[self.base.channels]
            yield f"{said['channels']}: {colours[0]} images (card: {colours[1]})"
        for name, value in self._differing():
            known = self._known(name)
            told = "not stated" if known is None else known
            if self._follows():
                yield f"{said[name]}: {name} {value} (card: {told})"
            else:
                which = f"protocol {self.protocol.name}"
                yield f"{said[name]} is not followed: {which} has {name} {told}, not {value}"


def _by(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))
