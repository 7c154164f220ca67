"""Names and ids of classes: COCO's, and those of a model against those of a truth."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

ImageId = int | str
CategoryId = int | str
_Id = TypeVar("_Id", bound=CategoryId)

COCO_NAMES = tuple(
    """person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,
    stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,
    umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,
    baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,
    banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,
    bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,
    refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush""".replace(
        "\n    ", ""
    ).split(",")
)
"""COCO's spelling, in the order of the 80 indices."""

_UNUSED_IDS = frozenset({12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
COCO_IDS = tuple(number for number in range(1, 91) if number not in _UNUSED_IDS)
"""COCO's category ids, in the order of `COCO_NAMES`."""

DARKNET_SPELLING = {
    "motorbike": "motorcycle",
    "aeroplane": "airplane",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "tvmonitor": "tv",
}
"""The six names that darknet's coco.names spells otherwise -> COCO's spelling."""

_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")


def matches(
    labels: Sequence[str],
    categories: Mapping[_Id, str],
    used: Collection[_Id] | None = None,
) -> dict[int, _Id]:
    """Label index -> the category of the same name, for names by id; others are left out.

    Names are compared as they are, then without case, kind of blanks, width of letters and marks
    that nobody sees, then without blanks, `_` and `-`, then with darknet's words for COCO's. What
    would be equal to two names of one side is not matched that way, so that names which differ in a
    model or a truth stay apart; equal labels share a category. Categories in `used` go first.
    """
    found: dict[int, _Id] = {}
    for wanted in (used, None) if used is not None else (None,):
        for key in (exact, _spelled, _joined, _in_coco):
            rest = [row for row in range(len(labels)) if row not in found]
            taken = set(found.values())
            left = grouped(((labels[row], row) for row in rest), key)
            names = ((name, number) for number, name in categories.items() if number not in taken)
            right = grouped((pair for pair in names if wanted is None or pair[1] in wanted), key)
            for text in left.keys() & right.keys():
                rows, numbers = left[text], right[text]
                if text and len(numbers) == 1 and len({exact(labels[row]) for row in rows}) == 1:
                    found.update(dict.fromkeys(rows, numbers[0]))
    return dict(sorted(found.items()))


def grouped(names: Iterable[tuple[str, Any]], key: Callable[[str], str]) -> dict[str, list[Any]]:
    """What belongs to each name, for pairs; names of one key are one."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for name, item in names:
        groups[key(name)].append(item)
    return groups


def exact(name: str) -> str:
    """The name without blanks around it, in one of the two forms that Unicode has for accents."""
    return unicodedata.normalize("NFC", name.strip())


def _spelled(name: str) -> str:
    """Without case, width of letters, marks that nobody sees, and quotes around it.

    Files often quote only names with a blank.
    """
    folded = unicodedata.normalize("NFKC", name)
    seen = "".join(letter for letter in folded if unicodedata.category(letter) != "Cf")
    return " ".join(seen.strip().strip("\"'").split()).casefold()


def _joined(name: str) -> str:
    """Without blanks, `_` and `-` inside; one stays between digits: 1_1 is not 11."""
    return _BETWEEN.sub(_between, _spelled(name))


def _between(gap: re.Match[str]) -> str:
    text, start, stop = gap.string, gap.start(), gap.end()
    return " " if text[start - 1].isdigit() and text[stop].isdigit() else ""


def _in_coco(name: str) -> str:
    return _COCO_WORDS.get(_joined(name), _joined(name))


def order_of(number: ImageId | CategoryId) -> tuple[bool, int, str]:
    """The sorting key of ids: numbers in their order, then texts in theirs."""
    if isinstance(number, str):
        return True, 0, number
    return False, number, ""


_COCO_WORDS = {word: _joined(name) for word, name in DARKNET_SPELLING.items()}
