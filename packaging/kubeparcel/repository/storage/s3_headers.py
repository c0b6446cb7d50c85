"""The HTTP headers that a bucket sends with a file: its type, and how long caches may keep it."""

from __future__ import annotations

from pathlib import Path

_CACHE_FOREVER = "public, max-age=31536000, immutable"
_CACHE_BRIEFLY = "public, max-age=60, must-revalidate"
_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".pem": "application/x-pem-file",
    ".xml": "application/xml",
    ".gz": "application/gzip",
    ".zst": "application/zstd",
    ".xz": "application/x-xz",
    ".deb": "application/vnd.debian.binary-package",
    ".rpm": "application/x-rpm",
    ".gpg": "application/octet-stream",
}


def http_headers(path: str) -> dict[str, str]:
    """Return the headers of a file."""
    return {
        "Cache-Control": _CACHE_FOREVER if is_immutable(path) else _CACHE_BRIEFLY,
        "Content-Type": _CONTENT_TYPES.get(Path(path).suffix, "text/plain; charset=utf-8"),
    }


def is_immutable(path: str) -> bool:
    """Return whether a file never changes under its name: packages, and names with a digest."""
    parts = path.split("/")
    hashed = "by-hash" in parts or ("repodata" in parts and "-" in parts[-1])
    return (hashed and parts[-1] != "index.html") or path.endswith((".deb", ".rpm"))
