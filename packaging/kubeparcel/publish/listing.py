"""An index.html for each folder: a repository can be browsed where the server lists none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from html import escape
from urllib.parse import quote

PAGE = "index.html"
_STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.6 system-ui,sans-serif;max-width:60rem;"
    "margin:0 auto;padding:1rem}h1,li{overflow-wrap:anywhere}h1{font-size:1.25rem}"
    "ul{padding-left:1.2rem}"
)


def folders(names: Iterable[str]) -> dict[str, set[str]]:
    """The folders that these files make up, and what is in each; `` is the outermost."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in names:
        folder, _, row = name.rpartition("/")
        while row not in found[folder]:
            found[folder].add(row)
            if not folder:
                break
            folder, _, row = folder.rpartition("/")
            row += "/"
    return found


def page(title: str, rows: Iterable[str]) -> bytes:
    """The page of a folder; folders among the rows end with a slash."""
    links = "\n".join(
        f'<li><a href="{quote(row, safe="/+~:=")}">{escape(row)}</a>'
        for row in sorted(rows, key=lambda row: (not row.endswith("/"), row))
    )
    shown = escape(title)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{shown}</title>\n<style>{_STYLE}</style>\n<h1>{shown}/</h1>\n"
        f'<ul>\n<li><a href="../">../</a>\n{links}\n</ul>\n</html>\n'
    ).encode()
