"""Operators of a graph: preprocessing from vdsp JSON, and the model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .constants import OpType
from .model import Model
from .vdsp import FusedOp

if TYPE_CHECKING:
    from typing import Any

_CONFIG = "OpConfig"


class Operator:
    """A preprocessing operator."""

    def __init__(self, fused: FusedOp) -> None:
        self.fused = fused

    @property
    def op_type(self) -> int:
        """The operator's number; fused ones are 100 and above."""
        return int(OpType[self.fused.op_type])

    @property
    def attributes(self) -> dict[str, Any]:
        """What the JSON says, as the vendor spells it."""
        return dict(self.fused.config)

    @staticmethod
    def load_ops_from_json_file(path: str) -> list[Operator]:
        """The operators of a vdsp file; none where it is not one, as in the legacy forms.

        Raises RuntimeError for an operator or a value that is not emulated.
        """
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as the real one, a plain path
            data = json.load(file)
        if not isinstance(data, dict) or not isinstance(data.get("OpType"), str):
            return []
        if data["OpType"] not in OpType.__members__:
            raise RuntimeError(f"{path}: {data['OpType']} is not emulated")
        try:
            return [Operator(FusedOp(data["OpType"], data.get(_CONFIG) or {}))]
        except ValueError as error:
            raise RuntimeError(f"{path}: {error}") from error


class ModelOperator:
    """A model as an operator of a graph."""

    def __init__(self, model: Model) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"ModelOperator takes a Model, not {type(model).__name__}")
        self.model = model
