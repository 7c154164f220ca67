"""The mutation table: every check of every contract, tripped by a plugin broken on purpose.

Each row is a module that is the toy but for one fault, the check that must catch it, and words of
the breach that it must name.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest
import toy_contracts as of_toy

from zoo_core import testing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Row(NamedTuple):
    """`contract` is one of `toy_contracts`; `source` what differs from the toy."""

    contract: str
    check: str
    breach: str
    source: str


IMPORTS = """
import os, socket, subprocess, sys, time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from zoo_core.errors import *
from zoo_core.api import *
from zoo_core.testing.toy import *

HERE = __name__

def with_stage(stages, which, /, **changes):
    return [replace(s, **changes) if s.name == which else s for s in stages]
"""

BASES = {
    "ToyPlugin": ("", ""),
    "ToyBackend": (
        "from zoo_core.testing.toy import _probe\n"
        "fine = next(iter(zoo_backends()))\n"
        "def changed(**changes):\n    return replace(fine, **changes)\n"
        "def probing(probe):\n    return replace(fine, probe=probe)\n",
        "@hookimpl\ndef zoo_backends():\n    yield broken\n",
    ),
}
for _contract, _base, _hook, _name in (
    ("ToyExporter", "ToyExporter", "zoo_exporters", "toy"),
    ("ToyGivenExporter", "ToyExporter", "zoo_exporters", "toy"),
    ("ToyCompiler", "ToyCompiler", "zoo_compilers", "toy"),
    ("ToyRuntime", "toy_parts.ToyRuntime", "zoo_runtimes", "toy"),
    ("ToyOfflineBuilder", "ToyOfflineBuilder", "zoo_emitters", "toy"),
    ("ToyProfiler", "toy_parts.ToyProfiler", "zoo_profilers", "toy"),
    ("ToyDecoder", "toy_parts.ToyDecoder", "zoo_decoders", "toy-grid"),
    ("ToyTaskDecoder", "toy_parts.ToyDecoder", "zoo_decoders", "toy-grid"),
    ("ToyEvaluator", "toy_parts.ToyEvaluator", "zoo_evaluators", "toy-detection"),
    ("ToyTaskEvaluator", "toy_parts.ToyEvaluator", "zoo_evaluators", "toy-detection"),
    ("ToyShipped", "toy_parts.ToyDataset", "zoo_datasets", "toy-shapes"),
    ("ToyDrawn", "toy_parts.ToyDataset", "zoo_datasets", "toy-drawn"),
    ("ToyGiven", "toy_parts.ToyDataset", "zoo_datasets", "toy-shapes"),
):
    BASES[_contract] = (
        f"import numpy as np\n"
        f"def base():\n"
        f"    from zoo_core.testing import toy, toy_parts\n"
        f"    return {_base if '.' in _base else 'toy.' + _base}\n",
        f"@hookimpl\ndef {_hook}():\n"
        f"    yield Provider(name='{_name}', summary='broken', load=load)\n",
    )

RENAMED = {
    "ToyPlugin": "PluginContract",
    "ToyBackend": "BackendContract",
    "ToyExporter": "ExporterContract",
    "ToyGivenExporter": "ExporterContract",
    "ToyCompiler": "CompilerContract",
    "ToyRuntime": "RuntimeContract",
    "ToyProfiler": "ProfilerContract",
    "ToyOfflineBuilder": "OfflineBuilderContract",
    "ToyDecoder": "DecoderContract",
    "ToyTaskDecoder": "TaskDecoderContract",
    "ToyEvaluator": "EvaluatorContract",
    "ToyTaskEvaluator": "TaskEvaluatorContract",
    "ToyShipped": "DatasetContract",
    "ToyDrawn": "DatasetContract",
    "ToyGiven": "DatasetContract",
}


def part(body: str, *, method: str = "stages(self, card, request)", before: str = "") -> str:
    """A provider whose one method is `body`; `before` are further members."""
    indented = "\n".join(f"            {line}" for line in dedent(body).strip().splitlines())
    members = "\n".join(f"        {line}" for line in dedent(before).strip().splitlines())
    return (
        f"def load():\n    Base = base()\n    class Broken(Base):\n{members}\n"
        f"        def {method}:\n{indented}\n"
        f"    return Broken(*broken_arguments)\nbroken_arguments = ()\n"
    )


def planned(changes: str) -> str:
    """Stages of the base, changed."""
    return part(f"stages = super().stages(card, request)\n{dedent(changes).strip()}\nreturn stages")


def compiled(changes: str) -> str:
    """A compiler's stages, changed."""
    body = f"stages = super().stages(request)\n{dedent(changes).strip()}\nreturn stages"
    return part(body, method="stages(self, request)")


def reading(settings: str) -> str:
    """An exporter that reads these settings from the user's files."""
    return "from itertools import count as counting\ncount = counting(1)\n" + part(
        f"from zoo_core.api import GivenSettings\nreturn GivenSettings({settings})",
        method="settings(self, card, files)",
    )


def rebuilt(changes: str) -> str:
    """A compile stage after which `data` (precision.json) and `artefact` are changed."""
    stage = compiled("stages = with_stage(stages, 'compile', run=HERE + ':build')")
    lines = "\n".join(f"    {line}" for line in dedent(changes).strip().splitlines())
    return stage + (
        "def build(context):\n"
        "    import json, shutil\n"
        "    from zoo_core.testing.toy_parts import build as good\n"
        "    good(context)\n"
        "    paths = [context.out / name for name in ('precision.json', 'artefact.json')]\n"
        "    data, artefact = (json.loads(path.read_text()) for path in paths)\n"
        f"{lines}\n"
        "    paths[0].write_text(json.dumps(data)); paths[1].write_text(json.dumps(artefact))\n"
    )


def exported(changes: str) -> str:
    """An export stage after which `graph` (graph.json) is changed."""
    stage = planned("stages = with_stage(stages, 'export', run=HERE + ':export')")
    return stage + (
        "def export(context):\n"
        "    import json\n"
        "    from zoo_core.testing.toy_parts import export as good\n"
        "    good(context)\n"
        "    path = context.out / 'graph.json'\n"
        "    graph = json.loads(path.read_text())\n"
        f"    {changes}\n"
        "    path.write_text(json.dumps(graph))\n"
    )


def verified(text: str) -> str:
    """A verify stage that says what it likes."""
    stage = planned("stages = with_stage(stages, 'verify', run=HERE + ':verify')")
    return stage + (
        f"def verify(context):\n    (context.out / 'verify.json').write_text('{text}')\n"
    )


def running(body: str, *, opening: str = "") -> str:
    """A session whose `run` is `body`; `good(feeds)` is what it ought to say."""
    lines = "\n".join(f"            {line}" for line in dedent(body).strip().splitlines())
    return (
        "class Session:\n"
        "    threads = 1\n"
        "    workers = 1\n"
        "    input_kind = 'tensor'\n"
        "    def __init__(self, inner):\n"
        "        self.inner, self.inputs, self.outputs = inner, inner.inputs, inner.outputs\n"
        "        self.calls = 0\n"
        "    def good(self, feeds):\n        return dict(self.inner.run(feeds))\n"
        "    def run(self, feeds):\n"
        "        self.calls += 1\n"
        "        if True:\n"
        f"{lines}\n"
        + part(
            f"{opening}\nwith super().open(artefact, target, hint) as inner:\n"
            "    yield Session(inner)",
            method="open(self, artefact, target, hint='latency')",
        ).replace("        def open", "        @contextmanager\n        def open")
    )


def opened(body: str) -> str:
    """A runtime whose `open` is `body`, a generator."""
    return part(body, method="open(self, artefact, target, hint='latency')").replace(
        "        def open", "        @contextmanager\n        def open"
    )


OPENED_AS = """import json, shutil, tempfile
with tempfile.TemporaryDirectory() as place:
    folder = Path(place) / 'artefact'
    shutil.copytree(artefact, folder)
    path = folder / 'artefact.json'
    try:
        data = json.loads(path.read_text())
        CHANGE
        path.write_text(json.dumps(data))
    except (OSError, ValueError, TypeError):
        pass
    with super().open(folder, target, hint) as inner:
        yield inner
"""


def tracing(events: str, more: str = "") -> str:
    """A runtime that traces these events."""
    body = f"return Trace(runs=runs, events=({events},), {more})"
    imports = "from zoo_core.api.trace import Event, Trace\n"
    return imports + part(body, method="trace(self, artefact, target, feeds, runs)")


def emitting(changes: str) -> str:
    """An emitter's stages, changed."""
    body = f"stages = super().stages(request)\n{dedent(changes).strip()}\nreturn stages"
    return part(body, method="stages(self, request)")


def emitted(changes: str) -> str:
    """An emit stage after which the folder `files` is changed."""
    return emitting("stages = with_stage(stages, 'emit', run=HERE + ':emit')") + (
        "def emit(context):\n"
        "    from zoo_core.testing.toy_parts import emit as good\n"
        "    good(context)\n"
        "    files = context.out / 'files'\n"
        f"    {changes}\n"
    )


