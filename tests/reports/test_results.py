"""A report: for people, for machines, for CI."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from kubeparcel.errors import DiskError
from kubeparcel.reports import results as reports
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.reports.text import TextStyle, render_text

DEB = "deb/kubeadm_1.36.3-1_amd64.deb"
PLAIN = TextStyle()
LAST = Check(
    "kubelet-extra-args-last",
    DEB,
    68,
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
    2,
    "permissions are exactly right",
    tuple(Finding("0755", f"07{n}5", f"/etc/{n}", "Set the mode.") for n in (0, 1, 2, 3, 6)),
)
FINE = tuple(Check(name, DEB) for name in ("owner-root", "times"))


def test_a_report_that_passed_is_one_line():
    text = render_text([Report("layout", FINE, 0.84)], PLAIN)
    assert text == "  layout   ✓ 2 checks                                             0.8 s"


def test_a_failure_says_what_was_expected_found_where_and_what_to_do():
    text = render_text([Report("layout", (*FINE, LAST), 0.84)], PLAIN)
    assert text == (
        "  layout   ✗ 2 of 3 checks                                        0.8 s\n"
        "           deb/kubeadm_1.36.3-1_amd64.deb\n"
        "           ✗ kubelet-extra-args-last (68): the administrator's arguments win\n"
        "             expected …$KUBELET_EXTRA_ARGS at the end\n"
        "             found    ExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS --v=4\n"
        "             where    /etc/systemd/system/kubelet.service.d/10-kubeadm.conf line 11\n"
        "             do       Put it last."
    )


def test_of_many_findings_the_first_are_shown_and_what_to_do_once():
    text = render_text([Report("layout", (MODES,))], PLAIN)
    assert text.count("found") == 3
    assert "… and 2 more" in text
    assert text.count("Set the mode.") == 1


def test_what_a_package_printed_does_nothing_to_the_terminal():
    evil = Check("a", "b\x1b]0;title\a.deb", findings=(Finding("x", "\x1b[2Jy\x1b[0m", "z\rw"),))
    text = render_text([Report("layout", (evil,))], PLAIN)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "found    y" in text


def test_several_levels_and_hosts_stand_below_each_other():
    install = (Check("apt", "trixie", host="trixie"), Check("dnf", "f", host="trixie-dnf"))
    text = render_text(
        [
            Report("layout", FINE, 0.8),
            Report("install", install, 61),
            Report("cluster", not_run="service failed"),
        ],
        PLAIN,
    )
    assert [" ".join(line.split()) for line in text.splitlines()] == [
        "layout ✓ 2 checks 0.8 s",
        "install ✓ trixie 1 ✓ trixie-dnf 1 1:01",
        "cluster – not run: service failed",
    ]


def test_where_the_encoding_has_no_marks_there_are_words():
    text = render_text([Report("layout", (*FINE, LAST))], TextStyle(encoding="ascii"))
    assert text.isascii()
    assert "FAIL 2 of 3 checks" in text
    assert "ok 2 checks" in render_text([Report("layout", FINE)], TextStyle(encoding="ascii"))


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[31m✗" in render_text(
        [Report("layout", (LAST,))], TextStyle.for_stream(_Terminal())
    )
    assert not TextStyle.for_stream(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not TextStyle.for_stream(_Terminal()).colour


def test_colours_do_not_move_the_time():
    lines = [
        render_text([Report("layout", FINE)], TextStyle(colour=colour)) for colour in (True, False)
    ]
    plain = lines[0].replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert plain == lines[1]


def test_the_exit_code_is_1_when_a_check_failed_or_a_level_did_not_run():
    assert Report("layout", FINE).exit_code == 0
    assert Report("layout", (LAST,)).exit_code == 1
    assert Report("cluster", not_run="service failed").exit_code == 1


def test_the_json_has_every_check_and_every_finding():
    document = json.loads(Report("layout", (*FINE, MODES), 0.84).as_json())
    assert (document["count"], document["failed"], document["seconds"]) == (3, 1, 0.84)
    assert document["checks"][0] == {"name": "owner-root", "subject": DEB, "passed": True}
    row = document["checks"][2]
    assert (row["number"], len(row["findings"])) == (2, 5)
    assert row["findings"][0] == {
        "expected": "0755",
        "found": "0705",
        "where": "/etc/0",
        "look": "Set the mode.",
    }


def test_the_junit_file_has_a_suite_a_package_and_a_case_a_check(tmp_path: Path):
    other = Check("modes", "rpm/kubeadm.rpm", evidence={"ls": "-rw\x00\x1b"}, seconds=0.5)
    file = tmp_path / "deep" / "report.xml"
    Report("layout", (*FINE, LAST, other), 1.5).write_junit(file)
    root = Xml.parse(file).getroot()
    assert root.tag == "testsuites"
    assert (root.get("tests"), root.get("failures"), root.get("time")) == ("4", "1", "1.500")
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    assert list(suites) == [f"layout {DEB}", "layout rpm/kubeadm.rpm"]
    first = suites[f"layout {DEB}"]
    assert [case.get("name") for case in first] == ["owner-root", "times", LAST.name]
    failure = first[2].find("failure")
    assert failure is not None
    assert "$KUBELET_EXTRA_ARGS at the end" in (failure.get("message") or "")
    assert "10-kubeadm.conf line 11" in (failure.text or "")
    assert "-rw" in (suites["layout rpm/kubeadm.rpm"][0].findtext("system-out") or "")


def test_a_level_that_did_not_run_is_skipped_in_junit(tmp_path: Path):
    file = tmp_path / "report.xml"
    reports.write_junit([Report("layout", FINE), Report("cluster", not_run="no host")], file)
    root = Xml.parse(file).getroot()
    assert root.get("skipped") == "1"
    assert "no host" in root.findall(".//skipped")[0].get("message", "")


def test_a_place_that_cannot_be_written_is_a_clear_error(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises((DiskError, OSError)):
        Report("layout", FINE).write_junit(tmp_path / "file" / "report.xml")
