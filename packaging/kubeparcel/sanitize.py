"""Make foreign text safe: to print, without what a terminal or a page would execute, and to parse as a number."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements (ECMA-48, 5.4)
    r"|\x1b[]PX^_].*?(?:\x07|\x1b\\)"  # titles, links and other strings (ECMA-48, 5.6)
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control characters except tab and newline, bidirectional overrides, surrogates, noncharacters."""

_DIGITS = {8: re.compile(r"[0-7]{1,22}"), 10: re.compile(r"[0-9]{1,19}")}


def printable(text: str) -> str:
    """Return the text without terminal sequences; other invisible characters are spelled out."""
    plain = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub(_spell_out, plain)


def _spell_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"<U+{code:04X}>"


def is_number(text: str, base: int = 10) -> bool:
    """Return whether the text is a number of at most 64 bits in ASCII digits; int() also accepts others."""
    return bool(_DIGITS[base].fullmatch(text))
