"""What lies behind and before the things of a sample scene: textures, clutter and weather."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from zoo_sample.polygons import draw_line, fill_polygon

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_sample.draws import Draws

Image: TypeAlias = "NDArray[np.uint8]"


def draw_ground(height: int, width: int, draws: Draws) -> Image:
    """Draw a textured, cluttered background, RGB uint8 [height, width, 3]."""
    kind = draws.below(4)
    image = _patches(height, width, draws) if kind < 2 else _tiles(height, width, draws)
    if kind == 3:
        image = (image.astype(np.uint16) + _patches(height, width, draws) >> 1).astype(np.uint8)
    for _ in range(draws.between(6, 24)):
        _scatter(image, draws)
    return image


def _patches(height: int, width: int, draws: Draws) -> Image:
    """Stretch a few random colours smoothly over the image."""
    rows, columns = draws.between(2, 9), draws.between(2, 9)
    base = np.array(draws.colour(60), np.int32)
    reach = draws.between(10, 60)
    offsets = draws.bytes((rows, columns, 3)).astype(np.int32) * 2 * reach // 256 - reach
    small = np.clip(base + offsets, 0, 255).astype(np.uint8)
    return np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR_EXACT), np.uint8
    )


def _tiles(height: int, width: int, draws: Draws) -> Image:
    """Cover the image with stripes or a chequered pattern in two colours."""
    across, down = draws.between(8, 60), draws.between(8, 60)
    slant = draws.between(-2, 2)
    y = np.arange(height, dtype=np.int32)[:, None]
    x = np.arange(width, dtype=np.int32)[None, :]
    pattern = (x + slant * y // 2) // across
    if draws.chance(50):
        pattern = pattern + y // down
    first = draws.colour(40)
    second = draws.near(first, 45)
    tiles: Image = np.array([first, second], np.uint8)[pattern % 2]
    return tiles


def _scatter(image: Image, draws: Draws) -> None:
    """Draw one piece of clutter into the image."""
    height, width = image.shape[:2]
    colour = draws.colour(90 if draws.chance(35) else 30)
    x, y = draws.below(width), draws.below(height)
    reach = draws.between(width // 40 + 2, width // 5)
    kind = draws.below(4)
    if kind == 0:
        end = (x + draws.between(-reach, reach) * 2, y + draws.between(-reach, reach) * 2)
        draw_line(image, ((x, y), end), colour, draws.between(1, 7))
    elif kind == 1:
        axes = (reach // 2 + 1, draws.between(2, reach // 2 + 2))
        cv2.ellipse(image, (x, y), axes, draws.below(180), 0, 360, colour, draws.one([-1, 2, 4]))
    else:
        corners = draws.between(3, 4 + kind)
        points = [
            (x + draws.between(-reach, reach) // 2, y + draws.between(-reach, reach) // 2)
            for _ in range(corners)
        ]
        fill_polygon(image, points, colour)


def draw_bars(height: int, width: int, draws: Draws) -> tuple[Image, NDArray[np.uint8]]:
    """Draw a few thin things that stand before all others: RGB [H, W, 3] and mask (0, 1)."""
    image: Image = np.zeros((height, width, 3), np.uint8)
    mask: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    for _ in range(draws.one([0, 0, 1, 1, 2, 3])):
        colour, thick = draws.colour(35), draws.between(3, width // 36 + 3)
        start = (draws.below(width), draws.below(height))
        far = (
            start[0] + draws.between(-width, width) // 2,
            start[1] + draws.between(-height, height) // 2,
        )
        mask[draw_line(image, (start, far), colour, thick)] = 1
    return image, mask


def weather(image: Image, draws: Draws) -> Image:
    """Blur, darken or brighten and add noise, as a cheap camera would."""
    if draws.chance(35):
        side = draws.one([3, 3, 5])
        image = np.asarray(cv2.GaussianBlur(image, (side, side), 0), np.uint8)
    gain = draws.between(190, 290)
    level = image.astype(np.int32) * gain >> 8
    reach = draws.one([0, 4, 8, 12, 18])
    if reach:
        grain = draws.bytes(image.shape).astype(np.int32)
        level = level + (grain * (2 * reach + 1) >> 8) - reach
    result: Image = np.clip(level, 0, 255).astype(np.uint8)
    return result
