"""How vamp is called."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class VampCommand:
    """One call of vamp; what is None is left to vamp.

    `prefix` is that of the three files, without ending. `shape` is that of the raw input without
    the batch, "[3,416,416]". With `datalist` (a text file, one npz path a line) and `path_output`
    vamp stores the outputs as output_000000.npz and so on.
    """

    prefix: str
    vdsp_params: str
    device: str = "0"
    instances: int = 1
    processes: int = 1
    batch: int = 1
    shape: str | None = None
    iterations: int | None = None
    datalist: str | None = None
    path_output: str | None = None

    def argv(self, program: Sequence[str] = ("vamp",)) -> tuple[str, ...]:
        """The argument list; nothing in it is quoted."""
        words = [*program, "-m", self.prefix, "--vdsp_params", self.vdsp_params]
        words += ["-i", str(self.instances), "-p", str(self.processes)]
        words += ["-b", str(self.batch), "-d", self.device]
        for flag, value in (
            ("-s", self.shape),
            ("--iterations", self.iterations),
            ("--datalist", self.datalist),
            ("--path_output", self.path_output),
        ):
            if value is not None:
                words += [flag, str(value)]
        return tuple(words)

    def shell(self, program: Sequence[str] = ("vamp",)) -> str:
        """The command as a line for a shell, with quotes where a shell needs them."""
        return shlex.join(self.argv(program))
