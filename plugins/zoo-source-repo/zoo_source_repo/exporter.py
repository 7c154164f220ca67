"""The plan of an export by a source repository's own command: pure, and light."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.api import REPOSITORY, Stage
from zoo_core.api.repository import CLONED, source_stage
from zoo_core.errors import UsageError
from zoo_core.toolkit.foreign import describe_tree
from zoo_source_repo.params import Export

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import ExportRequest, ModelCard

_ONNX = "onnx"
_MODEL = "model.onnx"
_INSIDE = ("__main__", "missing_modules", "module_shims", "torch_shims", "vision_shims")


class SourceRepoExporter:
    """From weights to ONNX by the command that the card states, then through exporter `onnx`."""

    formats: tuple[str, ...] = (_ONNX,)
    suffixes: Mapping[str, str] = MappingProxyType(
        {".pth": "torch", ".pt": "torch", ".ckpt": "torch", ".safetensors": "safetensors"}
    )
    companions: Mapping[str, str] = MappingProxyType({})

    def stages(self, card: ModelCard, request: ExportRequest) -> Sequence[Stage]:
        """`source`, `environment`, `script`, and those of exporter `onnx` on what came out.

        Raises RegistryError for the card's parameters, UsageError for a repository without a
        commit, and for random weights of a card that says no command for them.
        """
        where = f"{card.origin}: models.{card.id}.exporter_params"
        export = Export.from_card(card.exporter_params, where)
        if request.weights == "random" and not export.random:
            step = f"give --weights FILE, or add `random` to {where}"
            raise UsageError(f"{card.id} has no command for random weights", next=step)
        made = _stages(card, request, export)
        if request.others is None:
            return made
        others = request.others(_ONNX)
        handed = replace(card, exporter=_ONNX, exporter_params=dict(export.onnx))
        taken = replace(
            request,
            weights="given",
            format=_ONNX,
            files={"weights": f"script/{_MODEL}"},
            source="builtin",
        )
        return [*made, *others.stages(handed, taken)]


def _stages(card: ModelCard, request: ExportRequest, export: Export) -> list[Stage]:
    own = export.environment.requirements is not None
    environment = Stage(
        name="environment",
        run="zoo_source_repo.script:environment",
        params=export.environment.to_data(),
        outputs=("environment.json",),
        isolated=True,
    )
    tree = _tree(card, request.source)
    height, width = request.size
    random = request.weights == "random"
    script = Stage(
        name="script",
        run="zoo_source_repo.script:export",
        params={
            **export.to_data(),
            "environment": export.environment.to_data(),
            "values": {"height": height, "width": width, "classes": request.classes, "batch": 1},
            "seed": request.seed if random else None,
            "suffix": _suffix(card, request),
            "source": tree.record,
        },
        inputs={
            **tree.inputs,
            **({"environment": "environment/environment.json"} if own else {}),
            **({} if random else {"weights": request.files["weights"]}),
        },
        outputs=(_MODEL, "script.json"),
        versions=() if own else ("torch", "onnx", "numpy"),
        sources=tuple(f"zoo_source_repo.inside.{name}" for name in _INSIDE),
        locations=tree.locations,
        isolated=True,
        notice=(
            f"note: this runs code of {tree.whose} here, in "
            f"{'an environment of its own' if own else 'the environment of zoo'}, "
            "without your environment variables, but with your rights"
        ),
    )
    return [*tree.stages, *([environment] if own else []), script]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """Where the repository's files come from, and whose they are in words."""

    record: dict[str, Any]
    whose: str
    stages: tuple[Stage, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    locations: Mapping[str, str] = field(default_factory=dict)


def _tree(card: ModelCard, source: str) -> _Tree:
    """The clone at the card's commit, or a folder; the card names a commit in either case."""
    clone, name = source_stage(card), card.repository.name
    commit = str(clone.params["commit"])
    if source in CLONED:
        return _Tree(
            record=dict(clone.params),
            whose=f"{name} at commit {commit[:12]}",
            stages=(clone,),
            inputs={"source": REPOSITORY},
        )
    folder = Path(source).expanduser().absolute()
    record = describe_tree(folder)
    head = record["commit"]
    at = "" if head == commit else f" ({_head(head)}, the card names {commit[:12]})"
    return _Tree(record=record, whose=f"{folder}{at}", locations={"source": str(folder)})


def _head(commit: str | None) -> str:
    return f"at {commit[:12]}" if commit else "at no commit that git tells"


def _suffix(card: ModelCard, request: ExportRequest) -> str:
    """The suffix of the weights file, in lower case: a script may look at it."""
    names = [request.files.get("weights", "")]
    if request.weights == "random":
        names += [option.files["weights"].name for option in card.weights]
    return next((Path(name).suffix.lower() for name in names if Path(name).suffix), ".pth")
