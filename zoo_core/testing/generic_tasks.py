"""Contract classes for decoders and evaluators of any task, where nobody wrote any for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from zoo_core.errors import ZooError
from zoo_core.testing.contracts.task_decoder import TaskDecoderContract
from zoo_core.testing.contracts.task_evaluator import TaskEvaluatorContract
from zoo_core.testing.guesses import guessed_outputs
from zoo_core.vision.geometry import Geometry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zoo_core.api import Arrays, Decode

SAY = "say it in the plugin's tests: subclass zoo_core.testing"


class GenericTaskDecoder(TaskDecoderContract):
    """With the parameters of a card that names it, and noise where it takes that."""

    @pytest.fixture(autouse=True)
    def _bindable(self) -> None:
        try:
            self._bind()
        except ZooError as error:
            pytest.skip(f"its parameters are not known ({error}); {SAY}.TaskDecoderContract")

    def outputs(self) -> Sequence[Arrays]:
        """Noise of a usual shape."""
        found = guessed_outputs(self._bind(), self.classes, self.size)
        if not found:
            pytest.skip(f"how its outputs look is not known; {SAY}.TaskDecoderContract")
        return found


class GenericTaskEvaluator(TaskEvaluatorContract):
    """With the values of a protocol; candidates are what a decoder makes of noise, if one does."""

    metric, least = "", 0.0
    decode: Decode | None = None
    network = (96, 128)

    @pytest.fixture(autouse=True)
    def _valued(self) -> None:
        if not self.values:
            pytest.skip(f"no protocol's values are for it; {SAY}.TaskEvaluatorContract")

    def write_truth(self, folder: Path) -> Path:
        """Only its author knows."""
        pytest.skip(f"how its truth looks is not known; {SAY}.TaskEvaluatorContract")

    def candidates(self) -> Sequence[Arrays]:
        """From the decoder of a card that names both."""
        decode, place = type(self).decode, Geometry.identity(self.size)
        outputs = guessed_outputs(decode, len(self.labels), self.network) if decode else ()
        if not outputs:
            pytest.skip(f"how its candidates look is not known; {SAY}.TaskEvaluatorContract")
        return [decode(row, place) for row in outputs] if decode else []

    def perfect(self) -> Sequence[Arrays]:
        """What it settles; whether it is perfect, nobody says here."""
        return self._settled()

    def nothing(self) -> Sequence[Arrays]:
        """Only its author knows."""
        pytest.skip(f"how finding nothing looks is not known; {SAY}.TaskEvaluatorContract")