def decoding(changes: str, *, before: str = "") -> str:
    """A decoder; `found` is what it ought to say, `outputs` and `geometry` what it is told."""
    lines = "\n".join(f"    {line}" for line in dedent(changes).strip().splitlines())
    first = "\n".join(f"    {line}" for line in dedent(before).strip().splitlines())
    body = (
        "good = super().bind(params, classes, floor)\nseen = []\n"
        f"def decode(outputs, geometry):\n{first}\n"
        f"    found = dict(good(outputs, geometry))\n{lines}\n    return found\nreturn decode"
    )
    return part(body, method="bind(self, params, classes, floor)")


def planning(changes: str, *, seed: str = "") -> str:
    """A data set whose plan is changed; given or shipped images, or drawn ones with a seed."""
    body = f"plan = super().plan(request)\n{dedent(changes).strip()}\nreturn plan"
    return part(body, method="plan(self, request)") + named(seed)


def named(seed: str = "") -> str:
    """The arguments of the data set."""
    arguments = f"('toy-drawn', {seed})" if seed else "('toy-shapes',)"
    return f"broken_arguments = {arguments}\n"


def sampling(body: str) -> str:
    """A data set whose samples are changed."""
    return part(body, method="samples(self, view, start, stop)") + named()


def judging(method: str, body: str) -> str:
    """An evaluator one method of which is changed."""
    return part(body, method=method)


def profiling(changes: str, *, before: str = "") -> str:
    """A profiler; `found` is what it ought to report, with `figures` of its own."""
    body = (
        f"{dedent(before).strip()}\nfound = dict(super().profile(artefact, target, options))\n"
        f"figures = found['figures'] = dict(found['figures'])\n{dedent(changes).strip()}\n"
        "return found"
    )
    return part(body, method="profile(self, artefact, target, options)")


SETTLE = "postprocess(self, candidates, values)"
SCORE = "score(self, predictions, truth, labels)"
WRITE = "write(self, predictions, labels, folder, truth=None)"
DRAW = "draw(self, image, prediction, labels, least)"
CHECK = "check(self, values)"
MATCH = "match(self, labels, classes)"

PLUGIN = [
    Row("ToyPlugin", "it_registers", "unknown hook 'zoo_decodrs'",
        "@hookimpl\ndef zoo_decodrs():\n    return []"),
    Row("ToyPlugin", "it_registers", "stag",
        "@hookimpl\ndef zoo_stage_done(stag):\n    pass"),
    Row("ToyPlugin", "it_registers", "implements no hook",
        "for name in [n for n in globals() if n.startswith('zoo_')]:\n    del globals()[name]"),
    Row("ToyPlugin", "it_states_the_hooks_it_was_written_for", "not stated", "del ZOO_API"),
    Row("ToyPlugin", "it_states_the_hooks_it_was_written_for", "ZOO_API is 99", "ZOO_API = 99"),
    Row("ToyPlugin", "listing_is_light", "imports cv2", "import cv2"),
    Row("ToyPlugin", "listing_is_light", "numpy, onnx",
        "@hookimpl\ndef zoo_datasets():\n    import onnx\n    return []"),
    Row("ToyPlugin", "listing_is_light", "imports the plugin's own {me}.inner",
        "# FILE {me}/inner.py\n# FILE {me}/__init__.py\nfrom {me} import inner"),
    Row("ToyPlugin", "listing_is_light", "prints hello", "print('hello')"),
    Row("ToyPlugin", "listing_is_light", "trace.txt",
        "if 'pytest' not in sys.modules:\n    open('trace.txt', 'w').close()"),
    Row("ToyPlugin", "listing_is_light", "asks the network",
        "@hookimpl\ndef zoo_datasets():\n    socket.getaddrinfo('localhost', 80)\n    return []"),
    Row("ToyPlugin", "listing_is_light", "starts",
        "@hookimpl\ndef zoo_datasets():\n    subprocess.run([sys.executable, '-c', ''])\n"
        "    return []"),
    Row("ToyPlugin", "names_are_lower_case_and_unique", "'Toy' is not lower-case",
        "@hookimpl\ndef zoo_exporters():\n"
        "    yield Provider(name='Toy', summary='s', load=ToyExporter)"),
    Row("ToyPlugin", "names_are_lower_case_and_unique", "'toy' is provided twice",
        "@hookimpl\ndef zoo_exporters():\n"
        "    yield from [Provider(name='toy', summary='s', load=ToyExporter)] * 2"),
    Row("ToyPlugin", "summaries_are_one_line", "has no summary",
        "@hookimpl\ndef zoo_exporters():\n"
        "    yield Provider(name='toy', summary=' ', load=ToyExporter)"),
    Row("ToyPlugin", "summaries_are_one_line", "is not one line of 100 characters",
        "@hookimpl\ndef zoo_exporters():\n"
        "    yield Provider(name='toy', summary='one\\ntwo', load=ToyExporter)"),
    Row("ToyPlugin", "every_provider_loads", "no_such_library",
        "def load():\n    import no_such_library\n"
        "@hookimpl\ndef zoo_exporters():\n    yield Provider(name='toy', summary='s', load=load)"),
    Row("ToyPlugin", "every_provider_loads", "has no 'suffixes'",
        "class Bare:\n    formats, companions = (), {}\n    def stages(self, card, request): ...\n"
        "@hookimpl\ndef zoo_exporters():\n    yield Provider(name='toy', summary='s', load=Bare)"),
    Row("ToyPlugin", "every_provider_loads", "'stages' that does not take 2 arguments",
        "class Short(ToyExporter):\n    def stages(self, card): ...\n"
        "@hookimpl\ndef zoo_exporters():\n    yield Provider(name='toy', summary='s', load=Short)"),
]  # fmt: skip

BACKEND = [
    Row("ToyBackend", "its_parts_exist", "compiler 'nowhere' is not provided by any plugin",
        "broken = changed(compiler='nowhere')"),
    Row("ToyBackend", "its_parts_exist", "profiler 'nowhere'",
        "broken = changed(profiler='nowhere')"),
    Row("ToyBackend", "its_parts_exist", "emitter 'nowhere'",
        "broken = changed(emitter='nowhere')"),
    Row("ToyBackend", "precisions_and_options_are_well_formed", "'INT8' is not lower-case",
        "broken = changed(precisions=('INT8',))"),
    Row("ToyBackend", "precisions_and_options_are_well_formed", "stands twice",
        "broken = changed(precisions=('int8', 'int8'))"),
    Row("ToyBackend", "precisions_and_options_are_well_formed", "no precision",
        "broken = changed(precisions=())"),
    Row("ToyBackend", "precisions_and_options_are_well_formed", "'clip' has no one-line text",
        "broken = changed(options={'clip': ''})"),
    Row("ToyBackend", "its_probe_is_quiet_quick_and_light", "RuntimeError: no driver",
        "def probe():\n    raise RuntimeError('no driver')\nbroken = probing(probe)"),
    Row("ToyBackend", "its_probe_is_quiet_quick_and_light", "prints looking",
        "def probe():\n    os.system('echo looking >&2')\n    return _probe()\n"
        "broken = probing(probe)"),
    Row("ToyBackend", "its_probe_is_quiet_quick_and_light", "numpy, onnx",
        "def probe():\n    import onnx\n    return _probe()\nbroken = probing(probe)"),
    Row("ToyBackend", "its_probe_is_quiet_quick_and_light", "cache.txt",
        "def probe():\n    open('cache.txt', 'w').close()\n    return _probe()\n"
        "broken = probing(probe)"),
    Row("ToyBackend", "its_probe_is_quiet_quick_and_light", "takes",
        "def probe():\n    time.sleep(0.3)\n    return _probe()\nbroken = probing(probe)"),
    Row("ToyBackend", "its_probe_is_quiet_quick_and_light", "does not return an Availability",
        "broken = probing(lambda: None)"),
    Row("ToyBackend", "its_probe_survives_a_bare_machine", "FileNotFoundError",
        "def probe():\n    subprocess.run(['true'])\n    return _probe()\nbroken = probing(probe)"),
    Row("ToyBackend", "its_probe_says_the_same_twice", "differs from call to call",
        "broken = probing(lambda: replace(_probe(), version=str(time.perf_counter())))"),
    *(
        Row("ToyBackend", "its_availability_is_of_use", breach,
            f"here = Device(id='cpu', available=True)\n"
            f"away = Device(id='gpu', available=False, reason='none')\n"
            f"broken = probing(lambda: Availability({facts}))")
        for breach, facts in (
            ("names no device", "ok=True, version='1'"),
            ("none of its devices is", "ok=True, version='1', devices=(away,)"),
            ("has no version", "ok=True, devices=(here,)"),
            ("named alike", "ok=True, version='1', devices=(here, here)"),
            ("gives no reason", "ok=True, version='1', devices=(here, replace(away, reason=''))"),
            ("not available and gives no reason", "ok=False, next_step='x', devices=(away,)"),
            ("no next step", "ok=False, reason='x', devices=(away,)"),
        )
    ),
]  # fmt: skip

