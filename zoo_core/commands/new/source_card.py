"""Creates the card of a model that its source repository exports, from answers to questions."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo_core.commands.new.project import new_card_place, write_card
from zoo_core.errors import UsageError, ZooError, did_you_mean
from zoo_core.planning.build import Goal, plan_run
from zoo_core.planning.request import RunRequest, size_of
from zoo_core.planning.resolve import CacheState
from zoo_core.registry.load import load_registry
from zoo_core.system.hashing import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from zoo_core.api import ModelCard
    from zoo_core.commands.new.project import NewFiles
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

    Ask = Callable[[str, str], str]
    """Asks a question, with a default answer that may be empty, and returns the answer."""

EXPORTER = "source-repo"


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and its default answer; None where there must be one."""

    text: str
    default: str | None = None


QUESTIONS: Mapping[str, Question] = {
    "commit": Question("full id of a commit that you trust"),
    "license": Question("licence of the weights", "NOASSERTION"),
    "run": Question("export command, such as: python export.py --weights {weights}"),
    "output": Question("file that comes out, if not {output}", ""),
    "requirements": Question("packages, NAME==VERSION NAME==VERSION ..., or installed"),
    "shims": Question("shims, such as: torch-load onnx-export", "torch-load onnx-export"),
    "stubs": Question("modules that an export does not need, such as: seaborn", ""),
    "weights": Question(
        "weights: a path in the repository, ./FILE for one here, or where a person finds them", ""
    ),
    "size": Question("input HEIGHT,WIDTH", "640,640"),
    "decoder": Question("decoder of the outputs; `zoo plugins list` names them"),
}


def answered(given: list[str], ask: Ask | None) -> dict[str, str]:
    """An answer to each question, from KEY=VALUE texts; `ask` is None where nobody can be asked.

    Raises UsageError for an unknown key, and for questions that nobody answers.
    """
    answers: dict[str, str] = {}
    for text in given:
        key, _, value = text.partition("=")
        if key not in QUESTIONS or "=" not in text:
            hint = did_you_mean(key, QUESTIONS)
            raise UsageError(f"'{text}' is no KEY=VALUE that is asked", where="--answer", next=hint)
        answers[key] = value
    open_ = {key: item for key, item in QUESTIONS.items() if key not in answers}
    missing = [key for key, item in open_.items() if item.default is None]
    if missing and ask is None:
        step = "answer on a terminal, or give --answer KEY=VALUE for each"
        raise UsageError(f"not answered: {', '.join(missing)}", where="--answer", next=step)
    for key, item in open_.items():
        answers[key] = ask(item.text, item.default or "") if ask else item.default or ""
    return {key: answers[key].strip() for key in QUESTIONS}


def new_source_card(
    name: str, url: str, answers: Mapping[str, str], output: Path | None, workplace: Workplace
) -> NewFiles:
    """Write NAME.yaml to the folder `output` (default: the current one).

    Protocol, data sets, labels and preprocessing are those of a card with the same decoder. The
    card is planned before it is written. Raises UsageError or RegistryError for an answer that
    cannot be, and for a name or a file that exists, DataError if the file cannot be written.
    """
    path = new_card_place(name, output, workplace.registry)
    like = _like(answers["decoder"], workplace.registry)
    labels = workplace.registry.labels_name(like.labels)
    text = "".join(f"{line}\n" for line in _lines(name, url, answers, like, labels))
    with TemporaryDirectory() as folder:
        _try(name, Path(folder), path.name, text, workplace.plugins)
    last = f"check preprocess, labels and protocol, which are those of {like.id}"
    return write_card(path, text, f"zoo plan {name}", f"zoo export {name} -o {name}-onnx", last)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """The registry and the plugins of the command."""

    registry: Registry
    plugins: Plugins


def _like(decoder: str, registry: Registry) -> ModelCard:
    """A card with this decoder, whose data sets and protocol the new one takes."""
    cards = {card.decoder: card for card in reversed(registry.models.values()) if card.preprocess}
    if decoder not in cards:
        hint = did_you_mean(decoder, cards)
        what = f"no card has a decoder '{decoder}'"
        raise UsageError(what, where="--answer decoder=", next=hint)
    return cards[decoder]


