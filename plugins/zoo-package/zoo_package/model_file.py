"""The model.py and the verify.py of a package."""

from __future__ import annotations

from functools import partial
from pprint import pformat
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError
from zoo_package.bundle import bundle
from zoo_package.modules import Definition, Outside, read_module
from zoo_package.texts import title

if TYPE_CHECKING:
    from zoo_core.api import PackageRequest, Provider

_HERE = "zoo_package"
_MODEL = Definition(f"{_HERE}.target", "Model")
_SHOW = Definition(f"{_HERE}.target", "show")
_MAIN = Definition(f"{_HERE}.verify", "main")
_IMPORTS = {Outside("sys"): "sys", Outside("pathlib", "Path"): "Path"}
_STEPS = Definition("zoo_core.vision.preprocess", "Preprocess")

_HEAD = '''"""{title}: images in, predictions out, without zoo.

Written by `zoo package`; docs: README.md. All that follows is copied from zoo and its plugins as it
ran there, without what is not needed; each part names the module that it is from.

    python model.py IMAGE...

    from model import load
    model = load()
    found = model.predict(model.read("image.jpg"))
"""

'''

_TAIL = '''# Of the run.

{constants}


def load(folder: Path = Path(__file__).resolve().parent, **options: str) -> {model}:
    """The model of this package; `options` are those of the backend, such as threads="4"."""
    decoder, evaluator = {decoder}, {evaluator}
    steps = {steps}.from_data(PREPROCESS)
    target = {{**TARGET, "options": {{**TARGET["options"], **options}}}}
    return {model}(
        steps=steps,
        run={opener}(folder / "artefact", target),
        decode=decoder.bind(DECODER_PARAMS, len(LABELS), FLOOR),
        settle=lambda found: evaluator.postprocess(found, PROTOCOL),
        labels=LABELS,
        batch=TARGET["batch"],
    )


if __name__ == "__main__":
    sys.exit({show}(load(), sys.argv[1:]))
'''


def model_file(request: PackageRequest) -> tuple[str, tuple[str, ...]]:
    """The text of model.py, and the packages that it imports beside Python's own.

    Raises UsageError for a decoder or an evaluator that cannot be taken out of its plugin.
    """
    opener = Definition(*request.opener.split(":"))
    made, calls, called = [], [], {_STEPS: ["prepare", "from_data", "geometry", "exif"]}
    providers: tuple[tuple[str, Provider[Any], str], ...] = (
        ("decoder", request.decoder, "bind"),
        ("evaluator", request.evaluator, "postprocess"),
    )
    for kind, provider, method in providers:
        function, arguments, own = _maker(provider, kind)
        made.append(function)
        calls.append(arguments)
        called[own] = [method]
    roots = (*made, opener, _STEPS, _MODEL, _SHOW)
    members = [name for name in vars(_imported(_MODEL)) if not name.startswith("__")]
    done = bundle(roots, {**called, _MODEL: members}, _IMPORTS)
    decoder, evaluator = (
        f"{done.names[function]}({arguments})"
        for function, arguments in zip(made, calls, strict=True)
    )
    constants = {
        "LABELS": list(request.card.labels),
        "PREPROCESS": list(request.preprocess),
        "DECODER_PARAMS": dict(request.decoder_params),
        "FLOOR": request.floor,
        "PROTOCOL": dict(request.protocol),
        "TARGET": dict(request.target),
    }
    lines = (f"{name} = {_literal(value)}" for name, value in constants.items())
    tail = _TAIL.format(
        constants="\n".join(lines),
        decoder=decoder,
        evaluator=evaluator,
        steps=done.names[_STEPS],
        opener=done.names[opener],
        model=done.names[_MODEL],
        show=done.names[_SHOW],
    )
    return f"{_HEAD.format(title=title(request))}{done.text}\n\n{tail}", done.packages


def _literal(value: Any) -> str:
    return pformat(value, width=96, compact=True, sort_dicts=False)


def verify_file() -> str:
    """The text of verify.py."""
    done = bundle([_MAIN], {}, _IMPORTS)
    head = '"""Runs the golden inputs and compares with what zoo predicted; see README.md."""\n\n'
    tail = f"sys.exit({done.names[_MAIN]}(Path(__file__).resolve().parent))"
    return f'{head}{done.text}\n\nif __name__ == "__main__":\n    {tail}\n'


def _imported(thing: Definition) -> Any:
    from importlib import import_module

    return getattr(import_module(thing.module), thing.name)


def _maker(provider: Provider[Any], kind: str) -> tuple[Definition, str, Definition]:
    """What makes a provider's object, its arguments as they are written, and the object's class.

    That is the function `load`, or the class where that is called without arguments.
    """
    load, arguments = provider.load, ""
    if isinstance(load, partial):
        given = [*map(repr, load.args), *(f"{k}={v!r}" for k, v in load.keywords.items())]
        load, arguments = load.func, ", ".join(given)
    made = provider.load()
    own = Definition(type(made).__module__, type(made).__qualname__)
    maker = Definition(load.__module__, getattr(load, "__name__", ""))
    if maker.name in read_module(maker.module).statements:
        return maker, arguments, own
    if own.name in read_module(own.module).statements and not getattr(made, "__dict__", None):
        return own, "", own
    what = f"the {kind} '{provider.name}' is loaded by no function at the top of its module"
    step = "load it with one, or functools.partial of one, so that `zoo package` can copy it"
    raise UsageError(what, where=maker.module, next=step)