EXPORTER = [
    Row("ToyExporter", "it_declares_what_it_takes_and_makes", "no graph format",
        part("return []", before="formats = ()")),
    Row("ToyExporter", "it_declares_what_it_takes_and_makes", "'ONNX' is not lower-case",
        part("return []", before="formats = ('ONNX',)")),
    Row("ToyExporter", "it_declares_what_it_takes_and_makes", "'toy' is not a lower-case file name",
        part("return []", before="suffixes = {'toy': 'toy'}")),
    Row("ToyExporter", "planning_is_pure_and_light", "differs from call to call",
        planned("stages = with_stage(stages, 'export', cost=time.perf_counter())")),
    Row("ToyExporter", "planning_is_pure_and_light", "differs from process to process",
        planned("stages = with_stage(stages, 'export', versions=tuple(map(str, {hash('a')})))")),
    Row("ToyExporter", "planning_is_pure_and_light", "what JSON cannot hold",
        planned("stages = with_stage(stages, 'export', params={'path': Path('a')})")),
    Row("ToyExporter", "planning_is_pure_and_light", "cannot pickle 'mappingproxy' object",
        "from types import MappingProxyType\n"
        + planned("stages = with_stage(stages, 'verify', params=MappingProxyType({'stride': 4}))")),
    Row("ToyExporter", "planning_is_pure_and_light", "is changed by pickling",
        "class Changed(dict):\n    def __reduce__(self):\n        return dict, ()\n"
        + planned("stages = with_stage(stages, 'verify', params=Changed(stride=4))")),
    Row("ToyExporter", "planning_is_pure_and_light", "writes notes.txt",
        planned("open('notes.txt', 'w').close()")),
    Row("ToyExporter", "planning_is_pure_and_light", "writes made",
        planned("os.makedirs('made', exist_ok=True)")),
    Row("ToyExporter", "planning_is_pure_and_light", "asks the network for localhost",
        planned("socket.getaddrinfo('localhost', 80)")),
    Row("ToyExporter", "planning_is_pure_and_light", "imports onnx", planned("import onnx")),
    Row("ToyExporter", "planning_is_pure_and_light", "starts",
        planned("subprocess.run([sys.executable, '-c', ''])")),
    Row("ToyExporter", "planning_is_pure_and_light", "prints planning",
        planned("print('planning')")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "no attribute 'exprot'",
        planned("stages = with_stage(stages, 'export', run='zoo_core.testing.toy_parts:exprot')")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "No module named",
        planned("stages = with_stage(stages, 'export', run='zoo_core.testing.toy_stage:export')")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "is not a function",
        planned("stages = with_stage(stages, 'export', run='zoo_core.testing.toy_parts:_CELL')")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "needs 'exprot/graph.json'",
        planned("stages = with_stage(stages, 'verify', inputs={'graph': 'exprot/graph.json'})")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "which 'export' does not output",
        planned("stages = with_stage(stages, 'verify', inputs={'graph': 'export/grahp.json'})")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "two stages are named 'export'",
        planned("stages = [stages[0], *stages]")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "declares no output",
        planned("stages = with_stage(stages, 'verify', outputs=())")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "verify.json is not among the outputs",
        planned("stages = stages[:1]")),
    Row("ToyExporter", "its_stages_resolve_and_chain", "no stage at all", planned("stages = []")),
    Row("ToyExporter", "the_key_changes_with_the_request", "does not change with the size",
        planned("stages = with_stage(stages, 'export', params={'seed': request.seed})")),
    Row("ToyExporter", "the_key_changes_with_the_request", "does not change with the seed",
        planned("stages = with_stage(stages, 'export', params={'size': list(request.size)})")),
    Row("ToyGivenExporter", "the_key_changes_with_the_request", "with the weights",
        planned("stages = with_stage(stages, 'export', inputs={})")),
    Row("ToyExporter", "the_graph_comes_out_verified", "the graph's input is",
        exported("graph['inputs'][0]['shape'] = ['batch', 3, 8, 8]")),
    Row("ToyExporter", "the_graph_comes_out_verified", "the inputs [('input', ('batch', 3, 64, 96",
        exported("import onnx; model = onnx.load(context.out / 'model.onnx');"
                 " model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1;"
                 " onnx.save(model, context.out / 'model.onnx')")),
    Row("ToyExporter", "the_graph_comes_out_verified", "the outputs",
        exported("graph['outputs'][0]['name'] = 'scroes'")),
    Row("ToyExporter", "the_graph_comes_out_verified", "form 'e2e', not 'heads'",
        exported("graph['form'] = 'e2e'")),
    Row("ToyExporter", "the_graph_comes_out_verified", "has format 'torchscript'",
        exported("graph['format'] = 'torchscript'")),
    Row("ToyExporter", "the_graph_comes_out_verified", "which does not exist",
        exported("graph['path'] = 'other.onnx'")),
    Row("ToyExporter", "the_graph_comes_out_verified", "max_rel None",
        verified('{"max_abs": 0.0, "reference": "NumPy"}')),
    Row("ToyExporter", "the_graph_comes_out_verified", "max_abs nan",
        verified('{"max_abs": NaN, "max_rel": 0.0, "reference": "NumPy"}')),
    Row("ToyExporter", "the_graph_comes_out_verified", "is off by 0.5",
        verified('{"max_abs": 0.5, "max_rel": 0.5, "reference": "NumPy"}')),
    Row("ToyExporter", "the_graph_comes_out_verified", "what the reference is",
        verified('{"max_abs": 0.0, "max_rel": 0.0}')),
    Row("ToyExporter", "the_graph_comes_out_the_same_twice", "graph.json of 'export' differs",
        exported("graph['facts']['when'] = time.perf_counter()")),
    Row("ToyExporter", "the_graph_comes_out_the_same_twice", "model.onnx of 'export' differs",
        exported("import onnx; model = onnx.load(context.out / 'model.onnx');"
                 " model.doc_string = str(time.perf_counter());"
                 " onnx.save(model, context.out / 'model.onnx')")),
    Row("ToyExporter", "a_page_in_place_of_weights_is_refused", "StageError",
        planned("stages = with_stage(stages, 'export', run=HERE + ':export')")
        + "def export(context):\n    raise ValueError('invalid load key')\n"),
    Row("ToyExporter", "a_page_in_place_of_weights_is_refused", "is not refused",
        planned("stages = with_stage(stages, 'export', inputs={}, outputs=('graph.json',),"
                " run=HERE + ':export')[:1]")
        + "def export(context):\n    (context.out / 'graph.json').write_text('{}')\n"),
    Row("ToyExporter", "an_interrupt_goes_through", "a stage swallows an interrupt",
        planned("stages = with_stage(stages, 'export', run=HERE + ':export')")
        + "def export(context):\n    from zoo_core.testing.toy_parts import export as good\n"
          "    try:\n        context.progress(1, 2)\n    except BaseException:\n        pass\n"
          "    good(context)\n"),
    Row("ToyExporter", "an_interrupt_goes_through", "an interrupt becomes StageError",
        planned("stages = with_stage(stages, 'export', run=HERE + ':export')")
        + "def export(context):\n    try:\n        context.progress(1, 2)\n"
          "    except BaseException as error:\n        raise StageError('failed') from error\n"),
    Row("ToyExporter", "wrong_params_are_refused", "exporter_params.stridex is not refused",
        part("return super().stages(replace(card, exporter_params={}), request)")),
    Row("ToyExporter", "wrong_params_are_refused", "raises KeyError",
        part("for name in card.exporter_params:\n    {'stride': 1}[name]\n"
             "return super().stages(card, request)")),
    Row("ToyExporter", "wrong_params_are_refused", "has no hint",
        part("for name in card.exporter_params:\n    if name != 'stride':\n"
             "        raise UsageError(f'wrong: {name}')\n"
             "return super().stages(card, request)")),
    Row("ToyExporter", "wrong_params_are_refused", "does not name 'stridex'",
        part("if len(card.exporter_params) > 1:\n    raise UsageError('wrong', next='known: a')\n"
             "return super().stages(card, request)")),
    Row("ToyGivenExporter", "settings_say_where_they_are_read", "differ from call to call",
        reading("size=(next(count), 3), origins={'size': 'x'}")),
    Row("ToyGivenExporter", "settings_say_where_they_are_read", "size is (0, 3)",
        reading("size=(0, 3), origins={'size': 'x'}")),
    Row("ToyGivenExporter", "settings_say_where_they_are_read", "not ['channels', 'conf']",
        reading("channels=1, protocol={'conf': 0.1}, origins={'conf': 'x'}")),
    Row("ToyExporter", "an_unknown_form_is_refused", "is not refused",
        part("return super().stages(card, replace(request, form='heads'))")),
]  # fmt: skip

