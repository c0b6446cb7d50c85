"""What the service level expects of a kubelet whose packages come with arguments."""

from __future__ import annotations

from typing import Any

import pytest

from kubeparcel.reports.results import Finding
from kubeparcel.verify import kubelet
from kubeparcel.verify.kubelet import BASE_ARGUMENTS
from kubeparcel.verify.service.assertions import kubelet_runs_with

PACKAGED = ["--node-labels=site=berlin", "--max-pods=44"]


@pytest.fixture
def command_lines(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that are expected of a healthy kubelet, whose packages set PACKAGED."""
    expected: list[list[str]] = []
    monkeypatch.setattr(kubelet, "wait_until_healthy", lambda context: None)
    monkeypatch.setattr(kubelet, "kubeadm_flags", lambda context: ["--max-pods=33"])
    monkeypatch.setattr(kubelet, "extra_arguments", lambda context: PACKAGED)
    monkeypatch.setattr(kubelet, "running_settings", lambda context: {"maxPods": 44, "eventRecordQPS": 5})

    def record(context: Any, argv: list[str]) -> list[Finding]:
        expected.append(argv)
        return []

    monkeypatch.setattr(kubelet, "assert_command_line", record)
    return expected


def test_packaged_arguments_follow_those_of_kubeadm(command_lines):
    assert not list(kubelet_runs_with(maxPods=33)(None))  # the packages' own value is no fault
    assert command_lines == [[*BASE_ARGUMENTS, "--max-pods=33", *PACKAGED]]


def test_settings_that_packaged_arguments_do_not_set_are_compared(command_lines):
    assert [finding.expected for finding in kubelet_runs_with(eventRecordQPS=7)(None)] == ["eventRecordQPS: 7"]


def test_arguments_of_the_step_replace_the_packaged_ones(command_lines):
    findings = list(kubelet_runs_with("--max-pods=55", maxPods=55)(None))
    assert [finding.found for finding in findings] == ["maxPods: 44"]
    list(kubelet_runs_with(flags=False)(None))
    assert command_lines == [[*BASE_ARGUMENTS, "--max-pods=33", "--max-pods=55"], [*BASE_ARGUMENTS]]
