"""The quantisers of others on the networks and images that `zoo tune` is judged on.

    python -m venv quantisers && quantisers/bin/pip install nncf onnx onnxruntime openvino pillow .
    ZOO_TEST_DATA=... quantisers/bin/python tests/benchmarks/tuning/baselines.py work [NETWORK ...]

`work` receives the quantised files, which are not made again, and table.json. Each network is
exported and rewritten by the `zoo` on the path (`--zoo` names another). The same 64 images,
preprocessed by zoo, calibrate each quantiser; `zoo eval` scores what it writes on the 128 images,
on ONNX Runtime and OpenVINO, and counts the nodes that the engine runs in int8.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DATA = Path(os.environ["ZOO_TEST_DATA"])
SCORED = DATA / "coco-val2017-128"
CALIBRATION = DATA / "coco-train2017-64" / "images"
WEIGHTS = DATA / "third-party"
XL = DATA / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl.weights"

NETWORKS = {
    "xl": ("yolo-fastest-1.1-xl-darknet", XL),
    "v2": ("yolo-fastestv2", WEIGHTS / "yolo-fastestv2-coco2017-0.241078ap.pth"),
    "fastestdet": ("fastestdet", WEIGHTS / "FastestDet.onnx"),
    "nanodet": ("nanodet-m", WEIGHTS / "nanodet_m_320.onnx"),
    "yolox": ("yolox-nano", WEIGHTS / "yolox_nano_416.onnx"),
}
CARD = """
schema: 1
families:
  xl-onnx:
    task: detection
    license: YOLO-LICENSE-2
    source: {name: dog-qiuqiu/Yolo-Fastest, url: "https://github.com/dog-qiuqiu/Yolo-Fastest"}
    exporter: onnx
    decoder: yolo-anchors-exp
    decoder_params:
      strides: [16, 32]
      anchors: [[[12, 18], [37, 49], [52, 132]], [[115, 73], [119, 199], [242, 238]]]
    evaluator: coco-detection
    dataset: coco-val2017
    given_dataset: coco-folder
    labels: coco80
    size: [320, 320]
    preprocess:
      - {op: decode, colour: rgb}
      - {op: resize, mode: stretch, size: [320, 320], interpolation: bilinear_align_corners}
      - {op: scale, factor: 0.00392156862745098}
      - {op: to_tensor}
    protocol: darknet
models:
  xl-onnx: {family: xl-onnx, summary: yolo-fastest-1.1-xl as ONNX}
"""
"""zoo reads the network from Darknet's files; this reads it from ONNX, with the same protocol."""


class Zoo:
    """The command, with a folder to work in."""

    def __init__(self, command: str, work: Path) -> None:
        self.command, self.work = command, work
        registry = work / "xl.yaml"
        registry.write_text(CARD, encoding="utf-8")
        self.environment = {**os.environ, "ZOO_REGISTRY": str(registry)}

    def metrics(self, model: str, weights: Path, *options: str) -> dict[str, Any]:
        """AP and AP50 on the 128 images, and how many nodes the engine runs in int8."""
        found = self.work / "eval.json"
        images = ["--images", str(SCORED / "images")]
        annotations = ["--annotations", str(SCORED / "instances.json")]
        given = ["--weights", str(weights), *images, *annotations, "--json", str(found)]
        self._run("eval", model, *given, *options)
        report = json.loads(found.read_text(encoding="utf-8"))
        counts = report["precision_report"] or {}
        metrics = {name: round(report["metrics"][name], 4) for name in ("AP", "AP50")}
        return {**metrics, **{k: counts.get(k) for k in ("int8_nodes", "float_nodes")}}

    def compiled(self, model: str, weights: Path, target: Path, options: list[str]) -> Path:
        """The float ONNX file that zoo quantises."""
        folder = self.work / f"{target.stem}-fp32"
        given = ["--weights", str(weights), "-o", str(folder)]
        self._run("compile", model, *given, *options)
        shutil.copyfile(folder / "model.onnx", target)
        return target

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(
            [self.command, *arguments],
            env=self.environment,
            cwd=self.work,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1]}")


def inputs(model: str) -> np.ndarray:
    """The 64 calibration images as a network of the table takes them, float32 [64, 3, H, W]."""
    from PIL import Image

    rows = []
    for path in sorted(CALIBRATION.iterdir()):
        rows.append(prepared(np.asarray(Image.open(path).convert("RGB")), model))
    return np.stack(rows)


def prepared(image: np.ndarray, model: str) -> np.ndarray:
    """One image by the preprocessing of the network's card."""
    from zoo_core.vision import Preprocess

    return np.asarray(Preprocess.from_data(STEPS[model]).prepare(image)[0])