def _lines(
    name: str, url: str, answers: Mapping[str, str], like: ModelCard, labels: str | None
) -> list[str]:
    try:
        size = list(size_of(answers["size"]))
    except UsageError as error:
        raise UsageError(error.what, where="--answer size=", next=error.next) from error
    repository = "/".join(PurePosixPath(url.removesuffix(".git").rstrip("/")).parts[-2:])
    needs = answers["requirements"]
    params = {
        "requirements": needs if needs == "installed" else _words(needs, "requirements"),
        "shims": _words(answers["shims"], "shims"),
        "stubs": _words(answers["stubs"], "stubs"),
        "run": answers["run"],
        "output": answers["output"],
    }
    model: dict[str, Any] = {
        "task": like.task,
        "summary": f"{name} of {repository}",
        "license": answers["license"],
        "source": {"name": repository, "url": url, "commit": answers["commit"]},
        "exporter": EXPORTER,
        "exporter_params": {key: value for key, value in params.items() if value},
        "exporters": {"onnx": {}},
        "weights": _weights(answers["weights"]),
        "decoder": like.decoder,
        "decoder_params": dict(like.decoder_params),
        "evaluator": like.evaluator,
        "dataset": like.dataset,
        "given_dataset": like.given_dataset,
        "labels": labels or list(like.labels),
        "size": size,
        "preprocess": [
            {**step, "size": size} if "size" in step else dict(step) for step in like.preprocess
        ],
        "protocol": like.protocol,
    }
    rows = [
        row for key, value in model.items() for row in _row(key, value) if value not in (None, [])
    ]
    return ["schema: 1", "", "models:", f"  {name}:", *(f"    {row}" for row in rows)]


def _row(key: str, value: Any) -> list[str]:
    """A key with its value as YAML that is JSON, mappings and lists of mappings a line each."""
    if key in ("exporter_params", "source") and value:
        return [f"{key}:", *(f"  {name}: {_json(item)}" for name, item in value.items())]
    if key in ("preprocess", "weights") and value:
        return [f"{key}:", *(f"  - {_json(item)}" for item in value)]
    return [f"{key}: {_json(value)}"]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _words(text: str, key: str) -> list[str]:
    try:
        return [word.strip(",") for word in shlex.split(text) if word.strip(",")]
    except ValueError as error:
        raise UsageError(
            f"cannot be split into words: {error}", where=f"--answer {key}="
        ) from error


def _weights(text: str) -> list[dict[str, Any]]:
    """A path in the repository, or where a person finds the file; nothing where it is empty.

    A file that is here is stated with its digest, so that it counts as the card's own.
    """
    last = PurePosixPath(text).name
    known = PurePosixPath(last).suffix in (".pth", ".pt", ".ckpt", ".safetensors")
    if not text:
        return []
    place: dict[str, Any]
    here = Path(text).expanduser()
    if text.startswith(("/", "./", "~")):
        if not here.is_file():
            raise UsageError("no such file", where=f"--answer weights={text}")
        place = {"name": here.name, "by_hand": f"the file {here.name}", "size": here.stat().st_size}
        place["sha256"] = file_digest(here)
    elif "://" in text or " " in text or not known:
        place = {"name": last if known and " " not in last else "weights.pth", "by_hand": text}
    else:
        place = {"path": text}
    return [{"format": "torch", "files": {"weights": place}}]


def _try(name: str, folder: Path, file: str, text: str, plugins: Plugins) -> None:
    """Raises the error of a card that cannot be planned; nothing is fetched or run."""
    card, weights = folder / file, folder / "weights.pth"
    card.write_text(text, encoding="utf-8")
    weights.touch()
    registry = load_registry([*plugins.registry_files(), card])
    for fault in registry.faults:
        if str(card) in str(fault.where):
            raise _placed(fault, str(card), file)
    cache = CacheState(is_cached=lambda _stages: False, is_reachable=lambda _url: True)
    try:
        request = RunRequest(model=name, weights=str(weights))
        plan_run(request, registry, plugins, cache, Goal.EXPORT)
    except ZooError as error:
        raise _placed(error, str(card), file) from error


def _placed(error: ZooError, place: str, file: str) -> ZooError:
    """The same error, with the file's name for the place where the card was tried."""
    return type(error)(error.what, where=(error.where or "").replace(place, file), next=error.next)
