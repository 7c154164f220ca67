"""What several contracts check, in one place."""

from __future__ import annotations

import pickle
import re
from contextlib import chdir
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UsageError, ZooError
from zoo_core.pipeline.plan import make_plan
from zoo_core.plugins.manager import Plugins
from zoo_core.testing.isolation import NUMPY, Answer, Question, ask, plain
from zoo_core.testing.stages import Interrupts, run_stages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from zoo_core.api import Stage

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
NONSENSE = "no-such-thing-anywhere"


def must(holds: object, breach: str) -> None:
    """Raises AssertionError with the breach in words, unless it holds."""
    if not holds:
        raise AssertionError(breach)


def protocol_of(kind: str) -> str:
    """The name in `zoo_core.api` of what a kind's providers implement."""
    return "OfflineBuilder" if kind == "emitter" else kind.capitalize()


def plugins_of(plugin: ModuleType, partners: Iterable[ModuleType] = ()) -> Plugins:
    """The plugin with those it works with, and no others; all must register."""
    plugins = Plugins([plugin, *partners])
    for failed in plugins.failures:
        raise AssertionError(f"{failed.name} does not register: {failed.failure}")
    return plugins


def refusal(call: Callable[[], object], kind: type[ZooError], of: str) -> ZooError:
    """The error with which `call` refuses `of`; it must be of this kind."""
    try:
        call()
    except kind as error:
        return error
    except Exception as error:
        what = f"{type(error).__name__} ({error})"
        raise AssertionError(f"{of} raises {what}, not {kind.__name__}") from error
    raise AssertionError(f"{of} is not refused")


def hinted_refusal(call: Callable[[], object], wrong: str, of: str) -> None:
    """`call` refuses the wrong word with a UsageError that names it and says what is known."""
    error = refusal(call, UsageError, of)
    must(wrong in str(error), f"the refusal of {of} does not name '{wrong}': {error}")
    hint = error.next.startswith(("did you mean", "known:", "none "))
    must(hint, f"the refusal of {of} has no hint (see zoo_core.errors.did_you_mean): {error}")


def misspelt(known: Iterable[str]) -> str:
    """A word close to the first known one, which is not itself known."""
    names = list(known)
    return f"{names[0]}x" if names else NONSENSE


def with_wrong_key(values: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The values with a key that nobody knows, and that key."""
    wrong = misspelt(values)
    return {**values, wrong: next(iter(values.values()), 1)}, wrong


def check_planning(question: Question, method: Callable[..., object], folder: Path) -> None:
    """Two calls here and one in a new process give the same data, quietly and lightly."""
    where = f"{question.name}.{question.method}"
    here = folder / "here"
    here.mkdir(exist_ok=True)
    try:
        with chdir(here):
            plans, again = ([method(*call) for call in question.calls] for _ in range(2))
            first, second = plain(plans), plain(again)
        must(pickle.loads(pickle.dumps(plans)) == plans, f"{where} is changed by pickling")
    except (TypeError, pickle.PicklingError) as error:
        what = f"{where} gives what JSON cannot hold or pickle cannot send: {error}"
        raise AssertionError(what) from error
    must(first == second, f"{where} differs from call to call")
    answer = ask(question, folder)
    allowed = replace(answer, heavy=[n for n in answer.heavy if n != NUMPY], inner=[])
    check_left_no_trace(allowed, where)
    must(answer.value == first, f"{where} differs from process to process")


def check_left_no_trace(answer: Answer, where: str) -> None:
    """Nothing was raised, imported, written, contacted, started or printed."""
    if answer.error:
        raise AssertionError(f"{where} in a fresh process: {answer.error} {answer.printed}")
    traces = {
        "imports": answer.heavy,
        "imports the plugin's own": answer.inner,
        "writes": answer.wrote,
        "asks the network for": answer.connected,
        "starts": answer.started,
        "prints": [answer.printed] if answer.printed else [],
    }
    breaches = [f"{verb} {', '.join(names)}" for verb, names in traces.items() if names]
    must(not breaches, f"{where} {'; '.join(breaches)}")


def check_stages(before: Sequence[Stage], stages: Sequence[Stage]) -> None:
    """Every `run` is a function, inputs name earlier outputs, every stage leaves something."""
    must(stages, "no stage at all")
    for stage in stages:
        must(stage.outputs, f"stage '{stage.name}' declares no output")
        module, _, function = stage.run.partition(":")
        try:
            target = getattr(import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise AssertionError(f"stage '{stage.name}' runs '{stage.run}': {error}") from error
        must(callable(target), f"stage '{stage.name}' runs '{stage.run}', which is not a function")
    try:
        make_plan([*before, *stages])
    except (ZooError, TypeError) as error:
        raise AssertionError(f"the stages do not chain: {error}") from error


def check_interruptible(stages: Iterable[Stage], folder: Path, plugins: Plugins) -> None:
    """Ctrl-C while a stage reports its progress ends the plan, which can be run again."""
    plan, listener = list(stages), Interrupts()
    through = is_interrupted(lambda: run_stages(plan, folder, plugins, listener))
    must(through or not listener.calls, "a stage swallows an interrupt")
    run_stages(plan, folder, plugins)


def is_interrupted(call: Callable[[], object]) -> bool:
    """Whether a KeyboardInterrupt goes through; it may not become another exception."""
    try:
        call()
    except KeyboardInterrupt:
        return True
    except Exception as error:
        what = f"an interrupt becomes {type(error).__name__} ({error})"
        raise AssertionError(what) from error
    return False


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files below a folder, by their relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def keys(before: Sequence[Stage], stages: Sequence[Stage]) -> dict[str, str]:
    """Each stage's key by its name."""
    return {item.stage.name: item.key for item in make_plan([*before, *stages])}
