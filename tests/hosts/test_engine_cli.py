"""Selecting podman or docker, and the arguments that they are called with."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts.engine import ContainerSpec, Engine, EngineUnavailable, WaitTimeout
from kubeparcel.hosts.engine_cli import ENGINES, select_engine


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with only the programs that a test puts there."""

    def add(name: str, text: str) -> None:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBEPARCEL_ENGINE", raising=False)
    return add


def test_missing_engine_is_an_error_that_names_the_package_to_install(programs):
    with pytest.raises(EngineUnavailable, match=r"(?s)podman is not installed.*apt install podman"):
        select_engine()
    with pytest.raises(EngineUnavailable, match=r"(?s)apt install docker.io"):
        select_engine("docker")


def test_a_broken_engine_is_skipped_when_another_works(programs):
    programs("podman", "echo broken storage >&2; exit 125")
    programs("docker", "echo 28.0.1")
    engine = select_engine()
    assert (engine.name, engine.version) == ("docker", "28.0.1")


def test_the_error_of_a_broken_engine_has_its_output(programs):
    programs("docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    with pytest.raises(EngineUnavailable, match="does not work: Cannot connect to the Docker daemon"):
        select_engine("docker")


def test_the_engine_is_selected_by_option_or_variable(programs, monkeypatch):
    programs("podman", "echo 5.0")
    programs("docker", "echo 28.0")
    assert select_engine().name == "podman"
    monkeypatch.setenv("KUBEPARCEL_ENGINE", "docker")
    assert select_engine().name == "docker"
    assert select_engine("podman").name == "podman"
    with pytest.raises(UsageError, match="Unknown engine 'lxc': use podman or docker"):
        select_engine("lxc")


@pytest.mark.parametrize("name", ENGINES)
def test_a_plain_container_gets_no_extra_flags(name):
    arguments = list(Engine(ENGINES[name], "1").run_arguments(ContainerSpec("image", "box")))
    assert arguments == ["--name=box", "--network=none", "image", "sleep", "infinity"]


def test_mounts_are_read_only():
    spec = ContainerSpec("image", "box", mounts={Path("/dist"): "/packages"})
    arguments = list(Engine(ENGINES["podman"], "1").run_arguments(spec))
    assert "--volume=/dist:/packages:ro" in arguments


def test_a_timeout_error_names_the_command_or_its_description(programs):
    programs("podman", "/bin/sleep 300")
    engine = Engine(ENGINES["podman"], "1")
    with pytest.raises(WaitTimeout, match=r"Waited 0.2 s for `uname -r` in box"):
        engine.exec("box", ["uname", "-r"], timeout=0.2)
    with pytest.raises(WaitTimeout, match=r"Waited 0.2 s for the kubelet"):
        engine.exec("box", ["uname", "-r"], timeout=0.2, description="the kubelet")
