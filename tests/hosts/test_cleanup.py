"""Telling a process from any other, running or exited."""

import os
import subprocess
import sys
from dataclasses import replace

from kubeparcel import paths
from kubeparcel.hosts.cleanup import ProcessIdentity


def test_an_identity_is_parsed_from_its_own_text():
    identity = ProcessIdentity.current()
    assert ProcessIdentity.parse(str(identity)) == identity
    assert not identity.has_exited


def test_other_text_is_parsed_as_none():
    assert ProcessIdentity.parse("") is None
    assert ProcessIdentity.parse("a/b/c/d/e") is None


def test_a_process_that_ended_has_exited():
    code = "from kubeparcel.hosts.cleanup import ProcessIdentity;print(ProcessIdentity.current())"
    completed = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    owner = ProcessIdentity.parse(completed.stdout.strip())
    assert owner is not None
    assert owner.has_exited


def test_a_process_whose_id_was_reused_has_exited():
    assert replace(ProcessIdentity.current(), start_time=1).has_exited


def test_a_process_of_an_earlier_boot_has_exited():
    assert replace(ProcessIdentity.current(), boot_id="00000000").has_exited


def test_a_process_that_is_not_visible_from_here_has_not_exited():
    identity = replace(ProcessIdentity.current(), start_time=1)
    assert not replace(identity, hostname="another-machine").has_exited
    assert not replace(identity, pid_namespace="1").has_exited
