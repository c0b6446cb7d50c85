"""Checks of a package's metadata: name, version, maintainer, license, digests, compression."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.model import Arch
from kubeparcel.packages.model import FileType
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, check, is_exact

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+]*(~[0-9A-Za-z.+~]+)?")
_PRE_RELEASE = re.compile(r"(?<!~)(?<![a-z])(alpha|beta|rc|pre)[.0-9]*", re.IGNORECASE)
_PERSON = re.compile(r"[^<>@]+ <[^<>\s@]+@[^<>\s@]+>")
_COMPRESSIONS = ("gzip", "none", "xz", "zstd")
MAX_SUMMARY_LENGTH = 80


@check("name, epoch, version, revision and architecture are as expected")
def identity(context: CheckContext) -> Iterator[Finding]:
    """Report an epoch, an invalid name or version, and fields that differ from the build's."""
    contents, expected = context.contents, context.expected
    if contents.epoch:
        yield Finding("no epoch", str(contents.epoch), hint="An epoch can never be removed in later versions.")
    if not _NAME.fullmatch(contents.name):
        yield Finding("a name of lower-case letters, digits, '+', '-' and '.'", contents.name)
    if not _VERSION.fullmatch(contents.version):
        yield Finding("a version like 1.36.3 or 1.37.0~rc.1", contents.version)
    for name in ("name", "version", "revision", "arch"):
        value = getattr(expected, name)
        if value and getattr(contents, name) != value:
            yield Finding(f"{name} {value}", f"{name} {getattr(contents, name)}")


@check("the architecture is valid for the format")
def architecture(context: CheckContext) -> Iterator[Finding]:
    """Report an unknown architecture, and binaries in an architecture-independent package."""
    format_, arch = context.contents.format, context.contents.arch
    names = [format_.arch_name(known) for known in (*Arch, None)]
    if arch not in names:
        yield Finding(f"one of {', '.join(names)}", arch)
    elif arch == format_.arch_name(None) and context.binaries:
        yield Finding("the architecture of the binaries", arch, context.binaries[0].path)


@check("a pre-release sorts before its release")
def pre_release_tilde(context: CheckContext) -> Iterator[Finding]:
    """Report a pre-release without `~`: only a tilde sorts it before its release."""
    version = context.contents.version
    if match := _PRE_RELEASE.search(version):
        corrected = f"{version[: match.start()].rstrip('.-_')}~{version[match.start() :]}"
        yield Finding(f"{corrected}, which sorts before the release", version)


@check("the file name matches the package's fields")
def file_name(context: CheckContext) -> Iterator[Finding]:
    """Report a file name that is not built from name, version, revision and architecture."""
    contents = context.contents
    before_arch, before_version = ("_", "_") if context.is_deb else (".", "-")
    expected = f"{contents.name}{before_version}{contents.release}{before_arch}{contents.arch}.{contents.format}"
    actual = context.name.rsplit("/", 1)[-1]
    if actual.replace("%3a", ":") != expected:
        yield Finding(expected, actual, hint="Rename the file, or check which package it is.")


@check("the package contains its license")
def license_file(context: CheckContext) -> Iterator[Finding]:
    """Report a missing or empty license file, and an rpm without a License tag."""
    contents = context.contents
    folders = (f"/usr/share/doc/{contents.name}/", f"/usr/share/licenses/{contents.name}/")
    texts = [
        entry
        for entry in contents.entries
        if entry.kind is not FileType.DIR
        and (entry.path.startswith(folders) or "license" in entry.flags)
        and entry.path.rsplit("/", 1)[-1].lower().startswith(("copyright", "license", "copying"))
    ]
    if not texts or any(entry.kind is FileType.FILE and not entry.size for entry in texts):
        path = f"{folders[0]}copyright" if context.is_deb else f"{folders[1]}LICENSE"
        yield Finding(f"the license in {path}", "an empty file" if texts else "missing")
    if not context.is_deb and not contents.license:
        yield Finding("a License tag", "missing")


