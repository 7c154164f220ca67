"""A plugin with a misspelt hook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api.hooks import hookimpl
from zoo_core.api import Decoder, Provider

if TYPE_CHECKING:
    from collections.abc import Iterable

ZOO_API = 1


@hookimpl
def zoo_decodrs() -> Iterable[Provider[Decoder]]:
    yield Provider(name="never", summary="a decoder for tests", load=_load)


def _load() -> Decoder:
    raise NotImplementedError
