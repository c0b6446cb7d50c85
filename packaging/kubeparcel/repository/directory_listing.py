"""An index.html for each folder: a repository can be browsed where the server lists none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from html import escape
from urllib.parse import quote

INDEX_PAGE = "index.html"
_PLAIN = re.compile(r"[A-Za-z0-9_.~+-][A-Za-z0-9_./~+-]*").fullmatch
_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:60rem;"
    "margin:0 auto;padding:1rem}h1,li{overflow-wrap:anywhere}h1{font-size:1.25rem}"
    "ul{padding-left:1.2rem}"
)


def group_by_folder(names: Iterable[str]) -> dict[str, set[str]]:
    """The folders that these files make up, and what is in each; `` is the outermost."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, row = name.rpartition("/")
        found[folder].add(row)
    for inner in tuple(found):
        folder = inner
        while folder:
            folder, _, row = folder.rpartition("/")
            found[folder].add(f"{row}/")
    return found


def _link(row: str) -> str:
    if _PLAIN(row):  # quoting ten thousand names that need none takes a while
        return f'<li><a href="{row}">{row}</a>'
    return f'<li><a href="{quote(row, safe="/+~:=")}">{escape(row)}</a>'


def render_page(title: str, rows: Iterable[str]) -> bytes:
    """The page of a folder; folders among the rows end with a slash."""
    found = sorted(rows)
    inside = [row for row in found if row.endswith("/")]
    files = [row for row in found if not row.endswith("/")]
    links = "\n".join(map(_link, (*inside, *files)))
    shown = escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{shown}</title>\n<link rel="icon" href="data:,">\n'
        f"<style>{_STYLE}</style>\n<h1>{shown}/</h1>\n"
        f'<ul>\n<li><a href="../">../</a>\n{links}\n</ul>\n</html>\n'
    ).encode()
