"""Finding the engine flags that containers need on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kubeparcel.console import PlainLog
from kubeparcel.errors import ToolError
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.workarounds import WorkaroundProbe
from kubeparcel.store import Store

BOX = ContainerSpec("image", "box")


@dataclass
class Machine:
    """A fake engine on a machine where containers start only with these flags."""

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
    return lambda machine: WorkaroundProbe(machine, Store(tmp_path), PlainLog())


def test_a_machine_that_needs_no_flags_gets_none(probe, capsys):
    assert probe(Machine("")).flags_for(BOX) == ()
    assert capsys.readouterr().err == ""


def test_the_least_intrusive_workaround_that_helps_is_used_and_logged(probe, capsys):
    flags = probe(Machine("--ulimit=nofile")).flags_for(BOX)
    assert [flag.partition("=")[0] for flag in flags] == ["--ulimit", "--ulimit"]
    assert "cannot raise process limits: containers run with nofile=" in capsys.readouterr().err


def test_the_stored_workaround_is_tried_first(probe):
    probe(Machine("--ulimit=nofile")).flags_for(BOX)
    again = Machine("--ulimit=nofile")
    probe(again).flags_for(BOX)
    assert len(again.tried) == 1


def test_each_kind_of_container_is_probed_once_per_session(probe):
    machine = Machine("")
    workarounds = probe(machine)
    workarounds.flags_for(ContainerSpec("image", "one"))
    workarounds.flags_for(ContainerSpec("image", "two"))
    workarounds.flags_for(ContainerSpec("image", "three", systemd=True))
    assert len(machine.tried) == 2


def test_the_error_has_the_engines_output_if_no_workaround_helps(probe):
    with pytest.raises(ToolError, match=r"(?s)cannot start a plain.*error setting rlimit"):
        probe(Machine("--impossible")).flags_for(BOX)
