"""Files as plugins meet them: digests, kinds, names, the cache, reading with limits, writing."""

from __future__ import annotations

from zoo_core.system.file_cache import cached_values, file_digest_cached, file_digests
from zoo_core.system.file_names import SUFFIX, text_names
from zoo_core.system.files import (
    check_regular,
    kind_of,
    not_text,
    read_head,
    read_limited,
    read_npz,
    read_text,
    temporary_folder,
    write_json,
    write_text,
)
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.names_file import read_names
from zoo_core.system.paths import cache, folder
from zoo_core.system.source_digest import source_digest
from zoo_core.system.terminal import shown
from zoo_core.system.yaml_text import compose_yaml, load_yaml, yaml_texts

__all__ = [
    "SUFFIX",
    "cache",
    "cached_values",
    "check_regular",
    "compose_yaml",
    "digest",
    "file_digest",
    "file_digest_cached",
    "file_digests",
    "folder",
    "kind_of",
    "load_yaml",
    "not_text",
    "read_head",
    "read_limited",
    "read_names",
    "read_npz",
    "read_text",
    "shown",
    "source_digest",
    "temporary_folder",
    "text_names",
    "write_json",
    "write_text",
    "yaml_texts",
]
