"""What mod.json tells the other emulated programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_vastai_emulator.network import session
from zoo_vastai_emulator.refusal import RefusedError
from zoo_vastai_emulator.site.vaststreamx.nms import detect, does_detect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_vastai_emulator.compile_config import Request


def facts_of(
    request: Request, kinds: Mapping[str, str], built: Path, source: str
) -> dict[str, Any]:
    """The facts of a built network, found by running it once on zeros.

    `batch` is how many samples the stored network takes at once, whatever was asked for.

    Raises RefusedError where it does not run, or its outputs do not suit the extra operator.
    """
    runner = session(built)
    feeds = {value.name: np.zeros(value.shape, kinds[value.name]) for value in runner.get_inputs()}
    names = [output.name for output in runner.get_outputs()]
    try:
        outputs = runner.run(None, feeds)
    except Exception as error:
        raise RefusedError(f"the graph does not run on {dict(request.shapes)}: {error}") from error
    _check_extra(request, outputs)
    shapes = request.shapes
    return {
        "emulated": True,
        "name": request.name,
        "dtype": request.dtype,
        "batch": next(iter(feeds.values())).shape[0],
        "source": {"path": str(request.checkpoint), "sha256": source},
        "inputs": [
            {"name": name, "shape": list(shape), "dtype": kinds[name]}
            for name, shape in shapes.items()
        ],
        "outputs": [
            {"name": name, "shape": list(out.shape)}
            for name, out in zip(names, outputs, strict=True)
        ],
        "extra_ops": request.extra_ops,
    }


def _check_extra(request: Request, outputs: Sequence[NDArray[Any]]) -> None:
    extra = request.extra_ops
    if extra is None or not does_detect(extra):
        return
    height, width = next(iter(request.shapes.values()))[2:4]
    first = [np.asarray(out[:1], np.float32) for out in outputs]
    try:
        detect(extra, first, (height, width))
    except (RuntimeError, ValueError, IndexError) as error:
        shapes = [list(out.shape) for out in outputs]
        raise RefusedError(f"outputs {shapes} do not suit {extra['type']}: {error}") from error
