"""What decoders say of a network file that no card describes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api.graph import TensorSpec

AUTO = "auto"
"""The decoder of a card for files of any family: the installed decoders say whose a file is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOutline:
    """What a network's file states: its tensors, the (height, width) of a run, its own key/values.

    `outputs` have the batch axis first; a dimension that the file leaves open is a str. `metadata`
    is what the writer of the file noted in it, such as `names` and `stride` of Ultralytics' files.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    size: tuple[int, int]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """How a decoder would decode a file.

    `why` says in words what in the file led to it: "one output 1x84x8400: 4 sides and 80 scores for
    each cell of strides 8, 16, 32". `params` are the decoder's parameters, `classes` the number of
    classes. `preprocess` (the data form of `zoo_core.vision.Preprocess`) and `protocol` (values)
    are what the family's repository uses; a file does not state them, so they are told as assumed.
    """

    why: str
    params: Mapping[str, Any]
    classes: int
    preprocess: tuple[Mapping[str, Any], ...]
    protocol: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class RecognisesOutputs(Protocol):
    """Optional protocol of a decoder: it says whether it can decode a file's outputs."""

    def recognise(self, outline: FileOutline) -> Recognition | None:
        """How it would decode them, or None if names, shapes or their number do not fit.

        Fast and pure. It must not take what another family's outputs could as well be: where a
        shape fits two families and the metadata do not tell, both say so and the user chooses.
        """
