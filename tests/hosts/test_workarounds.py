"""Flags that a machine needs are found by trying, remembered, and never imposed on others."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kubeparcel.console import PlainLog
from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.workarounds import WorkaroundProbe
from kubeparcel.store import Store


@dataclass
class Machine:
    """Stands for an engine on a machine where containers start only with these flags."""

    needs: str
    tried: list[tuple[str, ...]] = field(default_factory=list)
    name: str = "podman"
    version: str = "1"

    def start(self, start: ContainerSpec) -> None:
        self.tried.append(start.flags)
        if self.needs and not any(self.needs in flag for flag in start.flags):
            raise ToolError("podman failed", "error setting rlimit")

    def exec(self, *_: object, **__: object) -> None: ...

    def remove(self, *_: object) -> None: ...


@pytest.fixture
def probe(tmp_path, capsys):
    def make(machine: Machine) -> WorkaroundProbe:
        return WorkaroundProbe(machine, Store(tmp_path), PlainLog())  # type: ignore[arg-type]

    return make


def test_a_machine_that_needs_nothing_gets_nothing(probe, capsys):
    assert probe(Machine("")).flags_for("image", ContainerSpec("image", "box")) == ()
    assert capsys.readouterr().err == ""


def test_the_mildest_remedy_that_helps_is_taken_and_said(probe, capsys):
    flags = probe(Machine("--ulimit=nofile")).flags_for("image", ContainerSpec("image", "box"))
    assert [flag.partition("=")[0] for flag in flags] == ["--ulimit", "--ulimit"]
    assert "cannot raise process limits: containers run with nofile=" in capsys.readouterr().err


def test_what_was_found_is_tried_first_the_next_time(probe):
    probe(Machine("--ulimit=nofile")).flags_for("image", ContainerSpec("image", "box"))
    again = Machine("--ulimit=nofile")
    probe(again).flags_for_for("image", ContainerSpec("image", "box"))
    assert len(again.tried) == 1


def test_a_kind_of_container_is_tried_once_a_session(probe):
    machine = Machine("")
    here = probe(machine)
    here.flags_for("image", ContainerSpec("image", "one"))
    here.flags_for("image", ContainerSpec("image", "two"))
    here.flags_for("image", ContainerSpec("image", "three", privileged=True))
    assert len(machine.tried) == 2


def test_when_nothing_helps_the_engines_own_words_are_shown(probe):
    with pytest.raises(ToolError, match=r"(?s)cannot start a container here.*error setting rlimit"):
        probe(Machine("--impossible")).flags_for("image", ContainerSpec("image", "box"))
