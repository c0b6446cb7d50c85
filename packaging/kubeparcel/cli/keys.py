"""The task about signing keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task


@task(
    "Keys",
    ("key new --identity 'Packages <packages@example.com>'", "Create the default key."),
    ("key show", "Show the key's fingerprint, and how long it is valid."),
    ("key extend --days 400", "Make the key valid for 400 days from today."),
    ("key rotate", "Create the successor; the next publish introduces it to clients."),
)
def key(
    action: str, name: str = "", identity: str = "", days: int = 0, json_: bool = False
) -> None:
    """Create, show, extend or rotate a signing key."""
    from kubeparcel.repository.signing import gpg, keyring, keys

    chosen, lifetime = name or keys.DEFAULT_NAME, days or keys.LIFETIME_DAYS
    if action == "new":
        named = keys.create(chosen, identity, lifetime)
    elif action == "extend":
        named = keys.extend(chosen, lifetime)
    elif action == "rotate":
        named = keys.rotate(chosen, lifetime, user_id=identity)
    else:
        named = keys.load(chosen)
    listed = keyring.list_keys(gpg.open_home(named.folder))
    if json_:
        entries = [
            {
                "name": named.name,
                "fingerprint": entry.fingerprint,
                "identity": entry.user_id,
                "days-left": round(entry.days_left()) if entry.expires else None,
                "signs": entry.fingerprint in named.signing_fingerprints,
            }
            for entry in listed
        ]
        print_result(json.dumps({"keys": entries}, indent=2))
        return
    for entry in listed:
        expiry = datetime.fromtimestamp(entry.expires, UTC)
        validity = f"valid until {expiry:%Y-%m-%d}" if entry.expires else "does not expire"
        state = "active" if entry.fingerprint in named.signing_fingerprints else "retired"
        print_result(f"{named.name}: {entry.fingerprint}  {entry.user_id}  {validity}, {state}")
