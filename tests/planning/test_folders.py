"""Images of one's own: the card says what reads them, or the error says what to write there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zoo_core.errors import UsageError
from zoo_core.planning.resolve import folder_dataset
from zoo_core.registry import Registry, load_registry


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def test_the_cards_own_data_set_is_taken(registry: Registry) -> None:
    assert folder_dataset(registry.model("yolov4-darknet"), registry) == "coco-folder"


@pytest.mark.parametrize(
    ("task", "name"), [("detection", "coco-folder"), ("a task of no other card", "NAME")]
)
def test_a_card_without_one_is_told_the_key_and_a_value(
    registry: Registry, task: str, name: str
) -> None:
    bare = replace(registry.model("yolov4-darknet"), id="mine", task=task, given_dataset=None)
    with pytest.raises(UsageError) as caught:
        folder_dataset(replace(bare, origin="my.yaml"), registry)

    assert caught.value.where == "my.yaml: models.mine"
    assert "'given_dataset'" in caught.value.what
    step = f"add `given_dataset: {name}` to the card, or give --dataset {name}"
    assert caught.value.next == step
