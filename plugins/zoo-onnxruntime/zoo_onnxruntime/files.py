"""The names of the files that this plugin's stages leave."""

from __future__ import annotations

MODEL_FILE = "model.onnx"
REWRITES_FILE = "rewrites.json"
RANGES_FILE = "ranges.json"
EQUALISED_FILE = "equalise.json"
FORMAT = "onnx"
