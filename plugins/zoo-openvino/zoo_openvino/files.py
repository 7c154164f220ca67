"""The names of the files that this plugin's stages leave."""

from __future__ import annotations

MODEL_FILE = "model.xml"
WEIGHTS_FILE = "model.bin"
ARTEFACT_FILE = "artefact.json"
PRECISION_FILE = "precision.json"
