from __future__ import annotations

import math

import pytest

from zoo_core.api import Availability, Backend
from zoo_core.commands.bench import BenchRequest, settings_of
from zoo_core.commands.bench.request import second, title
from zoo_core.errors import UsageError
from zoo_core.planning.request import RunRequest


def backend(name: str) -> Backend:
    return Backend(
        name=name,
        summary="",
        compiler="c",
        runtime="r",
        precisions=("fp32", "fp16", "int8"),
        probe=lambda: Availability(ok=True),
        options={"threads": "how many"},
    )


FIRST = RunRequest(
    model="m", backend="here", precision="int8", device="cpu", options={"threads": "2"}
)

BACKENDS = {name: backend(name) for name in ("here", "there")}


@pytest.mark.parametrize(
    ("spelling", "backend", "precision", "options", "batch", "device"),
    [
        ("there", "there", "int8", {}, 1, None),
        ("there:fp16", "there", "fp16", {}, 1, None),
        ("there:fp16,streams=2,batch=4", "there", "fp16", {"streams": "2"}, 4, None),
        (":fp32", "here", "fp32", {"threads": "2"}, 1, "cpu"),
        ("fp32", "here", "fp32", {"threads": "2"}, 1, "cpu"),
        ("fp32,threads=1", "here", "fp32", {"threads": "1"}, 1, "cpu"),
        ("here:fp32,threads=1", "here", "fp32", {"threads": "1"}, 1, "cpu"),
        ("threads=1", "here", "int8", {"threads": "1"}, 1, "cpu"),
        ("rewrites=none,precision=fp32", "here", "fp32", {"threads": "2", "rewrites": "none"}, 1,
         "cpu"),
        ("there,device=GPU", "there", "int8", {}, 1, "GPU"),
    ],
)  # fmt: skip
def test_spellings_of_a_second_build(
    spelling: str,
    backend: str,
    precision: str,
    options: dict[str, str],
    batch: int,
    device: str | None,
) -> None:
    other = second(FIRST, spelling, BACKENDS)
    assert (other.backend, other.precision, other.batch or 1) == (backend, precision, batch)
    assert dict(other.options) == options
    assert other.device == device
    assert other.model == "m"


@pytest.mark.parametrize("spelling", ["here:int8", ":int8", "threads=2", "here,batch=1"])
def test_a_build_is_not_compared_with_itself(spelling: str) -> None:
    with pytest.raises(UsageError, match="is the build itself"):
        second(FIRST, spelling, BACKENDS)


@pytest.mark.parametrize("spelling", ["there,threads", "there,=1", "threads=", "there,batch=x"])
def test_wrong_spellings(spelling: str) -> None:
    with pytest.raises(UsageError, match="--vs"):
        second(FIRST, spelling, BACKENDS)


@pytest.mark.parametrize(
    ("spelling", "says"),
    [
        ("fp61", "no backend or precision 'fp61'; did you mean ':fp16'?"),
        ("her", "no backend or precision 'her'; did you mean 'here'?"),
        ("her:fp32", "no backend 'her'; did you mean 'here'?"),
        ("threads", "no backend or precision 'threads'; did you mean 'threads=VALUE'?"),
        ("x,y=1", "no backend or precision 'x'; known: :fp16, :fp32, :int8, here, there"),
    ],
)
def test_a_word_that_is_nothing_says_what_it_may_be(spelling: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        second(FIRST, spelling, BACKENDS)
    assert str(raised.value) == f"--vs: {says}"


def test_an_empty_build_is_refused() -> None:
    with pytest.raises(UsageError, match="--vs: names no build; write"):
        BenchRequest(versus=" ")


def test_titles_say_what_differs() -> None:
    other = second(FIRST, "here:fp32,threads=1,batch=2", BACKENDS)
    assert title(FIRST, other) == "here:int8,batch=1,threads=2"
    assert title(other, FIRST) == "here:fp32,batch=2,threads=1"


def test_a_number_of_samples_that_is_named_is_reached() -> None:
    usual = settings_of(None, 8, None, None, None)
    assert (usual.seconds, usual.min_samples, usual.patience) == (5.0, 64, 6.0)
    named = settings_of("server", 8, 10.0, 60.0, 662)
    assert (named.seconds, named.min_samples, named.patience) == (60.0, 662, math.inf)
    assert settings_of(None, 8, None, None, 3).least_samples == 3
    multi = settings_of("multi-stream", 8, None, None, None)
    assert (multi.min_samples, multi.patience) == (662, 6.0)


def test_a_value_that_is_out_of_range_names_its_option() -> None:
    with pytest.raises(UsageError, match=r"--target-qps: -5\.0 queries per second: impossible"):
        settings_of("server", 8, -5.0, None, None)
    with pytest.raises(UsageError, match="--vs batch: '0' is not a whole number from 1; write"):
        second(FIRST, "batch=0", BACKENDS)


def test_options_that_do_not_fit_together() -> None:
    with pytest.raises(UsageError, match="for --scenario server"):
        settings_of("offline", 8, 10.0, None, None)
    with pytest.raises(UsageError, match="one build"):
        BenchRequest(sweep="batch", versus=":fp32")
