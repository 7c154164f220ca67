"""The things in the sample scenes: one drawing for each of fourteen COCO categories."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from zoo_sample.polygons import fill_polygon

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from zoo_sample.draws import Colour, Draws

_Points: TypeAlias = "list[list[int]]"

CANVAS = 256
"""Side in pixels of the square on which a thing is drawn."""

_CENTRE = CANVAS // 2
_TURN = 4096
_SINES = [round(_TURN * float(np.sin(np.pi * k / 180))) for k in range(360)]


def _point(x: int, y: int, reach: int, degrees: int) -> tuple[int, int]:
    """Return the point at a distance and an angle (clockwise from the right) in whole pixels."""
    cosine, sine = _SINES[(degrees + 90) % 360], _SINES[degrees % 360]
    return x + (reach * cosine + _TURN // 2) // _TURN, y + (reach * sine + _TURN // 2) // _TURN


def _arc(axes: tuple[int, int], centre: tuple[int, int], span: tuple[int, int, int]) -> _Points:
    """List the points of an arc: half axes, centre, first and last angle and step in degrees."""
    points: _Points = np.asarray(cv2.ellipse2Poly(centre, axes, 0, *span)).tolist()
    return points


class Canvas:
    """A square picture uint8 [256, 256, 4]: RGB, and 255 where something has been drawn."""

    def __init__(self) -> None:
        """Start with nothing drawn."""
        self.image: NDArray[np.uint8] = np.zeros((CANVAS, CANVAS, 4), np.uint8)

    def disc(self, x: int, y: int, radius: int, colour: Colour) -> None:
        """Draw a filled circle."""
        cv2.circle(self.image, (x, y), radius, (*colour, 255), -1)

    def hole(self, x: int, y: int, radius: int) -> None:
        """Take out a circle."""
        cv2.circle(self.image, (x, y), radius, (0, 0, 0, 0), -1)

    def oval(self, x: int, y: int, axes: tuple[int, int], colour: Colour, turn: int = 0) -> None:
        """Draw a filled ellipse with half axes in pixels."""
        self.shape(np.asarray(cv2.ellipse2Poly((x, y), axes, turn, 0, 360, 5)).tolist(), colour)

    def shape(self, points: Sequence[Sequence[int]], colour: Colour) -> None:
        """Draw a filled polygon."""
        fill_polygon(self.image, points, (*colour, 255))

    def box(self, x1: int, y1: int, x2: int, y2: int, colour: Colour) -> None:
        """Draw a filled rectangle, both corners included."""
        self.shape([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour)

    def stroke(self, points: Sequence[Sequence[int]], colour: Colour, width: int) -> None:
        """Draw an open line through the points."""
        line = [np.array(points, np.int32)]
        cv2.polylines(self.image, line, False, (*colour, 255), width)


def _ring(x: int, y: int, reach: int, corners: int, start: int) -> list[tuple[int, int]]:
    return [_point(x, y, reach, start + 360 * k // corners) for k in range(corners)]


def _traffic_light(c: Canvas, draws: Draws) -> None:
    frame = draws.near(draws.one([(34, 34, 40), (222, 186, 40)]))
    c.box(76, 8, 180, 248, frame)
    c.box(86, 18, 170, 238, draws.near((22, 22, 26), 8))
    lit = draws.below(3)
    for k, colour in enumerate([(245, 40, 30), (255, 190, 20), (30, 225, 90)]):
        glow = colour if k == lit else (colour[0] * 5 // 9, colour[1] * 5 // 9, colour[2] * 5 // 9)
        c.disc(128, 56 + 72 * k, 32, glow)
        c.disc(120, 48 + 72 * k, 8, (min(glow[0] + 60, 255), min(glow[1] + 60, 255), 120))


def _stop_sign(c: Canvas, draws: Draws) -> None:
    c.shape(_ring(128, 128, 126, 8, 22), (240, 240, 240))
    c.shape(_ring(128, 128, 112, 8, 22), draws.near((190, 18, 28), 14))
    white, width = (245, 245, 245), draws.between(9, 13)
    c.stroke([(72, 98), (46, 98), (46, 126), (70, 126), (70, 158), (44, 158)], white, width)
    c.stroke([(82, 98), (118, 98)], white, width)
    c.stroke([(100, 98), (100, 160)], white, width)
    c.stroke([(130, 98), (160, 98), (160, 158), (130, 158), (130, 98)], white, width)
    c.stroke([(176, 162), (176, 98), (208, 98), (208, 130), (176, 130)], white, width)


def _umbrella(c: Canvas, draws: Draws) -> None:
    one = draws.near(draws.one([(120, 40, 170), (30, 80, 210), (200, 30, 130)]))
    two = draws.near((240, 236, 246), 10)
    c.stroke([(128, 120), (128, 226), (140, 240), (158, 236), (164, 220)], (96, 60, 30), 9)
    edges = [8, 56, 104, 152, 200, 248]
    for k, (left, right) in enumerate(pairwise(edges)):
        top = _arc((120, 116), (128, 136), (180 + 36 * k, 216 + 36 * k, 4))
        c.shape([*top, [128, 20]], two if k % 2 else one)
        c.shape([top[0], top[-1], [right, 136], [128, 60], [left, 136]], two if k % 2 else one)
        c.oval((left + right) // 2, 136, (24, 12), two if k % 2 else one)
    c.box(124, 6, 132, 24, (60, 50, 50))


def _sports_ball(c: Canvas, draws: Draws) -> None:
    dark = draws.near((24, 24, 28), 10)
    c.disc(128, 128, 122, draws.near((236, 236, 232), 10))
    start = draws.below(72)
    c.shape(_ring(128, 128, 46, 5, start), dark)
    for k in range(5):
        angle = start + 72 * k
        c.stroke([_point(128, 128, 46, angle), _point(128, 128, 84, angle)], dark, 6)
        outer = [_point(128, 128, 120, angle - 18), _point(128, 128, 120, angle + 18)]
        inner = [_point(128, 128, 92, angle + 14), _point(128, 128, 80, angle)]
        c.shape([*outer, *inner, _point(128, 128, 92, angle - 14)], dark)


def _kite(c: Canvas, draws: Draws) -> None:
    colours: list[Colour] = [(235, 40, 50), (250, 205, 30), (40, 190, 80), (40, 110, 235)]
    shift = draws.below(4)
    c.stroke([(128, 180), (116, 202), (140, 222), (122, 250)], (70, 60, 60), 5)
    for x, y in ((116, 202), (140, 222)):
        c.shape(
            [(x - 18, y - 10), (x + 18, y + 10), (x + 18, y - 10), (x - 18, y + 10)],
            colours[draws.below(4)],
        )
    corners = [(128, 4), (226, 76), (128, 190), (30, 76)]
    for k in range(4):
        fill = draws.near(colours[(k + shift) % 4])
        c.shape([corners[k], corners[(k + 1) % 4], (128, 76)], fill)
    c.stroke([corners[0], corners[2]], (50, 40, 40), 4)
    c.stroke([corners[1], corners[3]], (50, 40, 40), 4)


def _bottle(c: Canvas, draws: Draws) -> None:
    glass = draws.near(draws.one([(20, 110, 60), (110, 62, 24), (26, 74, 84)]))
    c.box(108, 22, 148, 110, glass)
    c.shape([(108, 70), (148, 70), (178, 122), (178, 250), (78, 250), (78, 122)], glass)
    c.box(102, 4, 154, 26, draws.near((200, 170, 60)))
    c.box(78, 146, 178, 212, draws.near((238, 232, 214), 10))
    c.box(78, 168, 178, 188, draws.near(draws.one([(190, 40, 40), (40, 60, 160)])))
    c.box(88, 116, 96, 142, (min(glass[0] + 70, 255), min(glass[1] + 70, 255), 190))


def _banana(c: Canvas, draws: Draws) -> None:
    skin = draws.near((244, 212, 50), 14)
    outer = _arc((120, 140), (128, 78), (12, 168, 6))
    depth = draws.between(72, 92)
    inner = _arc((96, depth), (128, 78), (12, 168, 6))
    c.shape(outer + inner[::-1], skin)
    ridge = _arc((108, (140 + depth) // 2), (128, 78), (20, 160, 6))
    c.stroke(ridge, (skin[0] - 50, skin[1] - 50, 20), 5)
    for arc in (0, -1):
        x = (outer[arc][0] + inner[arc][0]) // 2
        c.disc(x, outer[arc][1] - 2, 12, draws.near((80, 56, 24), 10))


def _apple(c: Canvas, draws: Draws) -> None:
    skin = draws.near((204, 24, 40), 16)
    c.oval(94, 150, (80, 96), skin, 8)
    c.oval(162, 150, (80, 96), skin, 172)
    c.oval(128, 62, (26, 14), (skin[0] * 3 // 5, 10, 16))
    c.stroke([(128, 66), (134, 30), (144, 12)], (84, 54, 26), 10)
    c.oval(176, 34, (36, 16), draws.near((70, 170, 50)), 160)
    c.oval(78, 116, (14, 30), (min(skin[0] + 40, 255), 130, 130), 20)


def _orange(c: Canvas, draws: Draws) -> None:
    peel = draws.near((246, 140, 16), 12)
    c.disc(128, 128, 122, peel)
    for _ in range(70):
        x, y = _point(128, 128, draws.below(112), draws.below(360))
        c.disc(x, y, 3, (peel[0] - 36, peel[1] - 30, 0))
    c.oval(90, 80, (30, 20), (255, 190, 100), 135)
    c.shape(_ring(140, 118, 16, 5, draws.below(72)), draws.near((60, 110, 30)))


def _broccoli(c: Canvas, draws: Draws) -> None:
    stalk = draws.near((150, 190, 90), 14)
    c.shape([(98, 130), (158, 130), (150, 248), (106, 248)], stalk)
    c.shape([(60, 120), (86, 110), (120, 190), (110, 210)], stalk)
    c.shape([(196, 120), (170, 110), (136, 190), (146, 210)], stalk)
    green = draws.near((40, 120, 40), 14)
    spots = [(56, 96), (200, 96), (92, 60), (164, 60), (128, 44), (128, 98), (88, 118), (170, 118)]
    for x, y in spots:
        c.disc(x, y, draws.between(36, 46), draws.near(green, 22))
    for _ in range(60):
        x, y = _point(128, 82, draws.below(90), draws.between(150, 390))
        c.disc(x, min(y, 130), 5, draws.near((70, 160, 60), 24))


def _pizza(c: Canvas, draws: Draws) -> None:
    c.disc(128, 128, 124, draws.near((186, 120, 56), 14))
    c.disc(128, 128, 106, draws.near((250, 212, 96), 12))
    start = draws.below(60)
    for k in range(6):
        x, y = _point(128, 128, 70, start + 60 * k + draws.between(-8, 8))
        c.disc(x, y, 21, draws.near((178, 36, 30), 12))
    c.disc(128, 128, 20, draws.near((178, 36, 30), 12))
    for _ in range(18):
        x, y = _point(128, 128, draws.between(20, 98), draws.below(360))
        c.oval(x, y, (9, 4), (60, 120, 40), draws.below(180))


def _donut(c: Canvas, draws: Draws) -> None:
    c.disc(128, 128, 122, draws.near((214, 158, 96), 12))
    icing = draws.near(draws.one([(246, 130, 190), (250, 150, 205), (235, 110, 175)]), 10)
    reach = [draws.between(98, 114) for _ in range(12)]
    c.shape([_point(128, 128, r, 30 * k) for k, r in enumerate(reach)], icing)
    bright: list[Colour] = [(255, 255, 255), (90, 220, 250), (255, 230, 60), (120, 60, 200)]
    for _ in range(34):
        x, y = _point(128, 128, draws.between(56, 94), draws.below(360))
        tip = _point(x, y, 12, draws.below(360))
        c.stroke([(x, y), tip], draws.one(bright), 5)
    c.disc(128, 128, 46, (190, 130, 76))
    c.hole(128, 128, 36)


def _teddy_bear(c: Canvas, draws: Draws) -> None:
    fur = draws.near((150, 96, 50), 14)
    pale = draws.near((224, 184, 134), 12)
    c.oval(128, 190, (66, 62), fur)
    c.oval(128, 196, (40, 42), pale)
    for x, paw in ((62, 176), (194, 176), (78, 236), (178, 236)):
        c.oval(x, min(paw, 228), (26, 22), fur)
    for x in (72, 184):
        c.disc(x, 38, 32, fur)
        c.disc(x, 38, 17, pale)
    c.disc(128, 84, 72, fur)
    c.oval(128, 108, (36, 28), pale)
    c.oval(128, 96, (13, 9), (30, 20, 20))
    for x in (102, 154):
        c.disc(x, 72, 9, (20, 14, 14))


def _clock(c: Canvas, draws: Draws) -> None:
    c.disc(128, 128, 124, draws.near(draws.one([(30, 40, 60), (60, 36, 30), (90, 94, 100)])))
    c.disc(128, 128, 102, draws.near((246, 244, 236), 8))
    for k in range(12):
        start = 68 if k % 3 == 0 else 80
        width = 9 if k % 3 == 0 else 5
        c.stroke(
            [_point(128, 128, start, 30 * k), _point(128, 128, 94, 30 * k)], (30, 30, 30), width
        )
    c.stroke([(128, 128), _point(128, 128, 52, draws.below(360))], (20, 20, 24), 12)
    c.stroke([(128, 128), _point(128, 128, 82, draws.below(360))], (20, 20, 24), 7)
    c.disc(128, 128, 10, (200, 30, 30))


UPRIGHT = 25
"""Degrees by which a thing that normally stands may lean to either side."""

DRAWINGS: tuple[tuple[int, int, Callable[[Canvas, Draws], None]], ...] = (
    (9, UPRIGHT, _traffic_light),
    (11, UPRIGHT, _stop_sign),
    (25, UPRIGHT, _umbrella),
    (32, 180, _sports_ball),
    (33, 60, _kite),
    (39, 90, _bottle),
    (46, 180, _banana),
    (47, 45, _apple),
    (49, 180, _orange),
    (50, 45, _broccoli),
    (53, 180, _pizza),
    (54, 180, _donut),
    (74, UPRIGHT, _clock),
    (77, UPRIGHT, _teddy_bear),
)
"""COCO-80 index, greatest turn in degrees and drawing of each category."""


def draw_sprite(kind: int, draws: Draws) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw entry `kind` of `DRAWINGS`; return RGB uint8 [h, w, 3] and mask uint8 [h, w] (0, 1).

    Light falls from a random side, the surface has a grain, and the picture is cut to the thing.
    """
    canvas = Canvas()
    DRAWINGS[kind][2](canvas, draws)
    mask = canvas.image[..., 3] > 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cut = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ramp = np.arange(CANVAS, dtype=np.int32) - _CENTRE
    light = ramp[cut[0], None] * draws.between(-44, 44) + ramp[cut[1]] * draws.between(-44, 44)
    light = light // _CENTRE + draws.between(196, 280)
    light += draws.bytes((CANVAS, CANVAS))[cut] % np.uint8(25)
    shaded = canvas.image[..., :3][cut] * (light - 12)[..., None] >> 8
    return shaded.clip(0, 255).astype(np.uint8), mask[cut].astype(np.uint8)
