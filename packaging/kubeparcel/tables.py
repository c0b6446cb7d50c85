"""Plain-text tables that fit the terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap


def format_table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Format a plain-text table; `right` lists the columns that are right-aligned.

    If it is wider than the terminal, or 80 columns, the widest of the other columns are folded between words.
    """
    table = [headers, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(headers))]
    words = [max(len(word) for row in table for word in row[i].split() or [""]) for i in range(len(headers))]
    _narrow(widths, [widths[i] if i in right else words[i] for i in range(len(headers))])

    def lines(row: Sequence[str]) -> Iterator[str]:
        folded = [
            wrap(cell, width, break_on_hyphens=False) if len(cell) > width else [cell]
            for cell, width in zip(row, widths, strict=True)
        ]
        for parts in zip_longest(*folded, fillvalue=""):
            cells = [
                cell.rjust(width) if i in right else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(parts, widths, strict=True))
            ]
            yield ("  " + "  ".join(cells)).rstrip()

    return "\n".join(line for row in table for line in lines(row))


def _narrow(widths: list[int], minima: Sequence[int]) -> None:
    """Reduce the widths of a table's columns, the widest first, until a line fits or all are minimal."""
    for _ in range(sum(widths) + 2 * len(widths) - line_width()):
        reducible = [i for i, width in enumerate(widths) if width > minima[i]]
        if reducible:
            widths[max(reducible, key=widths.__getitem__)] -= 1


def line_width() -> int:
    """Return the columns of a line on standard output: the terminal's, 80 elsewhere."""
    return shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
