"""An artefact of this plugin without zoo: for the model.py of a package."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def open_artefact(
    folder: Path, target: Mapping[str, Any]
) -> Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]:
    """A function from a batch to the outputs by name, with the option `threads` of the target."""
    import onnxruntime as ort

    facts = json.loads((folder / "artefact.json").read_text(encoding="utf-8"))
    options = ort.SessionOptions()
    options.intra_op_num_threads = int(target["options"].get("threads", 0))
    model = str(folder / facts["model"])
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [row["name"] for row in facts["outputs"]]
    feed = facts["inputs"][0]["name"]

    def run(tensors: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        results = session.run(names, {feed: tensors})
        return dict(zip(names, results, strict=True))

    return run
