"""Images of one's own: the card says what reads them, or the error says what to write there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from zoo_core.errors import UnavailableError, UsageError
from zoo_core.planning.request import make_request
from zoo_core.planning.resolve import CacheState, _Chooser, folder_dataset
from zoo_core.registry import Registry, load_registry

if TYPE_CHECKING:
    from pathlib import Path


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


class Reading:
    """A data set that reads files of some endings, and says so."""

    def __init__(self, *endings: str, task: str = "detection") -> None:
        self.endings, self.task = endings, task

    def reads(self, annotations: Path) -> bool:
        return annotations.suffix in self.endings


class Silent:
    """A data set that does not say what it reads."""

    task = "detection"


class Installed:
    """Data sets by name; None for one whose packages are missing."""

    def __init__(self, **known: object) -> None:
        self._known = {name.replace("_", "-"): known[name] for name in known}

    def all(self, kind: str) -> dict[str, object]:
        assert kind == "dataset"
        return self._known

    def dataset(self, name: str) -> Any:
        if self._known[name] is None:
            raise UnavailableError("cannot be loaded")
        return self._known[name]


def chosen(registry: Registry, installed: Installed, **options: Any) -> str:
    card = registry.model("yolov4-darknet")
    assert card.given_dataset == "coco-folder"
    cache = CacheState(is_cached=lambda _: False, is_reachable=lambda _: False)
    request = make_request(card.id, **options)
    return _Chooser(request, card, registry, cast("Any", installed), cache)._given_dataset()


COCO = Reading(".json", ".any")


def test_the_data_set_that_reads_the_annotations_is_taken(registry: Registry) -> None:
    """The card's own, where it does; data sets of other tasks and broken ones are not asked."""
    installed = Installed(
        aaa=None,
        coco_folder=COCO,
        other=Reading(".xml", task="pose"),
        yolo=Reading(".yaml", ".any"),
    )
    assert chosen(registry, installed, annotations="a.json") == "coco-folder"
    assert chosen(registry, installed, annotations="a.any") == "coco-folder"
    assert chosen(registry, installed, annotations="a.yaml") == "yolo"
    assert chosen(registry, installed, images="d") == "coco-folder"


def test_where_none_reads_them_the_cards_data_set_says_why(registry: Registry) -> None:
    installed = Installed(coco_folder=COCO, other=Reading(".xml", task="pose"))
    assert chosen(registry, installed, images="d", annotations="a.xml") == "coco-folder"
    with pytest.raises(UsageError, match="--annotations needs --images DIR"):
        chosen(registry, installed, annotations="a.xml")


def test_a_data_set_that_does_not_say_keeps_its_annotations(registry: Registry) -> None:
    installed = Installed(coco_folder=Silent(), yolo=Reading(".yaml"))
    assert chosen(registry, installed, images="d", annotations="a.yaml") == "coco-folder"


def test_two_that_read_them_are_a_choice_of_the_user(registry: Registry) -> None:
    installed = Installed(coco_folder=COCO, one=Reading(".yaml"), two=Reading(".yaml"))
    with pytest.raises(UsageError, match="more than one data set") as caught:
        chosen(registry, installed, annotations="a.yaml")
    assert caught.value.next == "choose with --dataset: one, two"
