"""The names of the files that this plugin's stages leave."""

from __future__ import annotations

MODEL_FILE = "model.xml"
WEIGHTS_FILE = "model.bin"
FORMATS = ("openvino", "onnx")
"""What the runtime opens: its own compiler's artefacts, and ONNX ones of other compilers."""
