"""Text of others is shown as it reads; nothing in it is obeyed."""

import time

import pytest

from kubeparcel.journal import redact
from kubeparcel.sanitize import for_terminal, is_number, one_line, printable, redact_url


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
        ("a\u200bb\u200fc\u2066d\ufeffe", "a<U+200B>b<U+200F>c<U+2066>d<U+FEFF>e"),
        ("\x1b]0;a title without an end", "0;a title without an end"),
        ("\x1b]0;not across\nlines\x07", "0;not across\nlines␇"),
        ("Zażółć ✓ 漢字 🙂", "Zażółć ✓ 漢字 🙂"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out_or_named(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_printing_takes_linear_time():
    started = time.monotonic()
    for text in ("\x1b]" * 200_000, "\x1b[" * 200_000, "\x1b " * 200_000, "://a" * 200_000, "\x1b[31m✓" * 100_000):
        for_terminal(redact_url(text))
    assert time.monotonic() - started < 5


def test_only_colored_marks_of_reports_reach_a_terminal():
    text = "\x1b[32m✓\x1b[0m 1 \x1b[31m✗\x1b[0m \x1b[31mred\x1b[0m \x1b[2J\x9b2J\u202e"
    assert for_terminal(text) == "\x1b[32m✓\x1b[0m 1 \x1b[31m✗\x1b[0m red <U+009B>2J<U+202E>"


def test_foreign_text_on_one_line_cannot_imitate_another():
    assert one_line("a\n✓ all pass\r\n\tb") == "a ✓ all pass b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("get https://u:p@host/x now", "get https://***@host/x now"),
        ("https://user:p/w#r?d@host/x", "https://***@host/x"),
        ("https://token@host/x", "https://***@host/x"),
        ("https://user:p@ss/@host/x", "https://***@host/x"),
        ("https://proxy.golang.org/k8s.io/api/@v/list", "https://proxy.golang.org/k8s.io/api/@v/list"),
        ("https://host/x y@z", "https://host/x y@z"),
        ("s3://key:secret@bucket/x", "s3://***@bucket/x"),
    ],
)
def test_credentials_of_urls_are_hidden(text, shown):
    assert redact_url(text, "***@") == shown
    assert redact(text) == shown
    assert redact_url(text) == shown.replace("***@", "")


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
def test_number_has_ascii_digits_of_its_base_and_at_most_19(text, base, expected):
    assert is_number(text, base) is expected
