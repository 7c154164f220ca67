"""A campaign that coverage guides, by atheris (of the extra `fuzz`)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

_PACKAGES = ["zoo_core", "zoo_darknet", "zoo_vastai", "zoo_vastai_lint", "yaml"]


def guided(name: str, cases: int) -> None:
    """Runs until the number of cases is reached, or one goes wrong; does not return."""
    import atheris

    with atheris.instrument_imports(include=_PACKAGES):
        from fuzz.campaign import outcome
        from fuzz.readers import readers

        reader = readers()[name]
        folder = Path(tempfile.mkdtemp())
        path = folder / f"file{reader.ending}"
        path.write_bytes(reader.seeds[0])
        outcome(reader, path)

    def one(data: bytes) -> None:
        path.write_bytes(data)
        what = outcome(reader, path)
        if what:
            raise RuntimeError(what)

    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(reader.seeds):
        (corpus / str(number)).write_bytes(seed)
    flags = [f"-runs={cases}", "-timeout=5", "-rss_limit_mb=2048", "-max_len=65536", str(corpus)]
    atheris.Setup([sys.argv[0], *flags], one)
    atheris.Fuzz()
