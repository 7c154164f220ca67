"""How to test what a plugin provides: which contract to subclass, with lines to paste."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from zoo_core.testing.contracts.checks import protocol_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from zoo_core.plugins.manager import Plugins

_LINES = {
    "ExporterContract": ("params = {}  # exporter_params of a card",),
    "DecoderContract": (
        "def encode(self, boxes):  # one image's outputs in which only these boxes are found",
        "    return {}",
    ),
    "TaskDecoderContract": (
        "def outputs(self):  # outputs of two images or more, no two alike",
        "    return []",
    ),
    "EvaluatorContract": ("values = {}  # the fields of a protocol",),
    "TaskEvaluatorContract": (
        "metric = ''  # the figure that is best for perfect predictions",
        "values = {}  # the fields of a protocol",
        "def write_truth(self, folder):  # the truth of self.samples()",
        "    return folder",
        "def perfect(self):  # predictions that agree with the truth",
        "    return []",
        "def nothing(self):  # predictions where nothing is detected",
        "    return []",
    ),
}


def advice(
    plugins: Plugins, module: str, providers: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """For providers (kind, name) without contract tests: one sentence a kind, and lines to paste.

    The lines are a test module that imports the plugin's `module`.
    """
    rows = [(kind, name, _task(plugins, kind, name)) for kind, name in providers]
    for (kind, task), group in groupby(rows, key=lambda row: (row[0], row[2])):
        names = [name for _, name, _ in group]
        boxes = task in ("", "detection")  # what knows boxes is for detection alone
        contract = f"{'' if boxes else 'Task'}{protocol_of(kind)}Contract"
        each = "" if len(names) == 1 else ", once for each"
        sentence = (
            f"{kind} {', '.join(names)}: it has no contract tests; "
            f"subclass zoo_core.testing.{contract}{each}"
        )
        body = [f"plugin, name = {module}, {names[0]!r}", *_LINES.get(contract, ())]
        if contract.startswith("Task"):
            body.insert(1, f"task = {task!r}")
        head = [f"import {module}", f"from zoo_core.testing import {contract}"]
        title = f"class Test{kind.capitalize()}({contract}):"
        yield sentence, "\n".join([*head, title, *(f"    {line}" for line in body)])


def _task(plugins: Plugins, kind: str, name: str) -> str:
    """Of a decoder or evaluator; "" for others, and where it does not load (a check reports it)."""
    if kind not in ("decoder", "evaluator"):
        return ""
    try:
        return str(plugins.load(kind, name).task)
    except Exception:  # what a plugin raises while it loads can be anything
        return ""
