"""Compile, stream, score; and compile, npz, vamp, files, score: on the emulator, by the verbs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from zoo_vastai.files.images import find_images, images_to_npz
from zoo_vastai.vamp.command import VampCommand
from zoo_vastai_emulator.launch import environment

from zoo_core.registry.load import packed_registry

if TYPE_CHECKING:
    from zoo_core.testing.fixtures import Zoo

DATA = Path(os.environ.get("ZOO_TEST_DATA", "/nonexistent"))
real = pytest.mark.skipif(
    "ZOO_TEST_DATA" not in os.environ, reason="ZOO_TEST_DATA is unset: no real images here"
)
FAST = "yolo-fastest-1.1-xl-darknet"
THIN = "yolov4-tianxiaomo"
OPERATORS = {
    FAST: {"type": "yolov4_nms"},
    THIN: {
        "type": "yolov4_nms",
        "params": {
            "anchor": [
                12, 16, 19, 36, 40, 28, 36, 75, 76, 55, 72, 146, 142, 110, 192, 243, 459, 401,
            ],
            "strides": [8, 16, 32],
        },
    },
}  # fmt: skip
ROUTES = 0.002
"""How far the AP of the two routes may be apart: the vendor's own are .000 to .005."""

BACKENDS = 0.005
COUNT = 12
FEW = 0.01
"""On so few images one box that half floats move counts for more."""


@dataclass(frozen=True)
class Bench:
    """Runs zoo with one cache for the module, in a folder whose registry names the operators."""

    zoo: Zoo
    home: Path
    folder: Path

    def report(self, *words: str | Path) -> dict[str, Any]:
        done = self.zoo("run", *words, "--no-bench", "--json", "-")
        assert done.code == 0, done.stderr
        report: dict[str, Any] = done.json
        return report

    def stage(self, report: dict[str, Any], name: str) -> Path:
        """The folder that a stage of a run has left."""
        (key,) = [row["key"] for row in report["stages"] if row["name"] == name]
        (place,) = self.home.glob(f"store/entries/*/{key}*")
        return place

    def vamp(self, compiled: Path, images: Path, options: str = "") -> tuple[str, ...]:
        """Run the images through vamp as a program of its own; the options that read its files."""
        npz, datalist = self.folder / "npz", self.folder / "npz_datalist.txt"
        if not datalist.exists():
            images_to_npz(find_images(images), npz, datalist)
        outputs = self.folder / f"npz_output{options}-{compiled.name[:8]}"
        command = VampCommand(
            prefix=str(compiled / "mod"),
            vdsp_params=str(compiled / "vdsp.json"),
            datalist=str(datalist),
            path_output=str(outputs),
        )
        done = subprocess.run(
            command.argv(), env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        pairs = (f"outputs={outputs}", f"datalist={datalist}")
        return ("--device", "files", *(word for pair in pairs for word in ("--option", pair)))


@pytest.fixture
def bench(zoo: Zoo, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("ZOO_HOME", str(shared_home))
    models = yaml.safe_load(packed_registry().read_text(encoding="utf-8"))["models"]
    chosen = {}
    for name, operator in OPERATORS.items():
        vastai = {"extra_ops": operator}
        chosen[name] = {**models[name], "backends": {"vastai": vastai}}
    text = json.dumps({"schema": 1, "models": chosen})
    (tmp_path / "registry.yaml").write_text(text, encoding="utf-8")
    return Bench(zoo, shared_home, tmp_path)


def ap(report: dict[str, Any]) -> float:
    return float(report["metrics"]["AP"])


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "nms"), [("fp16", "device"), ("fp16", "host")])
def test_both_routes_agree_on_the_sample(bench: Bench, precision: str, nms: str) -> None:
    common = (THIN, "--assets", "sample", "--precision", precision, "--limit", str(COUNT))
    vastai = (*common, "--backend", "vastai", "--option", f"nms={nms}")
    streamed = bench.report(*vastai, "--device", "emulator")
    scenes = bench.stage(streamed, "scenes-evaluation")
    names = json.loads((scenes / "instances.json").read_text(encoding="utf-8"))["images"]
    images = bench.folder / "chosen"
    images.mkdir()
    for row in names[:COUNT]:
        shutil.copyfile(scenes / "images" / row["file_name"], images / row["file_name"])
    stored = bench.report(*vastai, *bench.vamp(bench.stage(streamed, "compile"), images))
    reference = bench.report(*common, "--protocol", "vastai")

    assert streamed["images"] == stored["images"] == COUNT
    assert streamed["protocol"]["name"] == stored["protocol"]["name"] == "vastai"
    assert abs(ap(streamed) - ap(stored)) <= ROUTES
    assert abs(ap(streamed) - ap(reference)) <= FEW
    assert any("emulat" in text for text in streamed["warnings"])
    assert any("part of the build" in text for text in streamed["warnings"]) is (nms == "device")


@real
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_both_routes_agree_on_real_images(bench: Bench, precision: str) -> None:
    network = DATA / "yolo-fastest-1.1-xl" / "yolo-fastest-1.1-xl.weights"
    images = DATA / "coco-val2017-128" / "images"
    common = (
        FAST, "--weights", network, "--precision", precision, "--protocol", "vastai",
        "--images", images, "--annotations", images.with_name("instances.json"),
    )  # fmt: skip
    if precision == "int8":
        common = (*common, "--calibration", DATA / "coco-train2017-64" / "images")
    vastai = (*common, "--backend", "vastai", "--option", "nms=device")
    streamed = bench.report(*vastai, "--device", "emulator")
    stored = bench.report(*vastai, *bench.vamp(bench.stage(streamed, "compile"), images))

    assert streamed["images"] == stored["images"] == 128
    assert abs(ap(streamed) - ap(stored)) <= ROUTES
    counted = streamed["precision_report"]
    few, many = counted["int8_nodes"], counted["float_nodes"]
    assert (many, few > 70) == (0, True) if precision == "int8" else (few, many > 70) == (0, True)
    assert not any("calibration images are also" in text for text in streamed["warnings"])
    if precision == "fp16":
        host = (*vastai, "--option", "nms=host")
        on_host = bench.report(*host, "--device", "emulator")
        raw = bench.report(*host, *bench.vamp(bench.stage(on_host, "compile"), images))
        assert abs(ap(raw) - ap(on_host)) <= ROUTES
        reference = bench.report(*common)
        assert abs(ap(on_host) - ap(streamed)) <= ROUTES
        assert abs(ap(reference) - ap(streamed)) <= BACKENDS
