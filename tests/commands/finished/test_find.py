"""A finished run, and what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from zoo_core.commands.finished.find import request_of
from zoo_core.errors import DataError
from zoo_core.planning.request import make_request

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = {
    "schema": "zoo.manifest/1",
    **{key: {} for key in ("weights", "protocol", "artefact", "versions")},
    "target": {"options": {"threads": "2"}},
    "stages": [],
}
"""A manifest but for its request."""


def test_a_request_is_read_back_with_its_paths_where_the_run_started(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").touch()
    options = {"weights": "net.onnx", "images": "pictures", "size": "320,416", "conf": 0.25}
    request = make_request("toy", **options, precision="int8", options={"threads": 2})
    document = {**WHOLE, "request": request.to_data(), "directory": str(tmp_path)}
    (tmp_path / "manifest.json").write_text(json.dumps(document))

    own = {"weights": str(tmp_path / "net.onnx"), "images": tmp_path / "pictures"}
    expected = make_request("toy", **{**options, **own}, precision="int8", options={"threads": 2})
    assert request_of(tmp_path) == replace(expected, tuned="none")


def test_a_request_has_the_options_that_the_run_had_in_the_end(tmp_path: Path) -> None:
    """What a tuning file gave it then stays, and what one gives now is left out."""
    request = make_request("toy", precision="int8", options={"threads": 2})
    target = {"options": {"threads": "2", "calibrator": "minmax"}}
    document = {**WHOLE, "request": request.to_data(), "target": target}
    (tmp_path / "manifest.json").write_text(json.dumps(document))

    assert request_of(tmp_path) == replace(request, options=target["options"], tuned="none")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "no manifest.json"),
        ("{", "cannot be read"),
        ("[]", "damaged"),
        ("[" * 100_000, "cannot be read"),
        ('{"request": {"model": "toy"}}', "is of schema None"),
        ({"directory": 7}, "damaged: directory is 7"),
        ({"target": "x"}, "damaged: target is 'x'"),
        ({"schema": "zoo.manifest/9"}, "is of schema 'zoo.manifest/9', not zoo.manifest/1"),
        ({"stages": [{"name": "x"}]}, "damaged: parts are missing"),
        ({"request": {"model": 3}}, "must be a string"),
        ({"request": {"model": "toy", "size": 3}}, "invalid size"),
        ({"request": {"model": "toy", "images": 3}}, "cannot be read"),
    ],
)
def test_a_folder_without_a_request_is_refused(
    text: str | dict[str, object] | None, why: str, tmp_path: Path
) -> None:
    if isinstance(text, dict):
        text = json.dumps({**WHOLE, "request": {"model": "toy"}, **text})
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(DataError, match=why):
        request_of(tmp_path)


@pytest.mark.parametrize("part", ["weights", "protocol", "target", "artefact", "versions"])
def test_a_manifest_without_a_part_is_refused(part: str, tmp_path: Path) -> None:
    document = {**WHOLE, "request": {"model": "toy"}}
    del document[part]
    (tmp_path / "manifest.json").write_text(json.dumps(document))

    with pytest.raises(DataError, match="parts are missing"):
        request_of(tmp_path)
