"""An index.html for each folder, for servers that do not list folders; pages of others are kept."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Set
from concurrent.futures import ThreadPoolExecutor
from html import escape
from urllib.parse import quote

from kubeparcel.console import Log
from kubeparcel.repository.storage.base import StorageReader

INDEX_PAGE = "index.html"
GENERATOR = '<meta name="generator" content="kubeparcel">'
"""The mark of our pages."""

_MARKS = (GENERATOR.encode(), b'<link rel="icon" href="data:,">')
"""The generator mark of our pages, and the line by which pages of the first versions are recognized."""

_HEAD, _READERS = 2048, 8
_PLAIN = re.compile(r"[A-Za-z0-9._/+~:=-]+")


def group_by_folder(paths: Iterable[str], wanted: Set[str] | None = None) -> dict[str, set[str]]:
    """Return the folders of these paths, or the `wanted` ones, with their content; subfolders end with a slash.

    The top folder is the empty string.
    """
    folders: dict[str, set[str]] = defaultdict(set)
    for path in paths:
        folder, _, name = path.rpartition("/")
        content = folders[folder]
        if wanted is None or folder in wanted:
            content.add(name)
    for inner in tuple(folders):
        folder = inner
        while folder:
            folder, _, name = folder.rpartition("/")
            folders[folder].add(f"{name}/")
    return folders if wanted is None else {folder: names for folder, names in folders.items() if folder in wanted}


def render_page(title: str, names: Iterable[str]) -> bytes:
    """Return the page of a folder, subfolders first."""
    from kubeparcel import templates

    links = "\n".join(map(_link, sorted(names, key=lambda name: (not name.endswith("/"), name))))
    return templates.render("repository/folder.html.j2", {"title": title, "links": links}).encode()


def foreign_pages(storage: StorageReader, paths: Collection[str], log: Log) -> frozenset[str]:
    """Return and log the existing pages that kubeparcel did not write."""
    with ThreadPoolExecutor(_READERS) as threads:
        pages = dict(zip(paths, threads.map(storage.read, paths), strict=True))
    foreign = sorted(path for path, page in pages.items() if page is not None and not _is_ours(page))
    if foreign:
        log.info("Keep", f"{', '.join(foreign)}: not written by kubeparcel")
    return frozenset(foreign)


def _is_ours(page: bytes) -> bool:
    return any(mark in page[:_HEAD] for mark in _MARKS)


def _link(name: str) -> str:
    if _PLAIN.fullmatch(name):  # as all names of packages: a tenth of the time
        return f'<li><a href="{name}">{name}</a>'
    return f'<li><a href="{quote(name, safe="/+~:=")}">{escape(name)}</a>'
