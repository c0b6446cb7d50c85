"""Debian's piuparts installs and purges each deb, and reports what it leaves or changes."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from kubeparcel.model import Format
from tests.acceptance.debian_archives import debian_archive
from tests.acceptance.engines import require_programs
from tests.acceptance.small_packages import small_samples, write_set
from tests.support.sample_packages import Mutation

pytestmark = pytest.mark.oracles

EXCEPTIONS = (
    # base-files creates /opt without owning it: dpkg removes it with the last package that has files there.
    "^/opt/$",
)


def run_piuparts(debs: Sequence[Path], cache: Path, exceptions: Iterable[str] = EXCEPTIONS) -> str:
    """Install and purge each deb by itself, and return piuparts' log.

    Dependencies are the other debs of the folder, and packages in the root file system: no network is used.
    """
    repository = debs[0].parent
    packages = _out("apt-ftparchive", "packages", ".", cwd=repository)
    (repository / "Packages").write_text(packages)
    suite = _suite()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        words: list[object] = [
            *("--basetgz", _root_archive(cache, suite, _external_dependencies(repository)), "--distribution", suite),
            *("--keep-sources-list", "--no-eatmydata", "--skip-minimize", "--no-upgrade-test"),
            *("--single-packages", "--bindmount", repository, "--testdebs-repo", repository),
            *("--tmpdir", scratch, "--log-file", log),
            *(f"--ignore-regex={path}" for path in exceptions),
        ]
        command = ["piuparts", *map(str, words), *map(str, debs)]
        subprocess.run(command, capture_output=True, check=False)
        return log.read_text()


def verdicts(log: str) -> list[str]:
    """Return PASS or FAIL for each deb that was tested to the end, in order."""
    return re.findall(r"(PASS|FAIL): Installation and purging test\.", log)


def problems(log: str) -> str:
    """Return the errors in a log, with their paths."""
    return "\n".join(re.findall(r"ERROR: .*(?:\n  .*)*", log))


def _out(*argv: str, cwd: Path | None = None) -> str:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=True).stdout


def _suite() -> str:
    release = Path("/etc/os-release").read_text()
    return re.findall(r'^VERSION_CODENAME="?(\w+)', release, re.MULTILINE)[0]


def _external_dependencies(folder: Path) -> list[str]:
    """Return the packages that the debs of a folder depend on, except one another."""
    debs = sorted(map(str, folder.glob("*.deb")))
    fields = [_out("dpkg-deb", "--field", deb, "Package", "Depends") for deb in debs]
    own = {name for text in fields for name in re.findall(r"^Package: (\S+)", text, re.MULTILINE)}
    rows = [row for text in fields for row in re.findall(r"^Depends: (.+)", text, re.MULTILINE)]
    needs = {word.split()[0] for row in rows for word in row.split(", ")}
    return sorted(needs - own)


def _root_archive(cache: Path, suite: str, include: Sequence[str]) -> Path:
    """Return the archive of a small Debian with these packages and without a repository."""
    return debian_archive(
        cache, suite, f"--include={','.join(include)}", '--customize-hook=rm "$1/etc/apt/sources.list"'
    )


@pytest.fixture(autouse=True)
def machine() -> None:
    require_programs("piuparts", "mmdebstrap", "apt-ftparchive")


def small_debs(folder: Path, mutate: Mutation | None = None) -> list[Path]:
    """Write small debs, one of kubectl with a fault if `mutate` is given."""
    packages = write_set(small_samples(folder / "samples"), Format.DEB, folder, "kubectl", mutate)
    return sorted(packages.glob("*.deb"))


def deb_of(debs: Sequence[Path], name: str) -> Path:
    """Return the deb of a package."""
    return next(deb for deb in debs if deb.name.startswith(f"{name}_"))


def test_real_debs_leave_no_trace(real, binaries_cache, tmp_path):
    built = sorted((real.folder / "dist/deb").glob("*.deb"))
    debs = [Path(shutil.copy(deb, tmp_path)) for deb in built]
    log = run_piuparts(debs, binaries_cache)
    assert verdicts(log) == ["PASS"] * 5, problems(log)


@pytest.mark.parametrize(
    ("at", "text", "problem"),
    [
        ("postinstall", "echo left >/var/lib/kubectl-was-here", "/var/lib/kubectl-was-here"),
        ("postinstall", "echo more >>/etc/host.conf", "/etc/host.conf"),
        ("postremove", '[ "$1" != purge ]', "Command failed"),
        ("postinstall", "echo x >>/usr/bin/kubectl", "usr/bin/kubectl"),
    ],
    ids=["a file stays", "the host is changed", "purging fails", "a packaged file is changed"],
)
def test_broken_deb_fails(binaries_cache, tmp_path, at, text, problem):
    debs = small_debs(tmp_path, lambda draft: draft.append_to_script(at, text))
    log = run_piuparts([deb_of(debs, "kubectl")], binaries_cache)
    assert "PASS" not in verdicts(log)
    assert problem in problems(log)


def test_every_exception_is_needed(binaries_cache, tmp_path):
    plugins = [deb_of(small_debs(tmp_path), "kubernetes-cni")]
    assert verdicts(run_piuparts(plugins, binaries_cache)) == ["PASS"]
    log = run_piuparts(plugins, binaries_cache, exceptions=())
    assert verdicts(log) == ["FAIL"]
    assert "After purging files have disappeared:\n  /opt/" in problems(log)
