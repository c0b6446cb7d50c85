"""The user's cache as a store, with a warning if others can write to it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from kubeparcel.console import Log
from kubeparcel.paths import cache_dir
from kubeparcel.store import Store

_warned: set[Path] = set()


def open_store(log: Log) -> Store:
    """Return the store in the user's cache folder; warn, once, if others can write to the folder."""
    root = cache_dir()
    writers = other_writers(root)
    if writers and root not in _warned:
        _warned.add(root)
        log.warn(
            f"{writers} can write to the cache {root}, and change what is built while it is built. "
            f"Make it private (chmod 700 {root}), or choose another one with KUBEPARCEL_CACHE."
        )
    return Store(root)


def other_writers(folder: Path) -> str:
    """Return who other than this user and root can write to a folder; empty if nobody can, or it does not exist."""
    try:
        status = folder.stat()
    except OSError:
        return ""
    if status.st_uid not in (os.geteuid(), 0):
        return f"Its owner, {_name(status.st_uid)},"
    if status.st_mode & stat.S_IWOTH:
        return "Every user"
    if status.st_mode & stat.S_IWGRP and not _is_private_group(status.st_gid):
        return f"Group {_group(status.st_gid)}"
    return ""


def _is_private_group(gid: int) -> bool:
    """Whether a group is the one that many systems create for each user: then umask 002 is usual."""
    import grp

    with suppress(KeyError):
        group = grp.getgrgid(gid)
        return group.gr_name == _name(os.geteuid()) and not group.gr_mem
    return False


def _name(uid: int) -> str:
    import pwd

    with suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"


def _group(gid: int) -> str:
    import grp

    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)
