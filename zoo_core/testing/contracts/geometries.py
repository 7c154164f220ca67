"""How images of odd sizes may lie in a network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOURCES = ((480, 640), (33, 57), (101, 7), (1, 1))


def geometries(network: tuple[int, int]) -> Iterator[Geometry]:
    """Letterbox, then stretch, of each source size; then a crop."""
    height, width = network
    for source in _SOURCES:
        rows, columns = source
        share = min(height / rows, width / columns)
        high, wide = max(1, round(rows * share)), max(1, round(columns * share))
        yield Geometry(
            source=source,
            network=network,
            scale=(wide / columns, high / rows),
            offset=(float((width - wide) // 2), float((height - high) // 2)),
        )
        yield Geometry(source=source, network=network, scale=(width / columns, height / rows))
    yield Geometry(source=(height + 9, width + 21), network=network, scale=(1, 1), offset=(-11, -4))
