"""A repository by URL, read like one in a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urljoin, urlparse

from ...errors import ConfigurationError, Unreachable, UsageError
from ..directory import Directory
from ..storage import Reader, safe

_TIMEOUT = 30
_LINK = re.compile(r"""href\s*=\s*["']([^"'?#]+)["']""", re.IGNORECASE)
_MOST_FOLDERS = 2000


def open_reader(where: str) -> Reader:
    """What reads at a URL or in a folder; raises UsageError for anything else."""
    scheme = urlparse(where).scheme
    if scheme in ("http", "https"):
        return Web(where)
    if scheme == "file":
        return Directory(Path(unquote(urlparse(where).path)))
    if where.startswith("s3://"):
        from .. import storage

        return storage.at(where)
    if not Path(where).is_dir():
        raise UsageError(f"There is no folder {where}.", "Give a folder, or a URL with http(s)://.")
    return Directory(Path(where).absolute())


class Web:
    """A repository behind http."""

    def __init__(self, url: str) -> None:
        import requests

        self.where = url if url.endswith("/") else f"{url}/"
        self._session = requests.Session()

    def read(self, path: str, limit: int | None = None) -> bytes | None:
        headers = {} if limit is None else {"Range": f"bytes=0-{limit - 1}"}
        data = self._get(safe(path), headers)
        return data if data is None or limit is None else data[:limit]

    def _get(self, path: str, headers: Mapping[str, str]) -> bytes | None:
        import requests

        url = urljoin(self.where, path)
        try:
            answer = self._session.get(url, headers=dict(headers), timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise Unreachable(f"{url}: {type(error).__name__}.", "Is the address right?") from None
        if answer.status_code in (403, 404, 410):
            return None
        if answer.status_code >= 400:
            raise Unreachable(f"{url}: the server answers {answer.status_code}.")
        return answer.content

    def sizes(self, prefix: str) -> dict[str, int] | None:
        """By the pages that servers make of folders; the sizes are not known there (-1)."""
        found: dict[str, int] = {}
        todo = [prefix]
        seen = set(todo)
        while todo and len(seen) < _MOST_FOLDERS:
            folder = todo.pop()
            names = self._listed(folder)
            if names is None:
                return None if folder == prefix else found
            for name in names:
                path = f"{folder}/{name.rstrip('/')}"
                if name.endswith("/") and path not in seen:
                    seen.add(path)
                    todo.append(path)
                elif not name.endswith("/"):
                    found[path] = -1
        return found

    def _listed(self, folder: str) -> list[str] | None:
        data = self._get(f"{folder}/", {})
        if data is None or b"href" not in data.lower():
            return None
        names = (unquote(unescape(name)) for name in _LINK.findall(data.decode("utf-8", "replace")))
        return [name for name in dict.fromkeys(names) if _inside(name)]


def _inside(name: str) -> bool:
    try:
        safe(name.rstrip("/"))
    except ConfigurationError:
        return False
    return "/" not in name.rstrip("/") and name != "index.html"
