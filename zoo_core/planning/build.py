"""Builds the plan of a run: the stages from weights to metrics."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from zoo_core.api import (
    ARTEFACT_FILE,
    GRAPH_FILE,
    ComparesLayers,
    CompileRequest,
    Decoding,
    ExportRequest,
    RanksLayers,
    ReweightsImages,
    Stage,
)
from zoo_core.errors import UsageError, ZooError
from zoo_core.pipeline.plan import Plan, make_plan
from zoo_core.planning.resolve import resolve
from zoo_core.planning.tuned import NONE, with_tuned
from zoo_core.registry.protocols import task_values
from zoo_core.system.source_digest import function_imports

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import Compiler, DataPlan, Exporter, OfflineBuilder, Provider
    from zoo_core.pipeline.plan import PlannedStage
    from zoo_core.planning.request import RunRequest
    from zoo_core.planning.resolve import CacheState, Resolved
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

FLOOR = 0.001
"""Candidates above this score are stored, so that other thresholds need no new inference."""


class Goal(StrEnum):
    """How far a plan goes."""

    FETCH = "fetch"
    EXPORT = "export"
    COMPILE = "compile"
    LAYERS = "layers"
    """How far each layer of the artefact is from the float network; see `ComparesLayers`."""

    RANK = "rank"
    """Which layers the outputs suffer from; see `RanksLayers`."""

    EMIT = "emit"
    PREDICT = "predict"
    VIEW = "view"
    """Predictions for people to look at, with the evaluator's values for that."""

    SCORE = "score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A resolved request and its plan."""

    request: RunRequest
    resolved: Resolved
    plan: Plan

    @property
    def shards(self) -> tuple[PlannedStage, ...]:
        """The stages that run the network on images."""
        return tuple(item for item in self.plan if item.stage.name.startswith("predict-"))


def plan_run(
    request: RunRequest, registry: Registry, plugins: Plugins, cache: CacheState, goal: Goal
) -> Run:
    """The plan of a request up to its goal; reads files and changes nothing."""
    needs_data = goal in (Goal.FETCH, Goal.PREDICT, Goal.VIEW, Goal.SCORE)
    found = resolve(request, registry, plugins, cache, needs_data, goal is Goal.VIEW)
    resolved = with_tuned(found, request.tuned)
    builder = _Builder(request, resolved, plugins)
    request = replace(request, backend=resolved.backend.name)
    if resolved.tuned:  # the same again wherever this request is planned
        request = replace(request, options=dict(resolved.target.options), tuned=NONE)
    return Run(request=request, resolved=resolved, plan=make_plan(builder.named_stages(goal)))


