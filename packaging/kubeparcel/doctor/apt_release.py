"""Checks of an apt suite's Release: its signatures, dates and fields."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from kubeparcel.doctor.discovery import Suite
from kubeparcel.doctor.findings import NO_SIGNATURE, CheckKind, FileDigest, Subject
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.reader import RepositoryReader, read_limited
from kubeparcel.doctor.selection import Selection
from kubeparcel.doctor.signatures import check_signature, cleartext
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.repository.model import DAY
from kubeparcel.sanitize import is_number

SUFFIXES = ("", ".xz", ".gz", ".bz2", ".zst", ".lz4", ".lzma")
_ALGORITHMS = ("sha256", "sha512", "sha1", "md5sum")
_TRUE = ("yes", "true", "with", "on", "enable", "1")
_MAX_SHOWN = 100
_CLOCK_SKEW = 60
_EXPIRES_SOON = 7 * DAY
_EXPIRED_HINT = "Publish again: apt rejects the suite until then."


@dataclass(frozen=True)
class SuiteContext:
    """A suite under examination: where to read it, and where to record findings."""

    reader: RepositoryReader
    suite: Suite
    subject: Subject
    selection: Selection

    def path(self, name: str) -> str:
        """Return the path of a file that the Release lists."""
        return f"{self.suite.folder}/{name}".lstrip("/")

    def read(self, name: str) -> bytes | None:
        """Return a small file in the suite's folder; None if it does not exist, empty with a finding if it is large."""
        limit = limits.SIGNATURE if name.endswith(".gpg") else limits.RELEASE
        try:
            data = read_limited(self.reader, self.path(name), limit)
        except LimitExceeded as error:
            hint = f"apt rejects it. {error.hint}"
            self.subject.add_finding(CheckKind.FIELDS, f"a {name} of usual size", str(error), self.path(name), hint)
            return b""
        if data is not None:
            self.subject.entry_files[self.path(name)] = hashlib.sha256(data).hexdigest()
        return data


def check_release(context: SuiteContext, keys: TrustedKeys) -> Mapping[str, str] | None:
    """Check InRelease, Release and Release.gpg; return the fields, or None without a Release."""
    text = _check_signatures(context, keys)
    if text is None:
        return None
    fields = deb_metadata.parse_fields(text)
    return fields if check_fields(context, fields, keys.now) else None


def check_fields(context: SuiteContext, fields: Mapping[str, str], now: float) -> bool:
    """Check the fields of a Release and its dates; return whether it is within the limits."""
    try:
        _check_fields(context, fields)
    except LimitExceeded as error:
        found, path = str(error), context.path("Release")
        context.subject.add_finding(CheckKind.FIELDS, "a Release of usual size", found, path, error.hint)
        return False
    _check_dates(context, fields, now)
    return True


def _check_signatures(context: SuiteContext, keys: TrustedKeys) -> str | None:
    release = context.read("Release")
    signed_text = _check_inrelease(context, keys)
    _check_release_gpg(context, keys, release)
    context.subject.mark_not_run(NO_SIGNATURE, CheckKind.PACKET, CheckKind.SQV)
    plain_text = None if release is None else release.decode("utf-8", "replace")
    if signed_text is None or plain_text is None:
        return plain_text if signed_text is None else signed_text
    if signed_text.strip() != plain_text.strip():
        context.subject.add_finding(
            CheckKind.RELEASE_GPG,
            "the same text in InRelease and Release",
            "they differ",
            context.path("Release"),
            "Clients see different states. Publish again: a publish was interrupted, or a mirror "
            "copied files of two states.",
        )
    return signed_text


def _check_inrelease(context: SuiteContext, keys: TrustedKeys) -> str | None:
    """Check InRelease and return its text."""
    path = context.path("InRelease")
    data = context.read("InRelease")
    if data is None:
        context.subject.add_finding(
            CheckKind.INRELEASE,
            "InRelease",
            "file not found",
            path,
            "apt asks for it first. Create it: gpg --clear-sign -o InRelease Release.",
        )
        return None
    text = cleartext(data)
    if text is None:
        context.subject.add_finding(
            CheckKind.INRELEASE,
            "one clear-signed message",
            "not a clear-signed message, or text outside of it",
            path,
            "apt rejects the suite. Create it again: gpg --clear-sign -o InRelease Release.",
        )
    else:
        check_signature(context.subject, CheckKind.INRELEASE, keys, data, None, path)
    return text


def _check_release_gpg(context: SuiteContext, keys: TrustedKeys, release: bytes | None) -> None:
    signature = context.read("Release.gpg")
    path = context.path("Release.gpg")
    if release is not None and signature is not None:
        check_signature(context.subject, CheckKind.RELEASE_GPG, keys, signature, release, path)
        return
    missing = "Release" if release is None else "Release.gpg"
    context.subject.add_finding(
        CheckKind.RELEASE_GPG,
        missing,
        "file not found",
        context.path(missing),
        "Clients and mirrors that do not read InRelease reject the suite. Publish again, or run: "
        "gpg --armor --detach-sign -o Release.gpg Release.",
    )


