"""A run's manifest: everything its figures can be traced to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.reporting.warnings import exported_by
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.machine import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.pipeline.plan import PlannedStage
    from zoo_core.planning.weights import Weights
    from zoo_core.registry import Registry
    from zoo_core.reporting.build import Outcome

SCHEMA = "zoo.manifest/1"

_VARIABLES = ("ZOO_REGISTRY", "ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS")


def manifest(
    outcome: Outcome, registry: Registry, versions: Mapping[str, str], command: Sequence[str]
) -> dict[str, Any]:
    """Hashes of weights, graph, calibration list, artefact, data and protocol; keys; versions.

    With the card and its protocols as they were, wherever they came from: a replay needs them.
    """
    resolved, plan = outcome.run.resolved, outcome.run.plan
    data, card, request = resolved.data, resolved.card, outcome.run.request
    protocols = [name for name in (request.protocol, resolved.protocol.base) if name]
    return {
        "schema": SCHEMA,
        "command": list(command),
        "directory": str(Path.cwd()),
        "request": request.to_data(),
        "rescored_from": str(request.origin) if request.origin else None,
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "registry": registry.extract(card.id, protocols),
        "model": card.id,
        "name": resolved.name,
        "source": {
            "modelled_on": card.repository.name,
            "commit": card.repository.commit,
            "exported_by": exported_by(outcome.run),
        },
        "weights": _weights(resolved.weights),
        "names": request.names and file_digest(request.names),
        "graph": _digests(outcome, plan.find("export")),
        "decoder": {"name": card.decoder, "params": dict(card.decoder_params)},
        "calibration": _calibration(outcome),
        "artefact": _digests(outcome, plan.artefact()),
        "dataset": data and {"name": data.dataset, "content": data.content, "images": data.count},
        "protocol": {"name": resolved.protocol.name, "hash": resolved.protocol.hash},
        "preprocess": digest(resolved.preprocess.to_data()),
        "target": resolved.target.to_data(),
        "stages": [
            {
                "name": name,
                "key": result.entry.key,
                "parts": result.entry.manifest["parts"],
                "outputs": result.entry.manifest["outputs"],
            }
            for name, result in outcome.results.items()
        ],
        "versions": dict(versions),
        "environment": environment(),
    }


def _weights(weights: Weights) -> dict[str, Any]:
    return {
        "kind": weights.kind,
        "seed": weights.seed if weights.kind == "random" else None,
        "files": {
            role: {"name": source.name, "sha256": source.sha256, "url": source.url}
            for role, source in weights.files.items()
        },
    }


def _calibration(outcome: Outcome) -> dict[str, Any]:
    """The calibration images: digests of list and files, names in order, and how they were chosen.

    `seed` is that of a random choice; zoo's own data sets make none.
    """
    data, listed = outcome.run.resolved.calibration, outcome.read("images.json")
    if data is None or not listed:
        return {}
    return {
        **_digests(outcome, outcome.run.plan.find("calibration")),
        "dataset": data.dataset,
        "content": data.content,
        "of": data.of,
        "seed": data.params.get("seed"),
        "variety": listed["variety"],
        "list": [{key: row[key] for key in ("name", "sha256")} for row in listed["images"]],
    }


def _digests(outcome: Outcome, planned: PlannedStage | None) -> dict[str, str | None]:
    if planned is None:
        return {}
    outputs = outcome.results[planned.stage.name].entry.manifest["outputs"]
    return {name: facts.get("sha256") for name, facts in outputs.items()}
