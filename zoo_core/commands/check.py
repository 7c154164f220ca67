"""Names in a card that nothing knows: backends, and what published rows can never match."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import chain
from typing import TYPE_CHECKING

from zoo_core.api import CompileRequest, Target
from zoo_core.api.graph import GRAPH_FILE
from zoo_core.errors import RegistryError, ZooError
from zoo_core.planning.resolve import default_device
from zoo_core.registry.protocols import choose, effective_preprocess
from zoo_core.vision import Preprocess

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo_core.api import Backend, ModelCard
    from zoo_core.plugins.manager import Plugins
    from zoo_core.registry import Registry

_UNSTATED = "not stated"


def unknown_names(
    card: ModelCard, plugins: Plugins, shipped: Sequence[ModelCard]
) -> Iterator[tuple[str, str, str]]:
    """(key of the card, what, next) for each name that nothing installed gives.

    It may be misspelt, or of a plugin that is not installed. What the cards that are `shipped` name
    is known, whether its plugin is installed or not.
    """
    known = {*plugins.backends(), *chain(*({*c.backends, *c.protocols} for c in shipped))}
    for key, names in (("backends", card.backends), ("protocols", card.protocols)):
        for name in names:
            if name not in known:
                told = plugins.hidden("backend", name)
                what, step = told or (
                    f"no backend '{name}' is installed: nothing reads this",
                    _hint(name, known),
                )
                yield f"{key}.{name}", what, step
    yield from _unmatched(card, plugins, shipped)


def refused_options(
    card: ModelCard, registry: Registry, plugins: Plugins
) -> Iterator[RegistryError]:
    """What installed backends say of the card's own maps for them, as they would before a run."""
    for name in card.backends:
        backend = plugins.backends().get(name)
        if backend is None or backend.compiler not in plugins.all("compiler"):
            continue
        try:
            plugins.compiler(backend.compiler).stages(_asked(card, registry, backend, plugins))
        except RegistryError as error:
            yield error
        except ZooError:  # not about the map: a run tells it
            continue


def _asked(
    card: ModelCard, registry: Registry, backend: Backend, plugins: Plugins
) -> CompileRequest:
    """A build by default, of a graph that need not be there."""
    compiler = plugins.compiler(backend.compiler)
    precision, protocol = (
        backend.precisions[0],
        choose(registry.protocols, card, backend.name, None),
    )
    base = Preprocess.from_data(card.preprocess)
    return CompileRequest(
        card=card,
        target=Target(backend=backend.name, precision=precision, device=default_device(backend)),
        graph=f"export/{GRAPH_FILE}",
        format=compiler.formats[0],
        form=compiler.form,
        calibration="calibration/images.json" if compiler.needs_calibration(precision) else None,
        calibrator=None,
        preprocess=effective_preprocess(base, protocol, card.size).to_data(),
        protocol=protocol,
        size=card.size,
        others=plugins.compiler,
    )


def _unmatched(
    card: ModelCard, plugins: Plugins, shipped: Sequence[ModelCard]
) -> Iterator[tuple[str, str, str]]:
    rows = [(other, row) for other in shipped for row in other.published]
    datasets = {
        *plugins.all("dataset"),
        *(r.dataset for _, r in rows),
        *(c.dataset for c in shipped),
    }
    offered = chain(*(backend.precisions for backend in plugins.backends().values()))
    precisions = {*offered, *(row.precision for _, row in rows)}
    metrics = set(chain(*(row.metrics for c, row in rows if c.evaluator == card.evaluator)))
    for number, row in enumerate(card.published):
        where, never = f"published[{number}]", "so the row is never compared"
        if row.dataset not in datasets:
            what = f"no data set '{row.dataset}' is installed, {never}"
            yield f"{where}.dataset", what, _hint(row.dataset, datasets)
        if row.precision not in precisions and not row.precision.startswith(_UNSTATED):
            what = f"no backend has the precision '{row.precision}', {never}"
            yield f"{where}.precision", what, _hint(row.precision, precisions)
        for name in row.metrics:
            if metrics and name not in metrics:
                what = f"no metric '{name}' of {card.evaluator} is known, so it is never compared"
                yield f"{where}.metrics.{name}", what, _hint(name, metrics)


def _hint(name: str, known: Iterable[str]) -> str:
    spelt = {other.lower(): other for other in sorted(known)}
    close = get_close_matches(name.lower(), spelt, n=1)
    return (
        f"did you mean '{spelt[close[0]]}'?" if close else "it may be of a plugin to be installed"
    )
