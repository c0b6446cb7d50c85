"""Fewer garbage collections: with 100,000 packages they took 28 % of a publish, and found nothing."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEW_OBJECTS = 100_000


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Collect garbage after 100,000 new objects instead of 700: packages have no reference cycles."""
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
