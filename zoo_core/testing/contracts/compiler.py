"""The contract of a compiler: every precision of its backend builds, and says what it became."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.api import TensorSpec
from zoo_core.testing.contracts.checks import (
    NAME,
    backend_with,
    check_chain,
    check_interruptible,
    check_planning,
    check_resolves,
    hinted_refusal,
    keys,
    misspelt,
    must,
    plugins_of,
)
from zoo_core.testing.contracts.compiled import (
    ARTEFACT_FILE,
    PRECISION_FILE,
    TinyCompile,
    require_here,
)
from zoo_core.testing.contracts.isolated import Isolated
from zoo_core.testing.given import SIZE, preprocess
from zoo_core.testing.int8 import Int8Count, count_int8
from zoo_core.testing.watched import Question

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from zoo_core.api import Backend, Compiler

_TOLD = ("requested", "int8_nodes", "float_nodes", "float_node_names", "tool")


class CompilerContract(Isolated):
    """What a compiler keeps. Subclass it, set `plugin` and `name`.

    It is tried on the kit's tiny ONNX graph, for each precision of the backend that names it;
    `partners` are the plugins that give this backend where this one does not. Override
    `int8_nodes` where the artefact is not ONNX but can be counted.
    """

    plugin: ModuleType
    name: str
    partners: tuple[ModuleType, ...] = ()
    size: tuple[int, int] = SIZE

    def int8_nodes(self, folder: Path, artefact: dict[str, Any]) -> Int8Count | None:
        """What of the artefact is int8, counted without the compiler; None where that cannot be."""
        return count_int8(folder / artefact["model"]) if artefact["format"] == "onnx" else None

    def test_it_declares_what_it_takes(self) -> None:
        """Formats, form, and calibrators whose aliases lead to names of their own."""
        compiler, backend = self._compiler(), self._backend()
        must("onnx" in compiler.formats, "it does not take onnx, which this contract is tried with")
        must(compiler.form in ("heads", "e2e"), f"its form is '{compiler.form}'")
        for alias, name in compiler.calibrators.items():
            must(NAME.fullmatch(alias), f"the calibrator '{alias}' is not lower-case")
            known = compiler.calibrators.get(name) == name
            must(known, f"calibrator '{alias}' stands for '{name}', which is none")
        calibrated = [p for p in backend.precisions if compiler.needs_calibration(p)]
        must(compiler.calibrators or not calibrated, f"{calibrated} are calibrated, by nothing")

    def test_planning_is_pure_and_light(self, tmp_path: Path) -> None:
        """The same stages from call to call and from process to process; nothing is done."""
        for case in self._cases():
            question = Question(
                plugin=self.plugin.__name__,
                kind="compiler",
                name=self.name,
                method="stages",
                arguments=(case.request(),),
            )
            check_planning(question, case.stages, tmp_path)

    def test_every_stage_resolves(self) -> None:
        """`Stage.run` is "module:function" and can be imported."""
        for case in self._cases():
            check_resolves(case.stages())

    def test_outputs_chain(self) -> None:
        """Inputs name earlier outputs; the last stage, `compile`, leaves the two files."""
        for case in self._cases():
            stages = case.stages()
            check_chain(case.before(), stages)
            last = stages[-1]
            must(last.name == "compile", f"the last stage is '{last.name}', not 'compile'")
            for file in (ARTEFACT_FILE, PRECISION_FILE):
                must(file in last.outputs, f"the last stage does not output {file}")

    def test_the_key_changes_with_the_precision(self) -> None:
        """Artefacts of two precisions never stand for each other."""
        found: dict[str, str] = {}
        for case in self._cases():
            key = keys(case.before(), case.stages())["compile"]
            must(key not in found, f"{case.precision} and {found.get(key)} have one key")
            found[key] = case.precision

    def test_calibration_is_part_of_the_key(self) -> None:
        """Other images, or the same images prepared otherwise, make another artefact."""
        for case in self._cases():
            if not case.calibrated:
                continue
            before, request = case.before(), case.request()
            known = keys(before, self._compiler().stages(request))["compile"]
            fewer = [before[0], replace(before[1], params={"count": 1})]
            other = keys(fewer, self._compiler().stages(request))["compile"]
            must(known != other, f"the {case.precision} key does not change with the images")
            darker = [*preprocess(self.size)]
            darker[2] = {"op": "scale", "factor": 1 / 510}
            stages = self._compiler().stages(replace(request, preprocess=darker))
            told = keys(before, stages)["compile"]
            must(known != told, f"the {case.precision} key does not change with the preprocessing")

    def test_an_unknown_option_is_refused(self) -> None:
        """A misspelt `--option` is a UsageError with a hint."""
        wrong = misspelt(self._backend().options)
        for case in self._cases():
            asked = replace(case, options={wrong: "1"})
            hinted_refusal(asked.stages, wrong, f"option '{wrong}' for {case.precision}")

    def test_every_precision_builds_and_is_reported_truly(self, tmp_path: Path) -> None:
        """artefact.json and precision.json say what is in the folder, not what was asked for."""
        require_here(self._backend())
        for case in self._cases():
            folder = case.build(tmp_path, plugins_of(self.plugin))
            artefact = self._check_artefact(case, folder)
            self._check_precision(case, folder, artefact)

    def test_an_interrupt_goes_through(self, tmp_path: Path) -> None:
        """Ctrl-C while a stage tells its progress ends it; the next run goes on."""
        require_here(self._backend())
        case = self._cases()[-1]
        check_interruptible(
            [*case.before(), *case.stages()], tmp_path, plugins_of(self.plugin, self.partners)
        )

    def _check_artefact(self, case: TinyCompile, folder: Path) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((folder / ARTEFACT_FILE).read_text(encoding="utf-8"))
        for key in ("format", "model", "inputs", "outputs", "precision"):
            must(key in data, f"{ARTEFACT_FILE} of {case.precision} has no '{key}'")
        told = data["precision"]
        must(told == case.precision, f"{ARTEFACT_FILE} of {case.precision} says {told}")
        named = any(folder.glob(f"{data['model']}*"))  # one file, or several that begin so
        must(named, f"{ARTEFACT_FILE} names no file: {data['model']}")
        for side in ("inputs", "outputs"):
            specs = [TensorSpec.from_data(row) for row in data[side]]
            if side == "inputs" and [spec.dtype for spec in specs] == ["uint8"]:
                continue  # an image goes in, under a name that is the device's affair
            names = [spec.name for spec in specs]
            expected = ["input"] if side == "inputs" else ["head0"]
            must(names == expected, f"{ARTEFACT_FILE} has the {side} {names}, not {expected}")
        return data

    def _check_precision(self, case: TinyCompile, folder: Path, artefact: dict[str, Any]) -> None:
        where = f"{PRECISION_FILE} of {case.precision}"
        data = json.loads((folder / PRECISION_FILE).read_text(encoding="utf-8"))
        for key in _TOLD:
            must(key in data, f"{where} has no '{key}'")
        must(data["requested"] == case.precision, f"{where} says requested {data['requested']}")
        must(str(data["tool"]).strip(), f"{where} does not name the tool")
        names, count = data["float_node_names"], data["float_nodes"]
        must(len(names) <= count, f"{where} names {len(names)} float nodes and counts {count}")
        told = data["int8_nodes"]
        found = self.int8_nodes(folder, artefact)
        if case.precision == "int8":
            must(told > 0 or (found and not found.certain), f"{where} has no int8 node")
        else:
            must(told == 0, f"{where} claims {told} int8 nodes")
        if found:
            few, many = len(found.certain), len(found.possible)
            must(few <= told <= many, f"{where} claims {told} int8 nodes, {few} to {many} are")
            lies = sorted(found.certain & set(names))
            must(not lies, f"{where} calls {', '.join(lies)} float, which is int8")

    def _compiler(self) -> Compiler:
        return plugins_of(self.plugin).compiler(self.name)

    def _backend(self) -> Backend:
        return backend_with(plugins_of(self.plugin, self.partners), "compiler", self.name)

    def _cases(self) -> list[TinyCompile]:
        backend, compiler = self._backend(), self._compiler()
        return [
            TinyCompile(backend=backend, compiler=compiler, precision=precision, size=self.size)
            for precision in backend.precisions
        ]
