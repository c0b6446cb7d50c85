"""The project's workflows pass actionlint, and its Containerfile gives an image that builds."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance import mirrors
from tests.acceptance.debian_archives import debian_archive
from tests.acceptance.engines import require_programs
from tests.support.checkout import ROOT
from tests.support.go_programs import go_program

pytestmark = pytest.mark.acceptance

BASE, IMAGE = "localhost/kubeparcel-tests/base", "localhost/kubeparcel-tests/tool"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PACKAGES = "ca-certificates,gnupg,gpgv,python3,python3-venv"
LIMITS = ("--runtime=runc", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096")
"""What podman needs on a machine that may not raise limits."""


def run(*command: object) -> str:
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


def test_workflows_pass_actionlint() -> None:
    actionlint = go_program("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12")
    files = sorted((ROOT / ".github/workflows").glob("*.yml"))
    result = subprocess.run([actionlint, "-shellcheck=", *files], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


@pytest.fixture(scope="module")
def image(binaries_cache: Path) -> Iterator[str]:
    """The image of the Containerfile, on a base that mmdebstrap made."""
    require_programs("podman", "mmdebstrap")
    bundle = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile or CERTIFICATES
    run("podman", "import", debian_archive(binaries_cache, "trixie", f"--include={PACKAGES}"), BASE)
    options = ["--isolation=chroot", "--network=host"]
    options += [f"--volume={bundle}:{CERTIFICATES}:ro", f"--env=PIP_CERT={CERTIFICATES}"]
    options += ["--build-arg=PIP_OPTIONS=--no-compile"]
    try:
        run("podman", "build", *options, f"--build-arg=BASE={BASE}", f"--tag={IMAGE}", ROOT)
        yield IMAGE
    finally:
        subprocess.run(["podman", "rmi", "--force", IMAGE, BASE], capture_output=True, check=False)


@pytest.fixture(scope="module")
def container(image: str) -> list[str]:
    """The command that runs the image on this machine."""
    plain = ["podman", "run", "--rm", "--network=none"]
    for options in ([], LIMITS):
        command = [*plain, *options]
        result = subprocess.run([*command, image, "--version"], capture_output=True, check=False)
        if result.returncode == 0:
            return command
    pytest.fail(f"podman cannot run containers here: {result.stderr.decode()}")


def test_image_lists_the_tasks(container: list[str], image: str) -> None:
    assert "build" in run(*container, image)


def test_image_builds_packages_from_a_mirror(container: list[str], image: str, tmp_path: Path) -> None:
    mirrors.fill(tmp_path / "mirror")
    volume = f"--volume={tmp_path}:/work"
    run(*container, volume, image, "build", "--kubernetes", "1.36.3", "--mirror", "/work/mirror")
    assert len(list(tmp_path.glob("dist/*/*.deb"))) == 5
