"""Mutants of the metadata."""

from __future__ import annotations

from tests.support.mutants.mutant import MISSING_FILE, OTHER_IDENTITY, Mutant, set_fields, set_rpm_fields

METADATA = (
    Mutant(
        "another name",
        "kubectl",
        set_fields(name="kubectl2"),
        "identity",
        exact=True,
        also_fails=OTHER_IDENTITY | {"license-file"},
    ),
    Mutant(
        "another version", "kubectl", set_fields(version="1.36.2"), "identity", exact=True, also_fails=OTHER_IDENTITY
    ),
    Mutant("another revision", "kubectl", set_fields(release="2"), "identity", also_fails=OTHER_IDENTITY, exact=True),
    Mutant("an epoch", "kubectl", set_fields(epoch="1"), "identity"),
    Mutant(
        "an unknown architecture",
        "kubectl",
        lambda d: d.config[d.format].update(arch="x64"),
        "architecture",
        also_fails=OTHER_IDENTITY,
    ),
    Mutant(
        "a pre-release that sorts after its release",
        "kubectl",
        set_fields(version="1.37.0.rc.1"),
        "pre-release-tilde",
        also_fails=OTHER_IDENTITY,
    ),
    Mutant(
        "no license",
        "kubectl",
        lambda d: d.remove("copyright" if d.format == "deb" else "LICENSE"),
        "license-file",
        also_fails=MISSING_FILE,
    ),
    Mutant("no license in the header", "kubectl", set_fields(license=""), "license-file", ("rpm",)),
    Mutant("a maintainer without address", "kubectl", set_fields(maintainer="somebody"), "maintainer", ("deb",)),
    Mutant("a maintainer without address", "kubectl", set_rpm_fields(packager="somebody"), "maintainer", ("rpm",)),
    Mutant("no homepage", "kubectl", set_fields(homepage=""), "maintainer"),
    Mutant(
        "a summary with a period",
        "kubectl",
        set_fields(description="It talks to clusters.\nMore."),
        "description",
        ("deb",),
    ),
    Mutant(
        "a summary with a period", "kubectl", set_rpm_fields(summary="It talks to clusters."), "description", ("rpm",)
    ),
    Mutant("another section", "kubectl", set_fields(section="net"), "fields", ("deb",), exact=True),
    Mutant("another vendor", "kubectl", set_fields(vendor="acme"), "fields", ("rpm",), exact=True),
    Mutant(
        "a compression that old hosts cannot read",
        "kubectl",
        set_rpm_fields(compression="lzma"),
        "compression",
        ("rpm",),
    ),
    Mutant("no changelog", "kubectl", lambda d: d.config.pop("changelog"), "changelog", also_fails=MISSING_FILE),
    Mutant(
        "the name of the build machine",
        "kubectl",
        set_rpm_fields(buildhost="ci-17.acme.example"),
        "build-host",
        ("rpm",),
    ),
)
