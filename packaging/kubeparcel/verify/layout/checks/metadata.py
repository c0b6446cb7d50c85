"""Checks of what a package says of itself: name, version, people, licence, digests, compression."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeparcel.model import Arch, Format
from kubeparcel.packages.reader import Kind
from kubeparcel.reports.results import Finding
from kubeparcel.verify.layout.check_context import CheckContext, CheckDefinition, exact

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.+]*(~[0-9A-Za-z.+~]+)?")
_PRE_RELEASE = re.compile(r"(?<!~)(?<![a-z])(alpha|beta|rc|pre)[.0-9]*", re.IGNORECASE)
_PERSON = re.compile(r"[^<>@]+ <[^<>\s]+@[^<>\s]+>")
_READABLE = {Format.DEB: {"zstd", "xz", "gzip", "none"}, Format.RPM: {"zstd", "xz", "gzip", "none"}}
LONGEST_SUMMARY = 80


def identity(subject: CheckContext) -> Iterator[Finding]:
    """Name, epoch, version, revision and architecture."""
    found, expected = subject.contents, subject.expected
    if found.epoch:
        yield Finding("no epoch", str(found.epoch), hint="An epoch can never be taken back.")
    if not _NAME.fullmatch(found.name):
        yield Finding("a name of small letters, digits, +, - and .", found.name)
    if not _VERSION.fullmatch(found.version):
        yield Finding("a version like 1.36.3 or 1.37.0~rc.1", found.version)
    for what in ("name", "version", "revision", "arch"):
        want = getattr(expected, what) if expected else ""
        if want and getattr(found, what) != want:
            yield Finding(f"{what} {want}", f"{what} {getattr(found, what)}")


def architecture(subject: CheckContext) -> Iterator[Finding]:
    """An architecture that the format knows by this name."""
    format_, found = subject.contents.format, subject.contents.arch
    names = [format_.arch_name(arch) for arch in (*Arch, None)]
    if found not in names:
        yield Finding(f"one of {', '.join(names)}", found)
    elif found == format_.arch_name(None) and subject.binaries:
        yield Finding("the architecture of its binaries", found, subject.binaries[0].path)


def tilde(subject: CheckContext) -> Iterator[Finding]:
    """A pre-release is older than its release only behind a `~`."""
    if match := _PRE_RELEASE.search(subject.contents.version):
        version = subject.contents.version
        right = f"{version[: match.start()].rstrip('.-_')}~{version[match.start() :]}"
        yield Finding(f"{right}, older than its release", version)


def file_name(subject: CheckContext) -> Iterator[Finding]:
    """The file is called as its fields say."""
    found = subject.contents
    glue, first = ("_", "_") if subject.is_deb else (".", "-")
    revision = f"-{found.revision}" if found.revision else ""
    name = f"{found.name}{first}{found.version}{revision}{glue}{found.arch}.{found.format}"
    actual = subject.name.rsplit("/", 1)[-1]
    if actual.replace("%3a", ":") != name:
        yield Finding(name, actual, hint="Rename the file, or look what it really is.")


def maintainer(subject: CheckContext) -> Iterator[Finding]:
    """Someone to write to, and somewhere to read on."""
    found = subject.contents
    if not _PERSON.fullmatch(found.maintainer):
        what = "maintainer" if subject.is_deb else "packager"
        yield Finding(f"{what}: Name <mail@address>", found.maintainer or "none")
    if not found.homepage.startswith(("https://", "http://")):
        yield Finding("an address of the project (homepage)", found.homepage or "none")
    if not subject.is_deb and not found.vendor:
        yield Finding("a vendor", "none")


def description(subject: CheckContext) -> Iterator[Finding]:
    """One short line for lists, and a text."""
    found = subject.contents
    long = len(found.summary) > LONGEST_SUMMARY
    if not found.summary or "\n" in found.summary or long or found.summary.endswith("."):
        want = f"a summary of one line, at most {LONGEST_SUMMARY} characters, without a full stop"
        yield Finding(want, found.summary or "none")
    if not (found.description or subject.is_deb):
        yield Finding("a description", "none")
    if subject.is_deb and not found.section:
        yield Finding("a section", "none")


def licence(subject: CheckContext) -> Iterator[Finding]:
    """The terms come with the package."""
    found = subject.contents
    folders = (f"/usr/share/doc/{found.name}/", f"/usr/share/licenses/{found.name}/")
    texts = [
        entry
        for entry in found.entries
        if entry.kind is not Kind.DIR
        and (entry.path.startswith(folders) or "license" in entry.flags)
        and entry.path.rsplit("/", 1)[-1].lower().startswith(("copyright", "license", "copying"))
    ]
    if not texts or any(entry.kind is Kind.FILE and not entry.size for entry in texts):
        name = "copyright" if subject.is_deb else "LICENSE"
        where = folders[0] if subject.is_deb else folders[1]
        yield Finding(f"{where}{name} with the licence", "an empty file" if texts else "none")
    if not subject.is_deb and not found.license:
        yield Finding("a licence in the header", "none")


def fields(subject: CheckContext) -> Iterator[Finding]:
    """Every descriptive field is as the catalog and the settings have it."""
    expected = subject.expected.fields if subject.expected else {}
    names = {"maintainer", "homepage", "summary", "description"}
    names |= {"section"} if subject.is_deb else {"vendor", "license"}
    for name in sorted(names & set(expected)):
        want, found = _text(expected[name]), _text(getattr(subject.contents, name))
        if want and want != found:
            yield Finding(f"{name}: {want}", found or "nothing")


def _text(value: str) -> str:
    return " ".join(value.split())


def declared_digests(subject: CheckContext) -> Iterator[Finding]:
    """The package holds what it declares."""
    for fault in subject.contents.faults:
        yield Finding("the package holds what it declares", fault)


def verifiable(subject: CheckContext) -> Iterator[Finding]:
    """It declares digests, so that an installed system can be compared with it."""
    if not subject.contents.verified and not subject.contents.faults:
        how = "md5sums, for dpkg --verify" if subject.is_deb else "digests, for rpm --verify"
        yield Finding(how, "none")


def compression(subject: CheckContext) -> Iterator[Finding]:
    """The oldest supported hosts can unpack it: Debian 12, Ubuntu 22.04, Enterprise Linux 8."""
    found = subject.contents
    readable = _READABLE[found.format]
    if found.compression not in readable:
        yield Finding(f"one of {', '.join(sorted(readable))}", found.compression)
    if subject.is_deb and found.frames > 1:
        yield Finding(
            "one zstd frame: dpkg before 1.21.23 (Debian 12 has 1.21.22) reads only the first",
            f"{found.frames} frames",
        )


def changelog(subject: CheckContext) -> Iterator[Finding]:
    """It says what changed."""
    if not subject.contents.changelog:
        yield Finding("a changelog", "none")


def build_host(subject: CheckContext) -> Iterator[Finding]:
    """The name of the machine it was built on is not in it: it differs from build to build."""
    if subject.contents.build_host not in ("", "localhost"):
        yield Finding("build host localhost", subject.contents.build_host)


RULES = (
    CheckDefinition(
        "identity", 12, "name, epoch, version, revision and architecture are right", identity
    ),
    CheckDefinition(
        "architecture", 12, "the architecture is one that the format knows", architecture
    ),
    CheckDefinition("pre-release-tilde", 12, "a pre-release sorts before its release", tilde),
    CheckDefinition("file-name", 12, "the file is called as its fields say", file_name),
    CheckDefinition("licence", 15, "the licence is in the package", licence),
    CheckDefinition("maintainer", 16, "it says whom to write to and where to read on", maintainer),
    CheckDefinition("description", 16, "it says what it is", description),
    CheckDefinition("fields", 16, "every descriptive field is as it was set", fields, exact),
    CheckDefinition(
        "declared-digests", 17, "it holds what it declares: digests and sizes", declared_digests
    ),
    CheckDefinition("verifiable", 17, "an installed system can be compared with it", verifiable),
    CheckDefinition("compression", 18, "the oldest supported hosts can unpack it", compression),
    CheckDefinition(
        "changelog", 0, "it has a changelog", changelog, lambda subject: subject.built_by_kubeparcel
    ),
    CheckDefinition(
        "build-host",
        24,
        "it does not name the machine it was built on",
        build_host,
        lambda subject: subject.built_by_kubeparcel and not subject.is_deb,
    ),
)
