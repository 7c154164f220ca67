"""What a .cfg says of how to run its network, and what a run makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_darknet.exporter import DarknetExporter

from zoo_core.commands.workspace import open_workspace
from zoo_core.errors import UsageError
from zoo_core.planning.build import Goal
from zoo_core.planning.request import make_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from zoo_core.api import GivenSettings
    from zoo_core.planning.resolve import Resolved
    from zoo_core.testing.fixtures import WriteImage

    Resolve = Callable[..., Resolved]

pytest_plugins = ["zoo_core.testing.fixtures"]

NET = "[net]\nwidth=96\nheight=64\nchannels={channels}\n{net}"
HEAD = "[convolutional]\nfilters=6\nsize=1\nstride=32\n[yolo]\nclasses=1\nnum=1\nanchors=7,9\n"


def cfg_text(net: str = "", first: str = "", last: str = "", channels: int = 3) -> str:
    head = f"{HEAD}{first}[route]\nlayers=0\n[yolo]\nclasses=1\nnum=1\nanchors=7,9\n{last}"
    return NET.format(net=net, channels=channels) + head


def settings(tmp_path: Path, text: str) -> GivenSettings:
    path = tmp_path / "net.cfg"
    path.write_text(text)
    return DarknetExporter().settings(None, {"cfg": path})  # type: ignore[arg-type]


def test_size_and_channels(tmp_path: Path) -> None:
    found = settings(tmp_path, cfg_text(channels=1))
    assert (found.size, found.channels, found.warnings) == ((64, 96), 1, ())
    assert found.origins["size"] == "net.cfg:2 width=96 height=64"
    assert found.origins["channels"] == "net.cfg:4 channels=1"


@pytest.mark.parametrize(
    ("net", "values", "said"),
    [
        ("", {"resize": "stretch"}, "net.cfg:1 no letter_box"),
        ("letter_box=0\n", {"resize": "stretch"}, "net.cfg:5 letter_box=0"),
        ("letter_box=1\n", {"resize": "letterbox", "rounding": "down"}, "net.cfg:5 letter_box=1"),
    ],
)
def test_letter_box(tmp_path: Path, net: str, values: dict[str, Any], said: str) -> None:
    found = settings(tmp_path, cfg_text(net))
    assert {key: found.protocol[key] for key in values} == values
    assert "rounding" in values or "rounding" not in found.protocol
    assert found.origins["resize"] == said


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ("", {"nms_kind": "iou"}),
        ("nms_kind=default", {"nms_kind": "iou"}),
        ("nms_kind=cornersnms", {"nms_kind": "iou"}),
        ("nms_kind=GreedyNMS", {"nms_kind": "iou"}),
        ("beta_nms=0.1", {"nms_kind": "iou"}),
        ("nms_kind=greedynms\nbeta_nms=.1", {"nms_kind": "diou"}),
        ("nms_kind=diounms", {"nms_kind": "diou"}),
        ("nms_kind=diounms\nbeta_nms=.6", {"nms_kind": "diou"}),
        ("nms_kind=diounms\nbeta_nms=.1", {"nms_kind": "diou", "beta_nms": 0.1}),
    ],
)
def test_nms_is_that_of_the_last_head(tmp_path: Path, options: str, values: dict[str, Any]) -> None:
    others = "nms_kind=diounms\nbeta_nms=.3\n"
    found = settings(tmp_path, cfg_text(first=others, last=options))
    assert {k: v for k, v in found.protocol.items() if "nms" in k} == values
    kind = options.partition("\n")[0]
    word = f"21 {kind}" if kind.startswith("nms_kind") else "17 no nms_kind"
    assert found.origins["nms_kind"] == f"net.cfg:{word}"
    beta = "net.cfg:22 beta_nms=0.1" if len(values) == 2 else None
    assert found.origins.get("beta_nms") == beta


def test_warnings_of_the_reader_and_of_layers(tmp_path: Path) -> None:
    text = cfg_text("steps=\n").replace("stride=32", "stride=32\nactivation=hard_swish")
    stray, activation = settings(tmp_path, text).warnings
    assert stray == "net.cfg: no key=value, left out as darknet does: line 5 'steps='"
    assert "'hard_swish' and takes relu: line 10" in activation


@pytest.fixture
def resolved(zoo_home: Path, tmp_path: Path, write_image: WriteImage) -> Resolve:
    """A function that resolves a run of yolov4-darknet with a cfg beside the weights."""
    for name, text in (("one.names", "thing\n"), ("net.weights", "")):
        (tmp_path / name).write_text(text)
    write_image(tmp_path / "images" / "a.png")
    given = {"names": tmp_path / "one.names", "predict": (tmp_path / "images",)}

    def resolve(text: str, **options: Any) -> Resolved:
        (tmp_path / "net.cfg").write_text(text)
        weights = {"weights": str(tmp_path / "net.weights")}
        request = make_request("yolov4-darknet", **{**given, **weights, **options})
        return open_workspace().plan(request, Goal.PREDICT).resolved

    return resolve


SIZE = "net.cfg:2 width=96 height=64: size 64x96 (card: 416x416)"
GREEDY = "nms_kind=greedynms\n"


def test_a_run_follows_the_cfg_beside_the_weights(resolved: Resolve) -> None:
    text = cfg_text("letter_box=1\n", last="nms_kind=diounms\nbeta_nms=.1\n", channels=1)
    found = resolved(text)
    assert found.size == found.preprocess.size == (64, 96)
    protocol = found.protocol
    assert (protocol.name, protocol.base) == ("darknet+beta_nms=0.1,resize=letterbox", "darknet")
    steps = found.preprocess.to_data()
    assert steps[0]["colour"] == "grey"
    box = {"mode": "letterbox", "interpolation": "bilinear_align_corners", "rounding": "down"}
    assert {key: steps[1][key] for key in box} == box
    assert found.warnings == (
        SIZE,
        "net.cfg:4 channels=1: grey images (card: rgb)",
        "net.cfg:5 letter_box=1: resize letterbox (card: stretch)",
        "net.cfg:21 beta_nms=0.1: beta_nms 0.1 (card: not stated)",
    )


def test_a_cfg_that_says_what_the_card_says_changes_nothing(resolved: Resolve) -> None:
    text = cfg_text(last=GREEDY).replace("width=96", "width=416").replace("height=64", "height=416")
    found = resolved(text)
    assert (found.size, found.protocol.name, found.warnings) == ((416, 416), "darknet", ())


def test_options_of_the_command_go_first(resolved: Resolve) -> None:
    found = resolved(cfg_text("letter_box=1\n"), size="32,64", resize="stretch", nms_kind="diou")
    assert (found.size, found.warnings) == ((32, 64), ())
    assert found.protocol.name == "darknet+interpolation=bilinear"
    own = "bilinear_align_corners"
    found = resolved(cfg_text(last=GREEDY), resize="letterbox", interpolation=own)
    assert found.protocol.name == "darknet+resize=letterbox"
    assert found.preprocess.to_data()[1]["interpolation"] == own
    assert found.warnings == (SIZE,)


def test_a_protocol_that_was_asked_for_stays_and_the_difference_is_told(resolved: Resolve) -> None:
    found = resolved(cfg_text("letter_box=1\n"), protocol="darknet")
    assert found.protocol.name == "darknet"
    kept = "is not followed, protocol darknet has"
    assert found.warnings == (
        SIZE,
        f"net.cfg:5 letter_box=1: resize letterbox {kept} stretch",
        f"net.cfg:16 no nms_kind: nms_kind iou {kept} diou",
    )


def test_a_protocol_without_letterbox_is_not_asked_how_it_rounds(resolved: Resolve) -> None:
    found = resolved(cfg_text("letter_box=1\n"), protocol="tianxiaomo")
    assert found.protocol.values["resize"] == "stretch"
    told = (
        "net.cfg:5 letter_box=1: resize letterbox is not followed, protocol tianxiaomo has stretch"
    )
    assert [each for each in found.warnings if "letter_box" in each] == [told]


def test_the_cfg_of_random_weights_is_followed(resolved: Resolve, tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(cfg_text(last=GREEDY))
    found = resolved(cfg_text(last=GREEDY), weights="random", cfg=tmp_path / "net.cfg")
    assert (found.size, found.warnings) == ((64, 96), (SIZE,))


def test_images_of_other_channels_are_refused_while_planning(resolved: Resolve) -> None:
    with pytest.raises(UsageError, match="images of 4 channels") as caught:
        resolved(cfg_text(channels=4))
    assert caught.value.where == "net.cfg:4 channels=4"
    assert "3" in caught.value.next


def test_a_cfg_that_nothing_reads_is_refused(resolved: Resolve, tmp_path: Path) -> None:
    (tmp_path / "net.cfg").write_text(cfg_text())
    for model, weights, what in (
        ("yolov4-darknet", None, "is for your own weights, and none are given"),
        ("yolov4-tianxiaomo", tmp_path / "net.weights", "yolov4-tianxiaomo reads no .cfg"),
    ):
        request = make_request(model, weights=weights, cfg=tmp_path / "net.cfg")
        with pytest.raises(UsageError, match=what) as caught:
            open_workspace().plan(request, Goal.EXPORT)
        assert caught.value.where == "--cfg"
