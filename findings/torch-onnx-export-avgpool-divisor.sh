#!/usr/bin/env bash
# Package:  torch 2.13.0, onnxscript 0.7.2, onnx 1.23.2
# Expected: torch.onnx.export of avg_pool2d with divisor_override=3 divides by 3, or refuses it:
#           AveragePool has no such attribute.
# Seen:     both exporters write a plain AveragePool, which divides by the 4 pixels of the window;
#           nothing is said.
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


x = torch.randn(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))


def pool(x):
    return torch.nn.functional.avg_pool2d(x, 2, 2, divisor_override=3)


right = pool(x).numpy()
for dynamo in (True, False):
    model = exported(pool, x, dynamo)
    seen = run(model, x)
    print(f"dynamo={dynamo}: {[n.op_type for n in model.graph.node]}, ratio {np.median(seen / right):.3f}")
    if not np.allclose(seen * 4 / 3, right, atol=1e-5):
        sys.exit("torch.onnx.export no longer loses divisor_override")
EOF
