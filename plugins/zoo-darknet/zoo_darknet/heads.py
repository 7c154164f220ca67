"""What a decoder needs to know of heads, as data: written beside a graph, read as parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, check_known
from zoo_darknet.operations import Yolo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_darknet.topology import Topology

_KEYS = ("anchors", "classes", "new_coords", "scale_x_y", "stride")
_WHERE = "decoder_params"


def heads_to_data(heads: Sequence[Yolo]) -> list[dict[str, Any]]:
    """The JSON form of heads, in the order of the outputs."""
    return [
        {
            "anchors": [list(pair) for pair in head.anchors],
            "classes": head.classes,
            "new_coords": head.new_coords,
            "scale_x_y": head.scale_x_y,
            "stride": head.stride,
        }
        for head in heads
    ]


def heads_from_params(params: Mapping[str, Any]) -> tuple[Yolo, ...]:
    """The heads of a decoder's parameters, none where they are not stated.

    Raises `UsageError` for keys or values of another form than `heads_to_data` gives.
    """
    check_known(params, ("heads",), _WHERE)
    rows = params.get("heads", [])
    if not isinstance(rows, list):
        raise UsageError("'heads' must be a list", where=_WHERE)
    return tuple(_head(row, f"{_WHERE}.heads[{number}]") for number, row in enumerate(rows))


def check_params(params: Mapping[str, Any], topology: Topology, file: str) -> None:
    """Raise `UsageError` where parameters state other heads than the cfg has."""
    stated = heads_from_params(params)
    if stated and stated != topology.heads:
        raise UsageError(
            f"the card's heads are not those of {file}",
            where=_WHERE,
            next="leave 'heads' away: the .cfg tells them",
        )


def _head(row: Any, where: str) -> Yolo:
    if not isinstance(row, dict):
        raise UsageError("a head must be a mapping", where=where)
    check_known(row, _KEYS, where)
    try:
        head = Yolo(
            anchors=tuple((float(width), float(height)) for width, height in row["anchors"]),
            stride=int(row["stride"]),
            classes=int(row["classes"]),
            scale_x_y=float(row.get("scale_x_y", 1.0)),
            new_coords=bool(row.get("new_coords", False)),
        )
    except KeyError as error:
        raise UsageError(f"{error} is missing", where=where) from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"a value has the wrong form: {error}", where=where) from error
    if not head.anchors or min(head.stride, head.classes) < 1:
        raise UsageError("needs anchors, a positive stride and classes", where=where)
    return head
