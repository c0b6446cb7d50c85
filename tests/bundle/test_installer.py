"""The install script of a bundle: what it installs, verifies and refuses."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kubeparcel.bundle import model
from kubeparcel.bundle.model import parse_manifest
from kubeparcel.console import QuietLog
from kubeparcel.repository.signing import keys
from kubeparcel.repository.signing.signer import open_signer
from tests.bundle.machine import RECORD, Machine


@pytest.fixture
def machine(bundle, tmp_path) -> Machine:
    (tmp_path / "m").mkdir()
    return Machine(tmp_path / "m", bundle)


def test_packages_are_installed_from_the_folder_only(machine):
    sources = (
        RECORD + 'for o in "$@"; do case $o in Dir::Etc::SourceList=*) cat "${o#*=}" >"$CALLS.sources" ;; esac; done\n'
    )
    machine.stub("apt-get", sources)
    text = machine.install()
    update, _, install = machine.calls
    assert update.endswith(" update")
    assert install.endswith("install cri-tools kubeadm kubectl kubelet kubernetes-cni containerd")
    assert "--option Dir::Etc::SourceParts=- " in install
    written = Path(f"{machine.calls_file}.sources").read_text()
    assert f"URIs: file:{machine.top}/repository/apt\nSuites: kubernetes\n" in written
    assert f"URIs: file:{machine.top}/dependencies/trixie/apt\nSuites: trixie\n" in written
    assert written.count("Signed-By: /") == 2
    assert "Verified" in text
    assert "kubelet 1.0-1" in text
    assert machine.install() == text


@pytest.mark.parametrize("name", ["repository/apt/dists/kubernetes/InRelease", "install.sh", "bundle.json"])
def test_a_damaged_file_stops_the_script_before_anything_else(machine, name):
    with (machine.top / name).open("a") as file:
        file.write("# changed\n")
    text = machine.install(code=1)
    assert f"{name}: FAILED" in text
    assert "Nothing on this machine was changed." in text
    assert machine.calls == []


def test_changed_checksums_and_other_keys_stop_the_script(machine, tmp_path):
    keys.create("other")
    machine.sign("other")
    text = machine.install(code=1)
    assert "The signature of SHA256SUMS is not a valid one" in text
    machine.sign()
    with open_signer("other", QuietLog()) as signer:
        (tmp_path / "other.asc").write_bytes(signer.export_public_keys(armored=True))
    assert "is not a valid one" in machine.install("--key", str(tmp_path / "other.asc"), code=1)
    assert machine.calls == []
    machine.install("--key", str(machine.top / model.KEY))


def test_script_stops_without_a_program_that_verifies_signatures(machine):
    (machine.bin / "gpgv").unlink()
    assert "gpgv, sqv or gpg is needed" in machine.install(code=1)
    assert machine.calls == []
    assert "their signature was not verified" in machine.install("--without-signature")


def test_a_failed_installation_shows_the_output_and_what_to_do(machine):
    machine.stub("apt-get", RECORD + 'case "$*" in *" install "*) echo "E: broken"; exit 100 ;; esac\n')
    text = machine.install(code=1)
    assert "E: broken" in text
    assert "Stopped while installing cri-tools" in text
    assert "Run this script again to continue." in text
    machine.stub("apt-get")
    machine.install()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--packages", "a;b"], "Invalid --packages"),
        (["--packages", "-o"], "Invalid --packages"),
        (["--packages"], "--packages needs a value"),
        (["--nonsense"], "Unknown option '--nonsense'"),
        (["--host", "sid"], "Unknown host 'sid'."),
        (["--host", "trix.e"], "Unknown host"),
        (["--key", "/nowhere"], "Cannot read the key /nowhere"),
    ],
)
def test_wrong_usage_is_refused(machine, options, message):
    assert message in machine.install(*options, code=1)
    assert machine.calls == []


def test_other_machines_and_users_are_refused(machine):
    machine.stub("uname", "#!/bin/sh\necho riscv64\n")
    assert "These packages are for x86_64; this machine is riscv64." in machine.install(code=1)
    machine.stub("id", "#!/bin/sh\necho 1000\n")
    assert "must run as root" in machine.install(code=1)
    machine.stub("id")
    machine.stub("uname")
    assert "This bundle has nothing for this machine" in machine.install(code=1, host="")


def test_only_the_requested_packages_are_installed(machine):
    machine.install("--packages", "kubelet,kubeadm")
    assert machine.calls[-1].endswith(" install kubelet kubeadm")


def test_a_container_runtime_is_not_replaced(machine):
    machine.stub("crio", RECORD)
    assert "has a container runtime already" in machine.install()
    assert machine.calls[-1].endswith("kubernetes-cni")


def test_dry_run_changes_nothing(machine):
    machine.stub("apt-get", RECORD + 'case "$*" in *simulate*) echo "Inst kubelet (1.0)" ;; esac\n')
    text = machine.install("--dry-run")
    assert "  kubelet (1.0)\nNothing on this machine was changed.\n" in text
    assert [call for call in machine.calls if " install " in call and "--simulate" not in call] == []


def test_rpm_forgets_the_key_after_the_run(machine):
    machine.stub(
        "dnf",
        RECORD + 'for o in "$@"; do case $o in --setopt=reposdir=*) cat "${o##*=}"/* >>"$CALLS.repo" ;; esac; done\n',
    )
    machine.install(host="rocky-9")
    assert "rpm --erase --allmatches gpg-pubkey-new" in machine.calls
    written = Path(f"{machine.calls_file}.repo").read_text()
    assert written.count("repo_gpgcheck=1") == 2
    assert f"baseurl=file://{machine.top}/repository/yum/kubernetes\n" in written


@pytest.mark.parametrize("manager", ["dnf", "zypper"])
def test_failed_scriptlets_are_reported_and_the_key_is_forgotten(machine, manager):
    script = (machine.top / model.INSTALLER).read_text()
    (machine.top / model.INSTALLER).write_text(script.replace("|dnf|", f"|{manager}|"))
    machine.sign()
    machine.stub(manager, RECORD + 'echo "warning: %post(kubelet-1) scriptlet failed, exit status 126"\n')
    text = machine.install(host="rocky-9", code=1)
    assert "%post(kubelet-1) scriptlet failed" in text
    assert "scriptlets of them failed" in text
    assert "rpm --erase --allmatches gpg-pubkey-new" in machine.calls


@pytest.mark.parametrize("programs", [["ctr"], ["podman"], ["ctr", "podman"], []])
def test_images_are_imported_where_there_is_a_runtime(machine, programs):
    machine.add_images()
    for name in programs:
        machine.stub(name)
    text = machine.install()
    assert (f"imported into {'containerd' if 'ctr' in programs else 'podman'}" in text) is bool(programs)
    assert [call.split()[0] for call in machine.calls if str(machine.top / model.IMAGES) in call] == programs
    assert ("Images     not imported" in text) is not programs
    assert "Images" not in machine.install("--no-images")


@pytest.mark.parametrize(("setting", "quote"), [("sandbox_image", '"'), ("sandbox", "'")])
def test_pause_image_gets_the_name_that_containerd_is_configured_for(machine, setting, quote):
    machine.add_images()
    manifest = parse_manifest((machine.top / model.MANIFEST).read_bytes())
    images = ("registry.k8s.io/etcd:3.6.8-0", "registry.k8s.io/pause:3.10.2")
    machine.render(replace(manifest, images=images, missing_images=("coredns",)))
    machine.stub("ctr", RECORD + '[ "$4" != list ] || cat "$CALLS.images" 2>/dev/null || :\n')
    config = f"  sandbox_mode = 1\n  {setting} = {quote}registry.k8s.io/pause:3.8{quote}\n"
    machine.stub("containerd", f"#!/bin/sh\ncat <<'EOF'\n{config}EOF\n")
    tag = "ctr --namespace k8s.io images tag registry.k8s.io/pause:3.10.2 registry.k8s.io/pause:3.8"
    text = machine.install()
    assert "pause:3.10.2 is also registry.k8s.io/pause:3.8, which" in text
    assert text.endswith("kubeadm init --kubernetes-version v1.36.3 --skip-phases=addon\n")
    assert tag in machine.calls
    Path(f"{machine.calls_file}.images").write_text("registry.k8s.io/pause:3.8\n")
    machine.calls_file.unlink()
    assert "is also" not in machine.install()
    assert tag not in machine.calls


def test_hosts_with_the_same_os_are_distinguished_by_name(machine):
    manifest = parse_manifest((machine.top / model.MANIFEST).read_bytes())
    if not Path("/etc/os-release").exists():
        pytest.skip("this machine has no /etc/os-release")
    script = ". /etc/os-release; echo ${PLATFORM_ID:-$ID ${VERSION_ID:-} ${VERSION_CODENAME:-}}"
    own = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    for entry in manifest.hosts.values():
        object.__setattr__(entry, "os", own)
    machine.render(manifest)
    text = machine.install(code=1, host="")
    assert "Pass --host with one of:\n  rocky-9\n  trixie\n" in text
