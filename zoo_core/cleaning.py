"""What may go from the store: results not used for long, remains of failed and killed stages."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

from zoo_core.store import folder_bytes

if TYPE_CHECKING:
    from zoo_core.store import Store

_DAY = 24 * 3600


def clean(store: Store, days: int, dry_run: bool) -> dict[str, Any]:
    """Remove entries unused for `days` and leftovers older than a day; returns what went."""
    before = time.time() - days * _DAY
    removed: list[dict[str, Any]] = []
    kept = 0
    for entry in store.entries():
        if store.last_used(entry) > before and days > 0:
            kept += 1
            continue
        size = folder_bytes(entry.path) if dry_run else store.remove(entry.key)
        removed.append({"name": entry.manifest["name"], "key": entry.key, "bytes": size})
    for path in store.leftovers(0 if days == 0 else _DAY):
        removed.append({"name": path.name, "key": None, "bytes": folder_bytes(path)})
        if not dry_run:
            shutil.rmtree(path, ignore_errors=True)
    return {"removed": removed, "kept": kept, "bytes": sum(row["bytes"] for row in removed)}
