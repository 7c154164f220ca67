"""YAML that refuses a key given twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from zoo_core.errors import RegistryError, first_line

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Base):  # type: ignore[misc]
    """The safe loader; a mapping's keys must differ."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                mark = key_node.start_mark
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' is given twice", mark)
            seen.add(key)
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made


def parse(path: Path) -> Any:
    """The document; raises RegistryError with file and line."""
    try:
        return yaml.load(path.read_bytes(), Loader=_StrictLoader)
    except OSError as error:
        what, step = f"cannot be read: {error.strerror}", "check the file; ZOO_REGISTRY names yours"
        raise RegistryError(what, where=str(path), next=step) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or first_line(error)
        raise RegistryError(f"is not YAML: {problem}", where=f"{path}{line}") from error
