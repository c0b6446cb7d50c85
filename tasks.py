"""The tasks of a checkout: the program's, and those for working on it."""

if __name__ == "__main__":
    from kubeparcel import startup  # noqa: F401  # before everything that takes time

import subprocess
import sys
from pathlib import Path

from kubeparcel import cli
from kubeparcel.cli.options import COUNT, Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.program import Program
from kubeparcel.cli.task import task

ROOT = Path(__file__).resolve().parent
TEST_GROUPS = {
    "quick": "not (acceptance or oracles)",
    "acceptance": "acceptance and not oracles",
    "standard": "not oracles",
    "oracles": "oracles",
    "all": "",
}


def _python(*arguments: str) -> int:
    """Run a module of this environment and return its exit code."""
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False).returncode


@task(
    "Develop",
    ("test", "Run the linters and the tests; those with missing prerequisites are skipped."),
    ("test --group quick", "Run what needs no root, network or containers."),
    ("test -k lock", "Run the tests with 'lock' in their names, without the linters."),
    group=Option(
        "quick (no root, network or containers), acceptance, standard (both), oracles (other projects' programs: "
        "piuparts, and what Go compiles on first use) or all",
        "GROUP",
        "standard",
        choices=tuple(TEST_GROUPS),
    ),
    k=Option("run only tests whose names match, without the linters", "EXPRESSION"),
    jobs=Option("test files that run in parallel", "COUNT", "2", limits=COUNT),
)
def test(group: str = "standard", k: str = "", jobs: int = 2) -> int:  # noqa: PT028
    """Run the tests and the linters."""
    if not k and (code := _lint()):
        return code
    selection = ["-m", TEST_GROUPS[group]] if TEST_GROUPS[group] else []
    selection += ["-k", k] if k else []
    # Acceptance tests take longest and come first, so whole files are distributed in order.
    parallel = ["-n", str(jobs), "--dist", "loadfile", "--no-loadscope-reorder"] if jobs > 1 else []
    return _python("pytest", *parallel, *selection, "--durations=25")


def _lint() -> int:
    return (
        _python("ruff", "format", "--check", "--quiet", ".")
        or _python("ruff", "check", "--quiet", ".")
        or _python("mypy")
    )


@task("Develop", ("lint", "Check the whole checkout with ruff and mypy."))
def lint() -> int:
    """Check format, style and types."""
    return _lint()


@task(
    "Develop",
    ("bench", "Measure everything and write bench.json."),
    ("bench --only hosts", "Measure only the part named hosts."),
    only=Option("parts to measure, separated by commas", "PART", "all"),
    json=Option("file for the figures", "FILE", "bench.json"),
)
def bench(only: str = "", json: str = "bench.json") -> int:
    """Compare build times with nfpm alone, dpkg-deb, rpmbuild and curl."""
    return _python("tests.bench", "--json", json, *(["--only", only] if only else []))


@task(
    "Develop",
    ("fuzz", "Damage packages for a minute, each reader with its share."),
    ("fuzz --minutes 60", "Damage packages for an hour."),
    minutes=Option("minutes to run", "COUNT", "1", limits=COUNT),
)
def fuzz(minutes: int = 1) -> int:
    """Feed damaged packages to every reader; failures are saved in tests/fuzz/findings.

    Tests read the saved files from then on. The exit code is 1 if there are any.
    """
    return _python("tests.fuzz", "--minutes", str(minutes))


@task(
    "Develop",
    ("docs", "Write the reference pages and the man page."),
    ("docs --check", "Fail if a page is not current."),
    check=Option("only check that the pages are current; exit code 1 if not"),
)
def docs(check: bool = False) -> int:
    """Generate docs/reference and the man page from the code."""
    from kubeparcel.cli import reference

    pages = reference.pages(Program({task.name: task for task in cli.TASKS}))
    outdated = [name for name, text in pages.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    for name in outdated:
        if not check:
            (ROOT / name).write_text(pages[name])
        print_result(f"{name} is not current; run: inv docs" if check else f"Wrote {name}")
    return 1 if check and outdated else 0


DEVELOP = (test, lint, bench, fuzz, docs)

if __name__ == "__main__":  # ./inv
    cli.main(more=DEVELOP)
else:  # Invoke's own program, inv
    from kubeparcel.cli.invoke_tasks import invoke_collection

    namespace = invoke_collection((*cli.TASKS, *DEVELOP))
