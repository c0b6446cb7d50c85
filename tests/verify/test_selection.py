"""`--only` and `--list`: patterns, unknown names, and the reports of what did not run."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from kubeparcel.config.settings import Settings
from kubeparcel.console import QuietLog
from kubeparcel.errors import UsageError
from kubeparcel.reports.html import render_html
from kubeparcel.reports.junit import render_junit
from kubeparcel.reports.output import as_json, as_text
from kubeparcel.reports.results import Check, Finding, Report
from kubeparcel.verify.layout.checks import CHECKS
from kubeparcel.verify.levels import LEVELS, VerifyResult, list_checks, run_levels
from kubeparcel.verify.request import VerifyRequest
from kubeparcel.verify.selection import NOT_SELECTED, Entry, Selection
from tests.support.sample_packages import SamplePackages

ENTRIES = {
    "layout": [Entry("modes", ""), Entry("file-name", "")],
    "install": [Entry("upgrade", "", (("previous", ""),)), Entry("kubelet-alone", "")],
    "cluster": [Entry("upgrade", "")],
}


@pytest.fixture
def package(samples: SamplePackages, tmp_path: Path) -> Path:
    return samples.write(samples.manifest("kubectl", "deb"), None, tmp_path)


def verify(package: Path, *only: str, level: str = "") -> VerifyResult:
    class NoPrevious:
        def build(self, *_: object) -> list[Path]:
            return []

        build_other_layout = build

    return run_levels(VerifyRequest(level, (package,), only=only), Settings(), QuietLog(), NoPrevious())


@pytest.mark.parametrize(
    ("pattern", "selected"),
    [
        ("modes", {"layout": ["modes"]}),
        ("upgrade", {"install": ["upgrade"], "cluster": ["upgrade"]}),
        ("install/upgrade", {"install": ["upgrade"]}),
        ("previous", {"install": ["upgrade"]}),
        ("*-alone", {"install": ["kubelet-alone"]}),
        ("cluster/*", {"cluster": ["upgrade"]}),
    ],
)
def test_names_steps_and_patterns_select_entries(pattern, selected):
    filtered = Selection((pattern,)).filter(ENTRIES)
    assert {level: [entry.name for entry in of_level] for level, of_level in filtered.items()} == selected


def test_unknown_name_is_an_error_with_near_names():
    with pytest.raises(UsageError, match=r"unknown name 'upgrad'\. Did you mean upgrade\?"):
        Selection(("modes", "upgrad")).require_known(ENTRIES, list(ENTRIES))
    with pytest.raises(UsageError, match="unknown name 'x-\\*'"):
        Selection(("x-*",)).require_known(ENTRIES, list(ENTRIES))


def test_name_of_a_later_level_is_an_error(package):
    with pytest.raises(UsageError, match="'kubelet-alone' is in the level install, after --level layout") as error:
        verify(package, "kubelet-alone", level="layout")
    assert "--level install" in str(error.value)


def test_only_the_selected_checks_run_and_the_others_have_not_passed(package):
    result = verify(package, "modes", "go-*")
    (report,) = result.reports
    states = {check.name: str(check.state) for check in report.checks}
    assert {name for name, state in states.items() if state == "passed"} == {
        "readable",
        "modes",
        *(name for name in states if name.startswith("go-")),
    }
    assert set(states.values()) == {"passed", "not-run"}
    assert states.keys() <= {"readable", *(check.name for check in CHECKS)}
    document = json.loads(as_json(result.reports))
    entry = next(entry for entry in document["checks"] if entry["name"] == "file-name")
    assert (entry["passed"], entry["not-run"]) == (False, NOT_SELECTED)
    assert document["checks-not-run"] == sum(state == "not-run" for state in states.values())
    case = Xml.fromstring(render_junit(result.reports)).find(".//testcase[@name='file-name']")
    assert [child.tag for child in case] == ["skipped"]
    assert f"{document['checks-not-run']} not run" in as_text(result.reports)
    page = render_html(result.reports, result.started)
    assert f"not run: {NOT_SELECTED}" in page
    assert '<header class="not-run">' in page
    assert 'id="failures"' not in page


def test_selection_that_applies_to_nothing_is_an_error(package):
    with pytest.raises(UsageError, match="--only unit-restart: no such check or scenario applies"):
        verify(package, "unit-restart")


def test_level_of_which_no_check_ran_has_not_passed():
    report = Report("install", (Check("upgrade", "upgrade", not_run="no previous packages"),))
    assert not report.passed
    assert report.exit_code == 0
    assert "– 0 checks, 1 not run" in as_text([report])
    assert "upgrade (no previous packages)" in as_text([report])


def test_failure_in_a_scenario_with_two_package_sets_names_the_set():
    check = Check("versions", "upgrade", findings=(Finding("1", "2"),), packages="previous, 1.36.3-1~0")
    report = Report("install", (check,))
    for text in (as_text([report]), as_json([report]), render_junit([report]).decode()):
        assert "previous, 1.36.3-1~0" in text


def test_list_has_every_check_and_scenario_in_80_columns():
    text = list_checks(VerifyRequest("", ()), Settings(), as_json=False)
    assert max(map(len, text.splitlines())) <= 80
    assert "no two packages that are installed together contain" in text
    document = json.loads(list_checks(VerifyRequest("", ()), Settings(), as_json=True))
    by_level = {level["level"]: {entry["name"]: entry for entry in level["checks"]} for level in document["levels"]}
    assert tuple(by_level) == LEVELS
    assert by_level["layout"].keys() == {"readable", *(check.name for check in CHECKS)}
    assert {"lifecycle", "upgrade", "orders", "NAME-alone"} <= by_level["install"].keys()
    assert by_level["service"].keys() == {"node", "lifecycle", "layouts", "preset-disabled", "fips", "services"}
    assert by_level["cluster"].keys() == {"cluster", "upgrade"}
    for entries in by_level.values():
        for entry in entries.values():
            assert entry["meaning"]
            assert all(step["meaning"] for step in entry.get("checks", ()))


def test_list_can_be_narrowed_by_level_and_names():
    request = VerifyRequest("install", (), only=("kubelet-alone", "modes"))
    document = json.loads(list_checks(request, Settings(), as_json=True))
    names = [(level["level"], entry["name"]) for level in document["levels"] for entry in level["checks"]]
    assert names == [("layout", "modes"), ("install", "kubelet-alone")]
