"""The kubelet's extra arguments: from the setting to the environment file that systemd reads.

systemd reads the file almost as a shell does (EnvironmentFile= in systemd.exec(5)), and splits the
variable into arguments by its own rules (COMMAND LINES in systemd.service(5)).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PIECE = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:\\["\\]|[^"\\])*)"|(?P<plain>[^ \t"'\\]+)|(?P<space>[ \t]+)|(?P<invalid>.)"""
)


def split_arguments(text: str) -> list[str]:
    r"""Return the arguments of a command line.

    Quotes at the start of an argument or after `=` or `,` group what is inside. In double quotes,
    `\"` and `\\` are a quote and a backslash. Nothing is substituted. Raises ValueError for other
    quotes and backslashes, which shells, systemd and readers understand differently.
    """
    arguments: list[str] = []
    start: int | None = None
    for piece in _PIECE.finditer(text):
        kind, position = piece.lastgroup or "", piece.start()
        if kind == "space":
            start = None
            continue
        if start is None:
            start = position
            arguments.append("")
        if kind == "invalid" or (kind != "plain" and position > start and text[position - 1] not in "=,"):
            argument = text[start:].split(maxsplit=1)[0]
            raise ValueError(
                f"ambiguous or unbalanced quotes or backslashes in {argument}: put the argument in single "
                r"quotes to keep it as it is, or in double quotes with \" and \\"
            )
        arguments[-1] += re.sub(r"\\(.)", r"\1", piece[kind]) if kind == "double" else piece[kind]
    return arguments


def valid_arguments(text: str) -> str:
    """Return a command line that `split_arguments` accepts; raise ValueError for another."""
    split_arguments(text)
    return text


def environment_value(arguments: Sequence[str]) -> str:
    """Return the value of a variable in an environment file that systemd splits into these arguments."""
    value = " ".join(
        _quote(argument, '"') if not argument or re.search(r"""[ \t"'\\]""", argument) else argument
        for argument in arguments
    )
    return _quote(value, '"$`') if re.search(r"""["'\\$`]""", value) else value


def _quote(text: str, special: str) -> str:
    """Return the text in double quotes, with a backslash before each backslash and special character."""
    return '"' + re.sub(rf"([\\{special}])", r"\\\1", text) + '"'
