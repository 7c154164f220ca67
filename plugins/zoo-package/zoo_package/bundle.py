"""One file of Python out of what a few functions need: definitions of zoo, without zoo.

Modules are read, not imported. Of a class only those methods are taken that something calls by
name; definitions stay in the order in which their modules would be imported.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_package.modules import (
    PREFIX,
    Definition,
    Outside,
    imported,
    origin,
    read_module,
    resolve,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from zoo_package.modules import Thing

_ANY = Outside("typing", "Any")
_TYPE_CHECKING = Outside("typing", "TYPE_CHECKING")


@dataclass(frozen=True, slots=True)
class Bundle:
    """The text without imports of zoo, what a root is called in it, and which packages it needs."""

    text: str
    names: Mapping[Definition, str]
    packages: tuple[str, ...]


def bundle(
    roots: Iterable[Definition],
    called: Mapping[Definition, Iterable[str]],
    imports: Mapping[Outside, str] = MappingProxyType({}),
) -> Bundle:
    """Put together what the roots need, and `imports` under these names.

    `called` names the methods of a class that are called from outside: of it and its bases only
    these are taken, and what they call of `self`. Raises ZooError for source that cannot be taken
    apart.
    """
    needs = _Needs(list(roots), {key: set(methods) for key, methods in called.items()})
    needs.outside |= imports
    needs.collect()
    return _Writer(needs).bundle()


@dataclass(slots=True)
class _Used:
    """What a definition's kept code uses: names, names in annotations, attributes, `self`'s."""

    names: dict[str, None] = field(default_factory=dict)
    typed: dict[str, None] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    outside: set[str] = field(default_factory=set)


class _Visitor(ast.NodeVisitor):
    """Fills a `_Used`; annotations are kept apart from what runs."""

    def __init__(self, used: _Used, package: str) -> None:
        self.used = used
        self.package = package

    def visit_Name(self, node: ast.Name) -> None:
        self.used.names[node.id] = None

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.used.attributes.add(node.attr)
        value = node.value
        is_super = isinstance(value, ast.Call) and getattr(value.func, "id", "") == "super"
        if is_super or (isinstance(value, ast.Name) and value.id in ("self", "cls")):
            self.used.own.add(node.attr)
        self.visit(value)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        self.used.attributes |= set(node.kwd_attrs)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self._typed(node.annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._typed(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._typed(node.returns)
        for child in (*node.decorator_list, node.args, *node.body):
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.used.outside |= {alias.name for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        rows = dict(imported([node], self.package))
        if _is_zoo(node):
            self.used.imports |= rows
        else:
            self.used.outside |= {base for base, _ in rows.values()}

    def _typed(self, node: ast.expr | None) -> None:
        if node is not None:
            found = (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
            self.used.typed |= dict.fromkeys(found)


class _Needs:
    """The definitions that the roots need, and the attributes that anything names."""

    def __init__(self, roots: list[Definition], called: dict[Definition, set[str]]) -> None:
        self.roots = roots
        self.called = called
        self.attributes: set[str] = set()
        self.used: dict[Definition, _Used] = {}
        self.outside: dict[Outside, str] = {}
        self.inside: set[str] = set()

    def collect(self) -> None:
        """Until nothing is added: more code names more attributes, and so keeps more methods."""
        before = None
        while before != (before := (len(self.used), self.attributes.copy(), self._calls())):
            self.used = {}
            left = list(self.roots)
            while left:
                thing = left.pop()
                if thing not in self.used:
                    left += self._take(thing)

    def _calls(self) -> list[set[str]]:
        return [set(methods) for methods in self.called.values()]

    def _take(self, thing: Definition) -> Iterator[Definition]:
        used = self.used[thing] = _Used()
        visitor = _Visitor(used, thing.module.rpartition(".")[0])
        for node in self.kept(thing):
            visitor.visit(node)
        self.attributes |= used.attributes
        self.inside |= used.outside
        if thing in self.called:
            self.called[thing] |= used.own
            self._inherit(thing)
        for name in dict.fromkeys((*used.names, *_needed_by_dataclasses(used))):
            found = self.meaning(thing, name)
            if isinstance(found, Definition):
                yield found
            elif found is not None:
                self.outside.setdefault(found, name)

    def meaning(self, thing: Definition, name: str) -> Thing | None:
        """What a name stands for in a definition."""
        own = self.used[thing].imports.get(name)
        return origin(*own) if own else resolve(thing.module, name)

    def _inherit(self, thing: Definition) -> None:
        """The bases of a class that is called from outside are called alike."""
        for base in getattr(self.statement(thing), "bases", ()):
            found = resolve(thing.module, base.id) if isinstance(base, ast.Name) else None
            if isinstance(found, Definition):
                shared = self.called.setdefault(found, set())
                shared |= self.called[thing]
                self.called[thing] |= shared

    def statement(self, thing: Definition) -> ast.stmt:
        """The statement of a definition."""
        return read_module(thing.module).statements[thing.name]

    def kept(self, thing: Definition) -> list[ast.AST]:
        """The nodes of a definition that are taken: all, but of a class only some members."""
        node = self.statement(thing)
        if not isinstance(node, ast.ClassDef):
            return [node]
        dropped = {id(member) for member in self.dropped(thing)}
        members = [member for member in node.body if id(member) not in dropped]
        return [*node.decorator_list, *node.bases, *node.keywords, *members]

    def dropped(self, thing: Definition) -> list[ast.stmt]:
        """The members of a class that nothing asks for, each with the text that describes it."""
        node = self.statement(thing)
        if not isinstance(node, ast.ClassDef):
            return []
        named = self.called.get(thing, self.attributes)
        made = bool(node.decorator_list or node.bases)  # a dataclass, an Enum: its fields count
        found: list[ast.stmt] = []
        for member in node.body:
            if isinstance(member, ast.FunctionDef):
                is_magic = re.fullmatch("__.*__", member.name) is not None
                wanted = is_magic or member.name in named
            elif isinstance(member, ast.Assign | ast.AnnAssign):
                targets = [member.target] if isinstance(member, ast.AnnAssign) else member.targets
                names = {target.id for target in targets if isinstance(target, ast.Name)}
                wanted = made or not names.isdisjoint(named | self.attributes)
            else:
                wanted = not (found and found[-1] is _before(node.body, member))
            if not wanted:
                found.append(member)
        return found


class _Writer:
    """Writes the definitions, each under a name that no other has."""

    def __init__(self, needs: _Needs) -> None:
        self.needs = needs
        self.names: dict[Thing, str] = {}
        wanted, modules = {thing.module for thing in needs.used}, dict[str, None]()
        for name in sorted(wanted):
            _imports(name, modules)
        self.modules = [name for name in modules if name in wanted]
        taken = set(dir(builtins))
        for thing, known_as in needs.outside.items():
            self.names[thing] = _free(known_as, thing.module, taken)
        for module in self.modules:
            for own in self._of(module):
                self.names[own] = _free(own.name, module, taken)
        self.taken = taken

    def bundle(self) -> Bundle:
        """The whole text."""
        parts = [self._imports()]
        for module in self.modules:
            parts.append(f"\n# From {module}.")
            written: set[int] = set()
            for thing in self._of(module):
                statement = self.needs.statement(thing)
                if id(statement) not in written:
                    written.add(id(statement))
                    is_long = isinstance(statement, ast.FunctionDef | ast.ClassDef)
                    parts.append("\n" * is_long + self._text(thing))
        roots = {thing: name for thing, name in self.names.items() if isinstance(thing, Definition)}
        packages = {thing.module for thing in self.needs.outside} | self.needs.inside
        found = {name.partition(".")[0] for name in packages} - sys.stdlib_module_names
        return Bundle("\n\n".join(parts) + "\n", roots, tuple(sorted(found)))

    def _of(self, module: str) -> list[Definition]:
        order = read_module(module).order
        own = [thing for thing in self.needs.used if thing.module == module]
        return sorted(own, key=lambda thing: order[thing.name])

    def _imports(self) -> str:
        """The imports, and what only annotations name: as it is if it can be had, else `Any`."""
        self.names.setdefault(_ANY, "Any")
        self.names.setdefault(_TYPE_CHECKING, "TYPE_CHECKING")
        outside = {thing: name for thing, name in self.names.items() if isinstance(thing, Outside)}
        typed: dict[str, str] = {}
        for thing, used in self.needs.used.items():
            for name in used.typed.keys() - self.taken:
                module = read_module(thing.module)
                known = module.typed.get(name) or module.imports.get(name)
                line = f"{name} = Any"
                if known and not known[0].startswith(PREFIX):
                    line = Outside(*known).line(name)
                typed.setdefault(name, line)
        lines = ["from __future__ import annotations", ""]
        lines += _joined(thing.line(name) for thing, name in outside.items())
        shown = _joined(typed.values())
        block = ["", "if TYPE_CHECKING:", *(f"    {line}" for line in shown)] if shown else []
        return "\n".join([*lines, *block])

    def _text(self, thing: Definition) -> str:
        """The source of a definition: without what is dropped, with its names."""
        node, module = self.needs.statement(thing), read_module(thing.module)
        lines = dict(enumerate(module.lines, 1))
        self._rename(thing, node, lines)
        gone: list[tuple[Any, bool]] = [(member, True) for member in self.needs.dropped(thing)]
        gone += [(inner, False) for inner in ast.walk(node) if _is_zoo(inner)]
        for member, blanks in gone:
            start, stop = _span(member)
            for number in range(start, stop + 1):
                lines.pop(number, None)
            while blanks and not lines.get(stop + 1, "x").strip():
                stop += 1
                lines.pop(stop)
        start, stop = _span(node)
        note = module.notes.get(thing.name)
        stop = note.end_lineno or stop if note else stop
        text = "\n".join(lines[at] for at in range(start, stop + 1) if at in lines)
        return text.rstrip()

    def _rename(self, thing: Definition, node: ast.stmt, lines: dict[int, str]) -> None:
        """Replace names that are called otherwise here, from the last on a line to the first."""
        used = self.needs.used[thing]
        known = {name: self.needs.meaning(thing, name) for name in (*used.names, *used.typed)}
        new = {n: self.names[t] for n, t in known.items() if t in self.names}
        new = {name: other for name, other in new.items() if name != other}
        new |= {n: self.names[d] for n, d in _same_statement(thing, node)}
        arguments = {inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)}
        places = [
            (inner.lineno, inner.col_offset, inner.id)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Name) and inner.id in new and inner.id not in arguments
        ]
        for number, column, name in sorted(places, reverse=True):
            line = lines[number].encode()
            rest = line[column + len(name.encode()) :]
            lines[number] = (line[:column] + new[name].encode() + rest).decode()
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and self.names[thing] != thing.name:
            head = rf"^(def|class) {thing.name}\b"
            lines[node.lineno] = re.sub(head, rf"\1 {self.names[thing]}", lines[node.lineno])


def _joined(lines: Iterable[str]) -> list[str]:
    """Import statements in order, one for each module; assignments after them."""
    found: dict[str, list[str]] = {}
    for line in sorted(set(lines)):
        head, _, name = line.rpartition(" import ")
        found.setdefault(f"{head} import" if head else line, []).extend([name] if head else [])
    order = sorted(found, key=lambda head: (head.endswith("= Any"), head.startswith("from"), head))
    return [f"{head} {', '.join(found[head])}".rstrip() for head in order]


def _same_statement(thing: Definition, node: ast.stmt) -> Iterator[tuple[str, Definition]]:
    """The names that an assignment defines."""
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield thing.name, thing


def _free(name: str, module: str, taken: set[str]) -> str:
    """The name, or one with the module's behind it where it is taken."""
    number, choice = 1, name
    while choice in taken:
        number += 1
        last = module.rpartition(".")[2]
        choice = f"{name}_{last}" if number == 2 else f"{name}_{last}_{number}"
    taken.add(choice)
    return choice


