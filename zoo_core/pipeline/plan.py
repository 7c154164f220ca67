"""A plan: stages in order, each with the key of what it does and of all it is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.errors import ZooError
from zoo_core.system.distributions import version
from zoo_core.system.hashing import digest
from zoo_core.system.source_digest import source_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zoo_core.api import Stage


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage, its key, and the parts that the key digests; `root` is the key of all its sizes.

    The root leaves out what only lets the outputs grow (`Stage.growing`), here and before.
    """

    stage: Stage
    key: str
    root: str
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
        found = [item for item in self.stages if file in item.stage.outputs]
        return found[-1] if found else None

    def until(self, name: str) -> Plan:
        """The stages that `name` needs, and itself."""
        needed = {name}
        for item in reversed(self.stages):
            if item.stage.name in needed:
                needed |= {ref.partition("/")[0] for ref in item.stage.inputs.values()}
        return Plan(tuple(item for item in self.stages if item.stage.name in needed))


def make_plan(stages: Iterable[Stage]) -> Plan:
    """Check that names are unique and inputs are made earlier; compute the keys. Pure."""
    planned: dict[str, PlannedStage] = {}
    for stage in stages:
        if stage.name in planned:
            raise ZooError(f"two stages are named '{stage.name}'", where="plan")
        parts = _parts(stage, planned)
        root = digest({**parts, **_without_growth(stage, planned)})
        planned[stage.name] = PlannedStage(stage, digest(parts), root, parts)
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
    stage: Stage, earlier: Mapping[str, PlannedStage], by_root: tuple[str, ...]
) -> dict[str, list[str]]:
    """[key, file] of each input, or [root, file]."""
    found = {}
    for argument, reference in stage.inputs.items():
        made, file = _made(stage, reference, earlier)
        found[argument] = [made.root if argument in by_root else made.key, file]
    return found


def _made(stage: Stage, ref: str, earlier: Mapping[str, PlannedStage]) -> tuple[PlannedStage, str]:
    name, _, file = ref.partition("/")
    if name not in earlier:
        raise ZooError(f"stage '{stage.name}' needs '{ref}', which no earlier stage makes")
    if file not in earlier[name].stage.outputs:
        raise ZooError(f"stage '{stage.name}' needs '{ref}', '{name}' does not output it")
    return earlier[name], file


def _version(name: str) -> str:
    return version(name) or "absent"
