"""Checks of an apt suite's Release: its signatures, dates and fields."""

from __future__ import annotations

from collections.abc import Mapping

from kubeparcel.doctor.apt_suite import SuiteContext, announces_by_hash, parse_date, release_entries
from kubeparcel.doctor.findings import NO_SIGNATURE, CheckKind
from kubeparcel.doctor.keys import TrustedKeys
from kubeparcel.doctor.signatures import check_signature, cleartext
from kubeparcel.packages import limits
from kubeparcel.packages.deb import deb_metadata
from kubeparcel.packages.errors import LimitExceeded
from kubeparcel.repository.model import DAY

_CLOCK_SKEW = 60
_EXPIRES_SOON = 7 * DAY
_EXPIRED_HINT = "Publish again: apt rejects the suite until then."


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
        context.add_finding(CheckKind.FIELDS, "a Release of usual size", str(error), "Release", error.hint)
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
        context.add_finding(
            CheckKind.RELEASE_GPG,
            "the same text in InRelease and Release",
            "they differ",
            "Release",
            "Clients see different states. Publish again: a publish was interrupted, or a mirror "
            "copied files of two states.",
        )
    return signed_text


def _check_inrelease(context: SuiteContext, keys: TrustedKeys) -> str | None:
    """Check InRelease and return its text."""
    data = context.read("InRelease")
    if data is None:
        context.add_finding(
            CheckKind.INRELEASE,
            "InRelease",
            "file not found",
            "InRelease",
            "apt asks for it first. Create it: gpg --clear-sign -o InRelease Release.",
        )
        return None
    text = cleartext(data)
    if text is None:
        context.add_finding(
            CheckKind.INRELEASE,
            "one clear-signed message",
            "not a clear-signed message, or text outside of it",
            "InRelease",
            "apt rejects the suite. Create it again: gpg --clear-sign -o InRelease Release.",
        )
    else:
        check_signature(context.subject, CheckKind.INRELEASE, keys, data, None, context.path("InRelease"))
    return text


def _check_release_gpg(context: SuiteContext, keys: TrustedKeys, release: bytes | None) -> None:
    signature = context.read("Release.gpg")
    if release is not None and signature is not None:
        path = context.path("Release.gpg")
        check_signature(context.subject, CheckKind.RELEASE_GPG, keys, signature, release, path)
        return
    missing = "Release" if release is None else "Release.gpg"
    context.add_finding(
        CheckKind.RELEASE_GPG,
        missing,
        "file not found",
        missing,
        "Clients and mirrors that do not read InRelease reject the suite. Publish again, or run: "
        "gpg --armor --detach-sign -o Release.gpg Release.",
    )


def _check_fields(context: SuiteContext, fields: Mapping[str, str]) -> None:
    context.subject.mark_run(CheckKind.FIELDS)
    hint = "apt cannot use the suite, or only with warnings. Generate the Release again."
    if not fields.get("date"):
        context.add_finding(CheckKind.FIELDS, "field Date", "missing", "Release", hint)
    if not (fields.get("sha256") or fields.get("sha512")):
        context.add_finding(CheckKind.FIELDS, "field SHA256", "missing", "Release", hint)
    if not context.suite.name:  # a flat repository
        return
    for name in ("architectures", "components"):
        if not fields.get(name):
            context.subject.add_remark(f"no {name.capitalize()} in the Release: apt asks for those of the client")
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
                context.add_finding(
                    CheckKind.FIELDS,
                    f"{index} in the Release",
                    "not listed",
                    "Release",
                    f"Clients of {arch} find no packages. Publish for {arch}, or remove it from Architectures.",
                )


def _check_suite_name(context: SuiteContext, fields: Mapping[str, str]) -> None:
    names = {fields[name] for name in ("suite", "codename") if fields.get(name)}
    name = context.suite.name
    if names and name not in names and "/" not in name:
        context.add_finding(
            CheckKind.FIELDS,
            f"Suite or Codename {name}",
            " and ".join(sorted(names)),
            "Release",
            "apt warns of a conflicting distribution. Publish the suite under its own name.",
        )


def _check_dates(context: SuiteContext, fields: Mapping[str, str], now: float) -> None:
    subject = context.subject
    subject.mark_run(CheckKind.DATES)
    date, valid_until = (_date(context, fields, name) for name in ("date", "valid-until"))
    if date and date > now + _CLOCK_SKEW:
        hint = "apt rejects the suite until then. Check the clock and publish again."
        context.add_finding(CheckKind.DATES, "a Date in the past", fields["date"], "Release", hint)
    if valid_until and valid_until < now:
        found = fields["valid-until"]
        context.add_finding(CheckKind.DATES, "a Valid-Until in the future", found, "Release", _EXPIRED_HINT)
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
        context.add_finding(CheckKind.DATES, expected, str(error), "Release", _EXPIRED_HINT)
        return None