COMPILER = [
    Row("ToyCompiler", "it_declares_what_it_takes", "does not take onnx",
        part("return []", method="stages(self, request)", before="formats = ('torchscript',)")),
    Row("ToyCompiler", "it_declares_what_it_takes", "its form is 'tails'",
        part("return []", method="stages(self, request)", before="form = 'tails'")),
    Row("ToyCompiler", "it_declares_what_it_takes", "stands for 'maximum', which is not",
        part("return []", method="stages(self, request)",
             before="calibrators = {'max': 'maximum'}")),
    Row("ToyCompiler", "it_declares_what_it_takes", "have no calibrator",
        part("return []", method="stages(self, request)", before="calibrators = {}")),
    Row("ToyCompiler", "planning_is_pure_and_light", "imports onnx", compiled("import onnx")),
    Row("ToyCompiler", "planning_is_pure_and_light", "differs from call to call",
        compiled("stages = with_stage(stages, 'compile', cost=time.perf_counter())")),
    Row("ToyCompiler", "its_stages_resolve_and_chain", "no attribute 'bulid'",
        compiled("run = 'zoo_core.testing.toy_parts:bulid'\n"
                 "stages = with_stage(stages, 'compile', run=run)")),
    Row("ToyCompiler", "its_stages_resolve_and_chain", "the last stage is 'build', not 'compile'",
        compiled("stages = with_stage(stages, 'compile', name='build')")),
    Row("ToyCompiler", "its_stages_resolve_and_chain", "precision.json is not among the outputs",
        compiled("stages = with_stage(stages, 'compile', outputs=('artefact.json',))")),
    Row("ToyCompiler", "its_stages_resolve_and_chain", "'graph/graph.json', which no earlier",
        compiled("stages = with_stage(stages, 'compile', inputs={'graph': 'graph/graph.json'})")),
    Row("ToyCompiler", "the_key_changes_with_the_precision", "have one key",
        compiled("stages = with_stage(stages, 'compile', params={}, inputs={'g': request.graph})")),
    Row("ToyCompiler", "calibration_is_part_of_the_key", "does not change with the images",
        compiled("stages = with_stage(stages, 'compile', inputs={'graph': request.graph})")),
    Row("ToyCompiler", "calibration_is_part_of_the_key", "does not change with the preprocessing",
        compiled("stages = with_stage(stages, 'compile', params={'precision': 'int8'})")),
    Row("ToyCompiler", "an_interrupt_goes_through", "a stage swallows an interrupt",
        compiled("stages = with_stage(stages, 'compile', run=HERE + ':build')")
        + "def build(context):\n    from zoo_core.testing.toy_parts import build as good\n"
          "    try:\n        context.progress(1, 2)\n    except BaseException:\n        pass\n"
          "    good(context)\n"),
    Row("ToyCompiler", "an_interrupt_goes_through", "an interrupt becomes StageError",
        compiled("stages = with_stage(stages, 'compile', run=HERE + ':build')")
        + "def build(context):\n    try:\n        context.progress(1, 2)\n"
          "    except BaseException as error:\n        raise StageError('failed') from error\n"),
    Row("ToyCompiler", "an_unknown_option_is_refused", "is not refused",
        part("return super().stages(replace(request, target=replace(request.target, options={})))",
             method="stages(self, request)")),
    *(
        Row("ToyCompiler", "every_precision_builds_and_is_reported_truly", breach, rebuilt(change))
        for breach, change in (
            ("claims 1 int8 nodes", "data['int8_nodes'] = 1"),
            ("has no int8 node", "data['int8_nodes'] = 0"),
            ("claims 2 int8 nodes, 3 to", "data['int8_nodes'] = min(data['int8_nodes'], 2)"),
            ("claims 3 int8 nodes, 0 to 0 are",
             "if data['int8_nodes']:\n    import onnx\n    from zoo_core.testing.examples import "
             "tiny_model\n    onnx.save(tiny_model(), context.out / 'model.onnx')"),
            ("calls conv0 float, which is int8",
             "data['float_node_names'] += ['conv0'] if data['int8_nodes'] else []\n"
             "data['float_nodes'] += 1"),
            ("names 5 float nodes and counts 0", "data['float_nodes'] = 0"),
            ("says requested int4", "data['requested'] = 'int4'"),
            ("has no 'float_nodes'", "del data['float_nodes']"),
            ("does not name the tool", "data['tool'] = ''"),
            ("artefact.json of fp32 says int8", "artefact['precision'] = 'int8'"),
            ("artefact.json of fp32 has no 'format'", "del artefact['format']"),
            ("names a file that does not exist", "artefact['model'] = 'other.onnx'"),
            ("has the outputs ['head1']", "artefact['outputs'][0]['name'] = 'head1'"),
        )
    ),
]  # fmt: skip

