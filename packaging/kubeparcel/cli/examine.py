"""The tasks that examine and list repositories."""

from __future__ import annotations

from pathlib import Path

from kubeparcel import console
from kubeparcel.cli.option_groups import absolute_location, split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task


@task(
    "Repository",
    ("doctor https://packages.example.com/kubernetes", "Examine a repository as clients do."),
    ("doctor DIR --key packages.asc", "Examine a folder with the key that you trust."),
    ("doctor s3://BUCKET/PREFIX --quick", "Examine only the indexes in a bucket."),
    ("doctor MIRROR --arch amd64 --component main", "Examine a copy of one architecture."),
    path=Option("URL, folder or s3://BUCKET/PREFIX of a repository", "REPOSITORY", positional=True),
    key=Option("file with the public keys to trust, or the name of a key", "KEY", "the repository's own"),
    suite=Option("suites, separated by commas", "SUITE", "all", several=True),
    arch=Option("architectures to examine, separated by commas", "ARCH", "all", several=True),
    component=Option("components of apt suites to examine, separated by commas", "COMPONENT", "all", several=True),
)
def doctor(
    path: str,
    key: str = "",
    suite: str = "",
    arch: str = "",
    component: str = "",
    follow: str = "",
    horizon: int = 365,
    quick: bool = False,
    json_: bool = False,
    junit: str = "",
    quiet: bool = False,
) -> int:
    """Examine any apt and yum repository, whoever published it."""
    from kubeparcel.doctor.examination import ExaminationRequest, examine
    from kubeparcel.reports.output import require_writable, write_junit

    if junit:
        require_writable(Path.cwd() / junit, "--junit")
    suites, arches, components = map(split_list, (suite, arch, component))
    request = ExaminationRequest(
        absolute_location(path), key, suites, arches, split_list(follow), components, quick, horizon
    )
    report = examine(request, console.create_log(quiet))
    if junit:
        write_junit([report.report], Path.cwd() / junit)
    print_result(report.as_json() if json_ else report.as_text())
    return report.exit_code


@task(
    "Repository",
    ("ls https://packages.example.com/kubernetes", "List suites, their newest versions, and what expires when."),
    ("ls s3://BUCKET/PREFIX --suite v1.36 --all", "List all versions in one suite of a bucket."),
    ("ls DIR --json", "Print the same as JSON."),
    path=Option("URL, folder or s3://BUCKET/PREFIX of a repository", "REPOSITORY", positional=True),
    suite=Option("suites, separated by commas", "SUITE", "all", several=True),
    all_=Option("list all versions of packages, not only the newest"),
)
def ls(path: str, suite: str = "", all_: bool = False, follow: str = "", json_: bool = False) -> None:
    """List the suites, versions, keys and generations of a repository.

    Nothing is verified or changed. Of repositories that others published, the indexes are listed.
    """
    from kubeparcel.doctor import inventory_report
    from kubeparcel.doctor.inventory import read_inventory

    inventory = read_inventory(absolute_location(path), split_list(suite), console.create_log(), split_list(follow))
    write = inventory_report.as_json if json_ else inventory_report.as_text
    print_result(write(inventory, all_versions=all_))
