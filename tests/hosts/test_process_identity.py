"""A container's owner is told from any other process, alive or dead."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from kubeparcel import paths
from kubeparcel.hosts.process_identity import ProcessIdentity


def test_an_owner_survives_being_written_and_read():
    me = ProcessIdentity.current()
    assert ProcessIdentity.parse(str(me)) == me
    assert not me.has_exited


def test_what_is_no_owner_is_none():
    assert ProcessIdentity.parse("") is None
    assert ProcessIdentity.parse("a/b/c/d/e") is None


def test_a_process_that_ended_is_dead():
    code = "from kubeparcel.hosts.process_identity import Owner; print(Owner.current())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    owner = ProcessIdentity.parse(said.stdout.strip())
    assert owner is not None
    assert owner.has_exited


def test_a_process_with_the_same_number_but_another_start_is_not_the_owner():
    assert replace(ProcessIdentity.current(), start_time=1).has_exited


def test_everything_before_the_last_boot_is_dead():
    assert replace(ProcessIdentity.current(), boot_id="00000000").has_exited


def test_what_cannot_be_seen_from_here_counts_as_alive():
    me = replace(ProcessIdentity.current(), start_time=1)
    assert not replace(me, hostname="another-machine").has_exited
    assert not replace(me, pid_namespace="1").has_exited
