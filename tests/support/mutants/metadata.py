"""Mutants of what a package says of itself."""

from __future__ import annotations

from tests.support.mutants.mutant import PRESENT, RENAMED, Mutant, set_fields, set_rpm_fields

METADATA = (
    Mutant(
        "another name",
        "kubectl",
        set_fields(name="kubectl2"),
        "identity",
        exact=True,
        also_fails=RENAMED | {"licence"},
    ),
    Mutant(
        "another version",
        "kubectl",
        set_fields(version="1.36.2"),
        "identity",
        exact=True,
        also_fails=RENAMED,
    ),
    Mutant(
        "another revision",
        "kubectl",
        set_fields(release="2"),
        "identity",
        also_fails=RENAMED,
        exact=True,
    ),
    Mutant("an epoch", "kubectl", set_fields(epoch="1"), "identity"),
    Mutant(
        "an unknown architecture",
        "kubectl",
        lambda d: d.config[d.format].update(arch="x64"),
        "architecture",
        also_fails=RENAMED,
    ),
    Mutant(
        "a pre-release above its release",
        "kubectl",
        set_fields(version="1.37.0.rc.1"),
        "pre-release-tilde",
        also_fails=RENAMED,
    ),
    Mutant(
        "no licence",
        "kubectl",
        lambda d: d.remove("copyright" if d.format == "deb" else "LICENSE"),
        "licence",
        also_fails=PRESENT,
    ),
    Mutant("no licence in the header", "kubectl", set_fields(license=""), "licence", ("rpm",)),
    Mutant(
        "nobody to write to", "kubectl", set_fields(maintainer="somebody"), "maintainer", ("deb",)
    ),
    Mutant(
        "nobody to write to", "kubectl", set_rpm_fields(packager="somebody"), "maintainer", ("rpm",)
    ),
    Mutant("no homepage", "kubectl", set_fields(homepage=""), "maintainer"),
    Mutant(
        "a summary that is a sentence",
        "kubectl",
        set_fields(description="It talks to clusters.\nMore."),
        "description",
        ("deb",),
    ),
    Mutant(
        "a summary that is a sentence",
        "kubectl",
        set_rpm_fields(summary="It talks to clusters."),
        "description",
        ("rpm",),
    ),
    Mutant("another section", "kubectl", set_fields(section="net"), "fields", ("deb",), exact=True),
    Mutant("another vendor", "kubectl", set_fields(vendor="acme"), "fields", ("rpm",), exact=True),
    Mutant(
        "a compression old hosts cannot read",
        "kubectl",
        set_rpm_fields(compression="lzma"),
        "compression",
        ("rpm",),
    ),
    Mutant(
        "no changelog",
        "kubectl",
        lambda d: d.config.pop("changelog"),
        "changelog",
        also_fails=PRESENT,
    ),
    Mutant(
        "the name of the build machine",
        "kubectl",
        set_rpm_fields(buildhost="ci-17.acme.example"),
        "build-host",
        ("rpm",),
    ),
)
