"""Engines are found by themselves, and told apart only where they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts.engine import ContainerSpec, EngineUnavailable, WaitTimeout
from kubeparcel.hosts.engine_cli import ENGINES, CliEngine, select_engine


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with only the programs that a test puts there."""

    def put(name: str, text: str) -> None:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBEPARCEL_ENGINE", raising=False)
    return put


def test_without_an_engine_the_error_says_what_to_install(programs):
    with pytest.raises(
        EngineUnavailable, match=r"(?s)podman: is not installed.*apt install podman"
    ):
        select_engine()
    with pytest.raises(EngineUnavailable, match=r"(?s)apt install docker.io"):
        select_engine("docker")


def test_an_engine_that_does_not_answer_is_passed_over(programs):
    programs("podman", "echo broken storage >&2; exit 125")
    programs("docker", "echo 28.0.1")
    found = select_engine()
    assert (found.name, found.version) == ("docker", "28.0.1")


def test_an_engine_that_does_not_answer_says_why(programs):
    programs("docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    with pytest.raises(
        EngineUnavailable, match="does not answer: Cannot connect to the Docker daemon"
    ):
        select_engine("docker")


def test_an_engine_is_chosen_by_flag_or_variable(programs, monkeypatch):
    programs("podman", "echo 5.0")
    programs("docker", "echo 28.0")
    assert select_engine().name == "podman"
    monkeypatch.setenv("KUBEPARCEL_ENGINE", "docker")
    assert select_engine().name == "docker"
    assert select_engine("podman").name == "podman"
    with pytest.raises(UsageError, match="--engine lxc"):
        select_engine("lxc")


@pytest.mark.parametrize("name", ENGINES)
def test_a_plain_container_gets_no_flags_that_nobody_asked_for(name):
    words = list(CliEngine(ENGINES[name], "1").run_arguments(ContainerSpec("image", "box")))
    assert words == ["--name", "box", "--network", "none", "image", "sleep", "infinity"]


def test_mounts_are_read_only():
    start = ContainerSpec("image", "box", mounts={Path("/dist"): "/packages"})
    words = list(CliEngine(ENGINES["podman"], "1").run_arguments(start))
    assert "/dist:/packages:ro" in words


def test_a_wait_that_ends_names_what_was_waited_for(programs):
    programs("podman", "/bin/sleep 300")
    engine = CliEngine(ENGINES["podman"], "1")
    with pytest.raises(WaitTimeout, match=r"Waited 0.2 s for `uname -r` in box"):
        engine.exec("box", ["uname", "-r"], timeout=0.2)
    with pytest.raises(WaitTimeout, match=r"Waited 0.2 s for the kubelet"):
        engine.exec("box", ["uname", "-r"], timeout=0.2, description="the kubelet")
