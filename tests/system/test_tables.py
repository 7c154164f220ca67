"""Plain text in columns and entries."""

from __future__ import annotations

from zoo_core.system.terminal import WIDTH, columns, entries


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(("a", "b"), [("long", "x")]) == ["a     b", "long  x"]


def test_each_text_of_an_entry_stands_on_lines_of_its_own() -> None:
    table = [(("ok", "disk"), ("free", "")), (("--", "network"), ("no answer", "-> set it"))]

    assert entries(table) == [
        "ok  disk     free",
        "--  network  no answer",
        "             -> set it",
    ]
    assert entries([]) == []
    assert entries([(("ok", "x"), ("",))]) == ["ok  x"]


def test_entries_wrap_and_keep_every_word() -> None:
    lines = entries([(("warning",), ("word " * 60, "/a-folder" * 20))])

    assert max(map(len, lines[:-1])) <= WIDTH
    assert " ".join(lines).split() == ["warning", *["word"] * 60, "/a-folder" * 20]
    assert all(line.startswith("         ") for line in lines[1:])
