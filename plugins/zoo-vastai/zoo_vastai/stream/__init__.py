"""Networks on the device through vaststreamx, which runs in a process of its own."""

from __future__ import annotations
