"""Stand-ins of the vendor's tools for machines without its SDK and card, on ONNX Runtime.

They implement the vendor's contract a second time, apart from what the plugin itself renders and
reads, so that tests compare two implementations. What they compute is real; how long it takes says
nothing about a card. Faults on demand: see `zoo_vastai.emulator.site.vaststreamx.faults`.
"""

from __future__ import annotations
