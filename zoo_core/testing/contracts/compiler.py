"""The contract of a compiler: every precision of its backend builds and is reported truly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from zoo_core.api import TensorSpec
from zoo_core.testing.contracts.checks import NAME, check_interruptible, keys, must
from zoo_core.testing.contracts.compiled import BuilderContract, TinyCompile
from zoo_core.testing.examples import preprocess
from zoo_core.testing.int8 import Int8Count, count_int8
from zoo_core.toolkit.artefact import ARTEFACT_FILE, PRECISION_FILE

if TYPE_CHECKING:
    from pathlib import Path

_REPORTED = ("requested", "int8_nodes", "float_nodes", "float_node_names", "tool")


class CompilerContract(BuilderContract):
    """What a compiler keeps. Subclass it, set `plugin` and `name`.

    It is tried on the kit's tiny ONNX graph, for each precision of the backend that names it;
    `partners` are the plugins that bring this backend where this one does not. Override
    `int8_nodes` where the artefact is not ONNX but can be counted.
    """

    kind: ClassVar[str] = "compiler"
    last, leaves = "compile", (ARTEFACT_FILE, PRECISION_FILE)

    def int8_nodes(self, folder: Path, artefact: dict[str, Any]) -> Int8Count | None:
        """The int8 nodes, counted without the compiler; None where they cannot be counted."""
        return count_int8(folder / artefact["model"]) if artefact["format"] == "onnx" else None

    def test_it_declares_what_it_takes(self) -> None:
        """Formats, form, and calibrators whose aliases lead to names of their own."""
        compiler, backend = self._provider(), self._backend()
        must("onnx" in compiler.formats, "it does not take onnx, which this contract is tried with")
        must(compiler.form in ("heads", "e2e"), f"its form is '{compiler.form}'")
        for alias, name in compiler.calibrators.items():
            must(NAME.fullmatch(alias), f"the calibrator '{alias}' is not lower-case")
            known = compiler.calibrators.get(name) == name
            must(known, f"calibrator '{alias}' stands for '{name}', which is not a calibrator")
        calibrated = [p for p in backend.precisions if compiler.needs_calibration(p)]
        must(compiler.calibrators or not calibrated, f"{calibrated} have no calibrator")

    def test_the_key_changes_with_the_precision(self) -> None:
        """Artefacts of two precisions never stand for each other."""
        precisions: dict[str, str] = {}
        for case in self._cases():
            key = keys(case.before(), case.stages())["compile"]
            must(key not in precisions, f"{case.precision} and {precisions.get(key)} have one key")
            precisions[key] = case.precision

    def test_calibration_is_part_of_the_key(self) -> None:
        """Other images, or the same images prepared otherwise, make another artefact."""
        for case in (case for case in self._cases() if case.calibrated):
            before, request = case.before(), case.request()
            stages = self._provider().stages(request)
            key = keys(before, stages)["compile"]
            fewer = [before[0], replace(before[1], params={"count": 1})]
            changed = keys(fewer, stages)["compile"] != key
            must(changed, f"the {case.precision} key does not change with the images")
            darker = [*preprocess(self.size)]
            darker[2] = {"op": "scale", "factor": 1 / 510}
            stages = self._provider().stages(replace(request, preprocess=darker))
            changed = keys(before, stages)["compile"] != key
            must(changed, f"the {case.precision} key does not change with the preprocessing")

    def test_every_precision_builds_and_is_reported_truly(self, tmp_path: Path) -> None:
        """artefact.json and precision.json say what is in the folder, not what was requested."""
        self._available()
        for case in self._cases():
            folder = case.build(tmp_path, self._plugins())
            artefact = self._check_artefact(case, folder)
            self._check_precision(case, folder, artefact)

    def test_an_interrupt_goes_through(self, tmp_path: Path) -> None:
        """Ctrl-C while a stage reports its progress ends it; the next run goes on."""
        self._available()
        case = self._cases()[-1]
        check_interruptible([*case.before(), *case.stages()], tmp_path, self._plugins())

    def _check_artefact(self, case: TinyCompile, folder: Path) -> dict[str, Any]:
        data: dict[str, Any] = json.loads((folder / ARTEFACT_FILE).read_text(encoding="utf-8"))
        for key in ("format", "model", "inputs", "outputs", "precision"):
            must(key in data, f"{ARTEFACT_FILE} of {case.precision} has no '{key}'")
        reported = data["precision"]
        must(reported == case.precision, f"{ARTEFACT_FILE} of {case.precision} says {reported}")
        exists = any(folder.glob(f"{data['model']}*"))  # one file, or several that begin so
        must(exists, f"{ARTEFACT_FILE} names a file that does not exist: {data['model']}")
        for side in ("inputs", "outputs"):
            specs = [TensorSpec.from_data(row) for row in data[side]]
            if side == "inputs" and [spec.dtype for spec in specs] == ["uint8"]:
                continue  # the input is an image, whose name is up to the device
            names = [spec.name for spec in specs]
            expected = ["input"] if side == "inputs" else ["head0"]
            must(names == expected, f"{ARTEFACT_FILE} has the {side} {names}, not {expected}")
        return data

    def _check_precision(self, case: TinyCompile, folder: Path, artefact: dict[str, Any]) -> None:
        where = f"{PRECISION_FILE} of {case.precision}"
        data = json.loads((folder / PRECISION_FILE).read_text(encoding="utf-8"))
        for key in _REPORTED:
            must(key in data, f"{where} has no '{key}'")
        must(data["requested"] == case.precision, f"{where} says requested {data['requested']}")
        must(str(data["tool"]).strip(), f"{where} does not name the tool")
        names, count = data["float_node_names"], data["float_nodes"]
        must(len(names) <= count, f"{where} names {len(names)} float nodes and counts {count}")
        claim, actual = data["int8_nodes"], self.int8_nodes(folder, artefact)
        if case.precision == "int8":
            must(claim > 0 or (actual and not actual.certain), f"{where} has no int8 node")
        else:
            must(claim == 0, f"{where} claims {claim} int8 nodes")
        if actual:
            few, many = len(actual.certain), len(actual.possible)
            must(few <= claim <= many, f"{where} claims {claim} int8 nodes, {few} to {many} are")
            wrong = sorted(actual.certain & set(names))
            must(not wrong, f"{where} calls {', '.join(wrong)} float, which is int8")
