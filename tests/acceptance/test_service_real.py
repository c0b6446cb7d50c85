"""The service level with the real packages, on a deb host and an rpm host."""

from __future__ import annotations

import pytest

from kubeparcel.build.previous_revision import PreviousRevision
from kubeparcel.config import settings
from kubeparcel.console import QuietLog
from kubeparcel.hosts import catalog
from kubeparcel.hosts.session import Session
from kubeparcel.packages.find import find_package_files
from kubeparcel.packages.reader import read_packages
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.level_runner import LevelRun, run_level
from kubeparcel.verify.service import level
from tests.acceptance.conftest import KUBERNETES, Site

HOSTS = ("trixie", "trixie-dnf")


@pytest.fixture(scope="module")
def report(session: Session, real: Site, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """All scenarios on both hosts, from a previous revision and from the other layout."""
    folder = tmp_path_factory.mktemp("previous")
    chosen = settings.load_settings({"kubernetes": KUBERNETES}, real.folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KUBEPARCEL_CACHE", str(session.store.root))
        previous = PreviousRevision(chosen, QuietLog())
        contents = read_packages(find_package_files([real.folder / "dist"]))
        packages = previous.build(contents, folder / "previous")
        other_layout = previous.build_other_layout(contents, folder / "other-layout")
    hosts = [catalog.load_hosts().get(name) for name in HOSTS]
    run = LevelRun.create(session, [real.folder / "dist"], packages, other_layout)
    return run_level(level.LEVEL, run, hosts)


def find_check(report: Report, host: str, name: str) -> Check:
    return next(check for check in report.checks if (check.host, check.name) == (host, name))


def test_every_check_passes_on_both_hosts(report: Report) -> None:
    assert report.passed, as_text([report])
    assert {check.host for check in report.checks} == set(HOSTS)
    assert {c.subject for c in report.checks} == {"node", "lifecycle", "layouts", "preset-disabled", "fips", "services"}
    assert len(report.checks) > 80


@pytest.mark.parametrize("host", HOSTS)
def test_evidence_has_the_command_line_with_a_quoted_argument_as_one(report: Report, host: str) -> None:
    outputs = list(find_check(report, host, "quoting").evidence.values())
    text = next(output for output in outputs if output.startswith("/usr/bin/kubelet\n"))
    arguments = text.splitlines()
    assert arguments[1:4] == [
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
    ]
    assert arguments[-2:] == ["--max-pods=55", "--provider-id=two words"]


@pytest.mark.parametrize("host", HOSTS)
def test_evidence_has_the_settings_that_the_kubelet_reports(report: Report, host: str) -> None:
    evidence = find_check(report, host, "extra-args-last").evidence
    configz = next(output for title, output in evidence.items() if "configz" in title)
    assert '"maxPods":55' in configz
    assert "ok" in find_check(report, host, "healthz").evidence.values()
