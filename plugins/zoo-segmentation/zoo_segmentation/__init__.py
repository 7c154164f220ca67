"""Semantic segmentation for zoo: data sets of PNG masks, a decoder, and the mean IoU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Dataset, Decoder, Evaluator

ZOO_API = 1


@hookimpl
def zoo_datasets() -> Iterable[Provider[Dataset]]:
    """A folder of images with masks, and the sample scenes with theirs."""
    yield Provider(
        name="png-masks",
        summary="a folder of images, and one of PNG masks of class numbers with the same names",
        load=_png_masks,
    )
    yield Provider(
        name="sample-masks",
        summary="the 200 sample scenes with a mask each, 14 classes; for use without a network",
        load=_sample_masks,
    )


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """What a segmentation network's output is."""
    yield Provider(
        name="class-map",
        summary="a map of scores per class, or of class numbers, at the image's size",
        load=_class_map,
    )


@hookimpl
def zoo_evaluators() -> Iterable[Provider[Evaluator]]:
    """How much of what is found and what is true is the same."""
    yield Provider(
        name="miou",
        summary="mean IoU over classes and pixel accuracy, predictions as PNG masks",
        load=_miou,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The card `scenes-segmenter` and those of published networks."""
    yield Path(__file__).with_name("segmentation.yaml")


def _png_masks() -> Dataset:
    from zoo_segmentation.png_masks import PngMasks

    return PngMasks()


def _sample_masks() -> Dataset:
    from zoo_segmentation.sample_masks import SampleMasks

    return SampleMasks()


def _class_map() -> Decoder:
    from zoo_segmentation.decoder import ClassMap

    return ClassMap()


def _miou() -> Evaluator:
    from zoo_segmentation.evaluator import MeanIou

    return MeanIou()