def _imports(module: str, seen: dict[str, None]) -> None:
    """Add a module to those seen, after what it imports, at any depth."""
    if module in seen:
        return
    for base, name in read_module(module).imports.values():
        if found := resolve_module(base, name):
            _imports(found, seen)
    seen[module] = None


def resolve_module(base: str, name: str) -> str:
    """The module of zoo in which a name that is imported is defined; "" for others."""
    if not base.startswith(PREFIX):
        return ""
    found = origin(base, name) if name else None
    return found.module if isinstance(found, Definition) else ""


def _needed_by_dataclasses(used: _Used) -> set[str]:
    """Names in annotations that `dataclass` looks up."""
    return used.typed.keys() & {"ClassVar", "InitVar", "KW_ONLY"}


def _before(body: list[ast.stmt], member: ast.stmt) -> ast.stmt | None:
    at = body.index(member)
    return body[at - 1] if at else None


def _span(node: Any) -> tuple[int, int]:
    """First and last line of a statement, decorators included."""
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    return first, node.end_lineno or first


def _is_zoo(node: ast.AST) -> bool:
    """Whether a node is an import from zoo or a plugin."""
    if not isinstance(node, ast.ImportFrom):
        return False
    return bool(node.level) or (node.module or "").startswith(PREFIX)
