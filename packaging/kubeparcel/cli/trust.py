"""The tasks that verify provenance statements, and look for known vulnerabilities."""

from __future__ import annotations

from pathlib import Path

from kubeparcel import console
from kubeparcel.cli.option_groups import absolute_location, split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task


@task(
    "Verify",
    ("attest verify https://packages.example.com/kubernetes", "Verify a repository and all statements in it."),
    (
        "attest verify kubelet_1.36.3-1_amd64.deb --key key.pem",
        "Verify a downloaded package and the statement next to it.",
    ),
    ("attest verify dist --rebuild", "Build the packages in dist again, and compare the bytes."),
    action=Option("verify", "ACTION", choices=("verify",), positional=True),
    path=Option(
        "package files, folders with packages, or repositories (folder, URL or s3://BUCKET/PREFIX)",
        "PATH",
        "the output folder",
        positional=True,
    ),
    key=Option("public key to trust: key.pem, key.asc, or the name of a key", "KEY", "a repository's own"),
    mirror=Option("with --rebuild: URL or folder with a copy of upstream's files", "URL|DIR"),
)
def attest(
    action: str,  # noqa: ARG001 - the only one so far
    path: list[str],
    key: str = "",
    rebuild: bool = False,
    mirror: str = "",
    json_: bool = False,
    junit: str = "",
    quiet: bool = False,
) -> int:
    """Verify where packages come from: signatures, digests and materials.

    A package's provenance statement is next to it (PACKAGE.intoto.jsonl), or in the folder attestations of a
    build. Materials are compared with kubeparcel.lock in the current folder.
    """
    from kubeparcel.attest.verify import AttestRequest, verify
    from kubeparcel.config.settings import load_settings
    from kubeparcel.reports.output import as_json, as_text, require_writable, write_junit

    base = Path.cwd()
    if junit:
        require_writable(base / junit, "--junit")
    settings = load_settings({"mirror": mirror}, base)
    locations = [absolute_location(word) for word in path or [settings.out]]
    report = verify(AttestRequest(locations, key, rebuild, base, settings.mirror), console.create_log(quiet))
    if junit:
        write_junit([report], base / junit)
    print_result(as_json([report]) if json_ else as_text([report]))
    return report.exit_code


@task(
    "Verify",
    ("audit dist", "Look for known vulnerabilities of the binaries in dist."),
    ("audit https://packages.example.com/kubernetes --fail-on called", "Fail only if vulnerable code is used."),
    ("audit dist --database /srv/vulndb --vex vex.json", "Use a copy of the database, and statements of your own."),
    ("audit dist --since https://packages.example.com/kubernetes", "Write advisories about what the packages fix."),
    path=Option("package, folder with packages, or repository", "LOCATION", "the output folder", positional=True),
    key=Option("file with the public keys to trust, or the name of a key", "KEY", "the repository's own"),
    suite=Option("suites of repositories, separated by commas", "SUITE", "all", several=True),
    arch=Option("architectures to audit, separated by commas", "ARCH", "all", several=True),
    all_=Option("audit all versions in a repository, not only the newest"),
    since=Option("repository or folder with earlier versions; writes DIR/advisories, for dnf updateinfo", "LOCATION"),
    vex=Option("files with OpenVEX statements, in addition to those in kubeparcel.yaml", "FILE", several=True),
)
def audit(
    path: str = "",
    database: str = "",
    vex: str = "",
    fail_on: str = "",
    max_age: int = 30,
    govulncheck: str = "",
    key: str = "",
    suite: str = "",
    arch: str = "",
    follow: str = "",
    since: str = "",
    all_: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> int:
    """Look for known vulnerabilities of the binaries in packages.

    govulncheck compares the modules in each Go binary with Go's vulnerability database. Exit code 1 if there are
    findings of the --fail-on level, 3 if nothing could be audited. With --since, advisories are written about what the
    packages fix; publish adds those of RPMs to updateinfo.xml.
    """
    from kubeparcel.config.settings import load_settings
    from kubeparcel.console import quantity
    from kubeparcel.doctor.advisories import audit_set, write_advisories
    from kubeparcel.doctor.package_sets import PackageQuery, open_packages
    from kubeparcel.trust.audit import report
    from kubeparcel.trust.audit.examination import AuditRequest
    from kubeparcel.trust.audit.model import FailOn

    base, log = Path.cwd(), console.create_log(quiet)
    settings = load_settings({"vulnerability_database": database, "audit_fail_on": fail_on}, base)
    files = (*settings.vex, *split_list(vex))
    request = AuditRequest(base, settings.vulnerability_database, files, govulncheck, max_age)
    level = FailOn(settings.audit_fail_on)
    query = PackageQuery(key, split_list(suite), split_list(arch), all_versions=all_, follow=split_list(follow))
    with open_packages(absolute_location(path or settings.out), query, log) as packages:
        result = audit_set(packages, packages.packages, request, log)
        if since:
            location = absolute_location(since)
            advisories = write_advisories(
                packages, result, location, query, request, level if level is not FailOn.NONE else FailOn.ANY, log
            )
            log.info("Fixed", f"{quantity(len(advisories), 'advisories')} written for publish")
    write = report.as_json if json_ else report.as_text
    print_result(write(result, level))
    return result.exit_code(level)
