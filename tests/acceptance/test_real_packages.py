"""The ten packages of a real release pass the checks of Debian's and Red Hat's own tools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kubeparcel.model import Format
from tests.acceptance.engines import require_programs
from tests.support.sample_packages import sample_packages

NAMES = ("kubeadm", "kubelet", "kubectl", "kubernetes-cni", "cri-tools")
VERSIONS = {"kubernetes-cni": "1.9.1", "cri-tools": "1.36.0"}
HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def debs(real) -> list[Path]:
    return sorted((real.folder / "dist/deb").glob("*.deb"))


@pytest.fixture(scope="session")
def rpms(real) -> list[Path]:
    return sorted((real.folder / "dist/rpm").glob("*.rpm"))


def test_build_writes_five_debs_and_five_rpms_with_the_documented_names(debs, rpms):
    assert [path.name for path in debs] == sorted(
        f"{name}_{VERSIONS.get(name, '1.36.3')}-1_amd64.deb" for name in NAMES
    )
    assert [path.name for path in rpms] == sorted(
        f"{name}-{VERSIONS.get(name, '1.36.3')}-1.x86_64.rpm" for name in NAMES
    )


def test_checksums_match_the_files(real):
    result = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=real.folder / "dist",
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.count(": OK") == 10 + 22, "packages and SBOMs"


def test_rpm_verifies_every_digest(rpms):
    result = subprocess.run(["rpm", "-K", "--nosignature", *rpms], capture_output=True, text=True, check=True)
    assert result.stdout.count("digests OK") == 5


@pytest.mark.oracles
def test_lintian_reports_only_documented_exceptions(debs):
    assert lintian(debs) == ""


def test_lintian_reports_nothing_for_packages_with_small_programs(tmp_path):
    """Without the checks of the real programs, which take lintian a minute."""
    samples = sample_packages(tmp_path / "samples")
    manifests = [package for package in samples.manifests.values() if package.format is Format.DEB]
    debs = [samples.write(package, None, tmp_path / package.name) for package in manifests]
    assert len(debs) == len(NAMES)
    assert lintian(debs, "--suppress-tags=hardening-no-pie,hardening-no-relro") == ""


def lintian(debs, *options: str) -> str:
    """Return what lintian finds, without the exceptions."""
    require_programs("lintian")
    command = ["lintian", "--allow-root", "--tag-display-limit", "0", *options]
    suppress = ["--suppress-tags-from-file", str(HERE / "lintian-exceptions")]
    result = subprocess.run([*command, *suppress, *map(str, debs)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_rpmlint_reports_only_documented_exceptions(rpms):
    require_programs("rpmlint")
    command = ["rpmlint", "--config", str(HERE / "rpmlint.toml")]
    result = subprocess.run([*command, *map(str, rpms)], capture_output=True, text=True, check=False)
    assert "0 errors, 0 warnings" in result.stdout, result.stdout


@pytest.mark.parametrize("name", ["kubeadm", "kubectl", "crictl"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_are_those_that_the_program_prints(name, shell, installed_deb, tmp_path):
    places = {
        "bash": f"usr/share/bash-completion/completions/{name}",
        "zsh": f"usr/share/zsh/vendor-completions/_{name}",
        "fish": f"usr/share/fish/vendor_completions.d/{name}.fish",
    }
    file = installed_deb / places[shell]
    if (name, shell) == ("kubeadm", "fish"):
        assert not file.exists(), "kubeadm prints no completions for fish"
        return
    probe = {
        "bash": f". {file} && complete -p {name}",
        "zsh": f"autoload -Uz compinit && compinit -u -D; . {file}; print $_comps[{name}]",
        "fish": f"source {file}; complete -c {name}",
    }[shell]
    require_programs(shell)
    env = {"PATH": f"{installed_deb}/usr/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    result = subprocess.run([shell, "-c", probe], env=env, capture_output=True, text=True, check=False)
    assert name in result.stdout, result.stderr


@pytest.fixture(scope="session")
def installed_deb(debs, tmp_path_factory) -> Path:
    """The files of all five debs in one root."""
    root = tmp_path_factory.mktemp("unpacked")
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
    return root
