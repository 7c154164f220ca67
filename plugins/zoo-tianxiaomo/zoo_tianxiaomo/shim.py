"""Runs the source repository's `demo_pytorch2onnx.py`, unmodified, where it would fail by itself.

A program of its own, run as a file in another process; it imports nothing of zoo. The script of
2021 needs a GPU to load its weights, knows the necks of published weights under another name,
imports a module that Python 3.13 dropped, exports a network in training mode, which today's
exporter no longer corrects, and calls its demonstration without the file of names after the ONNX
file is written.

    python shim.py FOLDER FORM OPSET WEIGHTS IMAGE BATCH CLASSES HEIGHT WIDTH
"""

from __future__ import annotations

import functools
import inspect
import os
import runpy
import sys
import zipfile
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = "demo_pytorch2onnx.py"


def main(arguments: list[str]) -> int:
    """Run the script of a folder in the current one; 0 when it wrote its ONNX file."""
    folder, form, opset, *rest = arguments
    sys.modules["imghdr"] = ModuleType("imghdr")
    sys.path.insert(0, folder)
    _patch_torch(int(opset))
    if form == "heads":
        _keep_raw_heads()
    script = os.path.join(folder, SCRIPT)  # noqa: PTH118
    sys.argv = [script, *rest]
    try:
        runpy.run_path(script, run_name="__main__")
    except TypeError as error:
        if "namesfile" not in str(error):
            raise
        sys.stderr.write(f"zoo: the demonstration after the export was left out: {error}\n")
    return 0


def _patch_torch(opset: int) -> None:
    import torch
    import torch.onnx

    load, export = torch.load, torch.onnx.export
    fill = torch.nn.Module.load_state_dict

    @functools.wraps(load)
    def load_safely(file: Any, *_: Any, **__: Any) -> Any:
        mapped = zipfile.is_zipfile(file)
        state = load(file, map_location="cpu", weights_only=True, mmap=mapped)
        return {
            _original_name(key): value.float() if value.is_floating_point() else value
            for key, value in state.items()
        }

    @functools.wraps(fill)
    def fill_without_copy(model: Any, state: Any, strict: bool = True) -> Any:
        return fill(model, state, strict=strict, assign=True)

    @functools.wraps(export)
    def export_trained(model: Any, *args: Any, **options: Any) -> Any:
        asked = options.get("opset_version")
        sys.stderr.write(f"zoo: the script asks for opset {asked}, it gets {opset}\n")
        options |= {"opset_version": opset, "dynamo": False}
        # The script's example wants gradients, for which every activation would be kept.
        with torch.no_grad():
            return export(model.eval(), *args, **options)

    setattr(torch, "load", load_safely)  # noqa: B010
    setattr(torch.onnx, "export", export_trained)  # noqa: B010
    setattr(torch.nn.Module, "load_state_dict", fill_without_copy)  # noqa: B010


def _original_name(key: str) -> str:
    name = key.removeprefix("module.")
    return f"neck.{name.removeprefix('neek.')}" if name.startswith("neek.") else name


def _keep_raw_heads() -> None:
    models: Any = __import__("models")
    make: Callable[..., None] = models.Yolov4.__init__
    signature = inspect.signature(make)

    @functools.wraps(make)
    def make_raw(*args: Any, **options: Any) -> None:
        bound = signature.bind(*args, **options)
        bound.arguments["inference"] = False
        make(*bound.args, **bound.kwargs)

    models.Yolov4.__init__ = make_raw


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
