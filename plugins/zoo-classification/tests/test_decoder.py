"""Logits and probabilities to candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zoo_classification

from zoo_core.errors import SampleError, StageError, UsageError
from zoo_core.plugins.manager import Plugins
from zoo_core.vision import Geometry

ANYWHERE = Geometry.identity((8, 8))


def decoded(name: str, outputs: dict[str, Any], classes: int = 3, **params: Any) -> Any:
    decoder = Plugins([zoo_classification]).decoder(name)
    assert decoder.task == "classification"
    return decoder.bind(params, classes, 0.001)(outputs, ANYWHERE)["scores"]


def test_logits_become_probabilities() -> None:
    logits = np.log(np.array([1, 2, 7], np.float32))
    scores = decoded("logits", {"logits": logits})

    np.testing.assert_allclose(scores, [0.1, 0.2, 0.7], rtol=1e-6)
    assert scores.dtype == np.float32


def test_probabilities_stay() -> None:
    given = np.array([0.25, 0.5, 0.25], np.float32)
    scores = decoded("softmax", {"out": given})

    np.testing.assert_array_equal(scores, given)


@pytest.mark.parametrize("value", [-1e30, 1e4, 1e30])
def test_extreme_logits_stay_finite(value: float) -> None:
    scores = decoded("logits", {"logits": np.array([value, 0, 0], np.float32)})

    assert np.isfinite(scores).all()
    assert scores.sum() == pytest.approx(1)


def test_a_map_of_one_pixel_is_taken() -> None:
    scores = decoded("softmax", {"out": np.full((3, 1, 1), 1 / 3, np.float32)})

    assert scores.shape == (3,)


def test_outputs_are_left_as_they_are() -> None:
    logits = np.arange(3, dtype=np.float32)
    logits.setflags(write=False)
    first, second = decoded("logits", {"l": logits}), decoded("logits", {"l": logits})

    np.testing.assert_array_equal(first, second)


def test_one_of_several_outputs() -> None:
    outputs = {"features": np.zeros(9, np.float32), "logits": np.zeros(3, np.float32)}

    assert decoded("logits", outputs, output="logits").shape == (3,)
    with pytest.raises(StageError, match=r"features \[9\], logits \[3\]"):
        decoded("logits", outputs)


def test_other_classes_than_labels_are_refused() -> None:
    with pytest.raises(StageError, match="of 3 classes: logits"):
        decoded("logits", {"logits": np.zeros(1000, np.float32)})


def test_an_image_whose_scores_are_not_finite_fails_alone() -> None:
    with pytest.raises(SampleError, match="not finite"):
        decoded("logits", {"logits": np.array([np.nan, 0, 0], np.float32)})


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'output'"):
        decoded("logits", {}, outpu="logits")
