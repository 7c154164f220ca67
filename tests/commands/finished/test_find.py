"""A finished run, and what was asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo_core.commands.finished.find import request_of
from zoo_core.errors import DataError
from zoo_core.planning.request import make_request

if TYPE_CHECKING:
    from pathlib import Path


def test_a_request_is_read_back_with_its_paths_where_the_run_started(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    options = {"weights": "net.onnx", "images": "pictures", "size": "320,416", "conf": 0.25}
    request = make_request("toy", **options, precision="int8", options={"threads": 2})
    document = {"request": request.to_data(), "directory": str(tmp_path)}
    (tmp_path / "manifest.json").write_text(json.dumps(document))

    own = {"weights": str(tmp_path / "net.onnx"), "images": tmp_path / "pictures"}
    expected = make_request("toy", **{**options, **own}, precision="int8", options={"threads": 2})
    assert request_of(tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "no manifest.json"),
        ("{", "cannot be read"),
        ("[]", "damaged"),
        ("[" * 100_000, "cannot be read"),
        ('{"request": {"model": "toy"}, "directory": 7}', "damaged: directory is 7"),
        ('{"request": {"model": "toy"}, "target": "x"}', "damaged: target is 'x'"),
        ('{"request": {"model": 3}}', "must be a string"),
        ('{"request": {"model": "toy", "size": 3}}', "invalid size"),
        ('{"request": {"model": "toy", "images": 3}}', "cannot be read"),
    ],
)
def test_a_folder_without_a_request_is_refused(text: str | None, why: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(DataError, match=why):
        request_of(tmp_path)
