"""Fixtures: bundles of small packages, for hosts whose package managers are replaced."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard

from kubeparcel.bundle import create, model
from kubeparcel.bundle.create import BundleRequest
from kubeparcel.bundle.host_packages import HostPackages
from kubeparcel.bundle.result import BundleResult
from kubeparcel.console import QuietLog
from kubeparcel.hosts.image_locations import ImageLocations
from kubeparcel.model import Arch, Format
from kubeparcel.repository.candidates import match
from tests.cli.conftest import kubeparcel
from tests.support.package_builders import deb, five, rpm
from tests.support.repository_fixtures import configuration, key, session_key

Members = dict[str, bytes]
IMAGES = ("registry.k8s.io/pause:3.10", "registry.k8s.io/coredns/coredns:v1.14.2")


@pytest.fixture(autouse=True)
def amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages are for amd64, whatever machine runs the tests."""
    monkeypatch.setattr(Arch, "native", classmethod(lambda cls: Arch.AMD64))


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Replace containers: each host lacks util-linux and what that needs; the layout check is left out."""
    state = SimpleNamespace(images=(), unavailable="")

    def download(session: Any, host: Any, packages: Any, extras: Any, folder: Path, *, list_images: bool) -> Any:
        folder.mkdir()
        make = deb if host.format is Format.DEB else rpm
        files = (make(folder, "util-linux", "2.41-1", depends="libsmall, libc6"), make(folder, "libsmall"))
        return HostPackages(host, f"{host.name} 13", tuple(extras), files, state.images if list_images else ())

    @contextmanager
    def session(store: Any, log: Any, *, locations: Any = None, **_: Any) -> Iterator[Any]:
        engine = SimpleNamespace(name="podman", version="1")
        yield SimpleNamespace(store=store, log=log, engine=engine, locations=locations or ImageLocations())

    monkeypatch.setattr(create, "open_session", session)
    monkeypatch.setattr(create, "unavailable_reason", lambda *_: state.unavailable)
    monkeypatch.setattr(create, "download_host_packages", download)
    state.check_layout = match.check_layout
    monkeypatch.setattr(match, "check_layout", lambda *_: None)
    return state


@pytest.fixture
def make(key: Path, hosts: SimpleNamespace, tmp_path: Path) -> Callable[..., BundleResult]:
    """Return a function that makes a bundle of the five packages for two hosts."""
    five(tmp_path / "dist")

    def make_bundle(target: str = "k.tar", **fields: Any) -> BundleResult:
        defaults: dict[str, Any] = {"source": str(tmp_path / "dist"), "hosts": ("trixie", "rocky-9")}
        return create.create(BundleRequest(**{**defaults, **fields, "target": tmp_path / target}), QuietLog())

    return make_bundle


_BUNDLES: list[bytes] = []


@pytest.fixture
def bundle(make: Callable[..., BundleResult], tmp_path: Path) -> Path:
    """A bundle for both hosts, made once: its bytes and its key are the same for all tests."""
    if not _BUNDLES:
        _BUNDLES.append(make("first.tar").target.read_bytes())
    (tmp_path / "k.tar").write_bytes(_BUNDLES[0])
    return tmp_path / "k.tar"


def read_members(archive: Path) -> Members:
    """Return the members of a bundle by their paths in it."""
    data = archive.read_bytes()
    if archive.suffix == ".zst":
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name.removeprefix(f"{model.TOP}/"): tar.extractfile(m).read() for m in tar}


def write_members(archive: Path, members: Members) -> Path:
    """Write a bundle of these members."""
    with tarfile.open(archive, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(f"{model.TOP}/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive
