from __future__ import annotations

import pickle

import pytest

from zoo_core import errors
from zoo_core.errors import (
    RegistryError,
    UsageError,
    ZooError,
    check_known,
    counted,
    did_you_mean,
    some,
)


def every(kind: type[ZooError] = ZooError) -> list[type[ZooError]]:
    return [kind, *(found for below in kind.__subclasses__() for found in every(below))]


EXIT_CODES = {
    "ZooError": 1,
    "StageError": 1,
    "SampleError": 1,
    "UsageError": 2,
    "RegistryError": 2,
    "AccuracyGateError": 3,
    "SpeedGateError": 4,
    "UnavailableError": 5,
    "DataError": 6,
}


def ours() -> list[type[ZooError]]:
    return [kind for kind in every() if kind.__module__ == errors.__name__]


def test_exit_codes_are_the_contracts() -> None:
    assert {kind.__name__: kind.exit_code for kind in ours()} == EXIT_CODES


def test_the_tree_at_the_top_of_the_module_is_the_real_one() -> None:
    drawn = str(errors.__doc__)
    for kind in ours():
        (line,) = [text for text in drawn.splitlines() if f"{kind.__name__} " in text]
        assert str(kind.exit_code) in line.split()


def test_machine_readable_codes_are_unique() -> None:
    codes = [kind.code for kind in ours()]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    ("where", "step", "line"),
    [
        ("", "", "it broke"),
        ("a.yaml", "", "a.yaml: it broke"),
        ("", "mend it", "it broke; mend it"),
        ("a.yaml", "mend it", "a.yaml: it broke; mend it"),
    ],
)
def test_one_clear_line(where: str, step: str, line: str) -> None:
    assert str(ZooError("it broke", where=where, next=step)) == line


@pytest.mark.parametrize("kind", ours())
def test_an_error_survives_the_way_to_another_process(kind: type[ZooError]) -> None:
    back = pickle.loads(pickle.dumps(kind("it broke", where="here", next="mend it")))
    assert type(back) is kind
    assert (back.what, back.where, back.next) == ("it broke", "here", "mend it")


def test_did_you_mean() -> None:
    known = ["onnxruntime", "openvino", "vastai"]
    assert did_you_mean("onxruntime", known) == "did you mean 'onnxruntime'?"
    assert did_you_mean("tensorrt!", known) == "known: onnxruntime, openvino, vastai"
    assert did_you_mean("anything", []) == "none is registered"
    assert did_you_mean("vastai", iter(known)) == "did you mean 'vastai'?"
    assert did_you_mean("OpenVino", known) == "did you mean 'openvino'?"
    assert did_you_mean({"no": "value"}, ["a"]) == "known: a"  # type: ignore[arg-type]


def test_names_that_begin_like_it_go_before_one_that_differs_in_a_letter() -> None:
    known = ["yolov7", "yolov4-tiny", "yolov4-csp", "yolov5s"]
    assert did_you_mean("yolov4", known) == "did you mean 'yolov4-csp' or 'yolov4-tiny'?"
    assert did_you_mean("YOLOv4-c", known) == "did you mean 'yolov4-csp'?"
    assert did_you_mean("yolov7x", known) == "did you mean 'yolov7'?"
    many = [f"net-{letter}" for letter in "abcdefgh"]
    assert did_you_mean("net", many) == (
        "did you mean 'net-a', 'net-b', 'net-c', 'net-d', 'net-e' or 'net-f' (8 begin so)?"
    )
    assert did_you_mean("a", ["ab", "ac"]).startswith("did you mean 'a")


def test_what_is_not_known_is_refused_with_a_hint() -> None:
    check_known(["stride"], iter(["stride", "classes"]), "decoder_params")
    with pytest.raises(UsageError) as caught:
        check_known(["stride", "clases"], iter(["stride", "classes"]), "decoder_params")
    assert str(caught.value) == "decoder_params: unknown 'clases'; did you mean 'classes'?"
    assert type(caught.value) is UsageError
    with pytest.raises(RegistryError, match="card: unknown 'a'; known: b"):
        check_known(["a"], ["b"], "card", RegistryError)


def test_names_are_three_and_a_number() -> None:
    assert some([]) == ""
    assert some(["a", 2, "c"]) == "a, 2, c"
    assert some("abcde") == "a, b, c and 2 more"


def test_a_noun_follows_its_count() -> None:
    assert [counted(n, "image") for n in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
    assert counted(2, "box begins", "boxes begin") == "2 boxes begin"
