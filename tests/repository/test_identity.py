"""The origin, label and description of a repository, and the sources and scripts of its clients."""

import os
import subprocess

import pytest

from tests.repository.conftest import run_json
from tests.support.package_builders import deb
from tests.support.programs import write_program
from tests.support.task_runs import failure


def test_repository_keeps_its_identity(run, destination, workdir):
    identity = ("--origin", "Example Corp", "--label", "k8s", "--description", "Clusters of <Example> & Co")
    run_json(run, "publish", "--to", "repo", *identity)
    deb(workdir / "dist", "own", "1.3-1")
    assert "Origin" not in run("publish", "--to", "repo")[2]
    release = (destination / "apt/dists/stable/Release").read_text()
    assert {"Origin: Example Corp", "Label: k8s"} < set(release.splitlines())
    assert "Description: Clusters of <Example> & Co (stable)\n" in release
    assert "<title>Clusters of &lt;Example&gt; &amp; Co" in (destination / "index.html").read_text()


def test_label_is_the_origin_by_default(run, destination):
    run_json(run, "publish", "--to", "repo", "--origin", "Example")
    assert "Origin: Example\nLabel: Example\n" in (destination / "apt/dists/stable/Release").read_text()


@pytest.mark.parametrize("option", ["--origin", "--label"])
def test_change_of_the_identity_is_warned_of(run, destination, option):
    run_json(run, "publish", "--to", "repo")
    code, _, error = run("publish", "--to", "repo", option, "Other")
    assert code == 0
    assert "from 'kubeparcel' to 'Other'" in error
    assert "--allow-releaseinfo-change" in error
    assert "Other" in (destination / "apt/dists/stable/Release").read_text()
    assert "releaseinfo" not in run("publish", "--to", "repo", option, "Other")[2]


@pytest.mark.parametrize("option", ["--origin", "--label", "--description"])
@pytest.mark.parametrize("value", ["a\nValid-Until: x", " x", "x" * 81, "a\x1b[31m"])
def test_identity_must_be_one_printable_line(run, destination, option, value):
    assert f"Invalid {option}" in failure(run, "publish", "--to", "repo", option, value)
    assert not destination.exists()


def test_apt_sources_name_the_architectures_of_the_suite(run, destination, workdir):
    for arch in ("amd64", "arm64", "all"):
        deb(workdir / "dist", "tool", "1-1", arch)
    run_json(run, "publish", "--to", "repo", "--address", "https://here.example.invalid/k")
    assert "\nArchitectures: amd64 arm64\n" in (destination / "stable.sources").read_text()
    options = "[arch=amd64,arm64 signed-by=/usr/share/keyrings/kubernetes.gpg]"
    line = (destination / "stable.list").read_text().splitlines()[1]
    assert line == f"deb {options} https://here.example.invalid/k/apt stable main"
    run_json(run, "remove", "--to", "repo", "*", "--yes")
    assert not list(destination.glob("stable.*"))


@pytest.mark.parametrize(
    ("apt", "suffix"), [("2.2.4", ".list"), ("2.0.9", ".list"), ("2.3.10", ".sources"), ("3.0", ".sources")]
)
def test_install_script_chooses_the_file_by_the_version_of_apt(run, destination, workdir, apt, suffix):
    """The programs that the script runs as root are replaced; it installs into a folder."""
    deb(workdir / "dist", "own", "1.2-1", "arm64")
    run_json(run, "publish", "--to", "repo")
    programs = workdir / "bin"
    scripts = {
        "id": "echo 0",
        "apt-get": "true",
        "dpkg-query": f"echo {apt}",
        "dpkg": 'test "$1" = --print-architecture && echo arm64 || exec /usr/bin/dpkg "$@"',
        "install": f'shift 3; set -- "$1" "{workdir}/root$2"; mkdir -p "${{2%/*}}"; cp "$1" "$2"',
    }
    for name, text in scripts.items():
        write_program(programs / name, f"#!/bin/sh\n{text}\n")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["sh", destination / "install-apt.sh"], env=environment, check=True, capture_output=True)
    installed = {
        path.relative_to(workdir / "root").as_posix() for path in (workdir / "root").rglob("*") if path.is_file()
    }
    keyring = {"usr/share/keyrings/kubernetes.gpg"} if suffix == ".list" else set()
    source = f"etc/apt/sources.list.d/kubernetes-stable{suffix}"
    assert installed == {source, *keyring}
    text = (workdir / "root" / source).read_text()
    published = (destination / f"stable{suffix}").read_text()
    narrowed = published.replace("Architectures: amd64 arm64\n", "Architectures: arm64\n")
    narrowed = narrowed.replace("arch=amd64,arm64 ", "arch=arm64 ")
    assert text == narrowed != published
