"""A plugin with a profiler for what the toy compiles, and a backend that names it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl
from zoo_core.testing import toy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from zoo_core.api import Backend, Profiler, Target

ZOO_API = 1


@hookimpl
def zoo_profilers() -> Iterable[Provider[Profiler]]:
    """The profiler `toy`."""
    yield Provider(name="toy", summary="one run by the clock", load=ToyProfiler)


@hookimpl
def zoo_backends() -> Iterable[Backend]:
    """The backend `toy-profiled`."""
    yield replace(*toy.zoo_backends(), name="toy-profiled", profiler="toy")


class ToyProfiler:
    """Runs a batch of zeros."""

    def profile(
        self, artefact: Path, target: Target, options: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """`latency_us` and `throughput_qps`; raises what the toy's runtime raises."""
        import numpy as np

        from zoo_core.testing.toy_parts import ToyRuntime

        with ToyRuntime().open(artefact, target) as session:
            (spec,) = session.inputs
            zeros = np.zeros([target.batch, *map(int, spec.shape[1:])], np.float32)
            began = time.perf_counter()
            session.run({spec.name: zeros})
            seconds = time.perf_counter() - began
        figures = {"latency_us": seconds * 1e6, "throughput_qps": target.batch / seconds}
        raw = "".join(f"{name}: {value}\n" for name, value in figures.items())
        return {"tool": "toy", "figures": {"batch": target.batch, **figures}, "raw": raw}
