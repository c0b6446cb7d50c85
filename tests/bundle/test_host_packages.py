"""What a host lacks, with a container that records what is run in it."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from kubeparcel.bundle import host_packages, model
from kubeparcel.bundle.contents import Contents
from kubeparcel.bundle.host_packages import default_runtime, download_host_packages
from kubeparcel.bundle.model import HostEntry, Manifest
from kubeparcel.console import QuietLog
from kubeparcel.errors import CheckFailed, ToolError
from kubeparcel.hosts.catalog import load_hosts
from kubeparcel.hosts.package_set import load_package_sets
from kubeparcel.model import Arch, Format
from kubeparcel.process import CompletedProcess
from kubeparcel.repository.signing.signer import open_signer
from tests.support.package_builders import deb, five, rpm


class FakeContainer:
    def __init__(self, host, failing: str = "") -> None:
        self.host, self.failing, self.ran = host, failing, []

    def run(self, *argv, **_) -> CompletedProcess:
        self.ran.append(" ".join(argv))
        if self.failing and self.failing in self.ran[-1]:
            raise ToolError("apt-get failed with exit code 100.", "E: Could not resolve 'deb.example'")
        return CompletedProcess(argv, 0, "", "")

    def run_script(self, text, *arguments, **_) -> CompletedProcess:
        self.run(text, *arguments)
        images = "W1128 a warning\nregistry.k8s.io/pause:3.10\nregistry.k8s.io/coredns/coredns:v1.14.2\nno: image\n"
        output = images if "images list" in text else "debian 13 trixie\n" if "os-release" in text else ""
        return CompletedProcess((), 0, output, "")

    def copy_out(self, source, target) -> None:
        make = deb if self.host.format is Format.DEB else rpm
        (target / "sub").mkdir(parents=True)
        make(target / "sub", "socat")
        make(target, "kubelet", "1.36.3-1")  # dnf copies packages of local repositories, too
        (target / f"link.{self.host.format}").symlink_to("/etc/passwd")


@pytest.fixture
def download(tmp_path, monkeypatch):
    monkeypatch.setattr(host_packages, "ensure_image", lambda *_: "image")
    monkeypatch.setattr(Arch, "native", classmethod(lambda cls: Arch.AMD64))
    five(tmp_path / "dist")

    def run(name: str, failing: str = ""):
        host = load_hosts().get(name)
        container = FakeContainer(host, failing)

        @contextmanager
        def start(*_):
            yield container

        session = SimpleNamespace(log=QuietLog(), start_container=start)
        files = [*(tmp_path / "dist").iterdir()]
        packages = load_package_sets(files, tmp_path / "sets", {host.format})[host.format]
        result = download_host_packages(session, host, packages, ("chrony",), tmp_path / "out", list_images=True)
        return result, container.ran

    return run


@pytest.mark.parametrize("name", ["trixie", "rocky-9", "leap"])
def test_only_files_of_the_distribution_are_taken(download, name):
    result, ran = download(name)
    assert [file.name.split("-")[0].split("_")[0] for file in result.files] == ["socat"]
    assert result.extras[-1] == "chrony"
    assert result.images == ("registry.k8s.io/pause:3.10", "registry.k8s.io/coredns/coredns:v1.14.2")
    (command,) = [line for line in ran if "download" in line and "kubelet" in line]
    assert "socat" in command
    assert "chrony" in command


@pytest.mark.parametrize("failing", ["--error-on=any update", "--download-only"])
def test_an_unreachable_distribution_is_an_error_with_its_output(download, failing):
    with pytest.raises(ToolError, match="trixie: the packages that it needs cannot be downloaded") as error:
        download("trixie", failing)
    assert "E: Could not resolve 'deb.example'\nCheck the names in --with" in error.value.hint


def test_hosts_get_a_runtime_where_their_package_manager_has_one():
    runtimes = {name: default_runtime(host) for name, host in load_hosts().hosts.items()}
    assert runtimes["trixie"] == runtimes["fedora"] == ("containerd",)
    assert runtimes["rocky-9"] == runtimes["trixie-dnf"] == ()


@pytest.mark.parametrize("os", ["debian'; rm -rf /; '", "a\nb", ""])
def test_a_host_cannot_write_into_the_script(os, key, tmp_path):
    manifest = Manifest("1.36.3", Arch.AMD64, 1, {}, {"trixie": HostEntry(Format.DEB, "apt", os)})
    with open_signer("", QuietLog()) as signer, pytest.raises(CheckFailed, match="cannot be described"):
        Contents(tmp_path, "", signer, QuietLog()).add_description(manifest, (), ())
    assert not (tmp_path / model.INSTALLER).exists()
