"""A proof as one page: all of it, nothing beside it, and nothing that a package wrote runs."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kubeparcel.reports import html
from kubeparcel.reports.results import Check, CheckedPackage, Finding, Report, write_html

STARTED = datetime(2026, 7, 23, 14, 2, tzinfo=UTC)
HOSTILE = (
    '</pre></details><script>document.title = "run"</script><img src=x onerror=alert(1)>\x1b[31m'
)
BAD = Check(
    "remove-keeps-settings",
    "life",
    81,
    "edited settings are not lost",
    (Finding("the edit", HOSTILE, "/etc/default/kubelet", "inv verify --keep"),),
    "trixie",
    1.7,
    {"cat /etc/default/kubelet": "No such file\n(exit code 1)", "set -eu\nls": HOSTILE},
)
REPORTS = [
    Report(
        *("layout", (Check("modes", "dist/deb/kubeadm.deb", 2, "as they should be"),), 0.8),
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


class Seen(HTMLParser):
    """What a page is made of, as a browser takes it apart."""

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


def test_the_head_says_what_was_proved_where_and_when(page: str):
    text = Seen(page).text
    assert "1 of 3 checks fails" in text
    assert "kubeadm, kubectl 1.36.3-1 · cri-tools 1.36.0-1" in text
    assert "install on trixie (deb) · podman 4.3.1" in text
    assert "2026-07-23 14:02 UTC , in 1:02" in text
    assert "4 package files" in text
    assert "not run: install failed" in text


def test_a_failure_has_all_that_is_known_of_it_before_the_other_checks(page: str):
    text = Seen(page).text
    failed, every = text.split("All checks")
    for words in (
        "remove-keeps-settings (81) edited settings are not lost install · trixie · life · 1.7 s",
        "expected the edit found",
        "where /etc/default/kubelet",
        "do inv verify --keep",
        "cat /etc/default/kubelet No such file (exit code 1)",
    ):
        assert words in failed
    assert "dist/deb/kubeadm.deb 1 ✓ passed modes (2) as they should be" in every


def test_every_check_is_there_once_and_the_failed_ones_unfolded(page: str):
    tags = Seen(page).tags
    checks = [a for _, a in tags if a.get("class") == "check"]
    assert [a["data-passed"] for a in checks] == ["true", "true", "false"]
    assert [a["id"] for a in checks] == ["check-1", "check-2", "check-3"]
    evidence = [a for _, a in tags if a.get("class") == "seen"]
    assert ["open" in a for a in evidence] == [True, True]
    assert not any("open" in a for a in checks)


def test_nothing_is_fetched_and_nothing_but_our_own_script_may_run(page: str):
    seen = Seen(page)
    assert [tag for tag, _ in seen.tags if tag in ("script", "style", "img", "iframe")] == [
        "style",
        "script",
    ]
    links = [a.get("href") or a.get("src") for _, a in seen.tags if a.get("href") or a.get("src")]
    assert all(link and link.startswith(("#", "data:,")) for link in links)
    policy = next(a["content"] for tag, a in seen.tags if tag == "meta" and "http-equiv" in a)
    for tag in ("style", "script"):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in (policy or "")
    assert "default-src 'none'" in (policy or "")


def test_what_a_package_printed_is_shown_as_it_is(page: str):
    assert '<script>document.title = "run"</script>' in Seen(page).text
    assert "\x1b" not in page


def test_a_proof_that_passed_says_so_and_has_no_failures():
    text = Seen(html.render_html(REPORTS[:1], STARTED)).text
    assert "The 1 check passes" in text
    assert "What failed" not in text


def test_a_proof_that_did_not_run_to_its_end_did_not_pass():
    page = html.render_html([REPORTS[0], Report("install", not_run="no host")], STARTED)
    assert "1 check passes, but not every level ran" in Seen(page).text
    assert '<header class="bad">' in page


def test_of_many_findings_the_rest_is_folded():
    many = tuple(Finding("0755", f"07{n:02}") for n in range(30))
    page = html.render_html([Report("layout", (Check("modes", "a.deb", findings=many),))], STARTED)
    assert page.count("<dt>found</dt>") == 30
    assert "20 more" in Seen(page).text


def test_the_page_is_written_whole_and_over_an_older_one(tmp_path: Path):
    file = tmp_path / "deep" / "verify.html"
    for reports in (REPORTS, REPORTS[:1]):
        write_html(reports, STARTED, file)
    assert file.read_text() == html.render_html(REPORTS[:1], STARTED)
    assert [path.name for path in file.parent.iterdir()] == ["verify.html"]