@dataclass(frozen=True, slots=True)
class _Builder:
    request: RunRequest
    resolved: Resolved
    plugins: Plugins

    def named_stages(self, goal: Goal) -> list[Stage]:
        """The stages; those that work on this model say so.

        The bytes of the weights tell networks of one card apart, such as the sample's thin one.
        """
        resolved, target = self.resolved, self.resolved.target
        place = f"{target.backend}:{target.precision}/{target.device}x{target.batch}"
        size = sum(source.size or 0 for source in resolved.weights.files.values())
        network = f"{resolved.card.id}:{size or resolved.weights.kind}"
        subject = f"{network} {resolved.size[0]}x{resolved.size[1]} {place}"
        others = {stage.name for stage in (*self._data_stages(), *self._calibration())}
        return [
            stage if stage.name in others else replace(stage, subject=subject)
            for stage in self.stages(goal)
        ]

    def stages(self, goal: Goal) -> list[Stage]:
        """All stages up to the goal."""
        stages = self.resolved.weights.stages() if self.resolved.has_graph else []
        if goal is Goal.FETCH:
            return _unique([*stages, *self._data_stages()])
        stages = _unique([*stages, *self._export()])
        if goal is Goal.EXPORT:
            return stages
        request = self._compile_request(stages)
        if goal is Goal.EMIT:
            return _unique([*stages, *self._calibration(), *self._emitter().stages(request)])
        stages += [*self._calibration(), *self._compiler().stages(request)]
        artefact = _reference(stages, ARTEFACT_FILE)
        if goal is Goal.LAYERS:
            return _unique([*stages, *self._layers(request, artefact)])
        if goal is Goal.RANK:
            return _unique([*stages, *self._rank(request)])
        if goal is Goal.COMPILE or self.resolved.data is None:
            return _unique(stages)
        stages += self._predict(self.resolved.data, request, artefact)
        if goal is Goal.SCORE and self.resolved.data.has_truth:
            stages += self._score(self.resolved.data)
        return _unique(stages)

    def _exporter(self) -> Exporter:
        return self.plugins.exporter(self.resolved.card.exporter)

    def _compiler(self) -> Compiler:
        return self.plugins.compiler(self.resolved.backend.compiler)

    def _layers(self, request: CompileRequest, artefact: str) -> Sequence[Stage]:
        compiler = self._compiler()
        if not isinstance(compiler, ComparesLayers):
            able = self._comparing()
            step = f"backends that do: {', '.join(able)}" if able else "install one that does"
            what = f"backend '{self.resolved.backend.name}' does not compare layers"
            raise UsageError(what, where="--layers", next=step)
        return compiler.layer_stages(request, artefact, self.request.layer_images)

    def _rank(self, request: CompileRequest) -> Sequence[Stage]:
        compiler = self._compiler()
        if not isinstance(compiler, RanksLayers):
            what = f"backend '{self.resolved.backend.name}' does not rank layers"
            raise UsageError(what, next="use the backend onnxruntime")
        return compiler.rank_stages(request)

    def _comparing(self) -> list[str]:
        """Names of the backends that compare layers; one whose compiler is broken is none."""
        found = []
        for backend in self.plugins.backends().values():
            with suppress(ZooError):
                if isinstance(self.plugins.compiler(backend.compiler), ComparesLayers):
                    found.append(backend.name)
        return found

    def _emitter(self) -> OfflineBuilder:
        backend = self.resolved.backend
        if backend.emitter is None:
            names = [other.name for other in self.plugins.backends().values() if other.emitter]
            step = f"backends that do: {', '.join(names)}" if names else "install one that does"
            what = f"backend '{backend.name}' does not support offline builds"
            raise UsageError(what, next=step)
        return self.plugins.emitter(backend.emitter)

    def _data_stages(self) -> list[Stage]:
        plans = (self.resolved.calibration, self.resolved.data)
        return [stage for plan in plans if plan for stage in plan.stages]

    def _export(self) -> list[Stage]:
        resolved, exporter, compiler = self.resolved, self._exporter(), self._compiler()
        if not resolved.has_graph:
            return []
        if not set(exporter.formats) & set(compiler.formats):
            raise UsageError(
                f"backend '{resolved.backend.name}' does not support {resolved.card.id}: it "
                f"compiles {', '.join(compiler.formats)}, not {', '.join(exporter.formats)}"
            )
        request = ExportRequest(
            weights=resolved.weights.kind,
            format=resolved.weights.format,
            files=resolved.weights.references(),
            seed=resolved.weights.seed,
            size=resolved.size,
            classes=len(resolved.card.labels),
            source=self.request.source,
            form=self.request.form or compiler.form,
            options={},
            channels=resolved.preprocess.channels,
            others=self.plugins.exporter,
        )
        return list(exporter.stages(resolved.card, request))

    def _compile_request(self, earlier: Sequence[Stage]) -> CompileRequest:
        resolved, exporter, compiler = self.resolved, self._exporter(), self._compiler()
        graph = _reference(earlier, GRAPH_FILE) if resolved.has_graph else ""
        return CompileRequest(
            card=resolved.card,
            target=resolved.target,
            graph=graph,
            format=next((form for form in exporter.formats if form in compiler.formats), ""),
            form=self.request.form or compiler.form,
            calibration="calibration/images.json" if resolved.calibration else None,
            calibrator=self.request.calibrator,
            preprocess=resolved.preprocess.to_data(),
            protocol=resolved.protocol,
            size=resolved.size,
            others=self.plugins.compiler,
            quantised=resolved.quantised,
        )

    def _calibration(self) -> list[Stage]:
        data = self.resolved.calibration
        if data is None:
            return []
        select = Stage(
            name="calibration",
            run="zoo_core.pipeline.stages.calibration:select",
            params={
                "dataset": data.dataset,
                "data": dict(data.params),
                "count": data.count,
                "content": data.content,
            },
            inputs=data.inputs,
            locations=data.locations,
            outputs=("images.json", "images"),
            sources=self._modules(("dataset", data.dataset)),
            cost=data.count,
        )
        return [*data.stages, select]

    def _predict(self, data: DataPlan, request: CompileRequest, artefact: str) -> list[Stage]:
        resolved, card = self.resolved, self.resolved.card
        own = resolved.backend.decoding(request) if resolved.backend.decoding else None
        decoding = own or Decoding(decoder=card.decoder, params=card.decoder_params)
        evaluator = self.plugins.evaluator(card.evaluator)
        values = task_values(resolved.protocol)
        common = {
            "dataset": data.dataset,
            "data": dict(data.params),
            "runtime": resolved.backend.runtime,
            "target": resolved.target.to_data(),
            "decoder": decoding.decoder,
            "decoder_params": dict(decoding.params),
            "decoder_from_graph": own is None,
            "classes": len(card.labels),
            "floor": min(FLOOR, evaluator.floor(values), self._floor()),
            "preprocess": resolved.preprocess.to_data(),
        }
        sources = self._modules(
            ("dataset", data.dataset),
            ("runtime", resolved.backend.runtime),
            ("decoder", decoding.decoder),
        )
        graph = {"graph": request.graph} if request.graph else {}
        shards = [
            Stage(
                name=f"predict-{number:04d}",
                run="zoo_core.pipeline.stages.predict:shard",
                params={
                    **common,
                    "start": shard.start,
                    "stop": shard.stop,
                    "content": shard.content,
                },
                inputs={**data.inputs, "artefact": artefact, **graph},
                outputs=("candidates.npz",),
                sources=sources,
                ranges=tuple(data.inputs),
                locations=data.locations,
                cost=shard.stop - shard.start,
                local=True,
            )
            for number, shard in enumerate(data.shards)
        ]
        return [*data.stages, *shards, *self._postprocess(data, shards, values)]

    def _floor(self) -> float:
        return FLOOR if self.request.floor is None else self.request.floor

    def _postprocess(
        self, data: DataPlan, shards: Sequence[Stage], values: dict[str, object]
    ) -> list[Stage]:
        name = self.resolved.card.evaluator
        stage = Stage(
            name="settle",
            run="zoo_core.pipeline.stages.evaluate:postprocess",
            params={"evaluator": name, "values": values},
            inputs={
                f"shard-{stage.name.removeprefix('predict-')}": f"{stage.name}/candidates.npz"
                for stage in shards
            },
            outputs=("settled", "reading.json"),
            sources=self._modules(("evaluator", name)),
            cost=data.count,
        )
        return [stage, self._evaluation_stage("write", ("predictions",), data), *self._leakage()]

    def _leakage(self) -> list[Stage]:
        if self.resolved.calibration is None:
            return []
        inputs = {"calibration": "calibration/images.json", "settled": "settle/settled"}
        run = "zoo_core.pipeline.stages.leakage:find"
        return [Stage(name="leakage", run=run, inputs=inputs, outputs=("leakage.json",))]

    def _score(self, data: DataPlan) -> list[Stage]:
        if self.resolved.weights.kind == "random":
            return []
        evaluator = self.plugins.evaluator(self.resolved.card.evaluator)
        more = ("resamples.npz",) if isinstance(evaluator, ReweightsImages) else ()
        return [self._evaluation_stage("score", ("metrics.json", *more), data)]

    def _evaluation_stage(self, name: str, outputs: tuple[str, ...], data: DataPlan) -> Stage:
        """A stage that passes postprocessed predictions and ground truth to the evaluator."""
        card = self.resolved.card
        evaluator = self.plugins.evaluator(card.evaluator)
        return Stage(
            name=name,
            run=f"zoo_core.pipeline.stages.evaluate:{name}",
            params={
                "evaluator": card.evaluator,
                "labels": list(card.labels),
                "dataset": data.dataset,
                "data": dict(data.params),
                "content": data.content,
                "has_truth": data.has_truth,
            },
            inputs={**data.inputs, "settled": "settle/settled"},
            outputs=outputs,
            versions=evaluator.versions,
            sources=self._modules(("evaluator", card.evaluator), ("dataset", data.dataset)),
            locations=data.locations,
            cost=data.count,
        )

    def _modules(self, *providers: tuple[str, str]) -> tuple[str, ...]:
        return tuple(
            module
            for kind, name in providers
            for module in provider_modules(self.plugins.provider(kind, name))
        )


def provider_modules(provider: Provider[object]) -> tuple[str, ...]:
    """The modules that a provider's `load` imports; its own module if it imports none."""
    module, function = provider.load.__module__, getattr(provider.load, "__name__", "")
    return function_imports(module, function) or (module,)


def _reference(stages: Sequence[Stage], file: str) -> str:
    """The reference "stage/file" to the last stage that outputs a file of this name."""
    for stage in reversed(stages):
        if file in stage.outputs:
            return f"{stage.name}/{file}"
    raise ZooError(f"no stage of the exporter or compiler outputs {file}")


def _unique(stages: Sequence[Stage]) -> list[Stage]:
    """The stages without duplicates: calibration and evaluation may share data stages."""
    return list({(stage.name, stage.run, str(stage.params)): stage for stage in stages}.values())
