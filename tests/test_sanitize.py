"""Text of others is shown as it reads; nothing in it is obeyed."""

from __future__ import annotations

import pytest

from kubeparcel.sanitize import is_number, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m and \x1b[1;4mbold\x1b[m", "red and bold"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;https://example.org\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("\x1b(Btext\x1bc", "text"),
        ("one\r\ntwo\rthree\n\tfour", "one\ntwo\nthree\n\tfour"),
        ("nul\0bell\a", "nul␀bell␇"),
        ("file\u202egnp.exe", "file<U+202E>gnp.exe"),
        ("\ud800 \x9b31m", "<U+D800> <U+009B>31m"),
        ("Zażółć ✓ 漢字 🙂", "Zażółć ✓ 漢字 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out_or_named(text: str, shown: str):
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    ("text", "base", "expected"),
    [
        ("0", 10, True),
        ("9" * 19, 10, True),
        ("9" * 20, 10, False),
        ("\u00b2", 10, False),
        ("\u0662", 10, False),
        ("1_000", 10, False),
        ("-1", 10, False),
        ("1\n", 10, False),
        ("", 10, False),
        ("644", 8, True),
        ("8", 8, False),
    ],
)
def test_is_number(text: str, base: int, expected: bool) -> None:
    assert is_number(text, base) is expected
