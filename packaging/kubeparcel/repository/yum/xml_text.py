"""Text in XML; the standard library's own way imports half of the network."""

from __future__ import annotations

import re

_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_ODD = re.compile('[\x00-\x08\n\x0b\x0c\x0e-\x1f\ufffe\uffff&<>"]').search
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ENTITY = re.compile(r"&(?:#(\d+)|#x([0-9a-fA-F]+)|(\w+));")


def text(value: str) -> str:
    """A string between tags; characters that XML does not have become `?`."""
    if not _ODD(value):
        return value
    value = _BAD.sub("?", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def attribute(value: str) -> str:
    """A string inside double quotes."""
    if not _ODD(value):
        return value
    return text(value).replace('"', "&quot;").replace("\n", "&#10;")


def plain(value: str) -> str:
    """The string that XML text stands for."""
    return _ENTITY.sub(_character, value) if "&" in value else value


def _character(match: re.Match[str]) -> str:
    if match[1] or match[2]:
        return chr(int(match[1] or match[2], 10 if match[1] else 16))
    return _NAMED.get(match[3], match[0])
