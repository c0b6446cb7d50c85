"""The HTML report: complete, self-contained, and safe against hostile package output."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from kubeparcel.reports import html
from kubeparcel.reports.output import write_html
from kubeparcel.reports.results import Check, CheckedPackage, Finding, Report

STARTED = datetime(2026, 7, 23, 14, 2, tzinfo=UTC)
HOSTILE = '</pre></details><script>document.title = "run"</script><img src=x onerror=alert(1)>\x1b[31m'
BAD = Check(
    "remove-keeps-settings",
    "life",
    "edited settings are not lost",
    (Finding("the edit", HOSTILE, "/etc/default/kubelet", "inv verify --keep"),),
    "trixie",
    1.7,
    {"cat /etc/default/kubelet": "No such file\n(exit code 1)", "set -eu\nls": HOSTILE},
)
REPORTS = [
    Report(
        *("layout", (Check("modes", "dist/deb/kubeadm.deb", "as they should be"),), 0.8),
        packages=(
            CheckedPackage("dist/deb/kubeadm.deb", "kubeadm", "1.36.3-1", "amd64", "deb"),
            CheckedPackage("dist/rpm/kubeadm.rpm", "kubeadm", "1.36.3-1", "x86_64", "rpm"),
            CheckedPackage("dist/deb/kubectl.deb", "kubectl", "1.36.3-1", "amd64", "deb"),
            CheckedPackage("dist/deb/cri-tools.deb", "cri-tools", "1.36.0-1", "amd64", "deb"),
        ),
    ),
    Report(
        *("install", (Check("install", "life", host="trixie", seconds=12.0), BAD), 61),
        environment="trixie (deb) · podman 4.3.1",
    ),
    Report("cluster", not_run="install failed"),
]


class ParsedPage(HTMLParser):
    """The elements and texts of a page, as a browser parses them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def page() -> str:
    return html.render_html(REPORTS, STARTED)


def test_header_shows_result_versions_environment_and_time(page):
    text = ParsedPage(page).text
    assert "1 of 3 checks failed" in text
    assert "kubeadm, kubectl 1.36.3-1 · cri-tools 1.36.0-1" in text
    assert "install on trixie (deb) · podman 4.3.1" in text
    assert "2026-07-23 14:02 UTC , took 1:02" in text
    assert "4 package files" in text
    assert "not run: install failed" in text


def test_failures_come_first_with_all_details(page):
    text = ParsedPage(page).text
    failures, all_checks = text.split("All checks")
    for expected in (
        "remove-keeps-settings edited settings are not lost install · trixie · life · 1.7 s",
        "expected the edit found",
        "location /etc/default/kubelet",
        "hint inv verify --keep",
        "cat /etc/default/kubelet No such file (exit code 1)",
    ):
        assert expected in failures
    assert "dist/deb/kubeadm.deb 1 ✓ passed modes as they should be" in all_checks


def test_each_check_is_listed_once_and_evidence_of_failures_is_open(page):
    tags = ParsedPage(page).tags
    checks = [a for _, a in tags if a.get("class") == "check"]
    assert [a["data-state"] for a in checks] == ["passed", "passed", "failed"]
    assert [a["id"] for a in checks] == ["check-1", "check-2", "check-3"]
    evidence = [a for _, a in tags if a.get("class") == "evidence"]
    assert ["open" in a for a in evidence] == [True, True]
    assert not any("open" in a for a in checks)


def test_page_fetches_nothing_and_allows_only_its_own_script(page):
    parsed = ParsedPage(page)
    assert [tag for tag, _ in parsed.tags if tag in ("script", "style", "img", "iframe")] == ["style", "script"]
    links = [a.get("href") or a.get("src") for _, a in parsed.tags if a.get("href") or a.get("src")]
    assert all(link and link.startswith(("#", "data:,")) for link in links)
    policy = next(a["content"] for tag, a in parsed.tags if tag == "meta" and "http-equiv" in a)
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")


def test_package_output_is_escaped(page):
    assert '<script>document.title = "run"</script>' in ParsedPage(page).text
    assert "\x1b" not in page


def test_passed_report_has_no_failures_section():
    text = ParsedPage(html.render_html(REPORTS[:1], STARTED)).text
    assert "1 check passed" in text
    assert "Failures" not in text


def test_report_with_a_level_not_run_is_not_passed():
    page = html.render_html([REPORTS[0], Report("install", not_run="no host")], STARTED)
    assert "1 check passed, but not all levels ran" in ParsedPage(page).text
    assert '<header class="not-run">' in page


def test_many_findings_are_folded():
    many = tuple(Finding("0755", f"07{n:02}") for n in range(30))
    page = html.render_html([Report("layout", (Check("modes", "a.deb", findings=many),))], STARTED)
    assert page.count("<dt>found</dt>") == 30
    assert "20 more" in ParsedPage(page).text


def test_write_html_replaces_an_older_page(tmp_path):
    file = tmp_path / "deep" / "verify.html"
    for reports in (REPORTS, REPORTS[:1]):
        write_html(reports, STARTED, file)
    assert file.read_text() == html.render_html(REPORTS[:1], STARTED)
    assert [path.name for path in file.parent.iterdir()] == ["verify.html"]
