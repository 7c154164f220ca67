"""Which weights and which data: published, given, random, or the bundled sample."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Source, Stage, WeightsOption
from zoo_core.errors import DataError, UsageError
from zoo_core.system.file_cache import file_digest_cached
from zoo_core.system.hashing import file_digest
from zoo_core.system.paths import by_hand_file, resource_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api import Exporter, ModelCard
    from zoo_core.planning.request import RunRequest

WEIGHTS_STAGE = "weights"
_FETCH = "zoo_core.pipeline.stages.weights:fetch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The chosen weights: kind, format, sources by role, and files that lie on this machine."""

    kind: str
    format: str
    files: Mapping[str, Source]
    locations: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def stage(self) -> Stage | None:
        """The stage that brings the files; None where there are none."""
        if not self.files:
            return None
        return Stage(
            name=WEIGHTS_STAGE,
            run=_FETCH,
            params={"files": {role: _identity(source) for role, source in self.files.items()}},
            outputs=tuple(source.name for source in self.files.values()),
            locations={role: self._place(role, source) for role, source in self.files.items()},
            download=sum(source.size or 0 for source in self._away()),
        )

    def _place(self, role: str, source: Source) -> str:
        resource = f"resource:{source.resource}" if source.resource else ""
        return self.locations.get(role) or source.url or resource

    def references(self) -> dict[str, str]:
        """Role -> "stage/file" in the plan."""
        return {role: f"{WEIGHTS_STAGE}/{source.name}" for role, source in self.files.items()}

    def urls(self) -> list[str]:
        """Where the files come from, as far as they come from a network."""
        return [source.url for source in self._away() if source.url]

    def _away(self) -> list[Source]:
        return [
            source
            for role, source in self.files.items()
            if source.url and role not in self.locations
        ]


def absent_files(card: ModelCard, option: WeightsOption) -> list[Source]:
    """Those of one option; the store, where downloads are kept, is not asked."""
    sources = [source for source in option.files.values() if not source.resource]
    return [s for s in sources if not by_hand_file(card.id, s.name).is_file()]


def nearest_option(card: ModelCard) -> tuple[WeightsOption, list[Source]]:
    """The option with the fewest absent files that only a person can bring, and its absent files.

    Raises ValueError for a card without weights.
    """
    wanting = [(option, absent_files(card, option)) for option in card.weights]
    return min(wanting, key=lambda pair: sum(source.by_hand is not None for source in pair[1]))


def missing_weights(card: ModelCard) -> tuple[str, str]:
    """What to say where none of a card's weights are here, and what a person can do.

    Of several options, the one with the fewest files that only a person can bring is named.
    """
    steps = ["give --weights FILE"]
    if not card.weights:
        return f"the card of {card.id} names no weights", steps[0]
    option, absent = nearest_option(card)
    by_hand = [source for source in absent if source.by_hand]
    missing = by_hand or absent
    files = f"{', '.join(source.name for source in missing)} of {card.id}"
    verb = "is" if len(missing) == 1 else "are"
    if option.files["weights"] in missing:
        files, verb = f"the {'' if by_hand else 'published '}weights of {card.id}", "are"
    if by_hand:
        what = f"{files} {verb} brought by hand, and {verb} not here"
    else:
        what = not_cached(files, verb)
        steps.insert(0, "run `zoo fetch` where there is one")
    steps += [
        f"bring {s.name} by `zoo fetch {card.id} --from-file FILE` ({_where(s)})"
        for s in missing[:1]
    ]
    return what, ", or ".join(steps)


def not_cached(what: str, verb: str = "are") -> str:
    """The sentence for what would have to be downloaded."""
    return f"no network, and {what} {verb} not in the cache"


def _where(source: Source) -> str:
    """The card's words, whatever they are, as the end of a sentence."""
    text = " ".join((source.by_hand or source.url or "").split())
    return f"where to get it: {text.rstrip('.')}"


def given_weights(request: RunRequest, card: ModelCard, exporter: Exporter) -> Weights:
    """Weights of `--weights`: a file, with its companions; or random."""
    text = request.weights or ""
    if text == "random" or text.startswith("random:"):
        return _random(text, request, card, exporter)
    path = Path(text).expanduser()
    form = exporter.suffixes.get(path.suffix.lower())
    if not path.is_file():
        raise DataError("no such weights file", where=str(path), next="check --weights")
    if form is None:
        known = ", ".join(sorted(exporter.suffixes))
        step = f"give a file that exporter {card.exporter} reads"
        raise DataError(f"weights must end in {known}", where=str(path), next=step)
    paths = {"weights": path, **_companions(path, request, exporter)}
    return _local("given", form, paths)


