"""Names that the parts of this plugin share: of files, devices, forms and options."""

from __future__ import annotations

from zoo_core.api import ARTEFACT_FILE, PRECISION_FILE

NAME = "vastai"
"""Of the backend, its compiler, runtime and emitter, and of a card's map for it."""

EMULATOR = "emulator"
FILES = "files"

NMS_PLACES = ("auto", "device", "host")
"""Where boxes may be suppressed, the default first."""

ARITHMETICS = ("exact", "vsx", "npz")
"""How boxes that the device's NMS left come into the image, the default first.

`exact` is right; `vsx` and `npz` do what the vendor's scripts do, see `vendor_boxes`.
"""

CONFIG_FILE = "config.yaml"
VDSP_FILE = "vdsp.json"
CALIBRATION_FOLDER = "calibration"
GRAPH_FOLDER = "graph"
WORKSPACE = "deploy_weights"

LOG_FILE = "vamc.log"
MODEL = "mod"
THREE_PIECES = ("mod.json", "mod.so", "mod.params")
ARTEFACT = (*THREE_PIECES, VDSP_FILE, CONFIG_FILE, LOG_FILE, ARTEFACT_FILE, PRECISION_FILE)
"""What the stage `compile` leaves."""
