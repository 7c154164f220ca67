"""The categories of a model's labels: COCO's, or those of an annotation file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.errors import DataError
from zoo_core.toolkit.coco import COCO_IDS, COCO_NAMES, ids_by_name, name_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def coco_spelling(label: str) -> str:
    """A label in COCO's spelling where it is one of the 80 in any spelling or case, else as is."""
    name = name_key(label)
    return name if name in COCO_NAMES else label.strip()


def category_ids(
    labels: Sequence[str], categories: Mapping[int, str], where: str
) -> dict[int, int]:
    """Label index -> the category of the same name, whatever the spelling or case of either.

    `categories` are names by id. A label that has no category is left out; raises `DataError`
    where none has one, or where two categories are of one name.
    """
    by_name = ids_by_name(categories, where)
    keys = [name_key(label) for label in labels]
    found = {index: by_name[key] for index, key in enumerate(keys) if key in by_name}
    if not found:
        raise DataError(
            f"is the annotation of another data set: none of the model's {len(labels)} labels "
            f"({_some(labels)}) is among its categories ({_some(list(categories.values()))})",
            where=where,
            next="give the annotation of these images, or a model of these classes",
        )
    return found


def default_ids(labels: Sequence[str]) -> list[int]:
    """Category ids where no truth gives them: COCO's if every label is one of COCO's, else 1 to n.

    One label that is not COCO's gives all of them 1 to n, so that no two share an id.
    """
    names = [coco_spelling(label) for label in labels]
    if set(names) <= set(COCO_NAMES):
        return [COCO_IDS[COCO_NAMES.index(name)] for name in names]
    return list(range(1, len(names) + 1))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
