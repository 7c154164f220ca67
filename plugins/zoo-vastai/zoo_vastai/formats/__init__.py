"""The file formats of the vendor's tools, as values that are read and written.

This package is public: zoo-vastai-lint imports it. It imports nothing else of zoo-vastai.
"""

from __future__ import annotations
