"""What all tests share: a world of their own, small fake binaries, a source without a network."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from kubeparcel.console import Log, ProgressTask
from kubeparcel.errors import KubeparcelError, UnknownVersion
from kubeparcel.lock_models import Artifact, Binaries, Component, Lock, Request
from kubeparcel.model import Arch, Version
from kubeparcel.store import Store
from tests.support.elf_files import elf

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background of a script, where Ctrl-C is ignored, by whatever we start too.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SKIPS_FAIL = os.environ.get("CI") == "true"

RELEASED: Mapping[str, int] = {
    "kubernetes": 1_784_743_658,  # 2026-07-22 18:07:38 UTC
    "cri-tools": 1_777_045_248,  # 2026-04-24 15:40:48 UTC
    "cni": 1_771_500_712,  # 2026-02-19 11:31:52 UTC
    "etcd": 1_770_000_000,
    "etcdctl": 1_770_000_000,
}
DEFAULT_VERSIONS: Mapping[str, str] = {"cri-tools": "", "cni": ""}
BINARIES: Mapping[str, Sequence[str]] = {
    "kubernetes": ("kubeadm", "kubelet", "kubectl"),
    "cri-tools": ("crictl",),
    "cni": ("bridge", "host-local", "loopback", "portmap"),
    "etcd": ("etcd",),
    "etcdctl": ("etcdctl",),
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where everything is installed (CI=true), a skipped test is a failure."""
    report: Any = yield
    if SKIPS_FAIL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def isolated_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and nothing from the environment of whoever runs the tests.

    Acceptance tests bring their own.
    """
    if request.node.get_closest_marker("acceptance"):
        return
    isolate_environment(monkeypatch, request.getfixturevalue("tmp_path") / "cache")


def isolate_environment(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Forget what the environment says of kubeparcel, and use this cache."""
    for name in list(os.environ):
        if name.startswith("KUBEPARCEL_") or name in ("SOURCE_DATE_EPOCH", "CI", "NO_COLOR"):
            patch.delenv(name)
    patch.setenv("KUBEPARCEL_CACHE", str(cache))
    patch.setenv("KUBEPARCEL_CONFIG", str(cache.with_name("config")))


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "workdir"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


@pytest.fixture
def lock() -> Lock:
    """Kubernetes 1.36.3 for amd64, as upstream publishes it."""
    return locked()


@pytest.fixture
def binaries(lock: Lock, store: Store) -> Binaries:
    """The lock's binaries, small and fake, in the store."""
    return stored(lock.artifacts, store)


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def timeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown of work says that it took no time, however long this machine took."""
    clock = SimpleNamespace(monotonic=lambda: 1000.0)
    for module in ("kubeparcel.console", "kubeparcel.verify.progress"):
        monkeypatch.setattr(f"{module}.time", clock)


def locked(
    kubernetes: str = "1.36.3",
    cri_tools: str = "1.36.0",
    cni: str = "1.9.1",
    arches: Sequence[Arch] = (Arch.AMD64,),
    **request: Any,
) -> Lock:
    """A lock of these versions from upstream; `request` is what was asked for."""
    source = FakeSource()
    versions = {"kubernetes": kubernetes, "cri-tools": cri_tools, "cni": cni}
    components = [source.pin(name, Version.parse(v), arches) for name, v in versions.items()]
    default = {"kubernetes": kubernetes, "versions": DEFAULT_VERSIONS, "arches": tuple(arches)}
    asked = Request(**{**default, **request})
    return Lock(asked, source.name, tuple(components))


def stored(artifacts: Sequence[Artifact], store: Store) -> Binaries:
    """A small fake binary in the store for each of these artifacts' binaries."""
    binaries: dict[tuple[str, Arch], dict[str, str]] = {}
    for artifact in artifacts:
        for name, program in fake_binaries(artifact).items():
            binaries.setdefault((artifact.component, artifact.arch), {})[name] = store.add_bytes(program)
    return binaries


def fake_binaries(artifact: Artifact) -> dict[str, bytes]:
    """Return small fake programs for an artifact, by name."""
    names = (
        [artifact.name]
        if artifact.component == "kubernetes"
        else BINARIES.get(artifact.component, [artifact.component])
    )
    return {name: elf(f"{artifact.origin} {name}", machine=artifact.arch.elf_machine) for name in names}