@check("the package names its maintainer and homepage")
def maintainer(context: CheckContext) -> Iterator[Finding]:
    """Report a missing or malformed maintainer, homepage or vendor."""
    contents = context.contents
    if not _PERSON.fullmatch(contents.maintainer):
        field = "maintainer" if context.is_deb else "packager"
        yield Finding(f"{field}: Name <user@example.com>", contents.maintainer or "missing")
    if not contents.homepage.startswith(("https://", "http://")):
        yield Finding("an http or https URL as homepage", contents.homepage or "missing")
    if not context.is_deb and not contents.vendor:
        yield Finding("a vendor", "missing")


@check("the package has a summary and a description")
def description(context: CheckContext) -> Iterator[Finding]:
    """Report a missing description or section, and a summary that is not one short line."""
    contents = context.contents
    summary = contents.summary
    too_long = len(summary) > MAX_SUMMARY_LENGTH
    if not summary or "\n" in summary or too_long or summary.endswith("."):
        rule = f"a summary of one line, at most {MAX_SUMMARY_LENGTH} characters, without a period"
        yield Finding(rule, summary or "missing")
    if not (contents.description or context.is_deb):
        yield Finding("a description", "missing")
    if context.is_deb and not contents.section:
        yield Finding("a section", "missing")


@check("descriptive fields match the catalog and the configuration", applies=is_exact)
def fields(context: CheckContext) -> Iterator[Finding]:
    """Report descriptive fields whose text differs from that of the build's input."""
    expected = context.expected.fields
    names = {"maintainer", "homepage", "summary", "description"}
    names |= {"section"} if context.is_deb else {"vendor", "license"}
    for name in sorted(names & set(expected)):
        value, found = _one_line(expected[name]), _one_line(getattr(context.contents, name))
        if value and value != found:
            yield Finding(f"{name}: {value}", found or "missing")


def _one_line(text: str) -> str:
    return " ".join(text.split())


@check("the payload matches the declared digests and sizes")
def declared_digests(context: CheckContext) -> Iterator[Finding]:
    """Report every digest and size in the metadata that does not match the payload."""
    for fault in context.contents.faults:
        yield Finding("the payload matches the metadata", fault)


@check("installed files can be verified")
def verifiable(context: CheckContext) -> Iterator[Finding]:
    """Report a package without the digests that dpkg --verify or rpm --verify need."""
    if not context.contents.verified and not context.contents.faults:
        digests = "md5sums, for dpkg --verify" if context.is_deb else "digests, for rpm --verify"
        yield Finding(digests, "missing")


@check("the oldest supported hosts can unpack the package")
def compression(context: CheckContext) -> Iterator[Finding]:
    """Report compressions that Debian 12, Ubuntu 22.04 or Enterprise Linux 8 cannot read."""
    contents = context.contents
    if contents.compression not in _COMPRESSIONS:
        yield Finding(f"one of {', '.join(_COMPRESSIONS)}", contents.compression)
    if context.is_deb and contents.zstd_frames > 1:
        yield Finding(
            "one zstd frame: dpkg before 1.21.23 (Debian 12 has 1.21.22) reads only the first",
            f"{contents.zstd_frames} frames",
        )


@check("the package has a changelog", applies=lambda context: context.built_by_kubeparcel)
def changelog(context: CheckContext) -> Iterator[Finding]:
    """Report a package of kubeparcel without a changelog."""
    if not context.contents.has_changelog:
        yield Finding("a changelog", "missing")


@check("the build host is not recorded", applies=lambda context: context.built_by_kubeparcel and not context.is_deb)
def build_host(context: CheckContext) -> Iterator[Finding]:
    """Report an rpm with the name of the machine that built it: the build is not reproducible."""
    if context.contents.build_host not in ("", "localhost"):
        yield Finding("build host localhost", context.contents.build_host)
