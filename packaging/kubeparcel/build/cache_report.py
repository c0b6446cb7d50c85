"""The contents of the cache as text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kubeparcel.build.cache import Cache
from kubeparcel.console import quantity
from kubeparcel.tables import format_table

IMAGES = "container images"


def cache_as_json(cache: Cache, unused: Cache, removed: tuple[int, int] | None) -> str:
    """Return the JSON document of `--json`."""
    contents = [
        {"kind": kind, "entries": number, "size": size, "oldest": _day(oldest), "newest": _day(newest)}
        for kind, number, size, oldest, newest in _summaries(cache)
    ]
    builds = [
        {
            "kubernetes": build.kubernetes,
            "arches": build.arches,
            "packages": build.packages,
            "size": size,
            "own_size": own,
            "used": _day(build.used),
        }
        for build, (size, own) in zip(cache.builds, cache.sizes(), strict=True)
    ]
    images = [
        {"engine": image.engine, "name": image.name, "size": image.size, "used": _day(image.used)}
        for image in cache.images
    ]
    document: dict[str, Any] = {
        "folder": str(cache.store.root),
        "size": cache.size,
        "contents": contents,
        "builds": builds,
        "images": images,
        "unused": {"entries": len(unused.entries), "images": len(unused.images), "size": unused.size},
    }
    if removed is not None:
        document["removed"] = {"entries": removed[0], "images": removed[1]}
    return json.dumps(document, indent=2)


def cache_as_text(cache: Cache, unused: Cache, description: str) -> str:
    """Return tables of the contents and builds, and what pruning would remove; `description` names the latter."""
    if not cache.entries and not cache.images:
        return f"{cache.store.root} is empty."
    rows = [
        [kind, f"{number:,}", quantity(size, "B"), _day(newest), _day(oldest)]
        for kind, number, size, oldest, newest in _summaries(cache)
    ]
    lines = [
        str(cache.store.root),
        "",
        format_table(["Contents", "Entries", "Size", "Last used", "Oldest"], rows, right=(1, 2)),
        "",
    ]
    if cache.builds:
        builds = [
            [
                *(build.kubernetes, ", ".join(build.arches), str(build.packages)),
                *(quantity(size, "B"), quantity(own, "B"), _day(build.used)),
            ]
            for build, (size, own) in zip(cache.builds, cache.sizes(), strict=True)
        ]
        headers = ["Build of", "Architectures", "Packages", "Size", "Unshared", "Last run"]
        lines += [format_table(headers, builds, right=(2, 3, 4)), ""]
    lines.append(f"{quantity(cache.size, 'B')} in total, {quantity(unused.size, 'B')} {description}")
    if unused.size:
        lines.append("Remove what is unused: inv cache --prune")
    return "\n".join(lines)


def describe_selection(older_than: int, keep: int) -> str:
    """Return which entries are unused, in words."""
    text = f"not used for {quantity(older_than, 'days')}"
    return f"{text}, nor by the last {quantity(keep, 'builds')}" if keep else text


def pruned_as_text(cache: Cache, unused: Cache, removed: tuple[int, int]) -> str:
    """Return what was removed, and what is left."""
    if not unused.entries and not unused.images:
        return f"Nothing to remove from {cache.store.root} ({quantity(cache.size, 'B')})."
    files, images = removed
    parts = f"{quantity(files, 'files')} and {quantity(images, 'images')}" if images else quantity(files, "files")
    left = quantity(max(cache.size - unused.size, 0), "B")
    return f"Removed {parts} ({quantity(unused.size, 'B')}) from {cache.store.root}; {left} are left."


def _summaries(cache: Cache) -> Iterable[tuple[str, int, int, float, float]]:
    """Yield kind, number, size in bytes, oldest and newest use; the largest first."""
    groups: dict[str, list[tuple[int, float]]] = {}
    for entry in cache.entries:
        groups.setdefault(entry.kind, []).append((entry.size, entry.used))
    if cache.images:
        groups[IMAGES] = [(image.size, image.used) for image in cache.images]
    sizes = {kind: sum(size for size, _ in items) for kind, items in groups.items()}
    for kind in sorted(groups, key=lambda kind: sizes[kind], reverse=True):
        used = [time for _, time in groups[kind]]
        yield kind, len(used), sizes[kind], min(used), max(used)


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().date().isoformat()
