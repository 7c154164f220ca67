"""The categories of a model's labels: COCO's, or those of an annotation file."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from zoo_core.errors import DataError, some
from zoo_core.toolkit.coco import COCO_IDS, COCO_NAMES, matches

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_Id = TypeVar("_Id", bound="int | str")
_COCO = dict(zip(COCO_IDS, COCO_NAMES, strict=True))
_NAMES = "give the model's class names with --names FILE"


def coco_spelling(labels: Sequence[str]) -> list[str]:
    """The labels, those of the 80 in COCO's spelling, whatever their spelling and case."""
    found = matches(labels, _COCO)
    return [
        COCO_NAMES[COCO_IDS.index(found[row])] if row in found else label.strip()
        for row, label in enumerate(labels)
    ]


def category_ids(
    labels: Sequence[str], categories: Mapping[_Id, str], used: Collection[_Id], where: str = ""
) -> dict[int, _Id]:
    """Label index -> the category of the same name, whatever the spelling or case of either.

    `categories` are names by id, `used` those that boxes are of. A label that has no category is
    left out; raises `DataError` where none has one.
    """
    found = matches(labels, categories, used)
    if not found:
        names = some(list(categories.values()))
        raise DataError(
            f"none of its {len(categories)} categories ({names}) is one of the model's "
            f"{len(labels)} labels ({some(labels)})",
            where=where,
            next=f"give the annotations of these images, or {_NAMES}",
        )
    return found


def unmatched(labels: Sequence[str], classes: Mapping[str, bool]) -> tuple[str, ...]:
    """What is scored as 0 or not at all because its name is only on one side, one sentence each.

    `classes` are the truth's, and whether a box is of them. Raises `DataError` where none matches.
    """
    names = {name: name for name in classes}
    found = category_ids(labels, names, {name for name, used in classes.items() if used})
    matched = set(found.values())
    missed = [name for name, used in classes.items() if used and name not in matched]
    extra = [label for row, label in enumerate(labels) if row not in found]
    texts = []
    if missed:
        texts.append(
            f"{len(missed)} of the truth's {len(classes)} categories {_match(missed)} none of the "
            f"model's labels and count as 0 where they have boxes: {some(missed)}; if the model "
            f"knows them, {_NAMES}"
        )
    twins = [name for name in missed if matches(labels, {name: name})]
    if twins:
        texts.append(
            f"{some(twins)}: another category differs in spelling only, and a label is of one at "
            "most; if they are one class, give them one name in the annotations"
        )
    if extra:
        texts.append(
            f"{len(extra)} of the model's {len(labels)} labels {_match(extra)} no category of the "
            f"truth: {some(extra)}; their detections are not scored and not in predictions.json"
        )
    return tuple(texts)


def _match(names: Sequence[str]) -> str:
    return "matches" if len(names) == 1 else "match"


def default_ids(labels: Sequence[str]) -> list[int]:
    """Category ids where no truth gives them: COCO's if every label is one of COCO's, else 1 to n.

    One label that is not COCO's gives all of them 1 to n, so that no two share an id.
    """
    found = matches(labels, _COCO)
    return list(found.values()) if len(found) == len(labels) else list(range(1, len(labels) + 1))
