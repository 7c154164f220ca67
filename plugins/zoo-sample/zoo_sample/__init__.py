"""The sample for zoo: scenes that it draws itself, and the data sets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Dataset

ZOO_API = 1


@hookimpl
def zoo_datasets() -> Iterable[Provider[Dataset]]:
    """The data sets `sample-scenes` and `sample-shapes`."""
    yield Provider(
        name="sample-scenes",
        summary="200 scenes that zoo draws itself, in COCO's format; for use without a network",
        load=_sample_scenes,
    )
    yield Provider(
        name="sample-shapes",
        summary="200 scenes of shapes with masks and key points; for use without a network",
        load=_sample_shapes,
    )


def _sample_scenes() -> Dataset:
    from zoo_sample.dataset import SampleScenes

    return SampleScenes()


def _sample_shapes() -> Dataset:
    from zoo_sample.dataset import SampleShapes

    return SampleShapes()
