"""The debs before Debian's own judge: piuparts installs and purges each, and looks what stays."""

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
    # base-files makes /opt by a script, so dpkg knows no owner and takes the empty folder away
    # with the last package that has something below it. The next such package makes it again.
    "^/opt/$",
)


def judge(debs: Sequence[Path], cache: Path, exceptions: Iterable[str] = EXCEPTIONS) -> str:
    """What piuparts says of each deb by itself: its log.

    The debs beside them are at hand as dependencies. No network is used: what they need from
    outside is in the root file system already.
    """
    repository = debs[0].parent
    packages = _out("apt-ftparchive", "packages", ".", cwd=repository)
    (repository / "Packages").write_text(packages)
    suite = _suite()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        words: list[object] = [
            *("--basetgz", _base(cache, suite, _outside(repository)), "--distribution", suite),
            *("--keep-sources-list", "--no-eatmydata", "--skip-minimize", "--no-upgrade-test"),
            *("--single-packages", "--bindmount", repository, "--testdebs-repo", repository),
            *("--tmpdir", scratch, "--log-file", log),
            *(f"--ignore-regex={path}" for path in exceptions),
        ]
        command = ["piuparts", *map(str, words), *map(str, debs)]
        subprocess.run(command, capture_output=True, check=False)
        return log.read_text()


def verdicts(log: str) -> list[str]:
    """Of each deb that was tried to the end, in their order."""
    return re.findall(r"(PASS|FAIL): Installation and purging test\.", log)


def problems(log: str) -> str:
    """What it found wrong, with the paths."""
    return "\n".join(re.findall(r"ERROR: .*(?:\n  .*)*", log))


def _out(*argv: str, cwd: Path | None = None) -> str:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=True).stdout


def _suite() -> str:
    release = Path("/etc/os-release").read_text()
    return re.findall(r'^VERSION_CODENAME="?(\w+)', release, re.MULTILINE)[0]


def _outside(folder: Path) -> list[str]:
    """The packages that debs depend on and that are not among them."""
    debs = sorted(map(str, folder.glob("*.deb")))
    fields = [_out("dpkg-deb", "--field", deb, "Package", "Depends") for deb in debs]
    own = {name for text in fields for name in re.findall(r"^Package: (\S+)", text, re.MULTILINE)}
    rows = [row for text in fields for row in re.findall(r"^Depends: (.+)", text, re.MULTILINE)]
    needs = {word.split()[0] for row in rows for word in row.split(", ")}
    return sorted(needs - own)


def _base(cache: Path, suite: str, include: Sequence[str]) -> Path:
    """Return a small Debian with these packages and without a repository."""
    return debian_archive(
        cache, suite, f"--include={','.join(include)}", '--customize-hook=rm "$1/etc/apt/sources.list"'
    )


@pytest.fixture(autouse=True)
def machine() -> None:
    require_programs("piuparts", "mmdebstrap", "apt-ftparchive")


def small_debs(folder: Path, mutate: Mutation | None = None) -> list[Path]:
    """Our debs in miniature, kubectl broken."""
    packages = write_set(small_samples(folder / "shop"), Format.DEB, folder, "kubectl", mutate)
    return sorted(packages.glob("*.deb"))


def named(debs: Sequence[Path], name: str) -> Path:
    """The deb of that name."""
    return next(deb for deb in debs if deb.name.startswith(f"{name}_"))


def test_real_debs_leave_no_trace(real, binaries_cache, tmp_path):
    built = sorted((real.folder / "dist/deb").glob("*.deb"))
    debs = [Path(shutil.copy(deb, tmp_path)) for deb in built]
    log = judge(debs, binaries_cache)
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
    log = judge([named(debs, "kubectl")], binaries_cache)
    assert "PASS" not in verdicts(log)
    assert problem in problems(log)


def test_every_exception_is_needed(binaries_cache, tmp_path):
    plugins = [named(small_debs(tmp_path), "kubernetes-cni")]
    assert verdicts(judge(plugins, binaries_cache)) == ["PASS"]
    log = judge(plugins, binaries_cache, exceptions=())
    assert verdicts(log) == ["FAIL"]
    assert "After purging files have disappeared:\n  /opt/" in problems(log)
