"""Telling a process from any other, running or exited."""

import subprocess
import sys
from dataclasses import replace

import pytest

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
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ProcessIdentity.parse(completed.stdout.strip()).has_exited


@pytest.mark.parametrize("change", [{"start_time": 1}, {"boot_id": "00000000"}], ids=["reused id", "earlier boot"])
def test_a_process_whose_id_was_reused_or_of_an_earlier_boot_has_exited(change):
    assert replace(ProcessIdentity.current(), **change).has_exited


def test_a_process_that_is_not_visible_from_here_has_not_exited():
    identity = replace(ProcessIdentity.current(), start_time=1)
    assert not replace(identity, hostname="another-machine").has_exited
    assert not replace(identity, pid_namespace="1").has_exited