def _check_fields(context: SuiteContext, fields: Mapping[str, str]) -> None:
    subject = context.subject
    subject.mark_run(CheckKind.FIELDS)
    flat = not context.suite.name
    required = ["date"]
    if not fields.get("sha512"):
        required.append("sha256")
    for name in required:
        if not fields.get(name):
            label = "SHA256" if name == "sha256" else name.capitalize()
            subject.add_finding(
                CheckKind.FIELDS,
                f"field {label}",
                "missing",
                context.path("Release"),
                "apt cannot use the suite, or only with warnings. Generate the Release again.",
            )
    if flat:
        return
    for name in ("architectures", "components"):
        if not fields.get(name):
            subject.add_remark(f"no {name.capitalize()} in the Release: apt asks for those of the client")
    _check_suite_name(context, fields)
    _check_listed_architectures(context, fields)


def _check_listed_architectures(context: SuiteContext, fields: Mapping[str, str]) -> None:
    entries = set(release_entries(fields))
    listed = entries | {name.rpartition(".")[0] or name for name in entries}
    selection = context.selection
    components = list(filter(selection.has_component, fields.get("components", "").split()))
    arches = list(filter(selection.has_arch, fields.get("architectures", "").split()))
    limits.RELEASE_FILES.check(len(components) * len(arches), "the Release")
    for component in components:
        for arch in arches:
            index = f"{component.rpartition('/')[2]}/binary-{arch}/Packages"
            if not {index, f"{component}/binary-{arch}/Packages"} & listed and arch != "all":
                context.subject.add_finding(
                    CheckKind.FIELDS,
                    f"{index} in the Release",
                    "not listed",
                    context.path("Release"),
                    f"Clients of {arch} find no packages. Publish for {arch}, or remove it from Architectures.",
                )


def _check_suite_name(context: SuiteContext, fields: Mapping[str, str]) -> None:
    names = {fields[name] for name in ("suite", "codename") if fields.get(name)}
    name = context.suite.name
    if names and name not in names and "/" not in name:
        context.subject.add_finding(
            CheckKind.FIELDS,
            f"Suite or Codename {name}",
            " and ".join(sorted(names)),
            context.path("Release"),
            "apt warns of a conflicting distribution. Publish the suite under its own name.",
        )


def _check_dates(context: SuiteContext, fields: Mapping[str, str], now: float) -> None:
    subject, path = context.subject, context.path("Release")
    subject.mark_run(CheckKind.DATES)
    date, valid_until = (_date(context, fields, name) for name in ("date", "valid-until"))
    if date and date > now + _CLOCK_SKEW:
        subject.add_finding(
            CheckKind.DATES,
            "a Date in the past",
            fields["date"],
            path,
            "apt rejects the suite until then. Check the clock and publish again.",
        )
    if valid_until and valid_until < now:
        found = fields["valid-until"]
        subject.add_finding(CheckKind.DATES, "a Valid-Until in the future", found, path, _EXPIRED_HINT)
    elif valid_until and valid_until < now + _EXPIRES_SOON:
        subject.add_remark(f"the Release expires on {fields['valid-until']}: publish again")
    if not fields.get("valid-until"):
        subject.add_remark("no Valid-Until: clients do not notice a server with an old state")
    if not announces_by_hash(fields):
        subject.add_remark("no Acquire-By-Hash: clients that update during a publish may fail")


def _date(context: SuiteContext, fields: Mapping[str, str], name: str) -> float | None:
    try:
        return parse_date(fields.get(name, ""))
    except ValueError as error:
        expected = f"a date in {name.title()}"
        context.subject.add_finding(CheckKind.DATES, expected, str(error), context.path("Release"), _EXPIRED_HINT)
        return None


def parse_date(text: str) -> float | None:
    """Return a date of a Release in Unix time; None for an empty one. Raises ValueError."""
    if not text:
        return None
    try:
        date = parsedate_to_datetime(text.replace("UTC", "+0000"))
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        raise ValueError(text[:_MAX_SHOWN]) from None


def read_fields(context: SuiteContext) -> Mapping[str, str]:
    """Return the fields of InRelease, or else of Release; nothing is verified."""
    text = cleartext(context.read("InRelease") or b"")
    return deb_metadata.parse_fields(text or (context.read("Release") or b"").decode("utf-8", "replace"))


def announces_by_hash(fields: Mapping[str, str]) -> bool:
    """Return whether a Release has Acquire-By-Hash, in any of apt's words for yes (StringToBool)."""
    return fields.get("acquire-by-hash", "").lower() in _TRUE


def release_entries(fields: Mapping[str, str]) -> dict[str, FileDigest]:
    """Return the sizes and digests that a Release lists, by the names of the indexes. Raises LimitExceeded."""
    sizes: dict[str, int] = {}
    digests: dict[str, dict[str, str]] = {}
    for algorithm in _ALGORITHMS:
        for name, digest, size in _parse_entries(fields.get(algorithm, "")):
            sizes.setdefault(name, size)
            digests.setdefault(name, {})[algorithm.removesuffix("sum")] = digest.lower()
    limits.RELEASE_FILES.check(len(sizes), "the Release")
    return {name: FileDigest(sizes[name], digests[name]) for name in sizes}


def _parse_entries(text: str) -> Iterator[tuple[str, str, int]]:
    for columns in map(str.split, text.splitlines()):
        if len(columns) == 3 and is_number(columns[1]):
            yield columns[2], columns[0], int(columns[1])
