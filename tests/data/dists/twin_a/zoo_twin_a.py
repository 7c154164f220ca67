"""One of two that give the same decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api.hooks import hookimpl
from zoo_core.api import Decoder, Provider

if TYPE_CHECKING:
    from collections.abc import Iterable

ZOO_API = 1


@hookimpl
def zoo_decoders() -> Iterable[Provider[Decoder]]:
    yield Provider(name="twin", summary="a decoder for tests", load=_load)


def _load() -> Decoder:
    raise NotImplementedError
