"""Checks of vamc configurations and vdsp files that people wrote by hand.

The command `zoo-vastai lint` is found by the entry-point group `zoo_vastai.commands`; from Python,
`zoo_vastai_lint.run.lint` and `zoo_vastai_lint.result.document`. It provides nothing to zoo itself.
"""

from __future__ import annotations

ZOO_API = 1
