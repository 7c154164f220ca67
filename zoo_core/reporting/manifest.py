"""A run's manifest: everything its figures can be traced to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.reporting.warnings import exported_by
from zoo_core.system.hashing import digest
from zoo_core.system.machine import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.pipeline.plan import PlannedStage
    from zoo_core.reporting.build import Outcome

SCHEMA = "zoo.manifest/1"


def manifest(
    outcome: Outcome, versions: Mapping[str, str], command: Sequence[str]
) -> dict[str, Any]:
    """Hashes of weights, graph, calibration list, artefact, data and protocol; keys; versions."""
    resolved, plan, request = outcome.run.resolved, outcome.run.plan, outcome.run.request
    data, card = resolved.data, resolved.card
    return {
        "schema": SCHEMA,
        "command": list(command),
        "directory": str(Path.cwd()),
        "request": request.to_data(),
        "rescored_from": str(request.origin) if request.origin else None,
        "model": card.id,
        "name": resolved.name,
        "source": {
            "modelled_on": card.repository.name,
            "commit": card.repository.commit,
            "exported_by": exported_by(outcome.run),
        },
        "weights": {
            "kind": resolved.weights.kind,
            "seed": resolved.weights.seed if resolved.weights.kind == "random" else None,
            "files": {
                role: {"name": source.name, "sha256": source.sha256, "url": source.url}
                for role, source in resolved.weights.files.items()
            },
        },
        "graph": _digests(outcome, plan.find("export")),
        "decoder": {"name": card.decoder, "params": dict(card.decoder_params)},
        "calibration": _digests(outcome, plan.find("calibration")),
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


def _digests(outcome: Outcome, planned: PlannedStage | None) -> dict[str, str | None]:
    if planned is None:
        return {}
    outputs = outcome.results[planned.stage.name].entry.manifest["outputs"]
    return {name: facts.get("sha256") for name, facts in outputs.items()}
