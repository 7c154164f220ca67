from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from zoo_vastai import decoder, options
from zoo_vastai.card import CALIBRATORS, calibrate_mode, card_options
from zoo_vastai.names import ARITHMETICS
from zoo_vastai.options import Options, options_of

from zoo_core.api import Target
from zoo_core.errors import RegistryError, UsageError
from zoo_core.testing import model_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import ModelCard


def card(**vastai: Any) -> ModelCard:
    return model_card(backends={"vastai": vastai})


def target(**options: str) -> Target:
    return Target(backend="vastai", precision="fp16", device="0", options=options)


def test_a_card_may_say_nothing() -> None:
    found = card_options(model_card(), "int8")

    assert (found.compile, found.quantize, found.extra_op, found.nms) == ({}, {}, None, "auto")


def test_what_goes_to_vamc_passes_through_whatever_it_is() -> None:
    opaque = {"cluster_mode": 0, "output_layout": ["0:YX"], "unheard_of": {"deep": [1, None]}}

    found = card_options(card(compile=opaque, quantize={"skip_conv_layers": [0, 1]}), "int8")

    assert found.compile == opaque
    assert found.quantize == {"skip_conv_layers": [0, 1]}


def test_variants_lie_over_the_rest_for_their_precision_alone() -> None:
    told = card(
        compile={"cluster_mode": 0, "data_type": 0},
        variants={"int8": {"compile": {"data_type": 2}, "quantize": {"overflow_adaptive": 1}}},
    )

    assert card_options(told, "int8").compile == {"cluster_mode": 0, "data_type": 2}
    assert card_options(told, "int8").quantize == {"overflow_adaptive": 1}
    assert card_options(told, "fp16").compile == {"cluster_mode": 0, "data_type": 0}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"complie": {}}, "did you mean 'compile'"),
        ({"compile": [1]}, "must be a mapping"),
        ({"extra_ops": {"params": {}}}, "needs a 'type'"),
        ({"extra_ops": {"type": "yolov4_nms", "parms": {}}}, "did you mean 'params'"),
        ({"variants": {"int4": {}}}, "unknown 'int4'"),
        ({"variants": {"int8": {"quantise": {}}}}, "did you mean 'quantize'"),
        ({"variants": {"host": {"compile": 1}}}, "must be a mapping"),
        ({"nms": "devise"}, "did you mean 'device'"),
    ],
)
def test_a_wrong_map_is_refused_with_its_place(told: Mapping[str, Any], words: str) -> None:
    with pytest.raises(RegistryError) as caught:
        card_options(card(**told), "int8")

    assert words in str(caught.value)
    assert "contract-model: backends.vastai" in caught.value.where


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'sdk_python'"):
        options_of(target(sdk_pyhton="3"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nms", "devise"),
        ("queue", "many"),
        ("timeout", "0"),
        ("restarts", "-1"),
        ("instances", "none"),
        ("shape", "416"),
        ("vamp_timeout", "x"),
        ("arithmetic", "exakt"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_is_compiled(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=value):
        options_of(target(**{key: value}))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_arithmetics_are_those_of_the_decoder(arithmetic: str) -> None:
    options_of(target(arithmetic=arithmetic))
    assert callable(decoder.DeviceNmsDecoder().bind({"arithmetic": arithmetic}, 2, 0.001))
    for module in (decoder, options):
        assert module.ARITHMETICS is ARITHMETICS


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "604801"])
def test_a_timeout_is_a_number_of_seconds(text: str) -> None:
    with pytest.raises(UsageError, match="compile_timeout"):
        options_of(target(compile_timeout=text))


def test_the_calibrator_is_the_users_then_the_cards_then_the_default() -> None:
    told = card_options(card(quantize={"calibrate_mode": "mse"}), "int8")
    silent = card_options(card(), "int8")

    assert calibrate_mode(told, "entropy") == "kl_divergence"
    assert calibrate_mode(told, "MinMax") == "max"
    assert calibrate_mode(told, None) == "mse"
    assert calibrate_mode(silent, None) == next(iter(CALIBRATORS)) == "percentile"
    with pytest.raises(UsageError, match="did you mean 'percentile'"):
        calibrate_mode(told, "percentle")


def test_options_become_values() -> None:
    told = target(
        instances="2", processes="3", iterations="64", shape="[3, 416, 416]", vamp_timeout="5"
    )

    assert options_of(told) == Options(
        instances=2, processes=3, iterations=64, shape="[3,416,416]", vamp_timeout=5.0
    )
    assert options_of(target()) == Options()
    assert options_of(target(shape="[[1,512],[1,512]]")).shape == "[[1,512],[1,512]]"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instances", "0"),
        ("instances", "-1"),
        ("instances", "65"),
        ("processes", "two"),
        ("processes", "٣"),
        ("iterations", "1e3"),
        ("shape", "3,416,416"),
        ("shape", "[3,0,416]"),
        ("shape", "[]"),
        ("shape", '["a"]'),
        ("shape", "[true]"),
        ("vamp_timeout", "0"),
        ("vamp_timeout", "nan"),
        ("vamp_timeout", "soon"),
    ],
)
def test_bad_options_are_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=key):
        options_of(target(**{key: value}))
