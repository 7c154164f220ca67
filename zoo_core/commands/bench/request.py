"""What `zoo bench` is asked for beyond what to compile."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from zoo_core.benchmark.settings import RANKED, BenchSettings
from zoo_core.benchmark.statistics import PERCENTILES, samples_needed
from zoo_core.errors import UsageError, did_you_mean
from zoo_core.planning.request import as_count, as_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.api import Backend
    from zoo_core.planning.request import RunRequest
    from zoo_core.reporting.gates.expression import Gate

_FORM = "write [BACKEND][:PRECISION][,KEY=VALUE...], such as openvino, :fp32 or threads=1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """The options of `zoo bench`.

    `versus` is the spelling of a second build (see `second`), `images` a folder for the breakdown,
    `sweep` the spelling of settings to sweep (see `zoo_core.commands.bench.sweep`).
    """

    settings: BenchSettings = field(default_factory=BenchSettings)
    versus: str | None = None
    images: Path | None = None
    breakdown: bool = True
    profile: bool = False
    sweep: str | None = None
    gates: tuple[Gate, ...] = ()

    def __post_init__(self) -> None:
        if self.versus is not None and not self.versus.strip():
            raise UsageError("names no build", where="--vs", next=_FORM)
        if self.sweep and (self.versus or self.profile):
            what = "--sweep looks for the best settings of one build"
            raise UsageError(what, next="give --vs or --profile to another `zoo bench`")


def settings_of(
    scenario: str | None,
    samples_per_query: int,
    target_qps: float | None,
    duration: float | None,
    min_samples: int | None,
) -> BenchSettings:
    """The settings of the command line; a number of samples that is named is always reached.

    Without one it is what the scenario's ranked percentile needs. Raises UsageError.
    """
    if target_qps is not None and scenario != "server":
        raise UsageError("--target-qps is for --scenario server")
    usual, ranked = BenchSettings(), RANKED.get(scenario or "")
    if min_samples is not None:
        min_samples = as_count(min_samples, "--min-samples")
    return BenchSettings(
        scenario=scenario,
        seconds=usual.seconds if duration is None else as_number(duration, "--duration"),
        min_samples=min_samples
        or (samples_needed(PERCENTILES[ranked]) if ranked else usual.min_samples),
        patience=usual.patience if min_samples is None else math.inf,
        least_samples=min(usual.least_samples, min_samples or usual.least_samples),
        samples_per_query=samples_per_query,
        target_qps=target_qps,
    )


def second(request: RunRequest, spelling: str, backends: Mapping[str, Backend]) -> RunRequest:
    """The request of the other build of `--vs [BACKEND][:PRECISION][,KEY=VALUE...]`.

    What is left out is as in the first; `device`, `batch` and `threads`-like options are keys. The
    first's options go with its backend only. A word that is not a backend may be a precision of the
    first's. Raises UsageError.
    """
    name, *pairs = spelling.split(",")
    if "=" in name:
        name, pairs = "", [name, *pairs]
    backend, colon, precision = (part.strip() for part in name.partition(":"))
    if backend and backend not in backends:
        mine = backends[request.backend or ""]
        if colon or backend not in mine.precisions:
            what = (
                f"no backend or precision '{backend}'" if not colon else f"no backend '{backend}'"
            )
            raise UsageError(what, where="--vs", next=_meant(backend, mine, backends))
        backend, precision = "", backend
    same = not backend or backend == request.backend
    changed = replace(
        request,
        backend=backend or request.backend,
        precision=precision or request.precision,
        device=request.device if same else None,
        options=dict(request.options) if same else {},
    )
    for pair in pairs:
        changed = _with(changed, pair)
    if replace(changed, batch=changed.batch or 1) == replace(request, batch=request.batch or 1):
        raise UsageError(f"'{spelling}' is the build itself", where="--vs", next=_FORM)
    return changed


def _meant(word: str, mine: Backend, backends: Mapping[str, Backend]) -> str:
    if word in mine.options or word in ("batch", "device"):
        return f"did you mean '{word}=VALUE'?"
    return did_you_mean(word, [*backends, *(f":{name}" for name in mine.precisions)])


def title(request: RunRequest, other: RunRequest) -> str:
    """How `request` is called beside `other`: backend and precision, and what else differs."""
    others = _pairs(other)
    changed = [pair for pair in _pairs(request) if pair not in others]
    return ",".join([f"{request.backend}:{request.precision}", *changed])


def _pairs(request: RunRequest) -> list[str]:
    device = [f"device={request.device}"] if request.device else []
    options = [f"{key}={value}" for key, value in sorted(request.options.items())]
    return [f"batch={request.batch or 1}", *device, *options]


def _with(request: RunRequest, pair: str) -> RunRequest:
    key, equals, value = (part.strip() for part in pair.partition("="))
    if not equals or not key or not value:
        raise UsageError(f"'{pair}' is not KEY=VALUE", where="--vs", next=_FORM)
    if key == "device":
        return replace(request, device=value)
    if key == "precision":
        return replace(request, precision=value)
    if key == "batch":
        return replace(request, batch=whole(value, "--vs batch"))
    return replace(request, options={**request.options, key: value})


def whole(text: str, where: str) -> int:
    """A number from 1; raises UsageError."""
    if not text.isdecimal() or not int(text):
        raise UsageError(
            f"'{text}' is not a whole number from 1", where=where, next="write 1, 2, 3 ..."
        )
    return int(text)
