"""Make foreign text safe: without credentials, to print without what a terminal or a page would execute, as numbers."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colors, cursor movements (ECMA-48, 5.4)
    r"|\x1b[]PX^_](?:[^\x07\x1b\n]*(?:\x07|\x1b\\))?"  # titles, links and other strings (ECMA-48, 5.6)
    r"|\x1b[ -/]*[0-~]"
)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff"
    r"\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Control characters except tab and newline, bidirectional marks and overrides, zero-width and tag characters,
surrogates, noncharacters."""

_MARK = re.compile(r"(\x1b\[3[12]m(?:✓|✗|ok|FAIL)\x1b\[0m)")
"""The colored marks of our own reports."""

_URL = re.compile(r"(?<=://)\S+")
_DIGITS = {8: re.compile(r"[0-7]{1,22}"), 10: re.compile(r"[0-9]{1,19}")}


def printable(text: str) -> str:
    """Return the text without terminal sequences; other invisible characters are spelled out."""
    plain = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub(_spell_out, plain)


def one_line(text: str) -> str:
    """Return printable text on one line."""
    return " ".join(printable(text).split())


def for_terminal(text: str) -> str:
    """Return printable text in which the colored marks of reports are left: for all that is printed."""
    parts = _MARK.split(text)
    return "".join(part if index % 2 else printable(part) for index, part in enumerate(parts))


def redact_url(text: str, replacement: str = "") -> str:
    """Return a URL, or a text with URLs, in which user names and passwords are replaced, also unescaped ones."""
    return _URL.sub(lambda match: _strip_credentials(match[0], replacement), text)


def _strip_credentials(rest: str, replacement: str) -> str:
    """Strip what follows the scheme of a URL. Paths may contain `/@`, as those of Go module proxies do."""
    credentials, _, host = rest.rpartition("@")
    if not credentials or (credentials.endswith("/") and ":" not in credentials.partition("/")[0]):
        return rest
    return replacement + host


def _spell_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"<U+{code:04X}>"


def is_number(text: str, base: int = 10) -> bool:
    """Return whether the text is a number of at most 64 bits in ASCII digits; int() also accepts others."""
    return bool(_DIGITS[base].fullmatch(text))
