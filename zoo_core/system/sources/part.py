"""An unfinished file, which a later attempt can go on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Part:
    """An unfinished download: its bytes in `path`, and beside it what they are bytes of."""

    path: Path
    url: str

    @property
    def size(self) -> int:
        """How many bytes there are."""
        return self.path.stat().st_size if self.path.exists() else 0

    def validator(self) -> str | None:
        """What names the version these bytes are of: "" where the server did not tell.

        None when there is nothing to go on with.
        """
        try:
            facts = json.loads(self._facts.read_bytes())
        except (OSError, ValueError):
            return None
        if not (self.size and isinstance(facts, dict) and facts.get("url") == self.url):
            return None
        return str(facts.get("validator") or "")

    def begin(self, headers: Message) -> None:
        """Drop what is there and note what comes next."""
        tag = headers.get("ETag") or ""
        strong = tag if tag.startswith('"') else ""
        validator = strong or headers.get("Last-Modified") or ""
        self.path.unlink(missing_ok=True)
        self._facts.write_text(json.dumps({"url": self.url, "validator": validator}))

    def discard(self) -> None:
        """Remove every trace."""
        self.path.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Move the bytes to their place, at once."""
        self.path.replace(target)
        self._facts.unlink(missing_ok=True)

    @property
    def _facts(self) -> Path:
        return self.path.with_name(self.path.name + ".json")