RUNTIME = [
    Row("ToyRuntime", "it_computes_what_the_graph_says", "fp32: outputs are off by",
        running("return {n: a + np.float32(0.01) for n, a in self.good(feeds).items()}")),
    Row("ToyRuntime", "it_computes_what_the_graph_says", "fp32: outputs are not finite",
        running("return {n: a * np.float32('nan') for n, a in self.good(feeds).items()}")),
    Row("ToyRuntime", "it_computes_what_the_graph_says", "int8: outputs lose",
        running("scale = 1 if target_precision[-1] == 'fp32' else 2\n"
                "return {n: a * np.float32(scale) for n, a in self.good(feeds).items()}",
                opening="target_precision.append(target.precision)")
        + "target_precision = []\n"),
    Row("ToyRuntime", "outputs_are_as_declared", "not as declared",
        running("return {'output': a for a in self.good(feeds).values()}")),
    Row("ToyRuntime", "outputs_are_as_declared", "is not C-contiguous",
        running("return {n: np.asfortranarray(a) for n, a in self.good(feeds).items()}")),
    Row("ToyRuntime", "it_states_how_it_is_run", "it runs on 0 threads",
        running("return self.good(feeds)").replace("threads = 1", "threads = 0")),
    Row("ToyRuntime", "it_states_how_it_is_run", "it has 0 workers for latency",
        running("return self.good(feeds)").replace("workers = 1", "workers = 0")),
    Row("ToyRuntime", "it_states_how_it_is_run", "input_kind is 'picture', not one of tensor",
        running("return self.good(feeds)").replace("_kind = 'tensor'", "_kind = 'picture'")),
    Row("ToyRuntime", "many_at_once_are_as_one", "1 runs at once change outputs by",
        running("scale = np.float32(1 + (hints[-1] == 'throughput'))\n"
                "return {n: a * scale for n, a in self.good(feeds).items()}",
                opening="hints.append(hint)") + "hints = []\n"),
    Row("ToyRuntime", "many_at_once_are_as_one", "2 runs at once fail: busy",
        running("if busy:\n    raise StageError('busy')\nbusy.append(1)\ntime.sleep(0.05)\n"
                "found = self.good(feeds)\nbusy.clear()\nreturn found")
        .replace("workers = 1", "workers = 2") + "busy = []\n"),
    Row("ToyRuntime", "an_interrupt_goes_through", "it swallows an interrupt",
        opened("try:\n    with super().open(artefact, target, hint) as inner:\n"
               "        yield inner\nexcept KeyboardInterrupt:\n    pass")),
    Row("ToyRuntime", "an_interrupt_goes_through", "an interrupt becomes StageError (stopped)",
        opened("try:\n    with super().open(artefact, target, hint) as inner:\n"
               "        yield inner\nexcept KeyboardInterrupt:\n"
               "    raise StageError('stopped') from None")),
    Row("ToyRuntime", "an_interrupt_goes_through", "the device is taken",
        opened("if taken:\n    raise UnavailableError('the device is taken')\ntaken.append(1)\n"
               "with super().open(artefact, target, hint) as inner:\n    yield inner\n"
               "taken.clear()") + "taken = []\n"),
    Row("ToyRuntime", "wrong_feeds_are_refused", "an image of floats is not refused",
        running("return self.inner.run({'input': np.float32(feeds['image']) / 255})")
        .replace("input_kind = 'tensor'", "input_kind = 'image'")
        .replace("self.calls = 0", "self.calls = 0\n"
                 "        self.inputs = (replace(inner.inputs[0], name='image', dtype='uint8'),)")),
    Row("ToyRuntime", "outputs_are_as_declared", "is float64",
        running("return {n: a.astype(np.float64) for n, a in self.good(feeds).items()}")),
    Row("ToyRuntime", "outputs_are_as_declared", "has 1 rows, not 2",
        running("return {n: a[:1].copy() for n, a in self.good(feeds).items()}")),
    Row("ToyRuntime", "the_order_in_a_batch_does_not_matter", "with the order",
        running("return {n: np.maximum(a, a[:1]) for n, a in self.good(feeds).items()}")),
    Row("ToyRuntime", "it_leaves_feeds_and_results_alone", "changes the feeds",
        running("found = self.good(feeds)\nfeeds['input'] *= 0\nreturn found")),
    Row("ToyRuntime", "it_leaves_feeds_and_results_alone", "overwrites an earlier result",
        running("found = self.good(feeds)\nself.kept = getattr(self, 'kept', found)\n"
                "self.kept['head0'][:] = found['head0']\nreturn self.kept")),
    Row("ToyRuntime", "it_closes_and_opens_again", "opened again differ",
        running("return {n: a * len(opened) for n, a in self.good(feeds).items()}",
                opening="opened.append(1)") + "opened = []\n"),
    Row("ToyRuntime", "wrong_feeds_are_refused", "raises ValueError",
        running("if feeds['input'].shape[1:] != (3, 32, 32):\n    raise ValueError('dims')\n"
                "return self.good(feeds)")),
    Row("ToyRuntime", "wrong_feeds_are_refused", "wrong width is not refused",
        running("return {'head0': 0}")),
    Row("ToyRuntime", "wrong_feeds_are_refused", "unknown name is not refused",
        running("return self.good({'input': a for a in feeds.values()})")),
    Row("ToyRuntime", "wrong_feeds_are_refused", "without a batch axis is not refused",
        running("if feeds['input'].ndim == 3:\n    return {'head0': 0}\nreturn self.good(feeds)")),
    Row("ToyRuntime", "wrong_feeds_are_refused", "an input of bytes is not refused",
        running("return self.good({n: np.float32(a) for n, a in feeds.items()})")),
    Row("ToyRuntime", "wrong_feeds_are_refused", "an input too many is not refused",
        running("feeds = dict(feeds)\nfeeds.pop('more', None)\nreturn self.good(feeds)")),
    Row("ToyRuntime", "wrong_feeds_are_refused", "too large a batch is not refused",
        running("return self.good(feeds)").replace("self.calls = 0", "self.calls = 0\n"
                 "        (spec,) = inner.inputs\n"
                 "        self.inputs = (replace(spec, shape=(2, *spec.shape[1:])),)", 1)),
    Row("ToyRuntime", "wrong_feeds_are_refused", "does not name 'input': does not fit",
        running("try:\n    return self.good(feeds)\nexcept ZooError:\n"
                "    raise StageError('does not fit') from None")),
    Row("ToyRuntime", "closing_frees_the_model", "a run of a closed session is not refused",
        running("return {'head0': 0}")),
    Row("ToyRuntime", "closing_frees_the_model", "a closed session keeps the model",
        running("return self.good(feeds)", opening="kept.append(None)").replace(
            "self.calls = 0", "self.calls = 0\n        kept[:] = [inner.network]", 1)
        + "kept = []\n"),
    Row("ToyRuntime", "nothing_is_printed", "it prints ready",
        running("os.system('echo ready')\nreturn self.good(feeds)")),
    Row("ToyRuntime", "nothing_is_printed", "in a fresh process: RuntimeError: no licence",
        running("return self.good(feeds)",
                opening="if 'pytest' not in sys.modules:\n    raise RuntimeError('no licence')")),
    Row("ToyRuntime", "a_trace_has_every_run", "has no convolution",
        tracing("Event(name='a', kind='Relu', start_us=0, duration_us=1)")),
    Row("ToyRuntime", "a_trace_has_every_run", "3 runs are traced as {'a': 2}",
        tracing("*[Event(name='a', kind='Conv', start_us=9 * at, duration_us=1)"
                " for at in range(2)]")),
    Row("ToyRuntime", "a_trace_has_every_run", "operators take 3 us of 2",
        tracing("*[Event(name='a', kind='Conv', start_us=9 * at, duration_us=1)"
                " for at in range(3)]", "whole_us=2")),
    Row("ToyRuntime", "what_is_no_artefact_is_refused", "another format is not refused",
        opened(OPENED_AS.replace("CHANGE", "data['format'] = 'onnx'"))),
    Row("ToyRuntime", "what_is_no_artefact_is_refused", "the listing '[]' raises TypeError",
        running("return self.good(feeds)",
                opening="import json\npath = artefact / 'artefact.json'\n"
                        "if path.exists() and path.read_text() == '[]':\n"
                        "    json.loads(path.read_text())['format']")),
    Row("ToyRuntime", "what_is_no_artefact_is_refused", "a cut model has several lines",
        opened("try:\n    with super().open(artefact, target, hint) as inner:\n"
               "        yield inner\nexcept StageError as error:\n"
               "    raise StageError('a\\nb', where=error.where) from error")),
    Row("ToyRuntime", "what_is_no_artefact_is_refused", "a cut model does not name",
        opened("try:\n    with super().open(artefact, target, hint) as inner:\n"
               "        yield inner\nexcept StageError as error:\n"
               "    raise StageError('broken') from error")),
    Row("ToyRuntime", "what_is_no_artefact_is_refused", "an empty folder raises FileNotFoundError",
        running("return self.good(feeds)", opening="(artefact / 'artefact.json').read_text()")),
    Row("ToyRuntime", "what_is_no_artefact_is_refused", "a cut model raises",
        running("return self.good(feeds)",
                opening="if (artefact / 'artefact.json').exists():\n"
                        "    import onnx\n    onnx.load(artefact / 'model.onnx')")),
]  # fmt: skip

EMITTER = [
    Row("ToyOfflineBuilder", "planning_is_pure_and_light", "imports onnx", emitting("import onnx")),
    Row("ToyOfflineBuilder", "planning_is_pure_and_light", "differs from call to call",
        emitting("stages = with_stage(stages, 'emit', cost=time.perf_counter())")),
    Row("ToyOfflineBuilder", "its_stages_resolve_and_chain", "last stage is 'write', not 'emit'",
        emitting("stages = with_stage(stages, 'emit', name='write')")),
    Row("ToyOfflineBuilder", "its_stages_resolve_and_chain", "files is not among the outputs",
        emitting("stages = with_stage(stages, 'emit', outputs=('build.json',))")),
    Row("ToyOfflineBuilder", "its_stages_resolve_and_chain", "no attribute 'emti'",
        emitting("run = 'zoo_core.testing.toy_parts:emti'\n"
                 "stages = with_stage(stages, 'emit', run=run)")),
    Row("ToyOfflineBuilder", "its_stages_resolve_and_chain", "which no earlier stage outputs",
        emitting("stages = with_stage(stages, 'emit', inputs={'graph': 'graph/graph.json'})")),
    Row("ToyOfflineBuilder", "an_unknown_option_is_refused", "is not refused",
        part("return super().stages(replace(request, target=replace(request.target, options={})))",
             method="stages(self, request)")),
    Row("ToyOfflineBuilder", "files_come_out_the_same_twice", "no file is written",
        emitted("[path.unlink() for path in files.iterdir()]")),
    Row("ToyOfflineBuilder", "files_come_out_the_same_twice", "build.json is empty",
        emitted("(files / 'build.json').write_text('')")),
    Row("ToyOfflineBuilder", "files_come_out_the_same_twice", "names the folder it was written in",
        emitted("(files / 'build.json').write_text(str(context.out))")),
    Row("ToyOfflineBuilder", "files_come_out_the_same_twice", "build.json differs from time to",
        emitted("(files / 'build.json').write_text(str(time.perf_counter()))")),
    Row("ToyOfflineBuilder", "files_come_out_the_same_twice", "is not written each time",
        emitted("(files / str(time.perf_counter())).write_text('x')")),
]  # fmt: skip

RECOGNISED = """
from zoo_core.api import Recognition
resize = {"op": "resize", "mode": "stretch", "size": [32, 32], "interpolation": "bilinear"}
steps = ({"op": "decode", "colour": "rgb"}, resize, {"op": "to_tensor"})
return Recognition(why=WHY, params=PARAMS, classes=2, preprocess=steps)
"""


def recognising(why: str, params: str) -> str:
    """A decoder that takes every file."""
    body = RECOGNISED.replace("WHY", why).replace("PARAMS", params)
    return part(body, method="recognise(self, outline)")


