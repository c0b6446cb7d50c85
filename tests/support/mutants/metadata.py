"""Mutants of what a package says of itself."""

from __future__ import annotations

from tests.support.mutants.mutant import PRESENT, RENAMED, Mutant, fields, rpm

METADATA = (
    Mutant(
        "another name",
        "kubectl",
        fields(name="kubectl2"),
        "identity",
        exact=True,
        also=RENAMED | {"licence"},
    ),
    Mutant(
        "another version", "kubectl", fields(version="1.36.2"), "identity", exact=True, also=RENAMED
    ),
    Mutant(
        "another revision", "kubectl", fields(release="2"), "identity", also=RENAMED, exact=True
    ),
    Mutant("an epoch", "kubectl", fields(epoch="1"), "identity"),
    Mutant(
        "an unknown architecture",
        "kubectl",
        lambda d: d.config[d.format].update(arch="x64"),
        "architecture",
        also=RENAMED,
    ),
    Mutant(
        "a pre-release above its release",
        "kubectl",
        fields(version="1.37.0.rc.1"),
        "pre-release-tilde",
        also=RENAMED,
    ),
    Mutant(
        "no licence",
        "kubectl",
        lambda d: d.drop("copyright" if d.format == "deb" else "LICENSE"),
        "licence",
        also=PRESENT,
    ),
    Mutant("no licence in the header", "kubectl", fields(license=""), "licence", ("rpm",)),
    Mutant("nobody to write to", "kubectl", fields(maintainer="somebody"), "maintainer", ("deb",)),
    Mutant("nobody to write to", "kubectl", rpm(packager="somebody"), "maintainer", ("rpm",)),
    Mutant("no homepage", "kubectl", fields(homepage=""), "maintainer"),
    Mutant(
        "a summary that is a sentence",
        "kubectl",
        fields(description="It talks to clusters.\nMore."),
        "description",
        ("deb",),
    ),
    Mutant(
        "a summary that is a sentence",
        "kubectl",
        rpm(summary="It talks to clusters."),
        "description",
        ("rpm",),
    ),
    Mutant("another section", "kubectl", fields(section="net"), "fields", ("deb",), exact=True),
    Mutant("another vendor", "kubectl", fields(vendor="acme"), "fields", ("rpm",), exact=True),
    Mutant(
        "a compression old hosts cannot read",
        "kubectl",
        rpm(compression="lzma"),
        "compression",
        ("rpm",),
    ),
    Mutant(
        "no changelog", "kubectl", lambda d: d.config.pop("changelog"), "changelog", also=PRESENT
    ),
    Mutant(
        "the name of the build machine",
        "kubectl",
        rpm(buildhost="ci-17.acme.example"),
        "build-host",
        ("rpm",),
    ),
)
