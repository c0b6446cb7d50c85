"""Times in seconds since 1970 as text, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def iso_time(seconds: int) -> str:
    """Return a time as documents and archives have it: `2026-07-22T18:07:38Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_date(seconds: float) -> str:
    """Return the date of a time: `2029-11-26`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def utc_time(seconds: int) -> str:
    """Return a time, which may be out of range, as people read it: `2026-07-22 18:07:38 UTC`."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s after 1970"