DECODER = [
    Row("ToyDecoder", "it_recognises_no_file_that_it_cannot_decode", "it does not say why",
        recognising("''", "{}")),
    Row("ToyDecoder", "it_recognises_no_file_that_it_cannot_decode", "strange",
        recognising("'by chance'", "{'strange': 1}")),
    Row("ToyDecoder", "its_task_is_the_one_said", "its task is 'segmentation'",
        part("pass", method="unused(self)", before="task = 'segmentation'")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "comes back at",
        decoding("found['boxes'] = geometry.to_network(found['boxes'])")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "comes back at",
        decoding("height, width = geometry.source\nscale = np.float32([width, height] * 2) / 32\n"
                 "found['boxes'] = geometry.to_network(found['boxes']) * scale")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "comes back at",
        decoding("found['boxes'] = np.round(found['boxes'])")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "gets label 1",
        decoding("found['label'] = 1 - found['label']")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "not return Candidates.to_arrays()",
        decoding("found['boxes'] = found['boxes'].astype(np.float64)")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "not return Candidates.to_arrays()",
        decoding("found = {'boxes': found['boxes']}")),
    Row("ToyDecoder", "boxes_come_back_in_image_pixels", "its size is (32, 32)",
        decoding("found['size'] = np.array([32, 32])")),
    Row("ToyDecoder", "every_box_is_detected", "the labels are [0]",
        decoding("one = slice(0, 1)\nfor name in ('boxes', 'anchor', 'box', 'label', 'score'):\n"
                 "    found[name] = found[name][one]")),
    Row("ToyDecoder", "outputs_without_a_box_are_decoded", "IndexError",
        decoding("pass", before="if outputs['scores'].max() < 0.05:\n    [][0]")),
    Row("ToyDecoder", "outputs_without_a_box_are_decoded", "1 candidates where there is no box",
        decoding("pass", before="outputs = {'scores': outputs['scores'].copy()}\n"
                                "outputs['scores'][0, 0, 0] = 0.06")),
    Row("ToyDecoder", "candidates_are_above_the_floor", "scores below the floor",
        part("good = super().bind(params, classes, 0.0)\ndef decode(outputs, geometry):\n"
             "    return {**good(outputs, geometry), 'floor': np.array([floor])}\nreturn decode",
             method="bind(self, params, classes, floor)")),
    Row("ToyDecoder", "candidates_are_above_the_floor", "is reported as 0.25",
        decoding("found['floor'] = np.array([0.25])")),
    Row("ToyDecoder", "candidates_are_above_the_floor", "not within the 2 classes",
        decoding("found['label'] = found['label'] + np.int32(1)")),
    Row("ToyDecoder", "it_is_pure", "decoding changes 'scores'",
        decoding("outputs['scores'][:] = 0")),
    Row("ToyDecoder", "it_is_pure", "gives two results",
        decoding("seen.append(1)\nfound['score'] = found['score'] / len(seen)")),
    Row("ToyDecoder", "outputs_that_may_not_be_written_are_taken", "writes into its inputs",
        decoding("pass", before="outputs['scores'] *= 1")),
    Row("ToyDecoder", "the_order_in_a_batch_does_not_matter", "depend on the order",
        decoding("seen.append(geometry)\n"
                 "found['boxes'] = seen[0].to_image(geometry.to_network(found['boxes']))")),
    Row("ToyDecoder", "images_are_told_apart", "all outputs give the same",
        decoding("pass", before="outputs = {'scores': outputs['scores'] * 0}")),
    Row("ToyDecoder", "candidates_can_be_stored", "'score' is a list, not an array",
        decoding("found['score'] = found['score'].tolist()")),
    Row("ToyDecoder", "candidates_can_be_stored", "'label' is of object, not plain",
        decoding("found['label'] = found['label'].astype(object)")),
    Row("ToyDecoder", "candidates_can_be_stored", "one image has",
        decoding("seen.append(1)\nif len(seen) == 2:\n    found['second'] = found['score']")),
    Row("ToyDecoder", "candidates_can_be_stored", "'score' is float32",
        decoding("seen.append(1)\nif len(seen) == 2:\n"
                 "    found['score'] = found['score'].astype(np.float64)")),
    Row("ToyDecoder", "extreme_outputs_do_not_break_it", "break it",
        decoding("pass", before="np.exp(outputs['scores'])")),
    Row("ToyDecoder", "extreme_outputs_do_not_break_it", "no place or next step",
        decoding("pass", before="if outputs['scores'].max() > 1e20:\n    raise StageError('odd')")),
    Row("ToyDecoder", "extreme_outputs_do_not_break_it", "not finite",
        decoding("big = found['score'] > 1e20\nfound['score'][big] = np.inf")),
    Row("ToyDecoder", "wrong_params_are_refused", "stridex is not refused",
        part("return super().bind({}, classes, floor)",
             method="bind(self, params, classes, floor)")),
    Row("ToyDecoder", "wrong_params_are_refused", "raises TypeError",
        part("(lambda stride: None)(**params)\nreturn super().bind(params, classes, floor)",
             method="bind(self, params, classes, floor)")),
]  # fmt: skip

DATASET = [
    Row("ToyShipped", "planning_is_pure_and_light", "imports cv2", planning("import cv2")),
    Row("ToyShipped", "planning_is_pure_and_light", "differs from call to call",
        planning("plan = replace(plan, content=str(time.perf_counter()))")),
    Row("ToyDrawn", "planning_is_pure_and_light", "writes images",
        planning("os.makedirs('images', exist_ok=True)", seed="1")),
    Row("ToyDrawn", "its_stages_resolve_and_chain", "'draw-1/pictures', which no stage leaves",
        planning("plan = replace(plan, inputs={'images': 'draw-1/pictures'})", seed="1")),
    Row("ToyDrawn", "its_stages_resolve_and_chain", "no attribute 'draw_all'",
        planning("run = 'zoo_core.testing.toy_parts:draw_all'\n"
                 "plan = replace(plan, stages=(replace(plan.stages[0], run=run),))", seed="1")),
    Row("ToyShipped", "the_plan_is_of_this_set", "the plan is of 'toy'",
        planning("plan = replace(plan, dataset='toy')")),
    Row("ToyShipped", "the_plan_is_of_this_set", "its kind is 'downloaded'",
        planning("plan = replace(plan, kind='downloaded')")),
    Row("ToyShipped", "the_plan_is_of_this_set", "a limit of 2 chooses 4",
        part("return super().plan(replace(request, limit=None))", method="plan(self, request)")
        + named()),
    Row("ToyShipped", "the_plan_is_of_this_set", "with a limit the whole has 2, without 4",
        planning("plan = replace(plan, of=plan.count)")),
    Row("ToyShipped", "the_plan_is_of_this_set", "4 of 5 are chosen",
        planning("plan = replace(plan, of=5)")),
    Row("ToyShipped", "reads_answers_for_any_path", "it reads a file that is not there",
        part("return True", method="reads(self, annotations)") + named()),
    Row("ToyShipped", "reads_answers_for_any_path", "is not an answer",
        part("return None", method="reads(self, annotations)") + named()),
    Row("ToyShipped", "shards_cover_the_samples", "a shard begins at 2, not 0",
        planning("plan = replace(plan, shards=plan.shards[1:])")),
    Row("ToyShipped", "shards_cover_the_samples", "the shards end at 2 of 4",
        planning("plan = replace(plan, shards=plan.shards[:1])")),
    Row("ToyShipped", "shards_cover_the_samples", "is empty",
        planning("plan = replace(plan, shards=(Shard(start=0, stop=0, content='a'),))")),
    Row("ToyShipped", "content_tells_choices_apart", "does not change with the limit",
        planning("plan = replace(plan, content='same')")),
    Row("ToyShipped", "content_tells_choices_apart", "two shards have one content",
        planning("shards = tuple(replace(s, content='') for s in plan.shards)\n"
                 "plan = replace(plan, shards=shards)")),
    Row("ToyShipped", "the_order_is_fixed_and_a_limit_is_a_prefix", "differs from call to call",
        sampling("found = list(super().samples(view, start, stop))\n"
                 "calls.append(1)\nyield from found[:: -1 if len(calls) % 2 else 1]")
        + "calls = []\n"),
    Row("ToyShipped", "the_order_is_fixed_and_a_limit_is_a_prefix", "two samples have one id",
        sampling("for s in super().samples(view, start, stop):\n    yield replace(s, id=1)")),
    Row("ToyShipped", "the_order_is_fixed_and_a_limit_is_a_prefix", "3 samples, not as planned",
        sampling("yield from super().samples(view, start, min(stop, 3))")),
    Row("ToyShipped", "the_order_is_fixed_and_a_limit_is_a_prefix", "choose the first samples",
        sampling("found = list(super().samples(view, 0, 4))\n"
                 "yield from found[4 - stop :] if stop == 2 else found[start:stop]")),
    Row("ToyShipped", "the_order_is_fixed_and_a_limit_is_a_prefix", "not a slice of the whole",
        sampling("yield from super().samples(view, 0, stop)")),
    Row("ToyShipped", "the_order_is_fixed_and_a_limit_is_a_prefix", "what JSON can hold",
        sampling("for s in super().samples(view, start, stop):\n"
                 "    yield replace(s, id=(s.id, 'a'))")),
    Row("ToyShipped", "samples_open", "is not there",
        sampling("for s in super().samples(view, start, stop):\n"
                 "    yield replace(s, path=s.path.with_name('other.png'))")),
    Row("ToyShipped", "samples_open", "does not open",
        sampling("for s in super().samples(view, start, stop):\n"
                 "    yield replace(s, size=s.size[::-1])")),
    Row("ToyShipped", "its_truth_is_there", "there is no ground truth at",
        part("return view.paths['images'] / 'absent.json'", method="truth(self, view)")
        + named()),
    Row("ToyGiven", "a_missing_image_is_a_data_error", "FileNotFoundError",
        sampling("for s in super().samples(view, start, stop):\n"
                 "    yield s").replace("super().samples(view, start, stop)", "lying(view)")
        + "def lying(view):\n    path = view.paths['images'] / '1.png'\n    path.read_bytes()\n"
          "    yield Sample(id=1, name='1.png', path=path)\n"),
]  # fmt: skip

