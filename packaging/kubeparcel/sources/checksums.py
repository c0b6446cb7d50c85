"""The digests that upstream publishes beside its files."""

import re

from kubeparcel.errors import DownloadError

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


def published_digest(text: str, name: str, where: str) -> str:
    """The sha256, as hex, that the file `where` gives for `name`.

    Written bare, or as sha256sum does (`DIGEST  NAME`), perhaps among others. Raises
    DownloadError for anything else.
    """
    rows = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    if len(rows) > 1:
        rows = [row for row in rows if row[1:] and row[1].strip().lstrip("*./") == name]
    if not rows or not _SHA256.fullmatch(rows[0][0]):
        raise DownloadError(
            f"{where} holds no sha256 of {name}, but {text[:40]!r}.",
            "Something else answers in its place (a login page of a proxy?), or the mirror is "
            "damaged: look at it.",
        )
    return rows[0][0].lower()
