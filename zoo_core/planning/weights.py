"""The weights of a run: published, the user's own, random, or the bundled sample."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import PartedExporter, Source, Stage, WeightsOption
from zoo_core.errors import DataError, UsageError
from zoo_core.system.file_cache import file_digest_cached
from zoo_core.system.hashing import file_digest
from zoo_core.system.paths import by_hand_file, resource_path
from zoo_core.system.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from zoo_core.api import Exporter, ModelCard
    from zoo_core.planning.request import RunRequest

WEIGHTS_STAGE = "weights"
_SEED_DIGITS = 18
_FETCH = "zoo_core.pipeline.stages.weights:fetch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The weights of a run; `files` and `locations` (paths of local files) are by role."""

    kind: str
    format: str
    files: Mapping[str, Source]
    locations: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0

    def stage(self) -> Stage | None:
        """The stage that fetches the files; None if there are none."""
        if not self.files:
            return None
        return Stage(
            name=WEIGHTS_STAGE,
            run=_FETCH,
            params={"files": {role: _identity(source) for role, source in self.files.items()}},
            outputs=tuple(source.name for source in self.files.values()),
            locations={role: self._place(role, source) for role, source in self.files.items()},
            download=sum(source.size or 0 for source in self._remote()),
        )

    def _place(self, role: str, source: Source) -> str:
        resource = f"resource:{source.resource}" if source.resource else ""
        return self.locations.get(role) or source.url or resource

    def references(self) -> dict[str, str]:
        """Role -> "stage/file" in the plan."""
        return {role: f"{WEIGHTS_STAGE}/{source.name}" for role, source in self.files.items()}

    def urls(self) -> list[str]:
        """URLs of the files that come from the network."""
        return [source.url for source in self._remote() if source.url]

    def _remote(self) -> list[Source]:
        return [
            source
            for role, source in self.files.items()
            if source.url and role not in self.locations
        ]


def absent_files(card: ModelCard, option: WeightsOption) -> list[Source]:
    """Files of an option that are neither bundled nor imported; the store is not queried."""
    sources = [source for source in option.files.values() if not source.resource]
    return [s for s in sources if not by_hand_file(card.id, s.name).is_file()]


def nearest_option(card: ModelCard) -> tuple[WeightsOption, list[Source]]:
    """The option with the fewest absent files that need a manual download, and its absent files.

    Raises ValueError for a card without weights.
    """
    options = [(option, absent_files(card, option)) for option in card.weights]
    return min(options, key=lambda pair: sum(source.by_hand is not None for source in pair[1]))


def missing_weights(card: ModelCard) -> tuple[str, str]:
    """Message and next step for a card none of whose weights are available.

    Of several options, it names the one with the fewest files that need a manual download.
    """
    steps = ["give --weights FILE"]
    if not card.weights:
        return f"the card of {card.id} has no weights", steps[0]
    option, absent = nearest_option(card)
    by_hand = [source for source in absent if source.by_hand]
    missing = by_hand or absent
    files = f"{', '.join(source.name for source in missing)} of {card.id}"
    verb = "is" if len(missing) == 1 else "are"
    if option.files["weights"] in missing:
        files, verb = f"the {'' if by_hand else 'published '}weights of {card.id}", "are"
    if by_hand:
        what = f"{files} {verb} not in the cache and cannot be downloaded automatically"
    else:
        what = not_cached(files, verb)
        steps.insert(0, "run `zoo fetch` with network access")
    steps += [
        f"import {s.name} with `zoo fetch {card.id} --from-file FILE` ({_where(s)})"
        for s in missing[:1]
    ]
    return what, ", or ".join(steps)


def not_cached(what: str, verb: str = "are") -> str:
    """The message for files that would have to be downloaded."""
    return f"no network, and {what} {verb} not in the cache"


def _where(source: Source) -> str:
    """Where to get a file, in the card's words, as the end of a sentence."""
    text = " ".join((source.by_hand or source.url or "").split())
    return f"where to get it: {text.rstrip('.')}"


def user_weights(
    request: RunRequest, card: ModelCard, exporters: Mapping[str, Exporter]
) -> Weights:
    """The weights of `--weights`: a file with its companions, or random weights.

    `exporters` are the card's, by name; the first that reads the file's format counts.
    """
    text = request.weights or ""
    if text == "random" or text.startswith("random:"):
        return _random(text, request, card, exporters[card.exporter])
    path = Path(text).expanduser()
    if not path.is_file():
        raise DataError("no such weights file", where=str(path), next="check --weights")
    suffix = path.suffix.lower()
    exporter = next((each for each in exporters.values() if suffix in each.suffixes), None)
    if exporter is None:
        known = ", ".join(sorted({each for own in exporters.values() for each in own.suffixes}))
        step = f"give a file that exporter {' or '.join(exporters)} reads"
        raise DataError(f"weights must end in {known}", where=str(path), next=step)
    form = exporter.suffixes[suffix]
    paths = {"weights": path, **_companions(path, request, exporter)}
    parts = exporter.parts(path) if isinstance(exporter, PartedExporter) else {}
    return local_weights("given", form, paths, parts)


