from __future__ import annotations

import pytest

from zoo_core.system.terminal import host_of, masked, printable, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:token@host/a?b=c", "https://***@host/a?b=c"),
        (
            "from https://me@b.org/x, http://u:p@ss@h:80/",
            "from https://***@b.org/x, http://***@h:80/",
        ),
        ("git+ssh://git:token@host/x.git", "git+ssh://***@host/x.git"),
        ("https://h/?access_token=1&x=2#f", "https://h/?access_token=***&x=2#f"),
        ("https://h/?X-Amz-Signature=ab&e=1", "https://h/?X-Amz-Signature=***&e=1"),
        ('{"url": "https://u:p@h/"}', '{"url": "https://***@h/"}'),
        ("https://host/x@y", "https://host/x@y"),
        ("https://host?mail=a@b", "https://host?mail=a@b"),
        ("me@host.org, not an address", "me@host.org, not an address"),
    ],
)
def test_credentials_are_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("traffic light\tä 人 🙂\n", "traffic light\tä 人 🙂\n"),
        ("\x1b[2J\x07\r\x7f\x9b\0", "\\x1b[2J\\x07\\x0d\\x7f\\x9b\\x00"),
        ("\u202egnp.exe\u2069\u2028", "\\u202egnp.exe\\u2069\\u2028"),
        ("file\udcff", "file\\udcff"),
    ],
)
def test_control_characters_are_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert shown(text) == expected


def test_a_host_is_named_without_who_asks() -> None:
    assert (
        host_of("https://user:token@host:8080/a") == host_of("https://host:8080/b") == "host:8080"
    )
