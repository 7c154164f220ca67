"""Darknet's cfg: grammar, defaults, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.darknet_cfg import parse_cfg, read_cfg

if TYPE_CHECKING:
    from pathlib import Path

NET = "[net]\nwidth=64\nheight = 32\nchannels=3\n"


def test_grammar() -> None:
    text = """\ufeff# a comment
; another
[net]
  wid th = 6 4
height\t=32   # said inline
channels=3
url=a=b

[convolutional]
filters=8
filters=9
activation = leaky ; why not

[maxpool]
"""
    cfg = parse_cfg(text.replace("\n", "\r\n"), "x.cfg")
    assert (cfg.width, cfg.height, cfg.channels) == (64, 32, 3)
    assert cfg.net.text("url") == "a=b"
    assert [(layer.kind, layer.index, layer.line) for layer in cfg.layers] == [
        ("convolutional", 0, 9),
        ("maxpool", 1, 14),
    ]
    assert cfg.layers[0].integer("filters") == 8
    assert cfg.layers[0].text("activation") == "leaky"
    assert cfg.layers[0].where("activation") == "x.cfg:12"


def test_typed_options() -> None:
    body = "[yolo]\nanchors = 10,14,  23,27.5,\nmask=0, 1\nscale_x_y=1.05\nnum=2.0\n"
    layer = parse_cfg(NET + body, "x.cfg").layers[0]
    assert layer.numbers("anchors") == (10.0, 14.0, 23.0, 27.5)
    assert layer.integers("mask") == (0, 1)
    assert layer.number("scale_x_y") == 1.05
    assert layer.integer("num") == 2
    assert layer.number("absent", 1.5) == 1.5
    assert layer.integers("absent", (1,)) == (1,)


def test_short_names() -> None:
    layers = parse_cfg("[network]\n[conv]\n[max]\n[avg]\n[silence]\n", "x.cfg").layers
    assert [layer.kind for layer in layers] == ["convolutional", "maxpool", "avgpool", "empty"]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (NET + "[convolutonal]\n", "x.cfg:5", "layer 0: unknown type [convolutonal]"),
        (NET + "[yolo]\n[net]\n", "x.cfg:6", "[net] comes first"),
        ("[yolo]\n", "x.cfg:1", "the first section is [yolo]"),
        ("width=3\n" + NET, "x.cfg:1", "before the first section"),
        (NET + "[yolo\n", "x.cfg:5", "not a section header"),
        (NET, "x.cfg", "no [net] and layers"),
        ("", "x.cfg", "no [net] and layers"),
    ],
)
def test_refused(text: str, where: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_cfg(text, "x.cfg")
    assert caught.value.where == where
    assert what in str(caught.value)


def test_unknown_layer_has_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean 'convolutional'"):
        parse_cfg(NET + "[convolutonal]\n", "x.cfg")


@pytest.mark.parametrize("text", ["1.5", "two", "nan", "inf", "1e400"])
def test_wrong_values_name_line_and_layer(text: str) -> None:
    cfg = parse_cfg(f"{NET}[maxpool]\n[convolutional]\nsize=1\nfilters={text}\n", "x.cfg")
    with pytest.raises(UsageError) as caught:
        cfg.layers[1].integer("filters")
    assert caught.value.where == "x.cfg:8"
    assert "layer 1 [convolutional]" in str(caught.value)


def test_missing_options_name_the_layer() -> None:
    cfg = parse_cfg("[net]\nwidth=0\n[route]\n", "x.cfg")
    with pytest.raises(UsageError, match=r"x\.cfg:3: layer 0 \[route\]: 'layers' is missing"):
        cfg.layers[0].integers("layers")
    with pytest.raises(UsageError, match="out of range"):
        _ = cfg.width
    with pytest.raises(UsageError, match="'height' is missing"):
        _ = cfg.height


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"<!DOCTYPE html><html>", "an HTML page"),
        (b"PK\x03\x04zip", "a zip archive"),
        (b"\0\0\0\0\x02\0\0\0", "not a text"),
        (b"[net]\n" + b"#" * (4 << 20), "not a text"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "x.cfg").write_bytes(content)
    with pytest.raises(DataError, match=what):
        read_cfg(tmp_path / "x.cfg")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_cfg(tmp_path / "none.cfg")


def test_read(tmp_path: Path) -> None:
    (tmp_path / "x.cfg").write_bytes(NET.encode() + b"# caf\xe9\n[yolo]\n")
    assert read_cfg(tmp_path / "x.cfg").file == "x.cfg"


def test_lines_that_darknet_leaves_out_are_left_out_and_told() -> None:
    body = "steps=\n-----\n\nend of  head\n=5\n[yolo]\nmask\nmask=1 # one\n"
    cfg = parse_cfg(NET + body, "x.cfg")
    assert cfg.layers[0].integers("mask") == (1,)
    assert cfg.warnings == (
        "x.cfg: no key=value, left out as darknet does: "
        "lines 5 'steps=', 6 '-----', 8 'end of  head' and 2 more",
    )
    assert parse_cfg(NET + "[yolo]\nmask=1\n", "x.cfg").warnings == ()


def test_a_comma_that_is_missing_between_numbers_is_told() -> None:
    body = "[yolo]\nanchors = 13,17,  31,25 24,51.5\t61,45\nmask = 0, 1\nnum = 1 6\n"
    cfg = parse_cfg(NET + body, "x.cfg")
    assert cfg.layers[0].numbers("anchors") == (13, 17, 31, 25, 24, 51.5, 61, 45)
    assert cfg.layers[0].integer("num") == 16
    assert cfg.warnings == (
        "x.cfg: a blank between two numbers is read as a comma, where darknet joins the digits: "
        "line 6 'anchors'",
    )
