#!/usr/bin/env bash
# Package:  torch 2.13.0 (dynamo=False), onnx 1.23.2
# Expected: softplus(x, beta, threshold) is x itself where beta x is above the threshold, in PyTorch and
#           in its export.
# Seen:     with dynamo=False the threshold is lost: with beta 0.5 and threshold 1 the outputs differ by
#           up to 0.6. dynamo=True is right; the default threshold of 20 makes no
#           difference.
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


x = torch.linspace(-4, 8, 25)


def softplus(x):
    return torch.nn.functional.softplus(x, 0.5, 1)


right = softplus(x).numpy()
gaps = [float(np.abs(run(exported(softplus, x, dynamo), x) - right).max()) for dynamo in (True, False)]
smooth = np.log1p(np.exp(0.5 * x.numpy())) / 0.5
lost = np.allclose(run(exported(softplus, x, False), x), smooth, atol=1e-4)
print(f"dynamo=True differs by {gaps[0]:.1e}, dynamo=False by {gaps[1]:.2f}, as without a threshold: {lost}")
if gaps[0] > 1e-4 or gaps[1] < 0.1 or not lost:
    sys.exit("torch.onnx.export with dynamo=False no longer loses the threshold")
EOF