PROFILER = [
    Row("ToyProfiler", "it_reports_figures", "what JSON cannot hold",
        profiling("figures['latency_us'] = np.float32(1)")),
    Row("ToyProfiler", "it_reports_figures", "what JSON cannot hold",
        profiling("figures['latency_us'] = float('nan')")),
    Row("ToyProfiler", "it_reports_figures", "is changed by JSON",
        profiling("found['devices'] = (0, 1)")),
    Row("ToyProfiler", "it_reports_figures", "it reports no figure",
        profiling("found['figures'] = {'latency_us': 'fast'}")),
    Row("ToyProfiler", "it_reports_figures", "latency_us is -1",
        profiling("figures['latency_us'] = -1.0")),
    Row("ToyProfiler", "units_are_in_the_names", "latency = 1.5 ends in no unit",
        profiling("figures['latency'] = 1.5")),
    Row("ToyProfiler", "it_keeps_the_raw_text", "keeps no raw text", profiling("del found['raw']")),
    Row("ToyProfiler", "it_keeps_the_raw_text", "is not a string",
        profiling("found['raw_lines'] = ['a', 'b']")),
    Row("ToyProfiler", "it_reports_the_same_names_twice", "other things the second time",
        profiling("calls.append(1)\nfound[f'call{len(calls)}'] = 1") + "calls = []\n"),
    Row("ToyProfiler", "it_reports_the_same_names_twice", "other figures each time",
        profiling("calls.append(1)\nfigures[f'call{len(calls)}'] = 1") + "calls = []\n"),
    Row("ToyProfiler", "it_reports_the_same_names_twice", "it prints running",
        profiling("print('running')")),
    Row("ToyProfiler", "it_leaves_the_artefact_alone", "changes the artefact: log.txt",
        profiling("(artefact / 'log.txt').write_text(str(time.perf_counter()))")),
    Row("ToyProfiler", "what_is_no_artefact_is_refused", "raises FileNotFoundError",
        profiling("", before="(artefact / 'artefact.json').read_text()")),
    Row("ToyProfiler", "what_is_no_artefact_is_refused", "an empty folder is not refused",
        profiling("", before="if not any(artefact.iterdir()):\n    return {}")),
    Row("ToyProfiler", "an_unknown_device_is_refused", "an unknown device is not refused",
        profiling("", before="target = replace(target, device='cpu')")),
]  # fmt: skip

EVALUATOR = [
    Row("ToyEvaluator", "its_task_is_the_one_said", "its task is 'classification'",
        part("pass", method="unused(self)", before="task = 'classification'")),
    Row("ToyEvaluator", "perfect_predictions_score_best", "perfect predictions score F1 0.9",
        judging(SCORE, "return Metrics(values={'F1': 0.9}, lines=('x',))")),
    Row("ToyEvaluator", "perfect_predictions_score_best", "AP is 100.0, not a fraction",
        judging(SCORE, "return Metrics(values={'F1': 1.0, 'AP': 100.0}, lines=('x',))")),
    Row("ToyEvaluator", "perfect_predictions_score_best", "`metrics` lists ['F1', 'F2']",
        part("pass", method="unused(self)", before="metrics = ('F1', 'F2')")),
    Row("ToyEvaluator", "perfect_predictions_score_best", "no line to show",
        judging(SCORE, "return replace(super().score(predictions, truth, labels), lines=())")),
    Row("ToyEvaluator", "nothing_detected_scores_less", "scores F1 None",
        judging(SCORE, "m = super().score(predictions, truth, labels)\n"
                       "return replace(m, values={'F1': m.values['F1'] or None})")),
    Row("ToyEvaluator", "nothing_detected_scores_less", "ZeroDivisionError",
        judging(SCORE, "1 / sum(len(p.arrays['scores']) for p in predictions)\n"
                       "return super().score(predictions, truth, labels)")),
    Row("ToyEvaluator", "wrong_predictions_score_less", "score F1 1.0",
        judging(SCORE, "n = sum(len(p.arrays['scores']) for p in predictions)\n"
                       "return Metrics(values={'F1': float(n > 0)}, lines=('x',))")),
    Row("ToyEvaluator", "the_order_of_samples_does_not_matter", "turned round",
        judging(SCORE, "first, *others = predictions\n"
                       "return replace(super().score(predictions, truth, labels),\n"
                       "    values={'F1': len(first.arrays['scores']) / 9})")),
    Row("ToyEvaluator", "scoring_is_pure", "changes the predictions",
        judging(SCORE, "found = super().score(predictions, truth, labels)\n"
                       "for p in predictions:\n    p.arrays['boxes'][:] = 0\nreturn found")),
    Row("ToyEvaluator", "scoring_is_pure", "gives two results",
        judging(SCORE, "calls.append(1)\n"
                       "return Metrics(values={'F1': 1 / len(calls)}, lines=('x',))")
        + "calls = []\n"),
    Row("ToyEvaluator", "labels_are_matched_before_a_run", "that all match, match says ('1 label",
        judging(MATCH, "return super().match(labels, classes) + ('1 label is rare',)")),
    Row("ToyEvaluator", "labels_are_matched_before_a_run", "only one side has, match says ()",
        judging(MATCH, "super().match(labels, classes)\nreturn ()")),
    Row("ToyEvaluator", "labels_are_matched_before_a_run", "only one side has, match says [",
        judging(MATCH, "return list(super().match(labels, classes)) or ()")),
    Row("ToyEvaluator", "labels_are_matched_before_a_run", "other classes is not refused",
        judging(MATCH, "if not {*labels} & {*classes}:\n    return ()\n"
                       "return super().match(labels, classes)")),
    Row("ToyEvaluator", "labels_are_matched_before_a_run", "names no next step",
        judging(MATCH, "try:\n    return super().match(labels, classes)\n"
                       "except DataError as error:\n    raise DataError(error.what) from error")),
    Row("ToyEvaluator", "score_repeats_what_match_says", "score does not repeat",
        judging(SCORE, "return replace(super().score(predictions, truth, labels), warnings=())")),
    Row("ToyEvaluator", "its_own_values_are_accepted", "refuses its own values",
        judging(CHECK, "raise UsageError('no')")),
    Row("ToyEvaluator", "its_own_values_are_accepted", "refuses its own values: protocol: unknown",
        judging("__init__(self)", "self.viewing = {'threshold': 1}")),
    Row("ToyEvaluator", "its_own_values_are_accepted", "its floor is 25",
        judging("floor(self, values)", "return 25")),
    Row("ToyEvaluator", "an_unknown_field_is_refused", "field 'confx' is not refused",
        judging(CHECK, "pass")),
    Row("ToyEvaluator", "an_unknown_field_is_refused", "raises KeyError",
        judging(CHECK, "for name in values:\n    {'conf': 1}[name]")),
    Row("ToyEvaluator", "a_wrong_value_is_refused", "conf raises TypeError",
        judging(CHECK, "if values['conf'] > 1:\n    raise UsageError('conf')")),
    Row("ToyEvaluator", "a_wrong_value_is_refused", "wrong conf does not name it",
        judging(CHECK, "raise UsageError('wrong value')")),
    Row("ToyEvaluator", "postprocessing_is_pure", "postprocessing changes 'score'",
        judging(SETTLE, "found = super().postprocess(candidates, values)\n"
                        "candidates['score'][:] = 0\nreturn found")),
    Row("ToyEvaluator", "postprocessing_is_pure", "gives two results",
        judging(SETTLE, "found = super().postprocess(candidates, values)\ncalls.append(1)\n"
                        "return {**found, 'scores': found['scores'] / len(calls)}")
        + "calls = []\n"),
    Row("ToyEvaluator", "postprocessed_candidates_score_best", "postprocessed candidates score",
        judging(SETTLE, "found = super().postprocess(candidates, values)\n"
                        "return {name: array[:0] for name, array in found.items()}")),
    Row("ToyEvaluator", "predictions_can_be_stored", "'scores' is of object, not plain",
        judging(SETTLE, "found = super().postprocess(candidates, values)\n"
                        "return {**found, 'scores': found['scores'].astype(object)}")),
    Row("ToyEvaluator", "postprocessing_keeps_detections", "1 of 2 are kept",
        judging(SETTLE, "found = super().postprocess(candidates, values)\n"
                        "return {name: array[:1] for name, array in found.items()}")),
    Row("ToyEvaluator", "postprocessing_keeps_detections", "boxes are changed",
        judging(SETTLE, "found = super().postprocess(candidates, values)\n"
                        "return {**found, 'boxes': found['boxes'] + np.float32(1)}")),
    Row("ToyEvaluator", "postprocessing_keeps_detections", "labels are changed",
        judging(SETTLE, "found = super().postprocess(candidates, values)\n"
                        "return {**found, 'labels': 1 - found['labels']}")),
    Row("ToyEvaluator", "postprocessing_keeps_detections", "not return Detections.to_arrays()",
        judging(SETTLE, "return candidates")),
    Row("ToyEvaluator", "it_writes_files", "it writes no file", judging(WRITE, "pass")),
    Row("ToyEvaluator", "it_writes_files", "gives two results",
        judging(WRITE, "super().write(predictions, labels, folder)\n"
                       "(folder / 'when.txt').write_text(str(time.perf_counter()))")),
    Row("ToyEvaluator", "it_writes_files", "does not write where it gets the ground",
        judging(WRITE, "super().write(predictions, labels, folder)\n"
                       "if truth:\n    raise DataError('unknown ids')")),
    Row("ToyEvaluator", "it_writes_files", "the same without any",
        judging(WRITE, "(folder / 'a.txt').write_text('always')")),
    Row("ToyEvaluator", "it_draws_on_a_copy", "into the image itself",
        judging(DRAW, "image[0] = 0\nreturn super().draw(image, prediction, labels, least)")),
    Row("ToyEvaluator", "it_draws_on_a_copy", "it draws nothing",
        judging(DRAW, "return image.copy()")),
    Row("ToyEvaluator", "it_draws_on_a_copy", "the picture is float64",
        judging(DRAW, "return super().draw(image, prediction, labels, least) / 255")),
    Row("ToyEvaluator", "only_what_scores_enough_is_drawn", "draws what scores less",
        judging(DRAW, "return super().draw(image, prediction, labels, 0.0)")),
]  # fmt: skip


