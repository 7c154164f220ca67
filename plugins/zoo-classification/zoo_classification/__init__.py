"""Classification for zoo: data sets, decoders, the evaluator of top-1 and top-5, and a card."""

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
    """A folder of class folders, and crops of the sample scenes."""
    yield Provider(
        name="imagenet-folder",
        summary="a folder with one folder of images per class, as ImageNet is kept",
        load=_imagenet_folder,
    )
    yield Provider(
        name="sample-crops",
        summary="500 things cut out of the sample scenes, 14 classes; for use without a network",
        load=_sample_crops,
    )


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    """What a classifier's output is."""
    yield Provider(
        name="logits",
        summary="a classifier's raw scores, turned into probabilities by softmax",
        load=_logits,
    )
    yield Provider(
        name="softmax",
        summary="a classifier's probabilities, as the network or the device leaves them",
        load=_softmax,
    )


@hookimpl
def zoo_evaluators() -> Iterable[Provider[Evaluator]]:
    """The share of images whose class is the best, or among the best five."""
    yield Provider(
        name="topk",
        summary="top-1 and top-5 accuracy, predictions as CSV and JSON",
        load=_topk,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The card `crops-classifier`."""
    yield Path(__file__).with_name("classification.yaml")


def _imagenet_folder() -> Dataset:
    from zoo_classification.image_folder import ImagenetFolder

    return ImagenetFolder()


def _sample_crops() -> Dataset:
    from zoo_classification.crops import SampleCrops

    return SampleCrops()


def _logits() -> Decoder:
    from zoo_classification.decoder import ClassDecoder

    return ClassDecoder(normalised=False)


def _softmax() -> Decoder:
    from zoo_classification.decoder import ClassDecoder

    return ClassDecoder(normalised=True)


def _topk() -> Evaluator:
    from zoo_classification.evaluator import TopK

    return TopK()
