"""What `zoo package` writes: one file of Python, golden inputs, a check, licences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo_core.api.hooks import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import PackageRequest

ZOO_API = 1


@hookimpl
def zoo_write_package(request: PackageRequest) -> Sequence[str]:
    """See `zoo_core.api.hooks`."""
    from zoo_package.write import write

    return write(request)
