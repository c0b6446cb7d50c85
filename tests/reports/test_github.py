"""Output for GitHub Actions: annotations, the step summary, and escaped workflow commands."""

import re

from kubeparcel.reports import github
from kubeparcel.reports.results import Check, Finding, Report

HOSTILE = Check(
    "remove, or: purge",
    "life",
    "100 % is\r\nlost",
    (Finding("the edit", "nothing\n::stop-commands::x", "/etc/default/kubelet", "Keep it."), Finding("b", "c")),
    "trixie",
    evidence={"cat": "```\n</details><script>alert(1)</script>\n::set-output name=a::b"},
)
PASSED = Check("install", "life", host="trixie")
LAYOUT = Report("layout", (Check("modes", "a.deb"),), 0.8)
INSTALL = Report("install", (PASSED, HOSTILE), 61)
CLUSTER = Report("cluster", not_run="install failed")


def test_annotation_is_one_escaped_line():
    (line,) = github.error_annotations([LAYOUT, INSTALL, CLUSTER])
    assert line == (
        "::error title=install · trixie · life · remove%2C or%3A purge::"
        "100 %25 is%0Alost%0Aexpected: the edit%0Afound: nothing%0A::stop-commands::x%0A"
        "location: /etc/default/kubelet%0Ahint: Keep it.%0Aand 1 more"
    )


def test_annotations_are_limited_to_what_github_keeps():
    report = Report("install", (HOSTILE,) * 30)
    lines = github.error_annotations([report])
    assert len(lines) == github.MAX_ANNOTATIONS
    assert lines[-1].endswith("::21 more checks failed; see the report.")
    assert len(github.error_annotations([Report("install", (HOSTILE,) * 10)])) == github.MAX_ANNOTATIONS


def test_passed_report_has_no_annotations():
    assert github.error_annotations([LAYOUT]) == []


def test_workflow_commands_in_package_output_are_escaped():
    text = github.escape_workflow_commands("found    a\n  ::add-mask::x\n##[error]b\nc::d")
    assert not re.search(r"^\s*::", text, re.MULTILINE)
    assert "##[" not in text
    assert "c::d" in text


def test_summary_lists_each_level_and_host_and_the_evidence_of_failures():
    text = github.render_summary([LAYOUT, INSTALL, CLUSTER])
    assert "| layout |  | ✅ 1 | 0.8 s |" in text
    assert "| install | trixie | ❌ 1 of 2 | 1:01 |" in text
    assert "| cluster | | – not run: install failed | |" in text
    assert r"### ❌ install · trixie · life · remove\, or\: purge" in text
    assert "found    nothing" in text
    assert text.count("<details>") == text.count("</details>\n\n") == 1


def test_summary_evidence_cannot_close_its_code_block():
    text = github.render_summary([INSTALL])
    block = text.split("````text\n")[1].split("\n````")[0]
    assert "</details><script>alert(1)</script>" in block
    assert text.replace(block, "").count("<script>") == 0


def test_summary_never_exceeds_the_size_limit():
    long = Check("a", "b", findings=(Finding("x" * 5000, "y"),), evidence={"c": "é" * 9000})
    text = github.render_summary([Report("install", (long,) * 900)])
    assert len(text.encode()) < 1_000_000
    assert re.search(r"… and \d+ more; see the report\.", text)


def test_in_github_actions_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert not github.in_github_actions()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert github.in_github_actions()
