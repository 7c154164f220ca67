"""Each rule of the check finds its defect, and a good configuration is clean."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from zoo_vastai.compile.config import Build, CalibrationImages, render_config
from zoo_vastai.compile.preprocess import render_vdsp
from zoo_vastai.formats.config import config_text
from zoo_vastai.formats.vdsp import vdsp_text
from zoo_vastai_lint.run import lint

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_vastai_lint.result import FileReport, Finding

STEPS: list[dict[str, Any]] = [
    {"op": "decode", "colour": "rgb"},
    {"op": "resize", "mode": "letterbox", "size": [416, 416], "pad": 114},
    {"op": "scale", "factor": 1 / 255},
    {"op": "normalise", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    {"op": "to_tensor"},
]
ANCHORS = [12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401]
PARAMS = "graph.extra_ops.params"
DELETE = object()
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def good() -> dict[str, Any]:
    build = Build(
        name="someone_yolov4_int8",
        checkpoint="/nets/yolov4.onnx",
        inputs={"input": [1, 3, 416, 416]},
        dtype="int8",
        preprocess=STEPS,
        size=(416, 416),
        workspace="/results",
        calibration=CalibrationImages(path="/calib", suffix="jpg", count=50, mode="percentile"),
        extra_ops={
            "type": "yolov4_nms",
            "params": {
                "num_classes": 80,
                "nms_threshold": 0.65,
                "confidence_threshold": 0.001,
                "anchor": ANCHORS,
                "strides": [8, 16, 32],
            },
        },
        compile={"cluster_mode": 0},
    )
    return render_config(build).to_data()


def changed(data: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The data with another value at a dotted place; numbers are places of a list."""
    *parents, last = place.split(".")
    inner: Any = data
    for name in parents:
        inner = inner[int(name)] if isinstance(inner, list) else inner[name]
    if value is DELETE:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return data


def report_of(tmp_path: Path, data: Any, name: str = "config.yaml") -> FileReport:
    path = tmp_path / name
    text = (
        json.dumps(data)
        if name.endswith(".json")
        else yaml.dump(data, Dumper=DUMPER, sort_keys=False)
    )
    path.write_text(data if isinstance(data, str) else text, encoding="utf-8")
    return lint([path])[0]


def worse(report: FileReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity != "info"]


def test_what_is_rendered_is_clean(tmp_path: Path) -> None:
    (tmp_path / "vdsp.json").write_text(vdsp_text(render_vdsp(STEPS, (416, 416))), encoding="utf-8")
    report = report_of(tmp_path, good())
    assert (report.kind, report.parsed, report.round_trip) == ("vamc", True, True)
    assert report.findings == ()
    assert lint([tmp_path])[1].findings == ()


