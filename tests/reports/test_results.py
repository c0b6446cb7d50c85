"""Reports as text, JSON and JUnit XML."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree as Xml

import pytest

from kubeparcel.errors import DiskError
from kubeparcel.reports.output import as_json, write_junit
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.reports.text import TextStyle, render_text

DEB = "deb/kubeadm_1.36.3-1_amd64.deb"
PLAIN = TextStyle()
EXTRA_ARGS = Check(
    "kubelet-extra-args-last",
    DEB,
    "the administrator's arguments win",
    (
        Finding(
            "…$KUBELET_EXTRA_ARGS at the end",
            "ExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS --v=4",
            "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf line 11",
            "Put it last.",
        ),
    ),
)
MODES = Check(
    "modes",
    DEB,
    "permissions are exactly right",
    tuple(Finding("0755", f"07{n}5", f"/etc/{n}", "Set the mode.") for n in (0, 1, 2, 3, 6)),
)
PASSED = tuple(Check(name, DEB) for name in ("owner-root", "timestamps"))


def test_passed_level_is_one_line():
    text = render_text([Report("layout", PASSED, 0.84)], PLAIN)
    assert text == "  layout   ✓ 2 checks                                             0.8 s"


def test_failure_shows_expected_found_location_and_hint():
    text = render_text([Report("layout", (*PASSED, EXTRA_ARGS), 0.84)], PLAIN)
    assert text == (
        "  layout   ✗ 1 of 3 checks failed                                 0.8 s\n"
        "           deb/kubeadm_1.36.3-1_amd64.deb\n"
        "           ✗ kubelet-extra-args-last: the administrator's arguments win\n"
        "             expected …$KUBELET_EXTRA_ARGS at the end\n"
        "             found    ExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS --v=4\n"
        "             location /etc/systemd/system/kubelet.service.d/10-kubeadm.conf line 11\n"
        "             hint     Put it last."
    )


def test_many_findings_are_cut_and_their_hint_shown_once():
    text = render_text([Report("layout", (MODES,))], PLAIN)
    assert text.count("found") == 3
    assert "… and 2 more" in text
    assert text.count("Set the mode.") == 1


def test_control_characters_from_packages_are_removed():
    evil = Check("a", "b\x1b]0;title\a.deb", findings=(Finding("x", "\x1b[2Jy\x1b[0m", "z\rw"),))
    text = render_text([Report("layout", (evil,))], PLAIN)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "found    y" in text


def test_each_level_is_a_line_with_its_hosts():
    install = (Check("apt", "trixie", host="trixie"), Check("dnf", "f", host="trixie-dnf"))
    text = render_text(
        [Report("layout", PASSED, 0.8), Report("install", install, 61), Report("cluster", not_run="service failed")],
        PLAIN,
    )
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "layout ✓ 2 checks 0.8 s",
        "install ✓ trixie 1 ✓ trixie-dnf 1 1:01",
        "cluster – not run: service failed",
    ]


def test_ascii_output_replaces_marks_by_words():
    text = render_text([Report("layout", (*PASSED, EXTRA_ARGS))], TextStyle(encoding="ascii"))
    assert text.isascii()
    assert "FAIL 1 of 3 checks failed" in text
    assert "ok 2 checks" in render_text([Report("layout", PASSED)], TextStyle(encoding="ascii"))


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_colors_need_a_terminal_and_no_no_color(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[31m✗" in render_text([Report("layout", (EXTRA_ARGS,))], TextStyle.for_stream(_Terminal()))
    assert not TextStyle.for_stream(io.StringIO()).color
    monkeypatch.setenv("NO_COLOR", "1")
    assert not TextStyle.for_stream(_Terminal()).color


def test_colors_keep_the_columns_aligned():
    lines = [render_text([Report("layout", PASSED)], TextStyle(color=color)) for color in (True, False)]
    plain = lines[0].replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert plain == lines[1]


def test_exit_code_is_1_after_a_failed_check_or_a_level_not_run():
    assert Report("layout", PASSED).exit_code == 0
    assert Report("layout", (EXTRA_ARGS,)).exit_code == 1
    assert not Report("cluster", not_run="service failed").passed


def test_json_has_every_check_and_every_finding():
    document = json.loads(as_json([Report("layout", (*PASSED, MODES), 0.84)]))
    assert (document["count"], document["failed"], document["seconds"]) == (3, 1, 0.84)
    assert document["checks"][0] == {"name": "owner-root", "subject": DEB, "passed": True}
    findings = document["checks"][2]["findings"]
    assert len(findings) == 5
    assert findings[0] == {"expected": "0755", "found": "0705", "location": "/etc/0", "hint": "Set the mode."}


def test_junit_has_a_suite_per_package_and_a_case_per_check(tmp_path):
    other = Check("modes", "rpm/kubeadm.rpm", evidence={"ls": "-rw\x00\x1b"}, seconds=0.5)
    file = tmp_path / "deep" / "report.xml"
    write_junit([Report("layout", (*PASSED, EXTRA_ARGS, other), 1.5)], file)
    root = Xml.parse(file).getroot()
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("time")) == ("4", "1", "1.500")
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert list(suites) == [f"layout {DEB}", "layout rpm/kubeadm.rpm"]
    first = suites[f"layout {DEB}"]
    assert [case.get("name") for case in first] == ["owner-root", "timestamps", EXTRA_ARGS.name]
    failure = first[2].find("failure")
    assert "$KUBELET_EXTRA_ARGS at the end" in failure.get("message")
    assert "10-kubeadm.conf line 11" in failure.text
    assert "-rw" in suites["layout rpm/kubeadm.rpm"][0].findtext("system-out")


def test_junit_marks_a_level_not_run_as_skipped(tmp_path):
    file = tmp_path / "report.xml"
    write_junit([Report("layout", PASSED), Report("cluster", not_run="no host")], file)
    root = Xml.parse(file).getroot()
    assert root.get("skipped") == "1"
    assert "no host" in root.findall(".//skipped")[0].get("message", "")


def test_write_junit_to_an_unwritable_path_raises_disk_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="A file is in the way of a folder"):
        write_junit([Report("layout", PASSED)], tmp_path / "file" / "report.xml")