def own_name(request: RunRequest, card: ModelCard, weights: Weights) -> str:
    """The name of the weights that `--weights` gives; empty for the card's published ones."""
    source = weights.files.get("weights")
    known = {option.files["weights"].sha256 for option in card.weights} - {None}
    if weights.kind != "given" or not request.weights or not source or source.sha256 in known:
        return ""
    return printable(Path(source.name).stem)


def local_weights(
    kind: str, form: str, paths: Mapping[str, Path], parts: Mapping[str, Path] | None = None
) -> Weights:
    """Weights of files on this machine, by role, and `parts` by name; they are digested."""
    further = list((parts or {}).items())
    rows = [(role, path.name, path) for role, path in paths.items()]
    rows += [(f"part-{number}", name, path) for number, (name, path) in enumerate(further, 1)]
    files = {role: _digested(Source(name=name, by_hand="given"), path) for role, name, path in rows}
    places = {role: str(path.absolute()) for role, _, path in rows}
    return Weights(kind=kind, format=form, files=files, locations=places)


def published_weights(card: ModelCard) -> list[Weights]:
    """The card's options; those that need a manual download only if the file has been imported.

    The kind is "published", or "given" for an imported file that no digest identifies.
    """
    options = [_published(card.id, option) for option in card.weights]
    return [weights for weights in options if weights]


def sample_weights(card: ModelCard) -> Weights:
    """The sample bundled with the exporter's plugin; raises DataError if there is none."""
    if card.sample is None:
        step = "give --weights FILE, or run with network access"
        raise DataError(f"{card.id} has no bundled sample", next=step)
    return _resources(card.sample)


def stored_weights() -> Weights:
    """Unknown weights: another program ran the network and stored its outputs."""
    return Weights(kind="given", format="", files={})


def first_ready(
    options: Sequence[Weights],
    is_cached: Callable[[Sequence[Stage]], bool],
    is_reachable: Callable[[str], bool],
) -> Weights | None:
    """The first option that is cached or local, else the first that can be downloaded."""
    for weights in options:
        stage = weights.stage()
        if stage and (is_cached([stage]) or not weights.urls()):
            return weights
    return next((w for w in options if all(is_reachable(url) for url in w.urls())), None)


def _identity(source: Source) -> dict[str, object]:
    """What identifies a file, whatever its place: equal files have equal keys."""
    return {"name": source.name, "sha256": source.sha256, "size": source.size}


def _random(text: str, request: RunRequest, card: ModelCard, exporter: Exporter) -> Weights:
    seed = text.partition(":")[2] or "0"
    if not seed.isdecimal() or len(seed) > _SEED_DIGITS:
        raise UsageError(f"invalid seed '{seed}'", where="--weights", next="use random or random:7")
    files: dict[str, Source] = {}
    locations: dict[str, str] = {}
    if request.cfg and "cfg" in exporter.companions:
        cfg = local_weights("given", "", {"cfg": request.cfg})
        files, locations = dict(cfg.files), dict(cfg.locations)
    elif exporter.companions and card.weights:
        roles = card.weights[0].files
        files = {role: source for role, source in roles.items() if role in exporter.companions}
    form = card.weights[0].format if card.weights else ""
    return Weights(kind="random", format=form, files=files, locations=locations, seed=int(seed))


def _companions(path: Path, request: RunRequest, exporter: Exporter) -> dict[str, Path]:
    options = {"cfg": request.cfg} if request.cfg else {}
    paths = {}
    for role, suffix in exporter.companions.items():
        beside = options.get(role) or path.with_suffix(suffix)
        if not beside.is_file():
            step = f"put it beside the weights, or give --{role} FILE"
            raise DataError(f"no {suffix} file for the weights", where=str(beside), next=step)
        paths[role] = beside
    return paths


def _digested(source: Source, path: Path) -> Source:
    return replace(source, sha256=file_digest_cached(path), size=path.stat().st_size)


def _published(model: str, option: WeightsOption) -> Weights | None:
    """Imported files count as published only if they have the digest that the card states."""
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
    """Whether a file has the digest that the card states; false if it states none."""
    if source.sha256 is not None:
        return file_digest_cached(path) == source.sha256
    return source.md5 is not None and file_digest(path, "md5") == source.md5


def _resources(option: WeightsOption) -> Weights:
    files = {
        role: _digested(source, resource_path(source.resource or ""))
        for role, source in option.files.items()
    }
    return Weights(kind="sample", format=option.format, files=files)