CASES: list[tuple[str, Any, str, str, str]] = [
    ("backend.quantize.alibrate_mode", "max", "misspelt-key", "error", "'calibrate_mode'"),
    ("frontend.checkpiont", "x", "misspelt-key", "error", "'checkpoint'"),
    ("dataset.sampler.Suffix", "jpg", "misspelt-key", "error", "'suffix'"),
    ("workspce", {"path": "x"}, "misspelt-key", "error", "'workspace'"),
    (f"{PARAMS}.nms_treshold", 0.5, "misspelt-key", "error", "'nms_threshold'"),
    ("dataset.process_ops.1.adaptiv_side", "x", "misspelt-key", "error", "'adaptive_side'"),
    ("backend.compile.calibrate_mode", "max", "misplaced-key", "warning", "backend.quantize"),
    ("frontend.colour", "x", "unknown-key", "warning", "known:"),
    ("workspace.work_dir", "x", "stale-key", "warning", "workspace.path"),
    ("model", "old", "stale-key", "warning", "name"),
    ("name", DELETE, "missing-key", "warning", "add name"),
    ("backend.type", DELETE, "missing-key", "warning", "tvm_vacc"),
    ("frontend.shape", DELETE, "missing-key", "error", "add shape"),
    (f"{PARAMS}.strides", DELETE, "missing-key", "error", "add strides"),
    ("graph.extra_ops.type", DELETE, "missing-key", "warning", "operator"),
    ("workspace", "here", "wrong-type", "error", ""),
    ("name", 416, "wrong-type", "error", ""),
    (f"{PARAMS}.confidence_threshold", "1e-3", "wrong-type", "error", "0.001"),
    ("backend.dtype", "int-8", "unknown-value", "error", "'int8'"),
    ("backend.quantize.calibrate_mode", "percentil", "unknown-value", "error", "'percentile'"),
    ("graph.extra_ops.type", "yolov4_nm", "unknown-operator", "error", "'yolov4_nms'"),
    ("dataset.process_ops.0.type", "DecodeImg", "unknown-operation", "error", "'DecodeImage'"),
    ("name", "someone_yolov4_fp16", "name-dtype", "warning", "fp16"),
    ("backend.dtype", "fp16", "name-dtype", "warning", "int8"),
    ("dataset", DELETE, "int8-calibration", "error", "add dataset"),
    ("dataset.path", DELETE, "int8-calibration", "error", "add path"),
    ("backend.quantize", DELETE, "int8-calibration", "warning", "add quantize"),
    ("dataset.sampler.suffix", ".jpg", "sampler", "error", "write jpg"),
    ("dataset.sampler.suffix", "npz", "sampler", "warning", "remove"),
    ("dataset.sampler.get_data_num", 0, "sampler", "error", ""),
    ("dataset.process_ops", DELETE, "sampler", "error", "add process_ops"),
    ("frontend.type", "pytorch", "checkpoint-type", "error", "onnx"),
    ("frontend.checkpoint", "/nets/yolov4", "checkpoint-type", "warning", ""),
    ("dataset.path", "/data/coco/val2017", "calibration-set", "warning", "training"),
    ("frontend.shape", {"input": [1, 3, 416, -1]}, "shape", "error", ""),
    (f"{PARAMS}.confidence_threshold", 1.5, "thresholds", "error", ""),
    (f"{PARAMS}.confidence_threshold", 0.25, "thresholds", "warning", "0.45"),
    (f"{PARAMS}.anchor", ANCHORS[:12], "anchors", "error", ""),
    (f"{PARAMS}.anchor", ANCHORS[::-1], "anchors", "error", "turn"),
    (f"{PARAMS}.strides", [32, 16, 8], "anchors", "error", ""),
    ("frontend.shape", {"input": [1, 3, 400, 400]}, "anchors", "warning", ""),
    ("name", "yolo11s_int8", "multiple-of-128", "warning", "384"),
    ("backend.dtype", "fp16", "data-type", "warning", "use 0"),
    ("frontend.checkpoint", "/nets/yolov12s.onnx", "operator", "warning", "yolov12_nms"),
    ("dataset.process_ops.1.size", [608, -1], "resize-shape", "error", ""),
    ("dataset.process_ops.1.adaptive_side", DELETE, "resize", "warning", "long"),
    ("dataset.process_ops.2", {"type": "CvtColor", "code": "x"}, "resize", "warning", "Pad"),
    ("dataset.process_ops.1.size", 416, "resize", "error", ""),
    ("dataset.process_ops.0", {"type": "Resize", "size": [8, 8]}, "operation-order", "error", ""),
    ("dataset.process_ops.3.mean", [123.0, 116.0, 103.0], "normalise", "warning", "false"),
    ("dataset.process_ops.3.div255", False, "normalise", "warning", "true"),
    ("dataset.process_ops.3.std", [0, 1, 1], "normalise", "error", ""),
    ("dataset.process_ops.3.std", DELETE, "normalise", "error", ""),
]


@pytest.mark.parametrize(
    ("place", "value", "rule", "severity", "step"), CASES, ids=[f"{c[0]}-{c[2]}" for c in CASES]
)
def test_a_defect_is_found(
    tmp_path: Path, place: str, value: Any, rule: str, severity: str, step: str
) -> None:
    data = changed(good(), place, value)
    if rule == "data-type":
        changed(data, "backend.compile.data_type", 2)
    if rule == "operator":
        changed(data, "graph.extra_ops.type", "yolov8_nms")
    report = report_of(tmp_path, data)
    found = [finding for finding in report.findings if finding.rule == rule]
    assert found, report.findings
    assert found[0].severity == severity
    assert step in found[0].next
    assert found[0].where
    assert not report.clean


