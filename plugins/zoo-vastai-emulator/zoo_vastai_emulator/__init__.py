"""Stand-ins of the vendor's tools for machines without its SDK and card, on ONNX Runtime.

They implement the vendor's contract a second time, apart from what zoo-vastai renders and reads, so
that tests compare two implementations. What they compute is real; how long it takes says nothing
about a card. Faults on demand: see `zoo_vastai_emulator.site.vaststreamx.faults`.

zoo-vastai finds `launch` by the entry-point group `zoo_vastai.sdk`, and the command `emulate` by
`zoo_vastai.commands`. It provides nothing to zoo itself: the device is one of zoo-vastai's.
"""

from __future__ import annotations

ZOO_API = 1
