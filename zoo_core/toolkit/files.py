"""Files as plugins meet them: digests, kinds and names of files, folders of the cache, writing."""

from __future__ import annotations

from zoo_core.system.file_cache import file_digest_cached, file_digests
from zoo_core.system.file_names import SUFFIX, text_names
from zoo_core.system.files import kind_of, read_head, temporary_folder, write_json, write_text
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.paths import cache, folder
from zoo_core.system.source_digest import source_digest

__all__ = [
    "SUFFIX",
    "cache",
    "digest",
    "file_digest",
    "file_digest_cached",
    "file_digests",
    "folder",
    "kind_of",
    "read_head",
    "source_digest",
    "temporary_folder",
    "text_names",
    "write_json",
    "write_text",
]