def test_a_misspelling_is_named_with_its_line(tmp_path: Path) -> None:
    report = report_of(tmp_path, changed(good(), "backend.quantize.alibrate_mode", "max"))
    (finding,) = worse(report)
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8").splitlines()
    line = next(at for at, row in enumerate(text, 1) if "alibrate_mode: max" in row)
    assert finding.where == f"backend.quantize.alibrate_mode (line {line})"
    assert finding.next == "did you mean 'calibrate_mode'?"
    assert report.parsed
    assert report.round_trip


def test_an_option_of_the_compiler_that_is_not_known_is_no_defect(tmp_path: Path) -> None:
    report = report_of(tmp_path, changed(good(), "backend.compile.brand_new", 1))
    assert [(f.rule, f.severity) for f in report.findings] == [("unknown-option", "info")]


@pytest.mark.parametrize(
    ("name", "comment", "pair", "clean"),
    [
        ("net_performance_int8", "", (0.25, 0.45), True),
        ("net_int8", "# for speed", (0.25, 0.45), True),
        ("net_int8", "", (0.25, 0.45), False),
        ("net_accuracy_int8", "", (0.25, 0.45), False),
        ("net_int8", "# 精度", (0.25, 0.45), False),
        ("net_performance_int8", "", (0.001, 0.65), False),
        ("net_accuracy_int8", "", (0.001, 0.65), True),
        ("net_int8", "", (0.65, 0.001), False),
        ("net_int8", "", (0.02, 0.4), True),
    ],
)
def test_thresholds_must_be_those_of_the_variant(
    tmp_path: Path, name: str, comment: str, pair: tuple[float, float], clean: bool
) -> None:
    data = changed(good(), "name", name)
    changed(data, f"{PARAMS}.confidence_threshold", pair[0])
    changed(data, f"{PARAMS}.nms_threshold", pair[1])
    report = report_of(tmp_path, f"{comment}\n{yaml.safe_dump(data)}")
    assert [finding.rule for finding in worse(report)] == ([] if clean else ["thresholds"])


def test_exchanged_sides_are_told(tmp_path: Path) -> None:
    data = changed(good(), "frontend.shape", {"input": [1, 3, 320, 416]})
    data["dataset"]["process_ops"][1:3] = [{"type": "Resize", "size": [416, 320]}]
    (finding,) = worse(report_of(tmp_path, data))
    assert (finding.rule, finding.severity) == ("resize-shape", "error")
    assert "[H, W]" in finding.next


def test_what_is_fine_is_not_told(tmp_path: Path) -> None:
    """Forms of the vendor's own that look unusual."""
    data = changed(good(), "frontend.shape", {"images": [[1, 3, 416, 416], [1, 3, 640, 640]]})
    assert worse(report_of(tmp_path, data)) == []
    data = changed(good(), "dataset.process_ops.3", {"type": "Normalize", "norm_type": None})
    assert worse(report_of(tmp_path, data)) == []
    words = {
        "name": "words-int8",
        "frontend": {
            "checkpoint": "org/words-6B",
            "type": "huggingface",
            "shape": {"input_ids": [[512], []]},
            "quantize": {"type": "w8a16_gptq"},
        },
        "backend": {"type": "tvm_vacc", "dtype": "int8", "compile": {"data_type": 0}},
        "workspace": {"path": "/out", "workers": 4},
    }
    assert worse(report_of(tmp_path, words)) == []
    (finding,) = worse(report_of(tmp_path, changed(words, "frontend.shape.input_ids.0.0", 500)))
    assert (finding.rule, finding.severity) == ("tokens", "warning")


def test_keys_given_twice(tmp_path: Path) -> None:
    text = config_text(render_config(Build(**_plain()))) + "name: other_fp16\n"
    (finding,) = worse(report_of(tmp_path, text))
    assert (finding.rule, finding.severity) == ("duplicate-key", "error")
    report = report_of(tmp_path, '{"OpType": "BERT_EMBEDDING_OP", "OpType": "X"}', "vdsp.json")
    assert "duplicate-key" in [finding.rule for finding in report.findings]


def _plain() -> dict[str, Any]:
    return {
        "name": "plain_fp16",
        "checkpoint": "/nets/plain.onnx",
        "inputs": {"x": [1, 3, 416, 416]},
        "dtype": "fp16",
        "preprocess": STEPS,
        "size": (416, 416),
        "workspace": "/results",
    }


