"""`zoo tune` on real networks: the share of int8's loss that it recovers, and what that costs.

    python tests/benchmarks/tuning [--backend NAME] [--only NAME,...] [--json FILE]

Needs ZOO_TEST_DATA (see tests/e2e). A row for each network; the limit is half of what plain int8
loses, at most 0.005. Nothing else should run at the same time: speeds are measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo_core as zoo
from zoo_core.system.terminal import columns

if TYPE_CHECKING:
    from zoo_core.commands.tune.report import TuneReport

NETWORKS = {
    "yolo-fastest-1.1-xl-darknet": "yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.weights",
    "fastestdet": "third-party/FastestDet.onnx",
    "nanodet-m": "third-party/nanodet_m_320.onnx",
    "yolox-nano": "third-party/yolox_nano_416.onnx",
    "yolo-fastestv2": "third-party/yolo-fastestv2-coco2017-0.241078ap.pth",
}
"""Cards, each with its weights in the test data; the last one needs --source DIR."""

HEAD = (
    *("network", "fp32", "plain", "tuned", "drop of plain", "drop of tuned", "recovered"),
    *("x fp32", "x fp32 tuned", "cost", "seconds", "options"),
)
LIMIT = 0.005


def main() -> int:
    """Tune the networks and print the table; 1 if one recovers less than half of its loss."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--only", default=",".join(NETWORKS))
    parser.add_argument("--source", help="checkout of dog-qiuqiu/Yolo-FastestV2")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    data = Path(os.environ.get("ZOO_TEST_DATA", ""))
    if not (data / "coco-val2017-128").is_dir():
        sys.exit("set ZOO_TEST_DATA to the folder of the real test data")
    reports = []
    for name in arguments.only.split(","):
        source = {"source": arguments.source} if name == "yolo-fastestv2" else {}
        reports.append(tuned(data, name, arguments.backend, source))
        print("\n".join(columns(HEAD, [row(report) for report in reports])), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([r.to_data() for r in reports], indent=1) + "\n")
    return int(not all(is_met(report) for report in reports))


def tuned(data: Path, name: str, backend: str, source: dict[str, Any]) -> TuneReport:
    """The report of a network; scored on 128 images, calibrated on 64 others."""
    scored = data / "coco-val2017-128"
    options: dict[str, Any] = {
        **source,
        "backend": backend,
        "weights": str(data / NETWORKS[name]),
        "images": scored / "images",
        "annotations": scored / "instances.json",
        "calibration": data / "coco-train2017-64" / "images",
        "calibration_images": 64,
        "progress": lambda text: print(text, file=sys.stderr, flush=True),
    }
    kinds = ("fp32", "int8")
    runs = [zoo.eval(name, precision=kind, tuned="none", **options) for kind in kinds]
    loss = ap(runs[0]) - ap(runs[1])
    return zoo.tune(name, precision="int8", max_drop=max(0.0, min(LIMIT, loss / 2)), **options)


def ap(run: Any) -> float:
    """The AP of a run."""
    return float((run.metrics or {})["AP"])


def recovered(report: TuneReport) -> float | None:
    """The share of plain int8's loss; None where it loses nothing."""
    before, after = report.plain.drop or 0.0, report.chosen.drop or 0.0
    return (before - after) / before if before > 0 else None


def cost(report: TuneReport) -> float | None:
    """The share of the gain in speed over fp32 that is lost; None without a gain."""
    if report.gain is None or report.gain.speedup <= 1 or report.speed is None:
        return None
    return (report.gain.speedup - report.speed.speedup) / (report.gain.speedup - 1)


def is_met(report: TuneReport) -> bool:
    """Whether half of the loss is recovered, or there is none."""
    share = recovered(report)
    return share is None or share >= 0.5


def row(report: TuneReport) -> tuple[str, ...]:
    """A row of the table; intervals are those of the drop from fp32, paired."""
    plain, chosen = report.plain, report.chosen
    share, price = recovered(report), cost(report)
    speeds = (report.gain, report.speed)
    return (
        report.model,
        f"{report.reference:.4f}",
        *(f"{trial.value or 0.0:.4f}" for trial in (plain, chosen)),
        *(f"{t.drop:+.4f} ({t.low:+.4f} to {t.high:+.4f})" for t in (plain, chosen)),
        "no loss" if share is None else f"{share:.0%}",
        *(f"{speed.speedup:.3f}" if speed else "-" for speed in speeds),
        "-" if price is None else f"{price:.0%}",
        f"{report.seconds:.0f}",
        ",".join(f"{key}={value}" for key, value in chosen.options.items()) or "-",
    )


if __name__ == "__main__":
    raise SystemExit(main())
