"""The real kubelet under systemd: started by kubeadm, upgraded and removed, on deb and rpm."""

from __future__ import annotations

import pytest

from kubeparcel.build.previous_revision import PreviousRevision
from kubeparcel.config import settings
from kubeparcel.console import QuietLog
from kubeparcel.hosts import catalog
from kubeparcel.hosts.session import Session
from kubeparcel.reports.output import as_text
from kubeparcel.reports.results import Check, Report
from kubeparcel.verify.level_runner import LevelRun, run_level
from kubeparcel.verify.service import level
from tests.acceptance.conftest import KUBERNETES, Site

HOSTS = ("trixie", "trixie-dnf")


@pytest.fixture(scope="module")
def report(session: Session, real: Site, tmp_path_factory) -> Report:
    """The whole level on both hosts, from an earlier revision and from the other layout."""
    folder = tmp_path_factory.mktemp("before")
    chosen = settings.load_settings({"kubernetes": KUBERNETES}, real.folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("KUBEPARCEL_CACHE", str(session.store.root))
        previous = PreviousRevision(chosen, QuietLog())
        before = previous.build(folder / "earlier")
        other = previous.build_other_layout(folder / "other")
    hosts = [catalog.load_hosts().get(name) for name in HOSTS]
    run = LevelRun.create(session, [real.folder / "dist"], before, other)
    return run_level(level.LEVEL, run, hosts)


def of(report: Report, host: str, name: str) -> Check:
    return next(check for check in report.checks if (check.host, check.name) == (host, name))


def test_every_check_passes_on_both_hosts(report):
    assert report.passed, as_text([report])
    assert {check.host for check in report.checks} == set(HOSTS)
    assert {c.subject for c in report.checks} == {"node", "lifecycle", "layouts", "preset-disabled"}
    assert len(report.checks) > 80


@pytest.mark.parametrize("host", HOSTS)
def test_the_report_shows_the_live_command_line_with_a_quoted_argument_in_one(report, host):
    shown = list(of(report, host, "quoting").evidence.values())
    line = next(said for said in shown if said.startswith("/usr/bin/kubelet\n")).splitlines()
    assert line[1:4] == [
        "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
        "--kubeconfig=/etc/kubernetes/kubelet.conf",
        "--config=/var/lib/kubelet/config.yaml",
    ]
    assert line[-2:] == ["--max-pods=55", "--provider-id=two words"]


@pytest.mark.parametrize("host", HOSTS)
def test_the_report_shows_what_the_kubelet_itself_says(report, host):
    evidence = of(report, host, "extra-args-last").evidence
    configz = next(said for title, said in evidence.items() if "configz" in title)
    assert '"maxPods":55' in configz
    assert "ok" in of(report, host, "healthz").evidence.values()


def test_only_the_layouts_that_change_something_are_made(real, session, tmp_path, monkeypatch):
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(session.store.root))
    chosen = settings.load_settings({"kubernetes": KUBERNETES, "format": "deb"}, real.folder)
    made = {
        path.name.partition("_")[0]
        for path in PreviousRevision(chosen, QuietLog()).build_other_layout(tmp_path)
    }
    assert made == {"kubeadm", "kubelet"}
    elsewhere = settings.load_settings({"kubernetes": KUBERNETES}, tmp_path)
    assert PreviousRevision(elsewhere, QuietLog()).build_other_layout(tmp_path / "none") == []
