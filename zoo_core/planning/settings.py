"""How a run is set up: options of the command first, then the user's files, then the card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import GivenSettings, SettingsReader
from zoo_core.errors import UsageError, counted
from zoo_core.registry.protocols import derive, effective_preprocess, overridden
from zoo_core.system.names_file import read_names

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
    """How a run is set up, and a sentence for each thing that the user's files decided or say."""

    size: tuple[int, int]
    batch: int
    protocol: ScoringProtocol
    preprocess: Preprocess
    warnings: tuple[str, ...] = ()


def check_given(request: RunRequest, card: ModelCard, plugins: Plugins) -> None:
    """Raise UsageError for options that are not the card's evaluator's, or that nothing reads."""
    _check_offered(request, card, plugins)
    _check_cfg(request, card, plugins)


def _check_cfg(request: RunRequest, card: ModelCard, plugins: Plugins) -> None:
    """Raise UsageError for a `--cfg` that nothing would read."""
    if request.cfg is None:
        return
    if not request.weights:
        step = "give --weights FILE, or --weights random, or leave --cfg out"
        raise UsageError("is for your own weights, and none are given", where="--cfg", next=step)
    if "cfg" not in plugins.exporter(card.exporter).companions:
        step = "leave it out, or name a model that follows a .cfg, such as yolov4-darknet"
        raise UsageError(f"{card.id} reads no .cfg", where="--cfg", next=step)


def check_names(request: RunRequest, card: ModelCard, weights: Weights) -> None:
    """Raise UsageError for more or fewer `--names` than the card's own network has classes."""
    if request.names is None or not card.labels:
        return
    count, own = len(read_names(request.names)), len(card.labels)
    if count != own and (weights.kind in ("published", "sample") or is_published(card, weights)):
        what = f"has {counted(count, 'name')}, the network of {card.id} {own} classes"
        step = "give --names FILE with as many, or the --weights FILE of your own network"
        raise UsageError(what, where=str(request.names), next=step)


def _check_offered(request: RunRequest, card: ModelCard, plugins: Plugins) -> None:
    """Raise UsageError for an option of an evaluator that is not the card's."""
    own = [option.name for option in plugins.provider("evaluator", card.evaluator).options]
    for name in plugins.protocol_options().keys() & request.changes.keys() - {*own}:
        known = ", ".join(f"--{option.replace('_', '-')}" for option in own)
        raise UsageError(
            f"{card.id} is for {card.task}, whose evaluator {card.evaluator} has no such option",
            where=f"--{name.replace('_', '-')}",
            next=f"leave it out; it has {known}" if own else "leave it out",
        )


def check_options(request: RunRequest, protocol: ScoringProtocol, plugins: Plugins) -> None:
    """Raise UsageError for an option that has no effect under the protocol, its values included."""
    options = plugins.protocol_options()
    for name in request.changes:
        idle = options[name].idle if name in options else None
        if idle and protocol.values.get(idle[0]) == idle[1]:
            option, other = (f"--{key.replace('_', '-')}" for key in (name, idle[0]))
            raise UsageError(
                f"has no effect: the protocol has {idle[0]} {idle[1]}",
                where=option,
                next=f"leave it out, or give another {other} too",
            )


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


@dataclass(frozen=True, slots=True)
class SettingsResolver:
    """Decides on size, batch, protocol and preprocessing.

    `protocol` is the one chosen, `viewing` what viewing changes of it, `base` the card's
    preprocessing.
    """

    request: RunRequest
    card: ModelCard
    protocol: ScoringProtocol
    viewing: Mapping[str, Any]
    base: Preprocess
    given: GivenSettings

    def resolve(self) -> Settings:
        """Raises UsageError for channels that zoo does not feed, and for what a file cannot run."""
        request, given = self.request, self.given
        size, batch = self._size(), self._batch()
        values = dict(self._differing()) if self._follows() else {}
        protocol = derive(self.protocol, {**self.viewing, **values, **request.changes})
        base, channels = self.base, given.channels
        if channels is not None and channels not in _CHANNELS:
            step = "zoo feeds colour images (3), or grey ones (1)"
            where = given.origins["channels"]
            raise UsageError(f"images of {channels} channels", where=where, next=step)
        if channels is not None:
            base = base.with_channels(channels)
        return Settings(
            size=size,
            batch=batch,
            protocol=protocol,
            preprocess=effective_preprocess(base, protocol, size),
            warnings=(*self._decisions(size, base), *given.warnings),
        )

    def _size(self) -> tuple[int, int]:
        request, given = self.request, self.given
        if given.size and given.fixed_size and request.size not in (None, given.size):
            raise UsageError(
                f"takes images of {_by(given.size)} only, asked for {_by(request.size or (0, 0))}",
                where=given.origins["size"],
                next=f"use --size {given.size[0]},{given.size[1]}, or a file of the wanted size",
            )
        return request.size or given.size or self.card.size

    def _batch(self) -> int:
        request, given = self.request, self.given
        if given.batch and request.batch not in (None, given.batch):
            raise UsageError(
                f"takes batches of {given.batch} only, asked for {request.batch}",
                where=given.origins["batch"],
                next=f"use --batch {given.batch}, or export the network with a dynamic batch",
            )
        return request.batch or given.batch or 1

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

    def _overridden(self) -> Iterator[str]:
        """Where the card's protocol, or the user's, is not the card's own preprocessing.

        That of a backend is not mentioned: the card names it for its tools.
        """
        if self.request.protocol is None and not self._follows():
            return
        for name, (own, value) in overridden(self.base, self.protocol).items():
            if name not in {*self.request.changes, *self.given.protocol}:
                step = f"--{name} {own} keeps the card's" if name == "resize" else ""
                which = f"protocol {self.protocol.name} has {name} {value}"
                what = f"{which}, which replaces {own} of the card's preprocess"
                yield "; ".join(filter(None, (what, step)))

    def _decisions(self, size: tuple[int, int], base: Preprocess) -> Iterator[str]:
        origins, card = self.given.origins, self.card
        yield from self._overridden()
        if self.given.size == size != card.size:
            yield f"{origins['size']}: size {_by(size)} (card: {_by(card.size)})"
        if self.given.batch not in (None, 1, self.request.batch):
            yield f"{origins['batch']}: batch {self.given.batch} (default: 1)"
        if base.channels != self.base.channels:
            colours = _CHANNELS[base.channels], _CHANNELS[self.base.channels]
            yield f"{origins['channels']}: {colours[0]} images (card: {colours[1]})"
        for name, value in self._differing():
            known = self._known(name)
            own = "not stated" if known is None else known
            if self._follows():
                yield f"{origins[name]}: {name} {value} (card: {own})"
            elif name != "rounding" or self._known("resize") != "stretch":  # else nothing to round
                which = f"protocol {self.protocol.name} has {own}"
                yield f"{origins[name]}: {name} {value} is not followed, {which}"


def _by(size: tuple[int, int]) -> str:
    return "x".join(map(str, size))
