#!/usr/bin/env bash
# Package:  torch 2.13.0, onnxscript 0.7.2, onnx 1.23.2
# Expected: torch.onnx.export (dynamo=True) of interpolate(scale_factor=0.5, antialias=True) computes
#           what PyTorch does: PyTorch maps pixels by the factor itself, 0.5, also where 7 x
#           9 becomes 3 x 4.
# Seen:     with antialias the exporter writes the sizes in place of the factor: Resize then maps by 3/7
#           and 4/9, and outputs differ by 0.2. Without antialias it writes the factor and
#           is right; so it is where the sides are even.
# In zoo:   zoo compares each export with the network in PyTorch before it is used
#           (zoo_core/toolkit/verify.py)
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q torch==2.13.0 onnxscript==0.7.2 numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0
"$work/venv/bin/python" - <<'EOF'
import contextlib
import io
import logging
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


class Network(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def exported(function, x, dynamo):
    network, file = Network(function).eval(), io.BytesIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if dynamo:
            program = torch.onnx.export(network, (x,), dynamo=True, opset_version=18, verbose=False)
            return program.model_proto
        torch.onnx.export(network, (x,), file, dynamo=False, opset_version=17)
    return onnx.load_from_string(file.getvalue())


def run(model, x):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


def halved(antialias):
    def shrink(x):
        interpolate = torch.nn.functional.interpolate
        return interpolate(x, scale_factor=0.5, mode="bilinear", antialias=antialias)

    return shrink


gaps = {}
for shape in ((8, 12), (7, 9)):
    x = torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    for antialias in (False, True):
        shrink = halved(antialias)
        model = exported(shrink, x, dynamo=True)
        (resize,) = [node for node in model.graph.node if node.op_type == "Resize"]
        by = "sizes" if len(resize.input) > 3 and resize.input[3] else "scales"
        gaps[shape, antialias] = float(np.abs(run(model, x) - shrink(x).numpy()).max())
        print(f"{shape}, antialias {antialias}: Resize by {by}, differs by {gaps[shape, antialias]:.1e}")
if gaps[(7, 9), True] < 0.05 or max(v for k, v in gaps.items() if k != ((7, 9), True)) > 1e-4:
    sys.exit("torch.onnx.export no longer replaces the factor of an antialiased resize by sizes")
EOF
