"""Runs the source repository's `demo_pytorch2onnx.py`, unmodified, where shims do not suffice.

It is written into a copy of the repository and run there by the exporter `source-repo`; it imports
nothing of zoo. The script decodes boxes where raw heads may be wanted, and calls its demonstration
without the file of names after the ONNX file is written.

    python zoo_export.py FORM WEIGHTS IMAGE BATCH CLASSES HEIGHT WIDTH
"""

from __future__ import annotations

import functools
import inspect
import runpy
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = "demo_pytorch2onnx.py"


def main(arguments: list[str]) -> None:
    """Run the script in the current folder."""
    form, *rest = arguments
    if form == "heads":
        _keep_raw_heads()
    sys.argv = [SCRIPT, *rest]
    try:
        runpy.run_path(SCRIPT, run_name="__main__")
    except TypeError as error:
        if "namesfile" not in str(error):
            raise
        sys.stderr.write(f"zoo: the demonstration after the export was left out: {error}\n")


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
    main(sys.argv[1:])
