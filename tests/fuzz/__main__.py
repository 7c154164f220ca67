"""`python -m tests.fuzz --cases 1000000 READER...`: a long campaign, by hand."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.command import main

sys.exit(main())
