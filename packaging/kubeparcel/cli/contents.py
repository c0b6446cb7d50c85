"""The tasks that show and compare what is in packages."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kubeparcel import console
from kubeparcel.cli.option_groups import absolute_location, split_list
from kubeparcel.cli.options import Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError
from kubeparcel.model import PACKAGE_SUFFIXES

if TYPE_CHECKING:
    from kubeparcel.doctor.package_sets import PackageQuery


_SOURCE = "package, folder, repository, NAME=VERSION or VERSION"


@task(
    "Verify",
    ("show kubelet", "Show the newest kubelet in dist, in each format and for each architecture."),
    ("show kubelet=1.36.3-1 kubeadm", "Show one version of the kubelet, and kubeadm."),
    ("show ~/Downloads/kubelet_1.36.3-1.1_amd64.deb", "Show a package built by others."),
    ("show kubelet --json", "Print the same as JSON."),
    path=Option("package files, or NAME or NAME=VERSION of packages in the output folder", "PACKAGE", positional=True),
)
def show(path: list[str], json_: bool = False) -> None:
    """Show a package: its files, scripts, relations and provenance.

    Nothing is installed or unpacked.
    """
    from kubeparcel.config.settings import load_settings
    from kubeparcel.packages import description
    from kubeparcel.packages.find import read_selected

    if not path:
        raise UsageError("Missing PACKAGE: a package file, or the name of a package in the output folder.")
    base = Path.cwd()
    packages = read_selected(path, base, base / load_settings({}, base).out)
    if json_:
        document = {"packages": [description.as_dict(package) for package in packages]}
        print_result(json.dumps(document, indent=2))
    else:
        print_result("\n\n".join(map(description.as_text, packages)))


@task(
    "Verify",
    ("diff dist https://packages.example.com/kubernetes", "Compare new packages with the newest published ones."),
    ("diff old/kubelet_1.36.1-1_amd64.deb kubelet_1.36.3-1_amd64.deb", "Compare two packages, whoever built them."),
    ("diff 1.36.1 1.36.3 --in /srv/www/k8s", "Compare two releases in a repository."),
    ("diff dist dist-official --html diff.html", "Write an HTML page as well."),
    old=Option(f"what to compare: {_SOURCE}", "OLD", positional=True),
    new=Option(f"what to compare with it: {_SOURCE}", "NEW", positional=True),
    in_=Option("folder or repository in which OLD and NEW are names or versions", "LOCATION", "the output folder"),
    key=Option("file with the public keys to trust, or the name of a key", "KEY", "the repository's own"),
    suite=Option("suites of repositories, separated by commas", "SUITE", "all", several=True),
    arch=Option("architectures to compare, separated by commas", "ARCH", "all", several=True),
    all_=Option("also list what is folded: times, compression, documentation, directories of files"),
)
def diff(
    old: str,
    new: str,
    in_: str = "",
    key: str = "",
    suite: str = "",
    arch: str = "",
    follow: str = "",
    all_: bool = False,
    json_: bool = False,
    html: str = "",
    quiet: bool = False,
) -> int:
    """Compare packages: scripts, units, files, relations, Go modules.

    The newest version of each package in OLD is compared with the newest in NEW, of the same name, format and
    architecture; a deb without a counterpart is compared with the rpm of its name. Indexes and files of repositories
    are verified. Exit code 1 if differences are listed, 0 if not.
    """
    from kubeparcel.diff import report
    from kubeparcel.diff.comparison import compare_sets
    from kubeparcel.doctor.package_sets import PackageQuery, open_packages
    from kubeparcel.reports.output import require_writable, write_file

    page = Path.cwd() / html
    if html:
        require_writable(page, "--html")
    log = console.create_log(quiet)
    query = PackageQuery(key, split_list(suite), split_list(arch), follow=split_list(follow))
    (old_location, old_query), (new_location, new_query) = (_select(word, in_, query) for word in (old, new))
    with open_packages(old_location, old_query, log) as before, open_packages(new_location, new_query, log) as after:
        comparison = compare_sets(before, after)
    if html:
        write_file(report.render_html(comparison, everything=all_).encode(), page)
    write = report.as_json if json_ else report.as_text
    print_result(write(comparison, everything=all_))
    return comparison.exit_code(everything=all_)


def _select(word: str, in_: str, query: PackageQuery) -> tuple[str, PackageQuery]:
    """Return the location that a word names, and which of its packages."""
    from kubeparcel.config.settings import load_settings

    base = Path.cwd()
    if "/" in word or word.endswith(PACKAGE_SUFFIXES) or (base / word).exists():
        return absolute_location(word), query
    location = absolute_location(in_ or load_settings({}, base).out)
    return location, replace(query, selectors=_selectors(word))


def _selectors(word: str) -> tuple[str, ...]:
    """Return the selector of packages of a release, of a package, or of a version of it."""
    from kubeparcel.model import Version

    if re.fullmatch(r"v?\d+\.\d+\.\d+([-+].+)?", word):
        return (f"={Version.parse(word).package_version}-*",)
    return (word,)