class FakeSource:
    """A source that fills the Protocol from its arguments alone.

    `out` are the versions that are published, such as `cri-tools 1.36.0`; `down` is the error of
    a source that does not answer.
    """

    name: ClassVar[str] = "upstream"

    def __init__(
        self,
        kubernetes: Mapping[str, str] | None = None,
        out: Sequence[str] = ("cri-tools 1.36.0", "cni 1.9.1"),
        down: KubeparcelError | None = None,
        toolchain: str = "",
    ) -> None:
        self.versions = kubernetes or {"stable": "1.36.3", "1.36": "1.36.3", "1.36.3": "1.36.3"}
        self.out, self.down, self.toolchain = out, down, toolchain
        self.fetched: list[Artifact] = []
        self.mirror = ""
        self.binaries: Sequence[str] = BINARIES["kubernetes"]

    def probe(self) -> None:
        if self.down:
            raise self.down

    def resolve_kubernetes(self, requested: str) -> Version:
        if requested not in self.versions:
            raise UnknownVersion(f"Kubernetes {requested} is not published.")
        return Version.parse(self.versions[requested])

    def is_published(self, component: str, version: Version) -> bool:
        return f"{component} {version}" in self.out or (
            component == "kubernetes" and str(version) in self.versions.values()
        )

    def list_versions(self) -> Sequence[Version]:
        return sorted({Version.parse(text) for text in self.versions.values()}, reverse=True)

    def pin(self, component: str, version: Version, arches: Sequence[Arch]) -> Component:
        names = self.binaries if component == "kubernetes" else (component,)
        artifacts = [
            Artifact(component, name, arch, origin, f"sha256:{_sha256(origin)}")
            for arch in arches
            for name in names
            for origin in [f"https://{component}.example/v{version}/{arch}/{name}"]
        ]
        return Component(component, version, RELEASED.get(component, 1_770_000_000), tuple(artifacts))

    def prepare(self, artifacts: Sequence[Artifact], store: Store, warn: Callable[[str], None]) -> None:
        pass

    def fetch(self, artifacts: Sequence[Artifact], store: Store, log: Log) -> Binaries:
        self.fetched += artifacts
        return stored(artifacts, store)

    def cached(self, artifact: Artifact, store: Store) -> Mapping[str, str] | None:
        digests = {name: _sha256(program) for name, program in fake_binaries(artifact).items()}
        return digests if all(map(store.has, digests.values())) else None

    def download_size(self, artifact: Artifact) -> int | None:
        if self.down:
            raise self.down
        return 50_000_000 if self.name == "upstream" else None


class FakeModules(FakeSource):
    """The same under the name of the source that compiles."""

    name: ClassVar[str] = "go"


@pytest.fixture
def fake_sources(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that replaces the real sources."""
    return partial(replace_sources, monkeypatch)


def replace_sources(
    patch: pytest.MonkeyPatch, upstream: FakeSource | None = None, go: FakeSource | None = None
) -> None:
    """Replace the real sources."""
    sources = {"upstream": upstream or FakeSource(), "go": go or FakeModules()}

    def create_source(
        name: str, components: Any, mirror: str = "", toolchain: str = "", *_: Any, **__: Any
    ) -> FakeSource:
        sources[name].mirror = mirror
        if "kubernetes" in components:
            sources[name].binaries = components["kubernetes"].binaries
        return sources[name]

    for module in ("sources.selection", "build.lock.update", "build.preview"):
        patch.setattr(f"kubeparcel.{module}.create_source", create_source)


TIMEOUT = 60.0
"""Seconds after which something will not happen any more, on however slow a machine.

What must not be waited for takes longer in these tests: five minutes.
"""


def wait_until(condition: Callable[[], object], patience: float = TIMEOUT) -> bool:
    """Whether something comes true; told at once when it does."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def wait_until_gone(pid: int) -> bool:
    """Whether a process ends (a zombie has ended)."""

    def ended() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    return wait_until(ended)


def wait_for_line(file: Path) -> str:
    """What a file holds, once it holds a line."""
    assert wait_until(lambda: file.exists() and file.read_text().endswith("\n")), f"no {file}"
    return file.read_text()


def _sha256(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


class RecordingLog:
    """A log that remembers what it was told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.warnings: list[str] = []
        self.tasks: list[str] = []

    def info(self, label: str, text: str) -> None:
        self.messages.append((label, text))

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def task(self, label: str, name: str, total: int | None, unit: str = "") -> Iterator[ProgressTask]:
        self.tasks.append(f"{label} {name}")
        yield RecordingTask()


class RecordingTask:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass

    def info(self, text: str) -> None:
        pass
