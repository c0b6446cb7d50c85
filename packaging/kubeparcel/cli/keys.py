"""The task about signing keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubeparcel.cli.options import DAYS, Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.tables import format_table
from kubeparcel.times import utc_date

if TYPE_CHECKING:
    from kubeparcel.repository.signing.keys import KeyStatus

_NO_EXPIRY = "no expiry"


@task(
    "Keys",
    ("key new --identity 'Packages <packages@example.com>'", "Create the default key."),
    ("key show", "Show the key's fingerprint, how long it is valid, and until when it signs."),
    ("key list", "List the keys of all names."),
    ("key extend --days 400", "Make the key valid for 400 days from today."),
    ("key rotate", "Create the successor; the next publish introduces it to clients."),
    identity=Option(
        "user ID of a new key, such as 'Packages <packages@example.com>'; rotate keeps the key's own", "USER-ID"
    ),
    days=Option("days until a new or extended key expires", "DAYS", "1095", limits=(1, DAYS[1])),
)
def key(action: str, name: str = "", identity: str = "", days: int = 0, json_: bool = False) -> None:
    """Create, show, list, extend or rotate signing keys."""
    from kubeparcel.repository.signing import keys

    chosen, lifetime = name or keys.DEFAULT_NAME, days or keys.LIFETIME_DAYS
    if action == "list":
        _print_list([s for each in keys.names() for s in keys.statuses(keys.load(each))], json_)
        return
    if action == "new":
        named = keys.create(chosen, identity, lifetime)
    elif action == "extend":
        named = keys.extend(chosen, lifetime)
    elif action == "rotate":
        named = keys.rotate(chosen, lifetime, user_id=identity)
    else:
        named = keys.load(chosen)
    statuses = keys.statuses(named)
    if json_:
        _print_json(statuses)
        return
    for status in statuses:
        print_result(_line(status))


def _line(status: KeyStatus) -> str:
    from kubeparcel.repository.signing.keys import KeyState

    expires = status.key.expires
    validity = f"valid until {utc_date(expires)}" if expires else "does not expire"
    line = f"{status.name}: {status.key.fingerprint}  {status.key.user_id}  {validity}, "
    line += status.state
    if not status.signs_until or status.state is KeyState.EXPIRED:
        return line
    verb = "signed" if status.state is KeyState.RETIRED else "signs"
    return f"{line}, {verb} until {utc_date(status.signs_until)}"


def _print_list(statuses: Sequence[KeyStatus], as_json: bool) -> None:
    from kubeparcel.repository.signing import keys

    if as_json:
        _print_json(statuses)
    elif not statuses:
        print_result(f"No keys in {keys.keys_folder()}.")
    else:
        headers = ("NAME", "FINGERPRINT", "VALID UNTIL", "SIGNS UNTIL")
        print_result(format_table(headers, [_row(status) for status in statuses]))


def _row(status: KeyStatus) -> Sequence[str]:
    """Return a row of the table; a key that signs no longer has its state instead of a date."""
    from kubeparcel.repository.signing.keys import KeyState

    expires = status.key.expires
    validity = utc_date(expires) if expires else _NO_EXPIRY
    limit = utc_date(status.signs_until) if status.signs_until else _NO_EXPIRY
    ended = status.state in (KeyState.RETIRED, KeyState.EXPIRED)
    return status.name, status.key.fingerprint, validity, status.state if ended else limit


def _print_json(statuses: Sequence[KeyStatus]) -> None:
    print_result(json.dumps({"keys": [_as_dict(status) for status in statuses]}, indent=2))


def _as_dict(status: KeyStatus) -> dict[str, Any]:
    from kubeparcel.repository.signing.keys import KeyState

    key, until = status.key, status.signs_until
    return {
        "name": status.name,
        "fingerprint": key.fingerprint,
        "identity": key.user_id,
        "days-left": round(key.days_left()) if key.expires else None,
        "valid-until": utc_date(key.expires) if key.expires else None,
        "state": status.state,
        "signs": status.state in (KeyState.ACTIVE, KeyState.RETIRING),
        "signs-until": utc_date(until) if until else None,
    }
