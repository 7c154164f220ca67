"""Weights and inputs of the golden vectors, rebuilt from the written rule B."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "data" / "golden"
KEY = 2024
WEIGHTS_SHA256 = "0f4b9ed8e27d5de3673e46108425fc4e4f2fd2189562148f2df84168bb974c7d"


@dataclass(frozen=True)
class Case:
    """One golden input."""

    name: str
    count: int
    height: int
    width: int
    sha256: str


CASES = (
    Case("96x96_n1", 1, 96, 96, "733a247c9c6bf9089ff70316c8f26c752f42af8ddd60e92e59995ec94f8d8326"),
    Case("64x96_n2", 2, 64, 96, "8940fab81af63eaad0e05a498ae9ee65c3b3d7a36b5407eb11074625d7cacb26"),
    Case(
        "64x224_n1", 1, 64, 224, "2d1d912caacb6b4512b4be49a9b6002f8130893dd65067db89206c3ea8887a84"
    ),
)


class UnitStream:
    """The u-stream: 24-bit fractions in 0..1 from the raw words of Philox."""

    def __init__(self, key: int) -> None:
        self._bits = np.random.Philox(key=key)

    def take(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the next fractions as float64 of `shape`, filled in C order."""
        words = self._bits.random_raw(int(np.prod(shape)))
        return (words >> np.uint64(40)).astype(np.float64).reshape(shape) * 2.0**-24


def state_keys() -> list[tuple[str, tuple[int, ...]]]:
    """Return the 648 keys with their shapes in the original's order."""
    with (GOLDEN / "yolov4_state_dict.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [(row["key"], _shape(row)) for row in rows]


def _shape(row: dict[str, str]) -> tuple[int, ...]:
    if row["key"].endswith("num_batches_tracked"):
        return ()
    return tuple(int(n) for n in row["shape"].split("x"))


def variances() -> dict[str, float]:
    """Return the table of V by running_var key."""
    with (GOLDEN / "yolov4_bn_V.csv").open(newline="") as file:
        return {row["running_var_key"]: float(row["V"]) for row in csv.DictReader(file)}


def golden_state() -> dict[str, NDArray[np.float32] | NDArray[np.int64]]:
    """Return the rule-B state dict; float32, and int64 0 for num_batches_tracked."""
    stream, table = UnitStream(KEY), variances()
    state: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    for key, shape in state_keys():
        if shape == ():
            state[key] = np.zeros((), np.int64)
        else:
            state[key] = _value(key, stream.take(shape), table).astype(np.float32)
    return state


def _value(key: str, u: NDArray[np.float64], table: dict[str, float]) -> NDArray[np.float64]:
    stem, _, field = key.rpartition(".")
    variance = table.get(f"{stem}.running_var")
    if u.ndim == 4:
        return (2 * u - 1) * math.sqrt(6 / math.prod(u.shape[1:]))
    if variance is None:
        return 2 * u - 1
    values: dict[str, NDArray[np.float64]] = {
        "weight": 0.75 + 0.5 * u,
        "bias": 0.4 * u - 0.2,
        "running_mean": math.sqrt(variance) * (0.4 * u - 0.2),
        "running_var": variance * (0.75 + 0.5 * u),
    }
    return values[field]


def state_digest(state: dict[str, NDArray[np.float32] | NDArray[np.int64]]) -> str:
    """Return the sha256 over the float tensors' little-endian bytes."""
    digest = hashlib.sha256()
    for value in state.values():
        if value.dtype == np.float32:
            digest.update(np.ascontiguousarray(value, "<f4").data)
    return digest.hexdigest()


def golden_input(case: Case) -> NDArray[np.float32]:
    """Return the case's input, float32 [N, 3, H, W] in 0..1."""
    i, y, x, c = np.ogrid[: case.count, : case.height, : case.width, :3]
    pixels = (7 * x + 13 * y + 37 * c + 5 * ((x * y) % 11) + 101 * i) % 256
    blob = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(blob.transpose(0, 3, 1, 2))


def golden_output(case: Case) -> dict[str, NDArray[np.float32]]:
    """Return the stored outputs of the original network: heads, boxes, confs."""
    with np.load(GOLDEN / f"yolov4_ruleB_{case.name}.npz") as file:
        return {name: file[name] for name in file.files}