def published_weights(card: ModelCard) -> list[Weights]:
    """The card's equal options; those by hand only where the file has been brought.

    Their kind is "published", or "given" where a file was brought that no digest tells to be it.
    """
    found = []
    for option in card.weights:
        weights = _published(card.id, option)
        if weights:
            found.append(weights)
    return found


def sample_weights(card: ModelCard) -> Weights:
    """The sample that comes with the exporter's plugin; raises DataError where it has none."""
    if card.sample is None:
        step = "give --weights FILE, or run where there is a network"
        raise DataError(f"{card.id} has no bundled sample", next=step)
    return _resources(card.sample)


def stored_weights() -> Weights:
    """Weights that nothing is known of: another program ran the network and stored its outputs."""
    return Weights(kind="given", format="", files={})


def first_ready(
    options: Sequence[Weights],
    have: Callable[[Sequence[Stage]], bool],
    reachable: Callable[[str], bool],
) -> Weights | None:
    """The first option that the store holds, else the first that can be had; else None."""
    staged = [(weights, weights.stage()) for weights in options]
    for weights, stage in staged:
        if stage and (have([stage]) or not weights.urls()):
            return weights
    return next((w for w, _ in staged if all(reachable(url) for url in w.urls())), None)


def _identity(source: Source) -> dict[str, object]:
    """What a file is, wherever it lies: equal files given and published have equal keys."""
    return {"name": source.name, "sha256": source.sha256, "size": source.size}


def _random(text: str, request: RunRequest, card: ModelCard, exporter: Exporter) -> Weights:
    seed = text.partition(":")[2] or "0"
    if not seed.isdecimal():
        raise UsageError(f"invalid seed '{seed}'", where="--weights", next="use random or random:7")
    files: dict[str, Source] = {}
    locations: dict[str, str] = {}
    if request.cfg and "cfg" in exporter.companions:
        given = _local("given", "", {"cfg": request.cfg})
        files, locations = dict(given.files), dict(given.locations)
    elif exporter.companions and card.weights:
        roles = card.weights[0].files
        files = {role: source for role, source in roles.items() if role in exporter.companions}
    form = card.weights[0].format if card.weights else ""
    return Weights(kind="random", format=form, files=files, locations=locations, seed=int(seed))


def _companions(path: Path, request: RunRequest, exporter: Exporter) -> dict[str, Path]:
    given = {"cfg": request.cfg} if request.cfg else {}
    found = {}
    for role, suffix in exporter.companions.items():
        beside = given.get(role) or path.with_suffix(suffix)
        if not beside.is_file():
            step = f"put it beside the weights, or give --{role} FILE"
            raise DataError(f"no {suffix} file for the weights", where=str(beside), next=step)
        found[role] = beside
    return found


def _local(kind: str, form: str, paths: Mapping[str, Path]) -> Weights:
    files = {
        role: _digested(Source(name=path.name, by_hand="given"), path)
        for role, path in paths.items()
    }
    places = {role: str(path.absolute()) for role, path in paths.items()}
    return Weights(kind=kind, format=form, files=files, locations=places)


def _digested(source: Source, path: Path) -> Source:
    return replace(source, sha256=file_digest_cached(path), size=path.stat().st_size)


def _published(model: str, option: WeightsOption) -> Weights | None:
    """Files brought by hand are the published ones where the card has a digest that tells so."""
    files: dict[str, Source] = {}
    locations: dict[str, str] = {}
    kind = "published"
    for role, source in option.files.items():
        files[role] = source
        path = by_hand_file(model, source.name)
        if path.is_file():
            files[role] = _digested(source, path)
            locations[role] = str(path)
            kind = kind if _is_known(source, path) else "given"
        elif source.by_hand:
            return None
    return Weights(kind=kind, format=option.format, files=files, locations=locations)


def _is_known(source: Source, path: Path) -> bool:
    """Whether a file has the digest that the card states; false where it states none."""
    if source.sha256 is not None:
        return file_digest_cached(path) == source.sha256
    return source.md5 is not None and file_digest(path, "md5") == source.md5


def _resources(option: WeightsOption) -> Weights:
    files = {
        role: _digested(source, resource_path(source.resource or ""))
        for role, source in option.files.items()
    }
    return Weights(kind="sample", format=option.format, files=files)
