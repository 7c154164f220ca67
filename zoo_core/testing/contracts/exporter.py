"""The contract of an exporter: pure plans, and a graph that is checked against its source."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from zoo_core.api import ExportRequest, SettingsReader
from zoo_core.api.graph import GRAPH_FILE
from zoo_core.errors import DataError, UsageError
from zoo_core.system.hashing import file_digest
from zoo_core.testing.contracts.base import PlanningContract
from zoo_core.testing.contracts.checks import (
    NAME,
    NONSENSE,
    check_interruptible,
    hinted_refusal,
    keys,
    must,
    refusal,
    with_wrong_key,
)
from zoo_core.testing.examples import ExportWeights, files_stage, model_card, preprocess
from zoo_core.testing.stages import run_stages
from zoo_core.toolkit.artefact import read_graph
from zoo_core.toolkit.verify import VERIFY_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from zoo_core.api import Graph, ModelCard, Stage
    from zoo_core.testing.contracts.base import Planned

_SEED = 7
_HTML = b"<!DOCTYPE html><html><body>Quota exceeded</body></html>\n" * 20


class ExporterContract(PlanningContract):
    """What an exporter keeps. Subclass it, set `plugin` and `name`, and what fits the network.

    `params` are a card's `exporter_params`; `size` is (height, width); `tolerance` bounds max_abs
    of verify.json. Override `weights` where random weights alone cannot be had.
    """

    kind: ClassVar[str] = "exporter"
    leaves = (GRAPH_FILE, VERIFY_FILE)
    params: Mapping[str, Any] = MappingProxyType({})
    size: tuple[int, int] = (64, 96)
    labels: tuple[str, ...] = ("red", "blue")
    form: str = "heads"
    tolerance: float = 1e-3

    def weights(self, folder: Path) -> ExportWeights:
        """Weights to export; files may be written to `folder`."""
        return ExportWeights()

    def test_it_declares_what_it_takes_and_makes(self) -> None:
        """Formats are open strings; file name endings begin with a dot."""
        exporter = self._provider()
        must(exporter.formats, "it makes no graph format")
        for name in (*exporter.formats, *exporter.suffixes.values()):
            must(NAME.fullmatch(name), f"the format '{name}' is not lower-case")
        for suffix in (*exporter.suffixes, *exporter.companions.values()):
            good = suffix.startswith(".") and suffix == suffix.lower()
            must(good, f"'{suffix}' is not a lower-case file name ending")

    def test_the_key_changes_with_the_request(self, tmp_path: Path) -> None:
        """Another size or other weights make another graph."""
        weights = self.weights(tmp_path)
        known = self._key(weights)
        height, width = self.size
        larger = self._key(weights, size=(height * 2, width * 2))
        must(known != larger, "the graph's key does not change with the size")
        what, changes = "seed", {"seed": _SEED + 1}
        if weights.kind != "random":
            what, changes = "weights", {}
            path = weights.files["weights"]
            path.write_bytes(path.read_bytes() + b"\0")
        changed = self._key(weights, **changes) != known
        must(changed, f"the graph's key does not change with the {what}")

    def test_the_graph_comes_out_verified(self, tmp_path: Path) -> None:
        """graph.json is true of its file; verify.json is within the tolerance."""
        before, stages = self._plan(self.weights(tmp_path))
        done = run_stages([*before, *stages], tmp_path, self._plugins())
        folders = {name: done[stage.name] for stage in stages for name in stage.outputs}
        self.check_graph(read_graph(folders[GRAPH_FILE] / GRAPH_FILE), folders[GRAPH_FILE])
        report = json.loads((folders[VERIFY_FILE] / VERIFY_FILE).read_text(encoding="utf-8"))
        for name in ("max_abs", "max_rel"):
            good = isinstance(report.get(name), float | int) and math.isfinite(report[name])
            must(good, f"{VERIFY_FILE} has {name} {report.get(name)!r}")
        must(report.get("reference"), f"{VERIFY_FILE} does not say what the reference is")
        worst, most = report["max_abs"], self.tolerance
        must(worst <= most, f"the graph is off by {worst:g}, more than {most:g}")

    def test_the_graph_comes_out_the_same_twice(self, tmp_path: Path) -> None:
        """Byte by byte, from the same weights or the same seed."""
        before, stages = self._plan(self.weights(tmp_path))
        maker = _maker(stages)
        folders = [
            run_stages([*before, *stages], tmp_path / turn, self._plugins())
            for turn in ("first", "second")
        ]
        for name in maker.outputs:
            paths = [done[maker.name] / name for done in folders]
            if name != VERIFY_FILE and paths[0].is_file():
                first, second = map(file_digest, paths)
                must(first == second, f"{name} of '{maker.name}' differs from time to time")

    def test_an_interrupt_goes_through(self, tmp_path: Path) -> None:
        """Ctrl-C while a stage reports its progress ends it; the next run goes on."""
        before, stages = self._plan(self.weights(tmp_path))
        check_interruptible([*before, *stages], tmp_path, self._plugins())

    def check_graph(self, graph: Graph, folder: Path) -> None:
        """graph.json is true of the file; ONNX files are read."""
        must(graph.format in self._provider().formats, f"graph.json has format '{graph.format}'")
        must((folder / graph.path).exists(), f"graph.json names {graph.path}, which does not exist")
        must(graph.form == self.form, f"graph.json has form '{graph.form}', not '{self.form}'")
        (image,) = graph.inputs
        expected = ("input", ("batch", 3, *self.size), "float32")
        actual = (image.name, image.shape, image.dtype)
        must(actual == expected, f"the graph's input is {actual}, not {expected}")
        if graph.format == "onnx":
            _check_onnx(graph, folder / graph.path)

    def test_a_page_in_place_of_weights_is_refused(self, tmp_path: Path) -> None:
        """An HTML page with the right name is a DataError, from whatever stage reads it."""
        suffixes = self._provider().suffixes
        if not suffixes:
            pytest.skip("it takes no weights by hand")
        suffix, form = next(iter(suffixes.items()))
        page = tmp_path / f"page{suffix}"
        page.write_bytes(_HTML)
        files = {**self.weights(tmp_path).files, "weights": page}
        before, stages = self._plan(ExportWeights(kind="given", format=form, files=files))
        call = partial(run_stages, [*before, *stages], tmp_path, self._plugins())
        refusal(call, DataError, "an HTML page in place of weights")

    def test_wrong_params_are_refused(self, tmp_path: Path) -> None:
        """An unknown key of `exporter_params` is a UsageError with a hint."""
        params, wrong = with_wrong_key(self.params)
        card = replace(self._card(), exporter_params=params)
        call = partial(self._provider().stages, card, self._request(self.weights(tmp_path)))
        hinted_refusal(call, wrong, f"exporter_params.{wrong}")

    def test_settings_say_where_they_are_read(self, tmp_path: Path) -> None:
        """An exporter that reads the user's files says where each thing stands, always the same."""
        exporter: object = self._provider()
        files = self.weights(tmp_path).files
        if not isinstance(exporter, SettingsReader) or not files:
            return
        found = exporter.settings(self._card(), files)
        must(found == exporter.settings(self._card(), files), "settings differ from call to call")
        size = found.size or (1, 1)
        whole = len(size) == 2 and all(type(side) is int and side > 0 for side in size)
        must(whole, f"the settings' size is {found.size!r}")
        names = {*found.protocol, *(n for n in ("size", "channels", "batch") if getattr(found, n))}
        own = set(found.origins)
        must(names == own, f"'origins' tells of {sorted(own)}, not {sorted(names)}")

    def test_an_unknown_form_is_refused(self, tmp_path: Path) -> None:
        """Forms are heads and e2e; one that cannot be made is a UsageError."""
        call = partial(self._plan, self.weights(tmp_path), form=NONSENSE)
        refusal(call, UsageError, f"form '{NONSENSE}'")

    def _calls(self, folder: Path) -> Iterable[tuple[Any, ...]]:
        return [(self._card(), self._request(self.weights(folder)))]

    def _plans(self, folder: Path) -> Iterable[Planned]:
        return [self._plan(self.weights(folder))]

    def _card(self) -> ModelCard:
        return model_card(
            exporter=self.name,
            exporter_params=dict(self.params),
            size=self.size,
            preprocess=preprocess(self.size),
            labels=self.labels,
        )

    def _plan(self, weights: ExportWeights, **changes: Any) -> Planned:
        """The stage that brings the weights, if any, and the exporter's, for a changed request."""
        request = replace(self._request(weights), **changes)
        before = [files_stage(weights.files)] if weights.files else []
        return before, self._provider().stages(self._card(), request)

    def _request(self, weights: ExportWeights) -> ExportRequest:
        return ExportRequest(
            weights=weights.kind,
            format=weights.format,
            files={role: f"weights/{path.name}" for role, path in weights.files.items()},
            seed=_SEED,
            size=self.size,
            classes=len(self.labels),
            source="builtin",
            form=self.form,
        )

    def _key(self, weights: ExportWeights, **changes: Any) -> str:
        before, stages = self._plan(weights, **changes)
        return keys(before, stages)[_maker(stages).name]


def _maker(stages: Sequence[Stage]) -> Stage:
    return next(stage for stage in reversed(stages) if GRAPH_FILE in stage.outputs)


def _check_onnx(graph: Graph, path: Path) -> None:
    import onnx

    onnx.checker.check_model(str(path))
    model = onnx.load(path, load_external_data=False)
    for what, specs, values in (
        ("inputs", graph.inputs, model.graph.input),
        ("outputs", graph.outputs, model.graph.output),
    ):
        listed = [(spec.name, spec.shape) for spec in specs]
        actual = [(value.name, _shape(value)) for value in values]
        must(listed == actual, f"graph.json has the {what} {listed}, the file {actual}")


def _shape(value: Any) -> tuple[int | str, ...]:
    return tuple(dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim)
