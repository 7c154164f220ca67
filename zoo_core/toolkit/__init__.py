"""What plugins are built with: file formats, detection, artefacts. The core imports none of it."""

from __future__ import annotations
