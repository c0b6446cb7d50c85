"""Examines the Release of an apt suite: signed twice, current, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import CheckKind, Subject
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader
from kubeparcel.doctor.signatures import cleartext, judge
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.repository.model import DAY

SUFFIXES = ("", ".xz", ".gz", ".bz2", ".zst", ".lz4", ".lzma")
ALGORITHMS = ("sha256", "sha512", "sha1", "md5sum")
"""The digests a Release may have, the one that has to be there first."""

SKEW = 60
"""By so many seconds may a clock be wrong."""

SOON = 7 * DAY


@dataclass(frozen=True)
class SuiteContext:
    """What all steps need."""

    source: RepositoryReader
    suite: Suite
    examined: Subject

    def path(self, name: str) -> str:
        """Where a file is that the Release lists."""
        return f"{self.suite.folder}/{name}".lstrip("/")


@dataclass(frozen=True)
class ReleaseEntry:
    """What a Release says of an index: its size in bytes, its digests by algorithm."""

    size: int
    digests: Mapping[str, str]


def examine(look: SuiteContext, ring: TrustedKeys) -> Mapping[str, str] | None:
    """Examine it; gives its fields, None when there is no Release at all."""
    text = _text(look, ring)
    if text is None:
        return None
    fields = deb_metadata.parse_fields(text)
    _fields(look, fields)
    _dates(look, fields, ring.now)
    return fields


def _text(look: SuiteContext, ring: TrustedKeys) -> str | None:
    examined = look.examined
    examined.mark_run(CheckKind.INRELEASE, CheckKind.RELEASE_GPG)
    inside, apart = (look.source.read(look.path(name)) for name in ("InRelease", "Release"))
    text = _inside(look, ring, inside)
    said = None if apart is None else apart.decode("utf-8", "replace")
    _apart(look, ring, apart)
    if text is not None and said is not None and text.strip() != said.strip():
        examined.add_finding(
            *(CheckKind.RELEASE_GPG, "InRelease and Release say the same", "they differ"),
            look.path("Release"),
            "Publish again: a publish was broken off, or a mirror copied two moments.",
        )
    return said if text is None else text


def _inside(look: SuiteContext, ring: TrustedKeys, data: bytes | None) -> str | None:
    path = look.path("InRelease")
    text = None if data is None else cleartext(data)
    if data is None:
        todo = "gpg --clear-sign -o InRelease Release: current apt asks for it first."
        look.examined.add_finding(CheckKind.INRELEASE, "InRelease", "there is none", path, todo)
    elif text is None:
        said = "it is none, or has text outside"
        look.examined.add_finding(CheckKind.INRELEASE, "a whole clear-signed text", said, path)
    else:
        judge(look.examined, CheckKind.INRELEASE, ring, data, None, path)
    return text


def _apart(look: SuiteContext, ring: TrustedKeys, data: bytes | None) -> None:
    signature = look.source.read(look.path("Release.gpg"))
    path = look.path("Release.gpg")
    if data is not None and signature is not None:
        judge(look.examined, CheckKind.RELEASE_GPG, ring, signature, data, path)
    else:
        missing = "Release" if data is None else "Release.gpg"
        where = look.path(missing)
        look.examined.add_finding(CheckKind.RELEASE_GPG, missing, "there is none", where)


def _fields(look: SuiteContext, fields: Mapping[str, str]) -> None:
    look.examined.mark_run(CheckKind.FIELDS)
    flat = not look.suite.name
    wanted = ("date",) if flat else ("architectures", "components", "date")
    for name in (*wanted, "" if fields.get("sha512") else "sha256"):
        if name and not fields.get(name):
            look.examined.add_finding(CheckKind.FIELDS, name.capitalize(), "the Release has none")
    if flat:
        return
    _name(look, fields)
    listed = {name.rpartition(".")[0] or name for name in release_entries(fields)} | set(
        release_entries(fields)
    )
    for component in fields.get("components", "").split():
        for arch in fields.get("architectures", "").split():
            index = f"{component.rpartition('/')[2]}/binary-{arch}/Packages"
            if not {index, f"{component}/binary-{arch}/Packages"} & listed and arch != "all":
                look.examined.add_finding(
                    CheckKind.FIELDS, f"{index} in the Release", "it is not listed"
                )


def _name(look: SuiteContext, fields: Mapping[str, str]) -> None:
    """Apt warns of a suite that says it is another one."""
    names = {fields[name] for name in ("suite", "codename") if fields.get(name)}
    if names and look.suite.name not in names and "/" not in look.suite.name:
        said = f"it says {' and '.join(sorted(names))}"
        look.examined.add_finding(CheckKind.FIELDS, f"Suite or Codename {look.suite.name}", said)


def _dates(look: SuiteContext, fields: Mapping[str, str], now: float) -> None:
    examined = look.examined
    examined.mark_run(CheckKind.DATES)
    made, until = (_date(look, fields, name) for name in ("date", "valid-until"))
    if made and made > now + SKEW:
        examined.add_finding(CheckKind.DATES, "a Date in the past", fields["date"])
    if until and until < now:
        todo = "Publish again: clients refuse what is there."
        examined.add_finding(
            CheckKind.DATES, "a Valid-Until in the future", fields["valid-until"], hint=todo
        )
    elif until and until < now + SOON:
        examined.add_remark(f"the Release expires on {fields['valid-until']}: publish again")
    if not fields.get("valid-until"):
        examined.add_remark("no Valid-Until: whoever serves an old state for ever is not noticed")
    if fields.get("acquire-by-hash") != "yes":
        examined.add_remark("no Acquire-By-Hash: clients that update during a publish may fail")


def _date(look: SuiteContext, fields: Mapping[str, str], name: str) -> float | None:
    text = fields.get(name, "")
    try:
        found = parsedate_to_datetime(text.replace("UTC", "+0000")) if text else None
    except (ValueError, TypeError):
        look.examined.add_finding(CheckKind.DATES, f"{name.title()} as a date", text)
        return None
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def release_entries(fields: Mapping[str, str]) -> dict[str, ReleaseEntry]:
    """What a Release says of its indexes, by their names."""
    sizes: dict[str, int] = {}
    digests: dict[str, dict[str, str]] = {}
    for algorithm in ALGORITHMS:
        for name, digest, size in _rows(fields.get(algorithm, "")):
            sizes.setdefault(name, size)
            digests.setdefault(name, {})[algorithm.removesuffix("sum")] = digest.lower()
    return {name: ReleaseEntry(sizes[name], digests[name]) for name in sizes}


def _rows(text: str) -> Iterator[tuple[str, str, int]]:
    for line in text.splitlines():
        row = line.split()
        if len(row) == 3 and row[1].isdigit():
            yield row[2], row[0], int(row[1])
