"""A container's owner is told from any other process, alive or dead."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from kubeparcel import paths
from kubeparcel.hosts.process_identity import Owner


def test_an_owner_survives_being_written_and_read():
    me = Owner.current()
    assert Owner.parse(str(me)) == me
    assert not me.dead


def test_what_is_no_owner_is_none():
    assert Owner.parse("") is None
    assert Owner.parse("a/b/c/d/e") is None


def test_a_process_that_ended_is_dead():
    code = "from kubeparcel.hosts.process_identity import Owner; print(Owner.current())"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    owner = Owner.parse(said.stdout.strip())
    assert owner is not None
    assert owner.dead


def test_a_process_with_the_same_number_but_another_start_is_not_the_owner():
    assert replace(Owner.current(), started=1).dead


def test_everything_before_the_last_boot_is_dead():
    assert replace(Owner.current(), boot="00000000").dead


def test_what_cannot_be_seen_from_here_counts_as_alive():
    me = replace(Owner.current(), started=1)
    assert not replace(me, host="another-machine").dead
    assert not replace(me, namespace="1").dead