def of_any_task(rows: list[Row], task: str, contract: Any) -> list[Row]:
    """Rows whose check the contract of any task has too, said of that one."""
    return [row._replace(contract=task) for row in rows if hasattr(contract, f"test_{row.check}")]


TABLE = [
    *PLUGIN,
    *BACKEND,
    *EXPORTER,
    *COMPILER,
    *RUNTIME,
    *EMITTER,
    *PROFILER,
    *DECODER,
    *of_any_task(DECODER, "ToyTaskDecoder", testing.TaskDecoderContract),
    *DATASET,
    *EVALUATOR,
    *of_any_task(EVALUATOR, "ToyTaskEvaluator", testing.TaskEvaluatorContract),
]


@pytest.fixture(autouse=True)
def _own_home(zoo_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the contracts have it where pytest runs them; what is broken may write where it is."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes the module of a row and imports it."""
    name = f"zoo_broken_{uuid4().hex[:8]}"
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def write(row: Row) -> Any:
        before, after = BASES[row.contract]
        files = row.source.replace("{me}", name).split("# FILE ")
        for file in files[1:-1]:
            path = folder / file.splitlines()[0]
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
        head, _, body = (
            files[-1].partition("\n") if len(files) > 1 else (f"{name}.py", "", files[0])
        )
        whole = "\n".join([IMPORTS, before, body, after])
        (folder / head).write_text(whole, encoding="utf-8")
        return importlib.import_module(name)

    yield write
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def breach_of(contract: Any, check: str, folder: Path) -> str:
    """How the check fails."""
    method = getattr(contract(), check)
    folder.mkdir(exist_ok=True)
    try:
        method(*[folder for _ in inspect.signature(method).parameters])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.contract}-{row.check}-{row.breach}")
def test_a_breach_is_caught_and_named(broken: Any, row: Row, tmp_path: Path) -> None:
    module = broken(row)
    base = getattr(of_toy, row.contract)
    settings = {"plugin": module, "partners": (), "patience": 0.25}
    contract = type("Contract", (base,), settings)
    found = breach_of(contract, f"test_{row.check}", tmp_path / "work")
    assert row.breach.replace("{me}", module.__name__) in found


SCORES_AS_PERCENT = part(
    "found = super().score(predictions, truth, labels)\n"
    "return replace(found, values={'F1': 100 * found.values['F1'], 'error': 1.5})",
    method=SCORE,
    before="metrics = ('F1', 'error')",
)


@pytest.mark.parametrize(
    ("changes", "check", "breach"),
    [
        ({}, "perfect_predictions_score_best", "score F1 100.0, not 1.0"),
        ({"best": 100.0}, "perfect_predictions_score_best", "F1 is 100.0, not a fraction"),
        ({"best": 100.0, "ranges": {"F1": (0, 100)}}, "perfect_predictions_score_best",
         "error is 1.5, not a fraction"),
        ({"best": 100.0, "ranges": {"F1": (0, 100), "error": (2, 3)}},
         "perfect_predictions_score_best", "error is 1.5, not from 2 to 3"),
        ({"best": 100.0, "ranges": {"F1": (0, 100), "error": (0, 2)}},
         "perfect_predictions_score_best", ""),
        ({"ranges": {"F1": (0, 100), "error": (0, 2)}, "worst": None},
         "nothing_detected_scores_less", ""),
        ({"best": 0.0, "worst": None}, "nothing_detected_scores_less", "scores F1 0.0"),
        ({"best": 100.0, "margin": 99.0}, "wrong_predictions_score_less", ""),
        ({"best": 100.0, "margin": 101.0}, "wrong_predictions_score_less", "score F1 0.0"),
    ],
)  # fmt: skip
def test_figures_may_have_ranges_of_their_own(
    broken: Any, tmp_path: Path, changes: dict[str, Any], check: str, breach: str
) -> None:
    module = broken(Row("ToyTaskEvaluator", "", "", SCORES_AS_PERCENT))
    contract = type("Contract", (of_toy.ToyTaskEvaluator,), {"plugin": module, **changes})
    found = breach_of(contract, f"test_{check}", tmp_path / "work")
    assert breach in found
    assert bool(found) == bool(breach)


PROJECT = {
    "pyproject.toml": """
        [project]
        name = "zoo-{short}"
        [project.entry-points.zoo]
        {short} = "zoo_{short}"
        """,
    "README.md": "Try `zoo run toy-detector --backend toy`.\n",
    "zoo_{short}/__init__.py": IMPORTS,
}


@pytest.mark.parametrize(
    ("check", "breach", "changes"),
    [
        ("distribution_module_and_entry_point_agree", "", {}),
        ("its_readme_names_a_command", "", {}),
        ("distribution_module_and_entry_point_agree", "entry points in the group zoo are {}",
         {"pyproject.toml": '[project]\nname = "zoo-{short}"'}),
        ("distribution_module_and_entry_point_agree", "'other': 'zoo_{short}'",
         {"pyproject.toml": '[project]\nname = "zoo-{short}"\n[project.entry-points.zoo]\n'
                            'other = "zoo_{short}"'}),
        ("distribution_module_and_entry_point_agree", "pyproject.toml names thing",
         {"pyproject.toml": '[project]\nname = "thing"'}),
        ("its_readme_names_a_command", "names no zoo command", {"README.md": "A fine zoo.\n"}),
        ("its_readme_names_a_command", "there is no", {"README.md": ""}),
    ],
)  # fmt: skip
def test_a_distribution_is_looked_at(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    check: str,
    breach: str,
    changes: dict[str, str],
) -> None:
    short = f"d{uuid4().hex[:8]}"
    for name, text in {**PROJECT, **changes}.items():
        path = tmp_path / name.replace("{short}", short)
        path.parent.mkdir(exist_ok=True)
        if text:
            path.write_text(dedent(text).replace("{short}", short), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(f"zoo_{short}")
    monkeypatch.delitem(sys.modules, f"zoo_{short}")
    contract = type("Contract", (testing.PluginContract,), {"plugin": module})
    found = breach_of(contract, f"test_{check}", tmp_path)
    assert breach.replace("{short}", short) in found
    assert bool(found) == bool(breach)


def test_a_plugin_that_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = f"d{uuid4().hex[:8]}"
    (tmp_path / f"zoo_{short}.py").write_text(IMPORTS, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(f"zoo_{short}")
    monkeypatch.delitem(sys.modules, f"zoo_{short}")
    contract = type("Contract", (testing.PluginContract,), {"plugin": module})
    found = breach_of(contract, "test_distribution_module_and_entry_point_agree", tmp_path)
    assert f"no distribution zoo-{short} is installed" in found


def test_the_table_has_every_check_of_every_contract() -> None:
    tripped = {(RENAMED[row.contract], f"test_{row.check}") for row in TABLE}
    tripped |= {
        ("PluginContract", f"test_{check}")
        for check in ("distribution_module_and_entry_point_agree", "its_readme_names_a_command")
    }
    every = {
        (name, check)
        for name in testing.__all__
        if name.endswith("Contract")
        for check in dir(getattr(testing, name))
        if check.startswith("test_")
    }
    assert tripped == every