def test_two_configurations_that_overwrite_each_other(tmp_path: Path) -> None:
    report_of(tmp_path, changed(good(), "name", "same"), "a.yaml")
    half = changed(changed(good(), "name", "same"), "backend.dtype", "fp16")
    report_of(tmp_path, half, "b.yaml")
    found = [finding for report in lint([tmp_path]) for finding in worse(report)]
    assert [finding.rule for finding in found] == ["name-collision"] * 2
    assert "b.yaml" in found[0].message


def test_the_graphs_inputs_where_it_lies_there(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info("images", kind, ["batch", 3, 416, 416])
    made = helper.make_tensor_value_info("out", kind, ["batch", 3, 416, 416])
    node = helper.make_node("Relu", ["images"], ["out"])
    graph = helper.make_graph([node], "g", [given], [made])
    onnx.save(helper.make_model(graph), str(tmp_path / "net.onnx"))
    data = changed(good(), "frontend.checkpoint", "net.onnx")
    found = worse(report_of(tmp_path, data))
    assert {finding.rule for finding in found} == {"graph-inputs"}
    assert {finding.where.split(" ")[0] for finding in found} == {
        "frontend.shape.input",
        "frontend.shape.images",
    }
    assert "its inputs: images" in found[0].next
    changed(data, "frontend.shape", {"images": [1, 3, 416, 416]})
    assert worse(report_of(tmp_path, data)) == []
    changed(data, "frontend.shape", {"images": [1, 3, 608, 608]})
    changed(data, "dataset.process_ops.1.size", [608, -1])
    (finding,) = worse(report_of(tmp_path, data))
    assert "the graph has" in finding.message


def test_the_calibration_folder_where_it_lies_there(tmp_path: Path) -> None:
    (tmp_path / "calib").mkdir()
    (tmp_path / "calib" / "a.JPEG").touch()
    data = changed(good(), "dataset.path", "calib")
    (finding,) = worse(report_of(tmp_path, data))
    assert (finding.rule, finding.next) == ("sampler", "there are: JPEG")


ODD: list[Any] = [None, 0, "x", [], {}, [[1]], [{"type": "Resize"}], True, 1.5]


def places(data: Any, above: str = "") -> list[str]:
    """Every dotted place of the data."""
    found = []
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        place = f"{above}.{key}" if above else str(key)
        found.append(place)
        if isinstance(value, dict | list):
            found += places(value, place)
    return found


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_no_content_breaks_the_check(tmp_path: Path, odd: Any) -> None:
    """Whatever stands at any place, there is a report."""
    (tmp_path / "vdsp.json").write_text(vdsp_text(render_vdsp(STEPS, (416, 416))), encoding="utf-8")
    for place in places(good()):
        if place.startswith(f"{PARAMS}.anchor."):
            continue
        report = report_of(tmp_path, changed(good(), place, odd))
        assert report.kind in ("vamc", "unknown"), place
        assert report.round_trip <= report.parsed


def test_yaml_that_holds_itself_is_refused(tmp_path: Path) -> None:
    report = report_of(
        tmp_path, "frontend: &f {checkpoint: x, shape: *f}\nbackend: {dtype: fp16}\n"
    )
    (finding,) = report.findings
    assert (finding.rule, finding.severity) == ("syntax", "error")
    assert "holds itself" in finding.message


def test_references_without_end_are_refused(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (finding,) = report_of(tmp_path, "\n".join([*rows, "frontend: *a8"])).findings
    assert "unfold to more than" in finding.message


@pytest.mark.parametrize("name", ["deep.json", "deep.yaml"])
def test_what_is_nested_too_deeply_is_refused(tmp_path: Path, name: str) -> None:
    (finding,) = report_of(tmp_path, "[" * 20000 + "]" * 20000, name).findings
    assert (finding.rule, finding.severity) == ("syntax", "error")


def test_a_configuration_in_json_is_one_too(tmp_path: Path) -> None:
    text = json.dumps(changed(good(), "backend.quantize.alibrate_mode", "max"), indent="\t")
    report = report_of(tmp_path, text, "config.json")
    assert (report.kind, report.round_trip) == ("vamc", True)
    assert [finding.where for finding in worse(report)] == ["backend.quantize.alibrate_mode"]
