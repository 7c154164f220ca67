"""An option that the protocol leaves no use for is refused, not ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.testing.fixtures import Zoo

REGISTRY = """
schema: 1
protocols:
  bare:
    task: detection
    values: {conf: 0.2, nms_kind: none}
"""


@pytest.fixture
def bare(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A protocol without NMS, for the detector that is built in."""
    (tmp_path / "bare.yaml").write_text(REGISTRY)
    monkeypatch.setenv("ZOO_REGISTRY", str(tmp_path / "bare.yaml"))


def planned(zoo: Zoo, *options: str) -> tuple[int, str]:
    done = zoo("plan", "yolov4-tianxiaomo", "--assets", "sample", *options)
    return done.code, done.stderr + done.stdout


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(("option", "value"), [("--nms", "0.5"), ("--beta-nms", "0.5")])
def test_a_threshold_under_a_protocol_without_nms(zoo: Zoo, option: str, value: str) -> None:
    code, said = planned(zoo, "--protocol", "bare", option, value)
    assert code == 2
    assert f"{option}: has no effect: the protocol has nms_kind none" in said
    assert "leave it out, or give another --nms-kind too" in said


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    "options",
    [
        ["--protocol", "bare"],
        ["--nms-kind", "none"],
        ["--protocol", "bare", "--nms", "0.5", "--nms-kind", "iou"],
    ],
)
def test_what_has_an_effect_is_taken(zoo: Zoo, options: list[str]) -> None:
    code, said = planned(zoo, *options)
    assert code == 0, said


@pytest.mark.parametrize("model", ["yolov4-tianxiaomo", "scenes-segmenter", "crops-classifier"])
def test_names_that_are_not_those_of_the_network_are_refused(
    zoo: Zoo, tmp_path: Path, model: str
) -> None:
    """While planning, for the card's own network; another network of the user may have them."""
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\n")
    done = zoo("plan", model, "--assets", "sample", "--names", str(names))
    if done.code == 2 and f"no model '{model}'" in done.stderr:
        pytest.skip("its plugin is not installed")
    assert done.code == 2
    assert f"names.txt: has 2 names, the network of {model} " in done.stderr
    assert "give --names FILE with as many" in done.stderr


def test_an_option_of_another_evaluator_is_refused(zoo: Zoo) -> None:
    """Classification has no boxes: --nms is said to be none of its options."""
    pytest.importorskip("zoo_classification")
    done = zoo("plan", "crops-classifier", "--assets", "sample", "--nms", "0.5")
    assert done.code == 2
    assert (
        "--nms: crops-classifier is for classification, whose evaluator topk has no such option"
        in done.stderr
    )
