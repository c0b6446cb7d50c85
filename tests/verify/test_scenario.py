"""A host's context: commands become evidence, failures become findings with a location."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kubeparcel.process import CompletedProcess
from kubeparcel.verify.package_steps import manage
from kubeparcel.verify.scenario import HostContext, package_mounts


class FakeContainer:
    """A container that answers commands from a table, by their first arguments."""

    def __init__(self, results: Mapping[str, tuple[str, int]], manager: str = "apt") -> None:
        self.results = results
        self.host = SimpleNamespace(family=SimpleNamespace(package_manager=manager))

    def run(self, *argv: str, **_: Any) -> CompletedProcess:
        command = shlex.join(argv)
        results = (row for prefix, row in self.results.items() if command.startswith(prefix))
        output, exit_code = next(results, ("", 0))
        return CompletedProcess(argv, exit_code, output, "")

    def run_script(self, text: str, *arguments: str, **_: Any) -> CompletedProcess:
        return self.run("sh", text, *arguments)


def context(results: Mapping[str, tuple[str, int]], manager: str = "apt", label: str = "") -> HostContext:
    return HostContext(FakeContainer(results, manager), None, label=label)


def test_run_records_output_and_exit_code_as_evidence():
    host = context({"false": ("nothing\n", 1)})
    host.run("false", "a b")
    host.run("true")
    assert host.evidence == {"false 'a b'": "nothing\n(exit code 1)", "true": ""}


def test_run_successfully_yields_the_end_of_the_output_and_the_command():
    host = context({"kubeadm": ("\n".join(f"line {i}" for i in range(40)), 3)}, label="worker")
    (finding,) = host.run_successfully("kubeadm", "join")
    assert finding.expected == "exit code 0"
    assert finding.found.splitlines()[:2] == ["exit code 3", "line 25"]
    assert finding.location == "worker: kubeadm join"
    assert list(context({}).run_successfully("kubeadm", "join")) == []


def test_packages_are_named_only_where_there_are_two_sets():
    packages, previous = SimpleNamespace(label="1.36.3-1"), SimpleNamespace(label="1.36.3-1~0")
    host = replace(context({}), packages=packages, previous=previous)
    assert host.describe_packages(previous=True) == "previous, 1.36.3-1~0"
    assert host.describe_packages(previous=False) == "under test, 1.36.3-1 (previous: 1.36.3-1~0)"
    assert replace(host, previous=None).describe_packages(previous=False) == ""


def test_run_manager_reports_errors_of_a_command_that_succeeds():
    host = context({"apt-get": ("dpkg: error: something\nfine\n", 0)})
    (finding,) = host.run_manager("apt-get --yes install {names}", ["kubectl"])
    assert finding.found == "dpkg: error: something"
    assert finding.location == "apt-get --yes install kubectl"


def test_installed_versions_excludes_packages_that_are_not_configured():
    output = "kubectl\t1.36.3-1\tii \nkubelet\t1.36.3-1\trc \nno packages found matching x\n"
    assert context({"dpkg-query": (output, 1)}).installed_versions(["kubectl", "kubelet"]) == {"kubectl": "1.36.3-1"}
    output = "kubectl\t1.36.3-1\npackage kubelet is not installed\n"
    host = context({"rpm": (output, 1)}, "dnf")
    assert host.installed_versions(["kubectl", "kubelet"]) == {"kubectl": "1.36.3-1"}


def test_assert_versions_reports_other_and_missing_versions():
    host = context({"dpkg-query": ("kubectl\t1:1.36.3-1\tii \n", 0)})
    findings = list(host.assert_versions({"kubectl": "1.36.3-1", "kubeadm": "1.36.3-1"}))
    assert [(finding.expected, finding.found) for finding in findings] == [
        ("kubectl 1.36.3-1", "kubectl 1:1.36.3-1"),
        ("kubeadm 1.36.3-1", "kubeadm not installed"),
    ]


def test_run_each_splits_the_outputs_of_one_script():
    mark = "@@kubeparcel@@"
    host = context({"sh": (f"v1\n{mark}0{mark}\n{mark}127{mark}", 0)})
    results = host.run_each([["a", "version"], ["b"]])
    assert [(r.argv, r.stdout, r.exit_code) for r in results] == [(("a", "version"), "v1", 0), (("b",), "", 127)]
    assert host.evidence == {"a version": "v1", "b": "\n(exit code 127)"}


@pytest.mark.parametrize(
    ("manager", "command"), [("apt", "apt-get --yes purge a"), ("dnf", "dnf --assumeyes remove a")]
)
def test_purge_removes_where_the_package_manager_has_no_purge(manager, command):
    host = context({}, manager)
    assert list(manage("purge", "a")(host)) == []
    assert list(host.evidence) == [command]


def test_package_mounts_include_previous_packages_if_there_are_any():
    new, old = SimpleNamespace(folder="new"), SimpleNamespace(folder="old")
    assert package_mounts(new, None) == {"new": "/packages/current"}
    assert package_mounts(new, old) == {"new": "/packages/current", "old": "/packages/previous"}
