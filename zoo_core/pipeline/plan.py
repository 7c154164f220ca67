"""A plan: stages in order, each with a key that digests what it does and all of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.api.backend import ARTEFACT_FILE
from zoo_core.errors import ZooError
from zoo_core.system.distributions import version
from zoo_core.system.hashing import digest
from zoo_core.system.source_digest import source_digest

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from zoo_core.api import Stage


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage, its key, and the parts that the key digests.

    `growth_key` is the key computed without the `growing` parameters of this and all earlier
    stages; it is equal for all sizes of the same stage.
    """

    stage: Stage
    key: str
    growth_key: str
    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in an order in which they can run."""

    stages: tuple[PlannedStage, ...]

    def __iter__(self) -> Iterator[PlannedStage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    def find(self, name: str) -> PlannedStage | None:
        """A stage by name."""
        return next((item for item in self.stages if item.stage.name == name), None)

    def maker(self, file: str) -> PlannedStage | None:
        """The last stage that outputs a file of this name."""
        makers = [item for item in self.stages if file in item.stage.outputs]
        return makers[-1] if makers else None

    def ready(self, done: Container[str]) -> list[PlannedStage]:
        """The stages that are not in `done` but whose needs all are, in order."""
        return [
            item
            for item in self.stages
            if item.stage.name not in done and all(name in done for name in item.stage.needs)
        ]

    def artefact(self) -> PlannedStage | None:
        """The stage that outputs the artefact; see `Compiler.stages`."""
        return self.maker(ARTEFACT_FILE)

    def until(self, name: str) -> Plan:
        """The stage `name` and all stages that it depends on."""
        names = {name}
        for item in reversed(self.stages):
            if item.stage.name in names:
                names |= item.stage.needs
        return Plan(tuple(item for item in self.stages if item.stage.name in names))


def make_plan(stages: Iterable[Stage]) -> Plan:
    """Check that names are unique and inputs come from earlier stages; compute the keys. Pure."""
    planned: dict[str, PlannedStage] = {}
    for stage in stages:
        if stage.name in planned:
            raise ZooError(f"two stages are named '{stage.name}'", where="plan")
        parts = _parts(stage, planned)
        growth_key = digest({**parts, **_without_growth(stage, planned)})
        planned[stage.name] = PlannedStage(stage, digest(parts), growth_key, parts)
    return Plan(tuple(planned.values()))


def _parts(stage: Stage, earlier: Mapping[str, PlannedStage]) -> dict[str, Any]:
    module = stage.run.partition(":")[0]
    return {
        "run": stage.run,
        "source": source_digest([module, *stage.sources]),
        "params": dict(stage.params),
        "outputs": list(stage.outputs),
        "versions": {name: _version(name) for name in stage.versions},
        "inputs": _inputs(stage, earlier, stage.ranges),
    }


def _without_growth(stage: Stage, earlier: Mapping[str, PlannedStage]) -> dict[str, Any]:
    fixed = {name: value for name, value in stage.params.items() if name not in stage.growing}
    return {"params": fixed, "inputs": _inputs(stage, earlier, tuple(stage.inputs))}


def _inputs(
    stage: Stage, earlier: Mapping[str, PlannedStage], by_growth_key: tuple[str, ...]
) -> dict[str, list[str]]:
    """[key, file] of each input, or [growth_key, file]."""
    keys = {}
    for argument, reference in stage.inputs.items():
        source, file = _source(stage, reference, earlier)
        keys[argument] = [source.growth_key if argument in by_growth_key else source.key, file]
    return keys


def _source(
    stage: Stage, ref: str, earlier: Mapping[str, PlannedStage]
) -> tuple[PlannedStage, str]:
    name, _, file = ref.partition("/")
    if name not in earlier:
        raise ZooError(f"stage '{stage.name}' needs '{ref}', which no earlier stage outputs")
    if file not in earlier[name].stage.outputs:
        raise ZooError(f"stage '{stage.name}' needs '{ref}', which '{name}' does not output")
    return earlier[name], file


def _version(name: str) -> str:
    return version(name) or "absent"
