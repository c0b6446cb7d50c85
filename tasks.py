"""The tasks of a checkout: the product's, and those for working on it."""

import subprocess
import sys
from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from kubeparcel import cli
from kubeparcel.cli.program import Documented

HERE = Path(__file__).resolve().parent
GROUPS = {"quick": "not acceptance", "acceptance": "acceptance", "all": ""}


def _python(*words: str) -> None:
    """Run a module of the environment here, its output shown as it comes."""
    code = subprocess.run([sys.executable, "-m", *words], cwd=HERE, check=False).returncode
    if code:
        raise Exit(code=code)


@task(
    help={
        "group": "quick (no root, network or containers), acceptance, or all [all]",
        "k": "only tests whose names contain this",
        "jobs": "files of tests at a time [2]: many wait for systemd or kubeadm",
    },
    auto_shortflags=False,
    klass=Documented,
)
def test(_: Context, group: str = "all", k: str = "", jobs: int = 2) -> None:  # noqa: PT028
    """Run the tests and the linters; what this machine lacks is skipped, and said."""
    if group not in GROUPS:
        raise Exit(f"--group is one of: {', '.join(GROUPS)}", code=2)
    if not k:
        lint.body(_)
    chosen = ["-m", GROUPS[group]] if GROUPS[group] else []
    # Files are handed out whole and in their order: acceptance tests, which take longest, first.
    spread = ["-n", str(jobs), "--dist", "loadfile", "--no-loadscope-reorder"] if jobs > 1 else []
    _python("pytest", *spread, *chosen, *(["-k", k] if k else []), "--durations=25")


@task
def lint(_: Context) -> None:
    """Check format, style and types."""
    _python("ruff", "format", "--check", "--quiet", ".")
    _python("ruff", "check", "--quiet", ".")
    _python("mypy")


@task(
    help={"only": "names of parts, with commas", "json": "write the figures there"},
    auto_shortflags=False,
    klass=Documented,
)
def bench(_: Context, only: str = "", json: str = "bench.json") -> None:
    """Measure on the real binaries, beside nfpm alone, dpkg-deb, rpmbuild and curl."""
    _python("tests.bench", "--json", json, *(["--only", only] if only else []))


namespace = cli.namespace()
for one in (test, lint, bench):
    namespace.add_task(one)

if __name__ == "__main__":
    cli.main(["inv", *sys.argv[1:]], namespace)
