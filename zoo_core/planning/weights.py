"""The weights of a run: published, the user's own, random, or the bundled sample."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import REPOSITORY, PartedExporter, Source, Stage, WeightsOption
from zoo_core.api.repository import CLONED, source_stage
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
    """The weights of a run; `files` and `locations` (paths of local files) are by role.

    `repository` is the stage that clones the repository in which some of the files lie.
    """

    kind: str
    format: str
    files: Mapping[str, Source]
    locations: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    repository: Stage | None = None

    @property
    def is_bundled(self) -> bool:
        """Whether all files lie in installed packages."""
        return bool(self.files) and all(source.resource for source in self.files.values())

    def stages(self) -> list[Stage]:
        """The stage that fetches the files, and before it the clone that holds some of them."""
        if not self.files:
            return []
        inside = {role: {"path": source.path} for role, source in self._cloned().items()}
        rows = {
            role: {**_identity(source), **inside.get(role, {})}
            for role, source in self.files.items()
        }
        fetch = Stage(
            name=WEIGHTS_STAGE,
            run=_FETCH,
            params={"files": rows},
            inputs={"repository": REPOSITORY} if inside else {},
            outputs=tuple(source.name for source in self.files.values()),
            locations={
                role: self._place(role, source)
                for role, source in self.files.items()
                if role not in inside
            },
            download=sum(source.size or 0 for source in self._remote()),
        )
        return [self.repository, fetch] if self.repository else [fetch]

    def _place(self, role: str, source: Source) -> str:
        resource = f"resource:{source.resource}" if source.resource else ""
        return self.locations.get(role) or source.url or resource

    def references(self) -> dict[str, str]:
        """Role -> "stage/file" in the plan."""
        return {role: f"{WEIGHTS_STAGE}/{source.name}" for role, source in self.files.items()}

    def urls(self, is_cached: Callable[[Sequence[Stage]], bool]) -> list[str]:
        """URLs of what comes from the network: files, and the repository unless it is cached."""
        urls = [source.url for source in self._remote() if source.url]
        clone = self.repository
        url = str(clone.params["url"]) if clone and not is_cached([clone]) else ""
        return [*urls, url] if url.startswith("https:") else urls

    def _cloned(self) -> dict[str, Source]:
        """Files that a clone of the repository holds."""
        own = self.files.items() if self.repository else ()
        return {role: each for role, each in own if each.path and role not in self.locations}

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
    inside = [source for source in missing if source.path]
    if by_hand:
        what = f"{files} {verb} not in the cache and cannot be downloaded automatically"
    else:
        what = not_cached(files, verb)
        steps.insert(0, f"run `zoo fetch {card.id}` with network access")
    if inside:
        steps.append(f"give a checkout of {card.repository.name} with --source DIR")
    else:
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


def published_weights(card: ModelCard, source: str = "builtin") -> list[Weights]:
    """The card's options; those that need a manual download only if the file has been imported.

    The kind is "published", or "given" for a file of this machine that no digest identifies.
    `source` is that of the request: a folder has the files of the repository. Raises UsageError for
    a file of a repository without a commit, DataError for one that the folder lacks.
    """
    options = [_published(card, option, source) for option in card.weights]
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
        stages = weights.stages()
        if stages and (is_cached(stages) or not weights.urls(is_cached)):
            return weights
    return next((w for w in options if all(map(is_reachable, w.urls(is_cached)))), None)


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
    formats = [option.format for option in card.weights]
    own = (one for one in formats if one in exporter.suffixes.values())
    form = next(own, formats[0] if formats else "")
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


def _published(card: ModelCard, option: WeightsOption, source: str) -> Weights | None:
    """Local files count as published only if they have the digest that the card states."""
    files: dict[str, Source] = {}
    locations: dict[str, str] = {}
    kind = "published"
    for role, file in option.files.items():
        files[role] = file
        path = by_hand_file(card.id, file.name)
        if file.path and source not in CLONED:
            path = Path(source).expanduser() / file.path
            if not path.is_file():
                step = "give a checkout of the card's commit, or --weights FILE"
                raise DataError("no such file in the checkout", where=str(path), next=step)
        if path.is_file():
            files[role] = _digested(file, path)
            locations[role] = str(path.absolute())
            kind = kind if _is_known(file, path) else "given"
        elif file.by_hand:
            return None
    inside = any(file.path and role not in locations for role, file in files.items())
    clone = source_stage(card) if inside else None
    return Weights(
        kind=kind, format=option.format, files=files, locations=locations, repository=clone
    )


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
