"""The verbs that look at the registry, the plugins, this machine and earlier runs."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.cli import completion
from zoo_core.cli.flags import JsonFlag
from zoo_core.system.tables import columns, entries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry


def models(
    task: Annotated[str | None, typer.Option(help="Only models of this task.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Only those of this repository: owner/name, or either part."),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(help="Only those that it takes.", autocompletion=completion.backends),
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="Only those that a backend takes in this precision.")
    ] = None,
    runnable: Annotated[
        bool, typer.Option("--runnable", help="Only those that can be run here.")
    ] = False,
    json_wanted: JsonFlag = False,
) -> int:
    """List the models of the registry."""
    from zoo_core.commands import models

    registry, plugins = _both()
    wanted = models.Wanted(
        task=task, source=source, backend=backend, precision=precision, runnable=runnable
    )
    rows = models.models(registry, plugins, wanted)
    _warn(plugins)
    table = [
        (
            r["id"],
            r["task"],
            r["source"],
            r["weights"] or "-",
            "yes" if r["runnable"] else f"no: {r['reason']}",
        )
        for r in rows
    ]
    head = ("model", "task", "source", "weights", "runnable")
    return _list("models", rows, head, table, json_wanted)


def backends(json_wanted: JsonFlag = False) -> int:
    """List every registered backend, and what keeps those that cannot run here."""
    from zoo_core.commands import listings

    plugins = _plugins()
    rows = listings.backends(plugins)
    _warn(plugins)
    table = [
        (
            r["name"],
            r["compiler"],
            r["runtime"],
            " ".join(r["precisions"]),
            " ".join(d["id"] if d["available"] else f"({d['id']})" for d in r["devices"]),
            r["version"] or "-",
            "yes" if r["available"] else f"no: {r['reason']}; {r['next_step']}",
        )
        for r in rows
    ]
    head = ("backend", "compiler", "runtime", "precisions", "devices", "version", "available")
    return _list("backends", rows, head, table, json_wanted)


def datasets(json_wanted: JsonFlag = False) -> int:
    """List the data sets."""
    from zoo_core.commands import listings

    rows = listings.datasets(_plugins())
    table = [(r["name"], r["distribution"], r["summary"]) for r in rows]
    return _list("datasets", rows, ("data set", "distribution", "summary"), table, json_wanted)


def protocols(json_wanted: JsonFlag = False) -> int:
    """List the scoring protocols and their values."""
    from zoo_core.commands import listings

    rows = listings.protocols(_both()[0])
    table = [
        (r["name"], r["task"], " ".join(f"{k}={v}" for k, v in r["values"].items())) for r in rows
    ]
    return _list("protocols", rows, ("protocol", "task", "values"), table, json_wanted)


def show(
    model: Annotated[str, typer.Argument(help="A model's id.", autocompletion=completion.models)],
    backend: Annotated[
        str | None,
        typer.Option(
            help="Also say what the values come to there.", autocompletion=completion.backends
        ),
    ] = None,
    precision: Annotated[str | None, typer.Option(help="And in this precision.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="H,W", help="And at this network input.")
    ] = None,
    json_wanted: JsonFlag = False,
) -> int:
    """Show a model's card, its family merged in."""
    from zoo_core.cli.options import size_of
    from zoo_core.commands import show

    registry, plugins = _both()
    asked = show.Asked(backend=backend, precision=precision, size=size_of(size))
    found = show.show(registry, plugins, model, asked)
    if json_wanted:
        return _print({"schema": "zoo.show/1", **found})
    sys.stdout.write(show.text(found))
    return 0


def check(
    model: Annotated[
        str | None, typer.Argument(help="Only this one.", autocompletion=completion.models)
    ] = None,
    json_wanted: JsonFlag = False,
) -> int:
    """Check the registry and the plugins; exits 2 where something is wrong."""
    from zoo_core.commands import listings

    registry, plugins = _both()
    rows = listings.check(registry, plugins, model)
    table = [((r["severity"],), (r["where"], r["message"], _step(r["next"]))) for r in rows]
    if not rows and not json_wanted:
        what = model or f"{len(registry.models)} models"
        typer.echo(f"nothing wrong: {what}, {len(plugins.plugins)} plugins")
        return 0
    _tell("findings", rows, table, json_wanted)
    return 2 if any(row["severity"] == "error" for row in rows) else 0


def doctor(json_wanted: JsonFlag = False) -> int:
    """Look at everything a run needs on this machine, and say what is missing."""
    from dataclasses import asdict

    from zoo_core.commands.doctor import checks

    rows = [asdict(item) for item in checks(_plugins())]
    table = [(("ok" if r["ok"] else "--", r["name"]), (r["found"], _step(r["next"]))) for r in rows]
    return _tell("checks", rows, table, json_wanted)


def runs(json_wanted: JsonFlag = False) -> int:
    """List earlier runs on this machine."""
    from zoo_core.commands.run import remembered

    rows = remembered()
    table = [
        (
            r["when"],
            r["model"],
            f"{r['backend']}/{r['device']}",
            r["precision"],
            _first(r),
            r["output"],
        )
        for r in rows
    ]
    head = ("when", "model", "backend", "precision", "figure", "folder")
    return _list("runs", rows, head, table, json_wanted)


_SCHEMAS = {"findings": "check", "checks": "doctor"}


def _first(row: dict[str, Any]) -> str:
    for name, value in (row["metrics"] or {}).items():
        if value is not None:
            sample = " (sample)" if row["assets"]["weights"] == "sample" else ""
            return f"{name} {value:.4f}{sample}"
    return "-"


def _plugins() -> Plugins:
    from zoo_core.plugins.manager import Plugins

    return Plugins.installed()


def _both() -> tuple[Registry, Plugins]:
    from zoo_core.registry import load_registry

    plugins = _plugins()
    return load_registry(plugins.registry_files()), plugins


def _warn(plugins: Plugins) -> None:
    for plugin in plugins.failures:
        sys.stderr.write(f"zoo: plugin {plugin.name} failed: {plugin.failure}\n")


def _list(
    name: str,
    rows: Sequence[Any],
    head: Sequence[str],
    table: Sequence[Sequence[str]],
    json_wanted: bool,
) -> int:
    if json_wanted:
        return _print({"schema": f"zoo.{_SCHEMAS.get(name, name)}/1", name: list(rows)})
    for line in columns(head, table):
        typer.echo(line.rstrip())
    return 0


def _tell(
    name: str,
    rows: Sequence[Any],
    table: Sequence[tuple[Sequence[str], Sequence[str]]],
    json_wanted: bool,
) -> int:
    """As `_list`, for rows with sentences: those stand below each other."""
    if json_wanted:
        return _list(name, rows, (), (), json_wanted)
    for line in entries(table):
        typer.echo(line)
    return 0


def _step(text: str) -> str:
    """What to do next, marked as that; "" where nothing is to be done."""
    return f"-> {text}" if text else ""


def _print(value: Any) -> int:
    sys.stdout.write(json.dumps(value, indent=1) + "\n")
    return 0
