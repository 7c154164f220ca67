"""The whole route on the original's golden vectors: file, graph, ONNX Runtime, decoder, rules."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest
import torch
from zoo_tianxiaomo.darknet import file_order
from zoo_tianxiaomo.decoder import TianxiaomoDecoder
from zoo_tianxiaomo.network import Yolov4

from zoo_core.toolkit.detection import Candidates
from zoo_core.toolkit.detection.rules import DetectionRules, postprocess
from zoo_core.vision import Geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from numpy.typing import NDArray

    from zoo_core.api import Stage

    Plan = Callable[..., Sequence[Stage]]
    RunStage = Callable[..., Path]

HEADS = ("head8", "head16", "head32")
POST = Path(__file__).parent / "data" / "golden_post"
HEADER = struct.pack("<3iQ", 0, 2, 5, 32_032_000)
DARKNET_SHA256 = "015450fec95c5918391d7bae6067aad0aee838012ab0b97e1aa352e034d8dc39"


@pytest.fixture(scope="module")
def darknet_file(rule: ModuleType) -> Iterator[Path]:
    """The golden weights as a `.weights`, written in the order of our own table."""
    state = rule.golden_state()
    with torch.device("meta"):
        order = list(file_order(Yolov4()))
    sha256 = hashlib.sha256(HEADER)
    with TemporaryDirectory(prefix="zoo-golden-") as folder:
        path = Path(folder, "golden.weights")
        with path.open("wb") as stream:
            stream.write(HEADER)
            for key in order:
                stream.write(state[key].data)
                sha256.update(state[key].data)
        assert sha256.hexdigest() == DARKNET_SHA256
        yield path


@pytest.fixture(scope="module")
def case(rule: ModuleType) -> Any:
    return rule.CASES[0]


@pytest.fixture(scope="module")
def golden(rule: ModuleType, case: Any) -> dict[str, NDArray[np.float32]]:
    outputs: dict[str, NDArray[np.float32]] = rule.golden_output(case)
    return outputs


def test_heads_of_the_exported_graph(
    plan: Plan,
    run_stage: RunStage,
    darknet_file: Path,
    rule: ModuleType,
    case: Any,
    golden: dict[str, NDArray[np.float32]],
) -> None:
    export, verify = plan(file=darknet_file.name, size=(96, 96))
    with TemporaryDirectory(prefix="zoo-golden-") as name:
        done = {"weights": darknet_file.parent, "export": Path(name, "export")}
        run_stage(export, done["export"], done)
        found = _run(done["export"] / "model.onnx", rule.golden_input(case))
        record = json.loads((run_stage(verify, Path(name, "v"), done) / "verify.json").read_text())
    assert list(found) == list(HEADS)
    for head in HEADS:
        np.testing.assert_allclose(found[head], golden[head], atol=1e-4, rtol=0)
    assert record["max_abs"] < 1e-4
    assert set(record["outputs"]) == set(HEADS)


def test_boxes_and_confs_of_the_exported_graph(
    plan: Plan,
    run_stage: RunStage,
    darknet_file: Path,
    rule: ModuleType,
    case: Any,
    golden: dict[str, NDArray[np.float32]],
) -> None:
    export = plan(file=darknet_file.name, size=(96, 96), form="e2e")[0]
    with TemporaryDirectory(prefix="zoo-golden-") as name:
        out = run_stage(export, Path(name, "export"), {"weights": darknet_file.parent})
        found = _run(out / "model.onnx", rule.golden_input(case))
    assert list(found) == ["boxes", "confs"]
    np.testing.assert_allclose(found["boxes"], golden["boxes"], atol=2e-5, rtol=2e-5)
    np.testing.assert_allclose(found["confs"], golden["confs"], atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("scaled", [False, True])
def test_decoder_turns_golden_heads_into_golden_boxes(
    rule: ModuleType, number: int, scaled: bool
) -> None:
    case = rule.CASES[number]
    golden = rule.golden_output(case)
    params = {"scale_x_y": [1.2, 1.1, 1.05]} if scaled else {}
    decode = TianxiaomoDecoder().bind(params, 80, 0.0)
    wanted = golden["boxes_scale_xy" if scaled else "boxes"]
    pixels = np.array([case.width, case.height] * 2, np.float32)
    for image in range(case.count):
        arrays = decode(
            {name: golden[name][image] for name in HEADS},
            Geometry.identity((case.height, case.width)),
        )
        found = Candidates.from_arrays(arrays)
        count = wanted.shape[1]
        assert found.anchor.tolist() == list(range(count))
        boxes = wanted[image, :, 0] * pixels
        np.testing.assert_allclose(found.boxes, boxes, atol=2e-5 * 224, rtol=2e-5)
        scores = found.score.reshape(count, 80)
        np.testing.assert_allclose(scores, golden["confs"][image], atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    ("conf", "nms", "count"), [(0.4, 0.6, 224), (0.6, 0.45, 54), (0.05, 0.65, 540)]
)
def test_stored_boxes_give_the_original_post_processing_exactly(
    golden: dict[str, NDArray[np.float32]], conf: float, nms: float, count: int
) -> None:
    with np.load(POST / f"yolov4_ruleB_96x96_n1_post_{conf}_{nms}.npz") as file:
        wanted = file["det"]
    rules = DetectionRules(conf=conf, nms=nms, max_detections=100_000)
    candidates = Candidates.from_dense(golden["boxes"][0, :, 0], golden["confs"][0], 0.001)
    found = postprocess(candidates, rules)
    found = found.take(np.argsort(found.labels, kind="stable"))
    assert len(found) == len(wanted) == count
    rows = np.column_stack([found.boxes, found.scores, found.scores, found.labels])
    # Of equal scores the original's order is that of an unstable sort: compare as sets of rows.
    assert _sorted(rows) == _sorted(wanted)


def test_both_forms_decode_to_the_same_candidates(
    golden: dict[str, NDArray[np.float32]], case: Any
) -> None:
    decode = TianxiaomoDecoder().bind({}, 80, 0.05)
    geometry = Geometry(source=(480, 640), network=(96, 96), scale=(96 / 640, 96 / 480))
    heads, boxes = (
        Candidates.from_arrays(decode({name: golden[name][0] for name in names}, geometry))
        for names in (HEADS, ("boxes", "confs"))
    )
    assert heads.size == boxes.size == (480, 640)
    rules = DetectionRules(conf=0.0501, nms=0.65, max_detections=100_000)
    first, second = postprocess(heads, rules), postprocess(boxes, rules)
    assert len(first) == len(second) > 500
    np.testing.assert_allclose(np.sort(first.scores), np.sort(second.scores), atol=2e-6)


def _run(path: Path, image: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": image}), strict=True))


def _sorted(rows: NDArray[Any]) -> list[list[float]]:
    return sorted(rows.astype(np.float64).tolist())
