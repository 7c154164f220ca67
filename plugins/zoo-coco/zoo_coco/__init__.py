"""COCO for zoo: data sets, folders of images, and the evaluators of its tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.api import Provider
from zoo_core.api.hooks import hookimpl
from zoo_core.toolkit.options import DETECTION_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo_core.api import Dataset, Evaluator

ZOO_API = 1


@hookimpl
def zoo_datasets() -> Iterable[Provider[Dataset]]:
    """A published set, and ways to bring one's own images."""
    yield Provider(
        name="coco-val2017",
        summary="COCO val2017, 5,000 images, downloaded; with a limit only what it needs",
        load=_val2017,
    )
    yield Provider(
        name="coco-val2017-keypoints",
        summary="the same images with the key points of people",
        load=_val2017_keypoints,
    )
    yield Provider(
        name="coco-folder",
        summary="any folder of images with any COCO annotation file",
        load=_coco_folder,
    )
    yield Provider(
        name="yolo-folder",
        summary="images with YOLO's label files: a data.yaml, a list or a folder of labels",
        load=_yolo_folder,
    )
    yield Provider(
        name="yolo-obb-folder",
        summary="images with YOLO's label files of objects at an angle: four corners a line",
        load=_yolo_obb_folder,
    )
    yield Provider(
        name="dota-folder",
        summary="images with DOTA's label files (labelTxt) of objects at an angle",
        load=_dota_folder,
    )
    yield Provider(
        name="voc-folder",
        summary="images with Pascal VOC's annotation files (.xml)",
        load=_voc_folder,
    )
    yield Provider(
        name="voc-edges-folder",
        summary="the same as voc-folder, with corners that are edges counted from 0",
        load=_voc_edges_folder,
    )
    yield Provider(
        name="folder",
        summary="a folder of images, or one image, without truth",
        load=_folder,
    )


@hookimpl
def zoo_evaluators() -> Iterable[Provider[Evaluator]]:
    """COCO's figures of boxes, masks and key points."""
    yield Provider(
        name="coco-detection",
        summary="COCO's twelve detection figures, predictions as COCO JSON and txt",
        load=_coco_detection,
        options=DETECTION_OPTIONS,
    )
    yield Provider(
        name="coco-segmentation",
        summary="COCO's twelve figures of masks, and of their boxes; predictions as COCO JSON",
        load=_coco_segmentation,
        options=DETECTION_OPTIONS,
    )
    yield Provider(
        name="coco-keypoints",
        summary="COCO's ten figures of key points, and of their boxes; predictions as COCO JSON",
        load=_coco_keypoints,
        options=DETECTION_OPTIONS,
    )
    yield Provider(
        name="coco-oriented",
        summary="COCO's twelve figures of oriented boxes, and of the upright ones around them",
        load=_coco_oriented,
        options=DETECTION_OPTIONS,
    )


@hookimpl
def zoo_registry_files() -> Iterable[Path]:
    """The protocols of masks, key points and oriented boxes."""
    yield Path(__file__).with_name("coco.yaml")


def _val2017() -> Dataset:
    from zoo_coco.val2017 import Val2017

    return Val2017()


def _val2017_keypoints() -> Dataset:
    from zoo_coco.val2017 import Val2017Keypoints

    return Val2017Keypoints()


def _coco_folder() -> Dataset:
    from zoo_coco.coco_folder import CocoFolder

    return CocoFolder()


def _yolo_folder() -> Dataset:
    from zoo_coco.forms.yolo_folder import YoloFolder

    return YoloFolder()


def _yolo_obb_folder() -> Dataset:
    from zoo_coco.forms.yolo_folder import YoloOrientedFolder

    return YoloOrientedFolder()


def _dota_folder() -> Dataset:
    from zoo_coco.forms.dota_folder import DotaFolder

    return DotaFolder()


def _voc_folder() -> Dataset:
    from zoo_coco.forms.voc_folder import VocFolder

    return VocFolder()


def _voc_edges_folder() -> Dataset:
    from zoo_coco.forms.voc_folder import VocEdgesFolder

    return VocEdgesFolder()


def _folder() -> Dataset:
    from zoo_coco.folder import Folder

    return Folder()


def _coco_detection() -> Evaluator:
    from zoo_coco.evaluator import CocoDetection

    return CocoDetection()


def _coco_segmentation() -> Evaluator:
    from zoo_coco.tasks.evaluators import CocoSegmentation

    return CocoSegmentation()


def _coco_oriented() -> Evaluator:
    from zoo_coco.tasks.evaluators import CocoOriented

    return CocoOriented()


def _coco_keypoints() -> Evaluator:
    from zoo_coco.tasks.evaluators import CocoKeypoints

    return CocoKeypoints()
