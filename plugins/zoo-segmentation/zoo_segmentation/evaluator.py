"""The evaluator `miou`: how much of what is found and what is true is the same, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.api import Metrics
from zoo_core.errors import DataError, UsageError, check_known, some
from zoo_core.toolkit.files import text_names
from zoo_segmentation.masks import read_mask, write_mask
from zoo_segmentation.picture import painted
from zoo_segmentation.png_masks import mask_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Prediction, Predictions

_FIELDS = {"ignore": 255, "first": 0}
_LARGEST = (1 << 16) - 1
_LEAST_SHARE = 0.005


class MeanIou:
    """Settled predictions are `classes` [height, width] and `rule` int64 [2]: ignore and first.

    The IoU of a class is intersection over union of its pixels over the whole set; mIoU is its mean
    over the classes that the truth has. Classes that it does not have are None, and what is taken
    for one of them counts as missed of its true class.
    """

    task = "semantic-segmentation"
    versions: tuple[str, ...] = ("numpy", "pillow")
    metrics: tuple[str, ...] = ("mIoU", "pixel_accuracy", "mean_accuracy")

    def check(self, values: Mapping[str, Any]) -> None:
        """Fields: `ignore`, the value of a mask's pixels that do not count; `first`, of label 0.

        Values below `first` do not count either. Raises `UsageError` for others.
        """
        check_known(values, _FIELDS, "protocol")
        for name in _FIELDS.keys() & values.keys():
            value = values[name]
            if type(value) is not int or not 0 <= value <= _LARGEST:
                raise UsageError(f"{name} must be a whole number up to {_LARGEST}, is {value!r}")

    def floor(self, values: Mapping[str, Any]) -> float:
        """Every pixel has a class, whatever its score."""
        return 0.0

    def postprocess(self, candidates: Arrays, values: Mapping[str, Any]) -> Arrays:
        """The map as it is, and how the truth's numbers are read."""
        rule = [values.get(name, default) for name, default in _FIELDS.items()]
        return {"classes": candidates["classes"], "rule": np.array(rule, np.int64)}

    def score(self, predictions: Predictions, truth: Path, labels: Sequence[str]) -> Metrics:
        """mIoU, pixel accuracy and mean accuracy over all pixels that count.

        Raises `DataError` for a mask that is missing, of another size than its image, or that has a
        number that is no label's.
        """
        right, true, told = _counts(predictions, truth, len(labels)).sum(axis=0)
        ious = [_share(*row) for row in zip(right, true + told - right, true, strict=True)]
        recalls = [_share(*row) for row in zip(right, true, true, strict=True)]
        values = {
            "mIoU": _mean(ious),
            "pixel_accuracy": _share(right.sum(), true.sum(), true.sum()),
            "mean_accuracy": _mean(recalls),
        }
        rows = zip(labels, ious, recalls, strict=True)
        return Metrics(
            values=values,
            lines=tuple(_lines(values, len(predictions), sum(v is not None for v in ious))),
            per_class={name: {"IoU": iou, "accuracy": recall} for name, iou, recall in rows},
            warnings=tuple(_warnings(labels, true, told)),
        )

    def reweighted(
        self,
        predictions: Predictions,
        truth: Path,
        labels: Sequence[str],
        weights: NDArray[np.float64],
    ) -> Mapping[str, NDArray[np.float64]]:
        """Each metric of `score` for R rows of weights of the images; NaN where it is undefined."""
        counts = _counts(predictions, truth, len(labels))
        right, true, told = np.tensordot(weights, counts, axes=1).transpose(1, 0, 2)
        known = np.where(true > 0, 1.0, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            ious, recalls = known * right / (true + told - right), known * right / true
            shares = right.sum(axis=1) / true.sum(axis=1)
        means = {"mIoU": ious, "mean_accuracy": recalls}
        return {
            **{name: _mean_of_known(table) for name, table in means.items()},
            "pixel_accuracy": shares,
            **{f"IoU/{label}": ious[:, row] for row, label in enumerate(labels)},
            **{f"accuracy/{label}": recalls[:, row] for row, label in enumerate(labels)},
        }

    def write(
        self,
        predictions: Predictions,
        labels: Sequence[str],
        folder: Path,
        truth: Path | None = None,
    ) -> None:
        """Leaves masks/NAME.png of each image, in the numbers of the truth."""
        names = text_names([prediction.sample.name for prediction in predictions])
        for name, prediction in zip(names, predictions, strict=True):
            classes, (_, first) = (
                prediction.arrays["classes"],
                _rule(prediction, len(labels), scored=False),
            )
            most = len(labels) - 1 + first
            values = (classes.astype(np.int64) + first).astype(
                np.uint8 if most < 256 else np.uint16
            )
            write_mask(folder / "masks" / mask_name(name), values)

    def draw(
        self, image: NDArray[Any], prediction: Arrays, labels: Sequence[str], least: float
    ) -> NDArray[Any]:
        """A copy of the image, uint8 [h, w, 3] RGB, under the classes' colours, with a key."""
        return painted(image, prediction["classes"], labels)

    def describe(self, prediction: Arrays, labels: Sequence[str], least: float) -> str:
        """The share of the picture of each class, the largest first; not below half a percent."""
        counts = np.bincount(prediction["classes"].ravel(), minlength=len(labels))
        shares = counts / max(prediction["classes"].size, 1)
        order = np.argsort(-shares, kind="stable").tolist()
        return ", ".join(
            f"{labels[number]} {shares[number]:.0%}"
            for number in order
            if shares[number] >= _LEAST_SHARE
        )


def _counts(predictions: Predictions, truth: Path, count: int) -> NDArray[np.int64]:
    """Of each image and class the pixels that are right, true and told, [images, 3, classes]."""
    rows = []
    for prediction in predictions:
        known, found = _pixels(prediction, truth, count)
        parts = (known[known == found], known, found)
        rows.append([np.bincount(part, minlength=count) for part in parts])
    return np.array(rows, np.int64).reshape(-1, 3, count)


def _mean_of_known(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each row over what is not NaN; NaN where nothing is."""
    known = ~np.isnan(table)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, table, 0).sum(axis=1) / known.sum(axis=1))


def _pixels(prediction: Prediction, truth: Path, count: int) -> tuple[Any, Any]:
    """True and found class of each pixel that counts."""
    ignore, first = _rule(prediction, count, scored=True)
    path = truth / mask_name(prediction.sample.name)
    if not path.is_file():
        raise DataError("no such mask", where=str(path), next="check --annotations")
    mask, found = read_mask(path), prediction.arrays["classes"]
    if mask.shape != found.shape:
        sides, own = (f"{shape[1]}x{shape[0]}" for shape in (mask.shape, found.shape))
        raise DataError(
            f"is {sides}, but image {prediction.sample.name} is {own}",
            where=str(path),
            next="give masks of the size of the images as they are read (EXIF turns some)",
        )
    known = mask - first
    counts = (mask != ignore) & (known >= 0)
    strange = counts & (known >= count)
    if strange.any():
        raise DataError(
            f"has the value {mask[strange].max()}, but there are {count} labels: "
            f"{first} to {first + count - 1}, and {ignore} for what does not count",
            where=str(path),
            next="check the labels, or the fields ignore and first of the protocol",
        )
    return known[counts], found[counts].astype(np.int64)


def _rule(prediction: Prediction, count: int, scored: bool) -> tuple[int, int]:
    """Ignore and first; raises `DataError` for labels that a mask cannot hold.

    Where it is `scored`, also for one whose value does not count; the first label may be such, as a
    background.
    """
    ignore, first = prediction.arrays["rule"].tolist()
    last = first + count - 1
    if last > _LARGEST or (scored and first < ignore <= last):
        what = f"{count} labels have the values {first} to {last} of a mask"
        end = f"{_LARGEST} is the last" if last > _LARGEST else f"of which {ignore} does not count"
        step = f"write a protocol with another ignore, such as {min(last + 1, _LARGEST)}, or first"
        raise DataError(f"{what}, {end}", where="protocol", next=step)
    return ignore, first


def _share(part: Any, whole: Any, true: Any) -> float | None:
    """None where the truth has nothing."""
    return float(part) / float(whole) if true else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _warnings(labels: Sequence[str], true: Any, told: Any) -> Iterator[str]:
    absent = np.flatnonzero(true == 0).tolist()
    if len(absent) == len(labels):
        yield "no pixel of the masks counts: the figures are undefined"
    elif absent:
        names = some([labels[number] for number in absent])
        yield (
            f"{len(absent)} of {len(labels)} classes are in no mask ({names}): they are not in the "
            f"means; {int(told[absent].sum())} pixels were taken for them"
        )
    if len(labels) > 1 and (told > 0).sum() == 1 < (true > 0).sum():
        name = labels[int(told.argmax())]
        yield (
            f"every pixel was taken for '{name}'; check the weights, the card's `preprocess` and "
            "`decoder_params`"
        )


def _lines(values: Mapping[str, float | None], images: int, classes: int) -> Iterator[str]:
    titles = {
        "mIoU": "Mean IoU",
        "pixel_accuracy": "Pixel accuracy",
        "mean_accuracy": "Mean accuracy",
    }
    for name, value in values.items():
        shown = "-" if value is None else f"{value:.4f}"
        yield f" {titles[name]:<14} @[ images = {images} | classes = {classes} ] = {shown}"
