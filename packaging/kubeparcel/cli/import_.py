"""The task that imports packages of other repositories."""

from __future__ import annotations

from kubeparcel import console
from kubeparcel.cli.option_groups import ChangeOptions, absolute_location, split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.repository import UNCHANGED, IdentityOptions, remembered_options
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError


@task(
    "Repository",
    (
        "import https://packages.example.com/k8s --key packages.asc --to DIR",
        "Import all packages of a repository; run it again to import what is new.",
    ),
    (
        "import URL --key packages.asc --to DIR --only kubelet",
        "Import all versions of the kubelet, and what they need.",
    ),
    ("import URL --key packages.asc --to DIR --dry-run", "Print what would be imported."),
    path=Option("URL, folder or s3://BUCKET/PREFIX of an apt or yum repository", "REPOSITORY", positional=True),
    to=Option("your repository, created if it does not exist: a folder or s3://BUCKET/PREFIX", "REPOSITORY"),
    key=Option("file with the public keys that the packages' publisher signs with, or the name of a key", "KEY"),
    suite=Option("suites to read, separated by commas", "SUITE", "all", several=True),
    into=Option("suite that receives the packages", "SUITE", "the minor's suite and stable"),
    only=Option("packages to import: NAME, NAME=VERSION or =VERSION; * is a wildcard", "PACKAGE", "all", several=True),
    arch=Option("architectures to import, separated by commas", "ARCH", "all", several=True),
)
def import_(
    path: str,
    to: str = "",
    key: str = "",
    suite: str = "",
    into: str = "",
    only: str = "",
    arch: str = "",
    follow: str = "",
    insecure: bool = False,
    signing_key: str = "",
    address: str = "",
    wait: int = 30,
    dry_run: bool = False,
    json_: bool = False,
    quiet: bool = False,
) -> int:
    """Import packages of another apt or yum repository.

    Indexes and packages are verified with --key as apt and dnf do. Packages that the imported ones need are imported
    as well. rpms are signed with your key. A statement next to each package records where it came from.
    """
    from kubeparcel.importing.importer import ImportRequest, import_packages
    from kubeparcel.importing.source import SourceQuery

    if not (key or insecure):
        raise UsageError(
            "Missing option --key: a file with the public keys of the repository to import from.",
            "Get it from the publisher, not from the repository. --insecure imports without verifying signatures.",
        )
    if key and insecure:
        raise UsageError("--key and --insecure exclude each other.", "Pass --key alone to verify signatures.")
    suites, arches, follows = map(split_list, (suite, arch, follow))
    query = SourceQuery(absolute_location(path), key, suites, arches, follows, insecure)
    terms = remembered_options(address, "", UNCHANGED, 0, IdentityOptions())
    target = ChangeOptions(to, signing_key, wait, dry_run).target(terms)
    result = import_packages(ImportRequest(query, split_list(only), into), target, console.create_log(quiet))
    print_result(result.as_json() if json_ else result.as_text())
    return result.exit_code
