"""How long to measure, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from zoo_core.errors import UsageError
from zoo_core.stats import SteadyRule


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchSettings:
    """What a measurement takes at most, and at least; all times in seconds.

    Single queries are timed for `seconds` and until there are `min_samples`, but no longer than
    `latency_deadline` after the start once `least_samples` are there. A whole measurement ends
    within `2 * seconds`, unless `least_samples` and two batches take longer. The defaults give a
    90th percentile (64 samples) to networks of up to 0.1 s.
    """

    seconds: float = 5.0
    min_samples: int = 64
    least_samples: int = 10
    warmup_seconds: float = 0.2
    warmup_calls: int = 10
    steady: SteadyRule = field(default_factory=SteadyRule)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise UsageError(f"a benchmark cannot take {self.seconds} s", next="give seconds > 0")
        if not 1 <= self.least_samples <= self.min_samples:
            raise UsageError(
                f"at least {self.least_samples} and usually {self.min_samples} samples: impossible",
                next="give 1 <= least_samples <= min_samples",
            )

    @property
    def warmup_limit(self) -> float:
        """When warming up ends though its windows do not agree."""
        return self.seconds / 4

    @property
    def latency_deadline(self) -> float:
        """When single queries end though `min_samples` are not there; from the very start."""
        return self.seconds * 1.5

    @property
    def offline_seconds(self) -> float:
        """How long batches are run back to back."""
        return self.seconds / 2