_STRETCH = {"op": "resize", "mode": "stretch", "interpolation": "bilinear"}
_LETTERBOX = {
    **{"op": "resize", "mode": "letterbox", "interpolation": "bilinear"},
    **{"pad": 114, "anchor": "top_left", "rounding": "down"},
}
_UNIT = {"op": "scale", "factor": 1 / 255}
_BGR: dict[str, Any] = {"op": "decode", "colour": "bgr"}
_LAST = {"op": "to_tensor"}
STEPS: dict[str, list[dict[str, Any]]] = {
    "yolo-fastest-1.1-xl-darknet": [
        {"op": "decode", "colour": "rgb"},
        {**_STRETCH, "interpolation": "bilinear_align_corners", "size": [320, 320]},
        *(_UNIT, _LAST),
    ],
    "yolo-fastestv2": [_BGR, {**_STRETCH, "size": [352, 352]}, _UNIT, _LAST],
    "fastestdet": [_BGR, {**_STRETCH, "size": [352, 352]}, _UNIT, _LAST],
    "nanodet-m": [
        *(_BGR, {**_LETTERBOX, "size": [320, 320]}),
        {"op": "normalise", "mean": [103.53, 116.28, 123.675], "std": [57.375, 57.12, 58.395]},
        _LAST,
    ],
    "yolox-nano": [_BGR, {**_LETTERBOX, "size": [416, 416]}, _LAST],
}


def nncf_default(source: Path, images: np.ndarray, target: Path, **options: Any) -> None:
    """`nncf.quantize` of the ONNX file."""
    import nncf

    model = onnx.load(source)
    name = model.graph.input[0].name
    dataset = nncf.Dataset(list(images), lambda image: {name: image[None]})
    onnx.save(nncf.quantize(model, dataset, subset_size=len(images), **options), target)


def nncf_mixed(source: Path, images: np.ndarray, target: Path) -> None:
    """With signed activations where they are signed, and each bias corrected in turn."""
    import nncf

    preset = nncf.QuantizationPreset.MIXED
    nncf_default(source, images, target, preset=preset, fast_bias_correction=False)


def ort(method: str) -> Callable[[Path, np.ndarray, Path], None]:
    """`quantize_static` by one method: per channel, unsigned activations, convolutions only."""

    def quantise(source: Path, images: np.ndarray, target: Path) -> None:
        from onnxruntime import quantization as q

        prepared_ = target.with_suffix(".prepared.onnx")
        q.shape_inference.quant_pre_process(str(source), str(prepared_))
        name = onnx.load(prepared_).graph.input[0].name
        q.quantize_static(
            str(prepared_),
            str(target),
            _Reader(name, images),
            calibrate_method=getattr(q.CalibrationMethod, method),
            quant_format=q.QuantFormat.QDQ,
            per_channel=True,
            activation_type=q.QuantType.QUInt8,
            weight_type=q.QuantType.QInt8,
            op_types_to_quantize=["Conv"],
            extra_options={"CalibMovingAverage": method == "MinMax"},
        )

    return quantise


class _Reader:
    """The images, one by one, as ONNX Runtime's calibrators ask for them."""

    def __init__(self, name: str, images: np.ndarray) -> None:
        self._rows: Iterator[dict[str, np.ndarray]] = iter({name: i[None]} for i in images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)


def accuracy_control(source: Path, images: np.ndarray, target: Path, score: Any) -> None:
    """`nncf.quantize_with_accuracy_control`, which may lose .005 AP, by `score(file)`."""
    import nncf

    model = onnx.load(source)
    name = model.graph.input[0].name
    dataset = nncf.Dataset(list(images), lambda image: {name: image[None]})

    def validate(candidate: Any, _: Any) -> tuple[float, None]:
        trial = target.with_suffix(".trial.onnx")
        onnx.save(candidate, trial)
        return score(trial), None

    found = nncf.quantize_with_accuracy_control(
        model, dataset, dataset, validate, max_drop=0.005, subset_size=len(images)
    )
    onnx.save(found, target)


QUANTISERS: dict[str, Any] = {
    "nncf": nncf_default,
    "nncf mixed, bias in turn": nncf_mixed,
    "ort percentile": ort("Percentile"),
    "ort minmax": ort("MinMax"),
    "ort entropy": ort("Entropy"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--zoo", default="zoo")
    parser.add_argument("--control", action="store_true", help="accuracy control too; minutes")
    parser.add_argument("--source", type=Path, help="checkout of dog-qiuqiu/Yolo-Fastestv2")
    given = parser.parse_args()
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    zoo = Zoo(given.zoo, work)
    rows = []
    for key in given.networks or NETWORKS:
        model, weights = NETWORKS[key]
        code = ["--source", str(given.source)] if given.source and key == "v2" else []
        source = zoo.compiled(model, weights, work / f"{key}.onnx", code)
        scored = "xl-onnx" if key == "xl" else model
        rows.append({"network": key, "quantiser": "none", **zoo.metrics(scored, source)})
        images = inputs(model)
        quantisers = dict(QUANTISERS)
        if given.control:
            quantisers["nncf accuracy control"] = lambda s, i, t, scored=scored: accuracy_control(
                s, i, t, lambda file: zoo.metrics(scored, file)["AP"]
            )
        for name, quantise in quantisers.items():
            target = work / f"{key}-{name.replace(' ', '-').replace(',', '')}.onnx"
            began = time.perf_counter()
            try:
                if not target.exists():
                    quantise(source, images, target)
                row = {"seconds": round(time.perf_counter() - began, 1)}
                for backend in ("onnxruntime", "openvino"):
                    options = ("--precision", "int8", "--backend", backend)
                    row[backend] = zoo.metrics(scored, target, *options)
            except Exception as error:  # what one quantiser refuses, the next may take
                row = {"error": f"{type(error).__name__}: {error}"[:300]}
            rows.append({"network": key, "quantiser": name, **row})
            print(rows[-1], flush=True)
            (work / "table.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
