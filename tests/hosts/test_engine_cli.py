"""Engines are found by themselves, and told apart only where they differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.errors import UsageError
from kubeparcel.hosts.engine import GaveUp, NoEngine, Start
from kubeparcel.hosts.engine_cli import DIALECTS, CommandLine, choose


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
    with pytest.raises(NoEngine, match=r"(?s)podman: is not installed.*apt install podman"):
        choose()
    with pytest.raises(NoEngine, match=r"(?s)apt install docker.io"):
        choose("docker")


def test_an_engine_that_does_not_answer_is_passed_over(programs):
    programs("podman", "echo broken storage >&2; exit 125")
    programs("docker", "echo 28.0.1")
    found = choose()
    assert (found.name, found.version) == ("docker", "28.0.1")


def test_an_engine_that_does_not_answer_says_why(programs):
    programs("docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    with pytest.raises(NoEngine, match="does not answer: Cannot connect to the Docker daemon"):
        choose("docker")


def test_an_engine_is_chosen_by_flag_or_variable(programs, monkeypatch):
    programs("podman", "echo 5.0")
    programs("docker", "echo 28.0")
    assert choose().name == "podman"
    monkeypatch.setenv("KUBEPARCEL_ENGINE", "docker")
    assert choose().name == "docker"
    assert choose("podman").name == "podman"
    with pytest.raises(UsageError, match="--engine lxc"):
        choose("lxc")


@pytest.mark.parametrize("name", DIALECTS)
def test_a_plain_container_gets_no_flags_that_nobody_asked_for(name):
    words = list(CommandLine(DIALECTS[name], "1").words(Start("image", "box")))
    assert words == ["--name", "box", "--network", "none", "image", "sleep", "infinity"]


def test_mounts_are_read_only():
    start = Start("image", "box", mounts={Path("/dist"): "/packages"})
    words = list(CommandLine(DIALECTS["podman"], "1").words(start))
    assert "/dist:/packages:ro" in words


def test_a_wait_that_ends_names_what_was_waited_for(programs):
    programs("podman", "/bin/sleep 300")
    engine = CommandLine(DIALECTS["podman"], "1")
    with pytest.raises(GaveUp, match=r"Waited 0.2 s for `uname -r` in box"):
        engine.exec("box", ["uname", "-r"], timeout=0.2)
    with pytest.raises(GaveUp, match=r"Waited 0.2 s for the kubelet"):
        engine.exec("box", ["uname", "-r"], timeout=0.2, what="the kubelet")
