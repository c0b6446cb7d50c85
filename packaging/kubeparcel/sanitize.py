"""Text of others made safe to show: what a terminal or a page would obey instead of printing."""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours, cursor movements (ECMA-48, 5.4)
    r"|\x1b[]PX^_].*?(?:\x07|\x1b\\)"  # titles, links and other strings (ECMA-48, 5.6)
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Control characters but for tab and newline, what turns the direction of writing, no characters
at all."""


def printable(text: str) -> str:
    """The text without terminal sequences; other characters that do not show are named."""
    plain = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub(_named, plain)


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    return chr(0x2400 + code) if code < 0x20 else f"<U+{code:04X}>"
