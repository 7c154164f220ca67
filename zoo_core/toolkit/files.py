"""Files as plugins meet them: digests, cached digests, kinds of files, folders of the cache."""

from __future__ import annotations

from zoo_core.system.file_cache import file_digest_cached, file_digests
from zoo_core.system.files import (
    copy_file,
    kind_of,
    read_head,
    replacing,
    temporary_folder,
    write_json,
    write_text,
)
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.paths import cache, folder
from zoo_core.system.source_digest import source_digest

__all__ = [
    "cache",
    "copy_file",
    "digest",
    "file_digest",
    "file_digest_cached",
    "file_digests",
    "folder",
    "kind_of",
    "read_head",
    "replacing",
    "source_digest",
    "temporary_folder",
    "write_json",
    "write_text",
]
