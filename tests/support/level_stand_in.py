"""A level whose scenario reads the packages, and an engine that runs the commands of its containers on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from kubeparcel.hosts.catalog import Host
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.package_set import PackageSet
from kubeparcel.hosts.session import Session
from kubeparcel.reports.results import Finding
from kubeparcel.verify.level_runner import HostLevel, LevelRun, PlannedScenario
from kubeparcel.verify.scenario import HostContext, Scenario, Step
from tests.support.programs import write_program

ENGINE = """\
#!/bin/sh
# A container is a file with its labels.
for last; do :; done
case "$1 $2" in
version*) echo 9.9 ;;
run*)
    for word; do
        case $word in
        --name=*) name=${word#*=} ;;
        --label=*) pair=${word#*=}; labels="$labels,\\"${pair%%=*}\\":\\"${pair#*=}\\"" ;;
        esac
    done
    echo "[{\\"Name\\":\\"$name\\",\\"Config\\":{\\"Labels\\":{${labels#,}}}}]" >"$CONTAINERS/$name"
    ;;
ps*)
    label=${last#label=}
    case $label in *=*) pattern="\\"${label%%=*}\\":\\"${label#*=}\\"" ;; *) pattern="\\"$label\\"" ;; esac
    cd "$CONTAINERS" && grep -l "$pattern" * 2>/dev/null
    exit 0
    ;;
"container inspect") cat "$CONTAINERS/$3" ;;
"exec --interactive") shift 3; exec "$@" ;;
exec*) shift 2; exec "$@" ;;
rm*) rm -f "$CONTAINERS/$last" ;;
esac
"""


def engine(folder: Path, containers: Path) -> dict[str, str]:
    """Write the engine into a folder, and return the variables with which it is found."""
    containers.mkdir(parents=True)
    write_program(folder / "podman", ENGINE)
    return {"PATH": f"{folder}:/usr/bin:/bin", "CONTAINERS": str(containers)}


def _read_packages(context: HostContext) -> Iterator[Finding]:
    yield from context.failure(context.script('cd "$1"; sha256sum -- *', str(context.packages.folder)))


def _wait(context: HostContext) -> Iterator[Finding]:
    """Wait until the file `gate` in the current folder is gone."""
    yield from context.failure(context.script("while [ -e gate ]; do sleep 0.05; done"))


def _fail(_: HostContext) -> Iterator[Finding]:
    yield Finding("one", "two")


SCENARIO: Scenario[HostContext] = Scenario(
    "stand-in", (Step("read", "", _read_packages), Step("wait", "", _wait), Step("fail", "", _fail))
)


@contextmanager
def _start(session: Session, packages: PackageSet, host: Host) -> Iterator[HostContext]:
    with session.start_container(host, ContainerSpec("image", "stand-in")) as container:
        yield HostContext(container, packages)


def _plan(run: LevelRun, hosts: Sequence[Host]) -> list[PlannedScenario[HostContext]]:
    return [
        PlannedScenario(SCENARIO, (host,), partial(_start, run.session, run.packages.require(host), host))
        for host in hosts
    ]


LEVEL: HostLevel[HostContext] = HostLevel("install", _plan)

PRELOAD = """
from kubeparcel.verify import host_levels
from tests.support.level_stand_in import LEVEL
host_levels.HOST_LEVELS = (LEVEL,)
"""
