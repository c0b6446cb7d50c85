"""The tasks that make repositories, and the keys that sign them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from invoke.context import Context

from kubeparcel import console
from kubeparcel.cli.task import print_result, task
from kubeparcel.errors import UsageError

if TYPE_CHECKING:
    from kubeparcel.repository.publisher import Target
    from kubeparcel.repository.result import ChangeResult

ACTIONS = ("new", "show", "extend", "rotate")
WAIT = 30
_ADDRESS = re.compile(r"(https?|file)://[A-Za-z0-9._~:/%@+\[\]-]+")
KEPT = -1
"""A number that was not given: it stays as the repository has it."""


def _target(
    to: str,
    key: str,
    wait: int,
    *,
    dry_run: bool = False,
    options: Mapping[str, str | int] | None = None,
) -> Target:
    from kubeparcel.repository.publisher import Target

    if not to:
        raise UsageError("--to is needed: the folder, or s3://BUCKET/PREFIX, of the repository.")
    place = to if "://" in to else str(Path.cwd() / to)
    return Target(place, key, dry_run, wait, options or {})


def _options(address: str, metadata: str, valid: int, generations: int) -> Mapping[str, str | int]:
    """What was asked for; the repository remembers it, so that once is enough."""
    from kubeparcel.repository.model import MetadataCompression

    if metadata and metadata not in list(MetadataCompression):
        raise UsageError(f"--metadata {metadata}: there is {' and '.join(MetadataCompression)}.")
    if valid < KEPT or generations < 0:
        raise UsageError("--valid and --generations are numbers from 0 on.")
    if address and not _ADDRESS.fullmatch(address):
        raise UsageError(
            f"--address {address}: that is no URL.", "Write https://HOST/PATH, as clients see it."
        )
    asked: dict[str, str | int] = {
        "base_url": address,
        "metadata_compression": metadata,
        "valid_days": valid,
        "generations": generations,
    }
    unsaid = {"base_url": "", "metadata_compression": "", "valid_days": KEPT, "generations": 0}
    return {name: value for name, value in asked.items() if value != unsaid[name]}


def _out() -> str:
    """The output folder of builds; to read settings takes as long as to look for changes."""
    from kubeparcel.config.settings import load

    return load({}).out


def _tell(changed: ChangeResult, *, as_json: bool) -> int:
    print_result(changed.as_json() if as_json else changed.as_text())
    return changed.exit_code


@task
def publish(
    _: Context,
    to: str = "",
    from_: str = "",
    suite: str = "",
    key: str = "",
    address: str = "",
    metadata: str = "",
    valid: int = KEPT,
    generations: int = 0,
    wait: int = WAIT,
    dry_run: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> int:
    """Add packages to a signed apt and yum repository, made when it is not there yet."""
    from kubeparcel.repository.background import beside

    source = Path.cwd() / (from_ or _out())
    with beside(lambda: _listing(source)) as listing:  # while what else is needed is imported
        from kubeparcel.repository import publisher

        options = _options(address, metadata, valid, generations)
        target = _target(to, key, wait, dry_run=dry_run, options=options)
        changed = publisher.publish(
            source, target, console.create_log(quiet), suite=suite, listing=listing
        )
    return _tell(changed, as_json=json_)


def _listing(folder: Path) -> str:
    from kubeparcel.repository.candidates.scan import listing

    return listing(folder)


@task
def remove(
    _: Context,
    path: list[str],
    to: str = "",
    suite: str = "",
    key: str = "",
    wait: int = WAIT,
    dry_run: bool = False,
    json_: bool = False,
) -> int:
    """Take packages out of a repository: NAME, NAME=VERSION or =VERSION."""
    from kubeparcel.repository import publisher

    target = _target(to, key, wait, dry_run=dry_run)
    return _tell(publisher.remove(path, target, console.create_log(), suite=suite), as_json=json_)


@task
def retain(
    _: Context,
    keep: int = 5,
    to: str = "",
    suite: str = "",
    key: str = "",
    wait: int = WAIT,
    dry_run: bool = False,
    json_: bool = False,
) -> int:
    """Keep only the newest versions of each package in each minor."""
    from kubeparcel.repository import publisher

    target = _target(to, key, wait, dry_run=dry_run)
    return _tell(publisher.retain(keep, target, console.create_log(), suite=suite), as_json=json_)


@task
def rollback(
    _: Context,
    to: str = "",
    generation: int = 0,
    key: str = "",
    wait: int = WAIT,
    dry_run: bool = False,
    json_: bool = False,
) -> int:
    """Publish again what an earlier generation of a repository held."""
    from kubeparcel.repository import publisher

    target = _target(to, key, wait, dry_run=dry_run)
    changed = publisher.rollback(target, console.create_log(), generation=generation)
    return _tell(changed, as_json=json_)


@task
def copy(
    _: Context,
    path: list[str],
    suite: str = "",
    into: str = "",
    to: str = "",
    key: str = "",
    wait: int = WAIT,
    dry_run: bool = False,
    json_: bool = False,
) -> int:
    """Promote packages from one suite of a repository to another: all, or NAME[=VERSION] …."""
    from kubeparcel.repository import publisher

    target = _target(to, key, wait, dry_run=dry_run)
    return _tell(
        publisher.copy(suite, into, target, console.create_log(), selectors=path), as_json=json_
    )


@task
def doctor(
    _: Context,
    path: list[str],
    key: str = "",
    suite: str = "",
    horizon: int = 365,
    quick: bool = False,
    json_: bool = False,
    junit: str = "",
    quiet: bool = False,
) -> int:
    """Examine any apt and yum repository: inv doctor URL, or a folder."""
    from kubeparcel.doctor.examination import Request, examine

    if len(path) != 1:
        raise UsageError("inv doctor needs one URL or folder.")
    where = path[0] if "://" in path[0] else str(Path.cwd() / path[0])
    suites = tuple(name.strip() for name in suite.split(",") if name.strip())
    found = examine(Request(where, key, suites, quick, horizon), console.create_log(quiet))
    if junit:
        found.write_junit(Path.cwd() / junit)
    print_result(found.as_json() if json_ else found.as_text())
    return found.exit_code


@task
def key(
    _: Context, action: str, name: str = "", identity: str = "", days: int = 0, json_: bool = False
) -> None:
    """Make, show, extend or rotate a signing key: new, show, extend, rotate."""
    from kubeparcel.repository.signing import gpg, keyring, keys

    chosen = name or keys.DEFAULT_NAME
    lasts = days or keys.LIFETIME_DAYS
    if action == "new":
        named = keys.create(chosen, identity, lasts)
    elif action == "extend":
        named = keys.extend(chosen, lasts)
    elif action == "rotate":
        named = keys.rotate(chosen, lasts, user_id=identity)
    elif action == "show":
        named = keys.load(chosen)
    else:
        raise UsageError(f"inv key {action}: there is {', '.join(ACTIONS)}.")
    rows = [
        {
            "name": named.name,
            "fingerprint": one.fingerprint,
            "identity": one.user_id,
            "days-left": round(one.days_left()) if one.expires else None,
            "signs": one.fingerprint in named.signing_fingerprints,
        }
        for one in keyring.list_keys(gpg.open_home(named.folder))
    ]
    if json_:
        print_result(json.dumps({"keys": rows}, indent=2))
        return
    for row in rows:
        left = "for ever" if row["days-left"] is None else f"{row['days-left']} days"
        state = "signs" if row["signs"] else "signs no more"
        print_result(
            f"{row['name']}: {row['fingerprint']}  {row['identity']}  holds {left}, {state}"
        )
