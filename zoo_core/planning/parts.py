"""The plan of a run and of its reference, with the stage that tells their parts apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core.api import GRAPH_FILE, Stage, SubstitutesParts
from zoo_core.errors import UsageError
from zoo_core.pipeline.plan import make_plan
from zoo_core.pipeline.stages.parts import MEASURED, PARTS_FILE, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.pipeline.plan import Plan
    from zoo_core.planning.build import Run
    from zoo_core.plugins.manager import Plugins

_STAGE = "parts"
_PREFIX = "fp32-"


def with_parts(measured: Run, reference: Run, plugins: Plugins) -> Run:
    """The measured run, its plan followed by the reference's and the stage `parts`.

    Raises UsageError for runs whose predictions have no parts, or no accuracy.
    """
    card = measured.resolved.card
    if not isinstance(plugins.evaluator(card.evaluator), SubstitutesParts):
        what = f"predictions of '{card.task}' cannot be split into boxes, scores and classes"
        raise UsageError(what, next="name a run of a detector of boxes; see `zoo compare`")
    score, settle = (measured.plan.find(name) for name in ("score", "settle"))
    if score is None or settle is None or reference.plan.find("score") is None:
        what = "the run has no accuracy: it needs trained weights and ground truth"
        raise UsageError(what, next="name a run of `zoo eval`")
    own = {item.stage.name: item.stage.name for item in measured.plan}
    names, more = _renamed(measured.plan, reference.plan)
    inputs = {
        **score.stage.inputs,
        **dict(_inputs(MEASURED, measured.plan, own)),
        **dict(_inputs(REFERENCE, reference.plan, names)),
    }
    if graph := measured.plan.maker(GRAPH_FILE):
        inputs["graph"] = f"{graph.stage.name}/{GRAPH_FILE}"
    stage = replace(
        score.stage,
        name=_STAGE,
        run="zoo_core.pipeline.stages.parts:split",
        params={**score.stage.params, "values": settle.stage.params["values"]},
        inputs=inputs,
        outputs=(PARTS_FILE,),
    )
    stages = [item.stage for item in measured.plan]
    return replace(measured, plan=make_plan([*stages, *more, stage]))


def _renamed(first: Plan, second: Plan) -> tuple[dict[str, str], list[Stage]]:
    """Names that the second plan's stages get beside the first's, and those that are its own."""
    known = {item.key: item.stage.name for item in first}
    names = {i.stage.name: known.get(i.key, _PREFIX + i.stage.name) for i in second}
    own = [
        replace(item.stage, name=names[item.stage.name], inputs=_moved(item.stage, names))
        for item in second
        if item.key not in known
    ]
    return names, own


def _moved(stage: Stage, names: Mapping[str, str]) -> dict[str, str]:
    parts = {argument: ref.partition("/") for argument, ref in stage.inputs.items()}
    return {argument: f"{names[name]}/{file}" for argument, (name, _, file) in parts.items()}


def _inputs(run: str, plan: Plan, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The arguments of the stage `parts` that come from one run."""
    for item in plan:
        own = names[item.stage.name]
        if item.stage.name == "settle":
            for argument, ref in _moved(item.stage, names).items():
                yield f"{run}-{argument}", ref
        if item.stage.name == "score":
            yield f"{run}-metrics", f"{own}/metrics.json"
            if "resamples.npz" in item.stage.outputs:
                yield f"{run}-halves", f"{own}/resamples.npz"
