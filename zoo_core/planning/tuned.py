"""Options that `zoo tune` found, in a file for people to read: which runs use them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError, RegistryError, UsageError, some
from zoo_core.system.files import read_limited, write_text
from zoo_core.system.hashing import digest
from zoo_core.system.paths import TUNED, home
from zoo_core.system.record import Record
from zoo_core.system.yaml_text import load_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import Target
    from zoo_core.planning.resolve import Resolved
    from zoo_core.planning.weights import Weights

SCHEMA = "zoo.tuned/1"
AUTO, NONE = "auto", "none"
_ANY = "*"
_HEAD = """# Written by `zoo tune`. `zoo run` uses these options where model, backend, precision and
# weights are the same. --option goes first, and --tuned none leaves them out.
"""
_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned(Record):
    """The options, what they are for, and what was measured.

    `weights` is `digest_of` the weights, `calibration` the digest of the images.
    """

    model: str
    backend: str
    precision: str
    weights: str
    calibration: str
    options: Mapping[str, str]
    when: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    measured: Mapping[str, Any] = field(default_factory=dict)

    def usual_path(self) -> Path:
        """Where runs look for it."""
        return _path(self.model, self.backend, self.precision, self.weights)

    def write(self, path: Path) -> None:
        """Replace the file; raises DataError where it cannot be written."""
        import yaml

        document = {"schema": SCHEMA, **self.to_data()}
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, _HEAD + text)
        except OSError as error:
            step = "name another file with --output"
            what = f"cannot be written: {error.strerror}"
            raise DataError(what, where=str(path), next=step) from error

    def told(self, path: Path, resolved: Resolved) -> str:
        """What a run says that uses it; the target has the options of the command line."""
        target, images = resolved.target, resolved.calibration
        used = [f"{key}={value}" for key, value in self.options.items()]
        own = self.options.keys() & target.options.keys()
        first = f"; --option {some(sorted(own))} goes first" if own else ""
        same = images is None or images.content == self.calibration
        others = "" if same else "; found with other calibration images"
        return f"options of `zoo tune` ({path}, {self.when[:10]}): {some(used)}{first}{others}"


def digest_of(weights: Weights) -> str | None:
    """A digest of the files; None where one of them has none, or without files."""
    known = {role: source.sha256 for role, source in weights.files.items()}
    return digest(known) if known and all(known.values()) else None


def with_tuned(resolved: Resolved, choice: str) -> Resolved:
    """With the options of a file below those of the target, by the choice `auto`, `none` or a path.

    Raises DataError for a file that is not there, RegistryError for one that is damaged, UsageError
    for a chosen one of another model, backend, precision or of other weights.
    """
    target = resolved.target
    found = _find(resolved.card.id, target, resolved.weights, choice)
    if found is None:
        return resolved
    path, tuned = found
    return replace(
        resolved,
        target=replace(target, options={**tuned.options, **target.options}),
        decisions=(*resolved.decisions, tuned.told(path, resolved)),
        tuned=path,
    )


def _find(model: str, target: Target, weights: Weights, choice: str) -> tuple[Path, Tuned] | None:
    known = digest_of(weights)
    if choice == NONE or (choice == AUTO and known is None):
        return None
    asked = {"model": model, "backend": target.backend, "precision": target.precision}
    path = Path(choice).expanduser()
    if choice == AUTO:
        path = _path(model, target.backend, target.precision, known or "")
        if not path.is_file():
            return None
    tuned = read(path)
    for name, value in {**asked, "weights": known}.items():
        if getattr(tuned, name) != value:
            what = f"is for {name} {getattr(tuned, name)}, not {value}"
            raise UsageError(what, where=str(path), next="give another file, or --tuned none")
    return path, tuned


def read(path: Path) -> Tuned:
    """A file that `zoo tune` wrote; raises DataError, or RegistryError for what is not one."""
    document, step = load_yaml(read_limited(path), str(path)), "run `zoo tune` again"
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise RegistryError("is no file of `zoo tune`", where=str(path), next=step)
    try:
        tuned = Tuned.from_data(document)
    except TypeError:
        raise RegistryError("is damaged: a key is missing", where=str(path), next=step) from None
    texts = [getattr(tuned, name) for name in (*_NAMES, "calibration", "when")]
    tables = (tuned.options, tuned.measured)
    whole = all(isinstance(table, dict) for table in tables)
    if not whole or not all(isinstance(text, str) for text in (*texts, *tuned.options.values())):
        what = "is damaged: a value is not text; put numbers in quotes"
        raise RegistryError(what, where=str(path), next=step)
    return tuned


def tuned_files(model: str, backend: str | None = None, precision: str | None = None) -> list[Path]:
    """The files of a model that runs look for."""
    pattern = _path(model, backend or _ANY, precision or _ANY, "").name
    return sorted((home() / TUNED).glob(pattern.replace("--.yaml", "--*.yaml")))


_NAMES = ("model", "backend", "precision", "weights")


def _path(model: str, backend: str, precision: str, weights: str) -> Path:
    return home() / TUNED / f"{model}--{backend}--{precision}--{weights[:_DIGITS]}.yaml"
