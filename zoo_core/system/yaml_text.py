"""YAML that people write, read with limits: plain values only, no endless expansion."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from zoo_core.errors import RegistryError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

MOST_BYTES = 4_000_000
"""Bytes of a YAML file; zoo's own registry has 21,000."""

_MOST_VALUES = 100_000
_MOST_DEPTH = 60
_MOST_DIGITS = 400
_PREFIX = "tag:yaml.org,2002:"
_PLAIN = frozenset({"str", "int", "float", "bool", "null", "map", "seq", "merge"})
_AS_TEXT = frozenset({"timestamp", "value"})
_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError)


def load_yaml(data: str | bytes, where: str, unique: bool = False) -> Any:
    """What a YAML document holds: text, numbers, booleans, None, lists and mappings of these.

    Dates are text. Raises RegistryError with file and line for what is not YAML, for other tags,
    for a list or a mapping as a key, where aliases unfold without end, and, with `unique`, for a
    key that is not a string or is given twice.
    """
    node = compose_yaml(data, where)
    if node is None:
        return None
    loader = _loader()("")
    try:
        if unique:
            _check_unique(node, loader, where)
        return loader.construct_document(node)
    except _yaml_errors() as error:
        raise _invalid(error, where) from error
    finally:
        loader.dispose()


def compose_yaml(data: str | bytes, where: str) -> yaml.Node | None:
    """The checked nodes of a document, with their lines; None for an empty one. See `load_yaml`."""
    if len(data) > MOST_BYTES:
        what = f"has more than {MOST_BYTES:,} bytes"
        raise RegistryError(what, where=where, next="check whether it is the right file")
    try:
        _check_depth(data, where)
        loader = _loader()(data)
        try:
            node: yaml.Node | None = loader.get_single_node()
        finally:
            loader.dispose()
    except _yaml_errors() as error:
        raise _invalid(error, where) from error
    if node is not None:
        _values(node, where, {})
    return node


def yaml_texts(data: str | bytes, where: str) -> Any:
    """As `load_yaml`, but with each scalar as it is written: `no` is a name, not a truth value."""
    return _texts(compose_yaml(data, where))


def _texts(node: Any) -> Any:
    if node is None or isinstance(node.value, str):
        return node and node.value
    if node.value and all(isinstance(item, tuple) for item in node.value):
        return {key.value: _texts(value) for key, value in node.value}
    return [_texts(item) for item in node.value]


@cache
def _loader() -> Any:
    """PyYAML's safe loader, where a value that its tag does not fit is an error with a line."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
            try:
                return super().construct_object(node, deep)
            except _ERRORS as error:
                kind = node.tag.removeprefix(_PREFIX)
                problem = f"'{str(node.value)[:40]}' cannot be read as {kind}"
                mark = node.start_mark
                raise yaml.constructor.ConstructorError(None, None, problem, mark) from error

    return Loader


def _check_depth(data: str | bytes, where: str) -> None:
    """Event by event: nothing recurses before the depth is known."""
    import yaml

    begins = yaml.SequenceStartEvent, yaml.MappingStartEvent
    ends = yaml.SequenceEndEvent, yaml.MappingEndEvent
    depth = 0
    for count, event in enumerate(yaml.parse(data, Loader=_loader())):
        depth += isinstance(event, begins) - isinstance(event, ends)
        if depth > _MOST_DEPTH:
            raise _refused(event, where, "is nested too deeply")
        if count > 2 * _MOST_VALUES:
            raise _refused(event, where, f"it holds more than {_MOST_VALUES:,} values")


def _yaml_errors() -> tuple[type[Exception], ...]:
    import yaml

    return yaml.YAMLError, UnicodeDecodeError, RecursionError


def _invalid(error: Exception, where: str) -> RegistryError:
    mark = getattr(error, "problem_mark", None)
    place = f"{where}:{mark.line + 1}" if mark else where
    if isinstance(error, RecursionError):
        return RegistryError("is nested too deeply", where=place)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or first_line(error)
    return RegistryError(f"is not valid YAML: {problem}", where=place)


def _values(node: yaml.Node, where: str, known: dict[int, int]) -> int:
    """How many values the node unfolds to; `known` holds those of earlier nodes, 0 within one."""
    if id(node) in known:
        if not known[id(node)]:
            raise _refused(node, where, "a part of it holds itself", "write it without *")
        return known[id(node)]
    _check(node, where)
    known[id(node)] = 0
    count = 1 + sum(_values(inner, where, known) for inner in _inner(node, where))
    if count > _MOST_VALUES:
        raise _refused(node, where, f"its references unfold to more than {_MOST_VALUES:,} values")
    known[id(node)] = count
    return count


def _inner(node: yaml.Node, where: str) -> Iterator[yaml.Node]:
    """The nodes below one; the keys of a mapping are checked."""
    import yaml

    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused(key, where, "a key must be text, not a list or a mapping")
            yield key
            yield value


def _check(node: yaml.Node, where: str) -> None:
    kind = node.tag.removeprefix(_PREFIX)
    if kind in _AS_TEXT and isinstance(node.value, str):
        node.tag, kind = f"{_PREFIX}str", "str"
    if kind not in _PLAIN:
        raise _refused(node, where, f"the tag '{node.tag[:40]}' is not supported", "leave it out")
    if kind == "int" and len(node.value) > _MOST_DIGITS:
        raise _refused(node, where, f"a number has more than {_MOST_DIGITS} digits")


def _check_unique(node: yaml.Node, loader: Any, where: str) -> None:
    import yaml

    seen: set[int] = set()
    nodes = [node]
    while nodes:
        each = nodes.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, yaml.MappingNode):
            keys = set()
            for key, _ in each.value:
                is_merge = key.tag == f"{_PREFIX}merge"
                name = key.tag if is_merge else loader.construct_object(key, deep=True)
                if not isinstance(name, str):
                    raise _refused(
                        key, where, f"the key {name} is not a string", "put it in quotes"
                    )
                if name in keys:
                    raise _refused(key, where, f"duplicate key '{name[:40]}'")
                keys.add(name)
        nodes += _inner(each, where)


def _refused(node: yaml.Node | yaml.Event, where: str, what: str, step: str = "") -> RegistryError:
    line = node.start_mark.line + 1 if node.start_mark else 1
    return RegistryError(what, where=f"{where}:{line}", next=step)
