"""`python tests/benchmarks`: measures, prints the table, and writes JSON where asked."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.command import main

sys.exit(main())
