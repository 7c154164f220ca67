#!/usr/bin/env bash
# Package:  torch 2.13.0 (dynamo=False), onnx 1.23.2
# Expected: `a // b` is the floor in PyTorch since 1.13 (-7 // 2 is -4), for integers and floats, and in
#           its export.
# Seen:     with dynamo=False the exported division cuts towards zero: -7 // 2 becomes -3 for negative
#           integers, and for floats. dynamo=True is right.
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


x = torch.tensor([-7, -3, 0, 3, 7])
cases = {"integers": lambda x: x // 2, "floats": lambda x: x.float() // 2.0}
for name, divide in cases.items():
    right = divide(x).numpy()
    new, old = (run(exported(divide, x, dynamo), x) for dynamo in (True, False))
    print(f"{name}: PyTorch {right.tolist()}, dynamo=True {new.tolist()}, dynamo=False {old.tolist()}")
    if not np.array_equal(new, right) or not np.array_equal(old, np.trunc(x.numpy() / 2)):
        sys.exit("torch.onnx.export with dynamo=False no longer cuts towards zero")
EOF
