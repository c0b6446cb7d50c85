"""The rows of the catalog and of the user's packages: what they take, what they refuse."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from kubeparcel.model import Format, Version
from kubeparcel.rows import FileSpec, Kubernetes, PackageSpec, Range, RelationSpec, ScriptSpec

RANGE = TypeAdapter(Kubernetes)


def ranged(text: object) -> Range:
    found: Range = RANGE.validate_python(text)
    return found


def fault(row: type, **fields: object) -> str:
    """What is said of a row that is wrong."""
    with pytest.raises(ValidationError) as caught:
        row.model_validate(fields)  # type: ignore[attr-defined]
    return " ".join(str(error["msg"]) for error in caught.value.errors())


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("", ["1.11.0", "1.99.9"], []),
        (">=1.28.0", ["1.28.0", "1.40.3"], ["1.27.16"]),
        ("<1.12.0", ["1.11.10"], ["1.12.0", "1.36.3"]),
        (">=1.28.0 <1.32.0", ["1.28.0", "1.31.99"], ["1.27.9", "1.32.0"]),
        ("<1.32.0 >=1.28.0", ["1.28.0"], ["1.32.0"]),
        (">=v1.25.1", ["1.25.1"], ["1.25.0"]),
    ],
)
def test_a_range_holds_from_its_first_version_until_before_its_last(text, inside, outside):
    assert [v for v in inside + outside if ranged(text).covers(Version.parse(v))] == inside


@pytest.mark.parametrize(("version", "held"), [("1.37.0-rc.1", True), ("1.36.9-rc.1", False)])
def test_a_prerelease_counts_as_the_release_it_leads_to(version, held):
    assert ranged(">=1.37.0").covers(Version.parse(version)) is held


@pytest.mark.parametrize(
    "text",
    [
        *["<=1.28.0", ">1.28.0", "=1.28.0", "1.28.0", ">=1.28.0, <1.32.0", "~1.28.0"],
        *["<1.28.0 <1.32.0", ">= 1.28.0", 1.28, ["<1.28.0"], {"since": "1.28.0"}],
    ],
)
def test_what_is_not_a_range_is_told_how_to_write_one(text):
    with pytest.raises(ValidationError, match=r"write it like '>=1\.28\.0 <1\.32\.0'"):
        ranged(text)


def test_a_range_needs_whole_versions():
    with pytest.raises(ValidationError, match=r"'1\.28' is not a version\. Write it like 1\.36\.3"):
        ranged(">=1.28")


def test_a_range_that_ends_before_it_begins_is_an_error():
    with pytest.raises(ValidationError, match="it ends before it begins"):
        ranged(">=1.32.0 <1.28.0")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("<1.12.0", ">=1.12.0", False),
        ("<1.12.1", ">=1.12.0", True),
        (">=1.12.0 <1.25.0", ">=1.25.0 <1.28.0", False),
        (">=1.12.0 <1.25.1", ">=1.25.0 <1.28.0", True),
        ("", ">=1.99.0", True),
        (">=1.9.0 <1.10.0", ">=1.10.0", False),
    ],
)
def test_ranges_overlap_when_a_version_lies_in_both(one, other, both):
    assert ranged(one).overlaps(ranged(other)) is both
    assert ranged(other).overlaps(ranged(one)) is both


@pytest.mark.parametrize(
    ("written", "mode"), [(0o755, 0o755), ("0755", 0o755), ("0o640", 0o640), ("644", 0o644)]
)
def test_a_mode_is_octal_however_it_is_written(written, mode):
    assert FileSpec(path="/x", text="x", mode=written).permissions == mode


@pytest.mark.parametrize("written", [755, 644, "999", "rwxr-xr-x", "04755", 0o1777, -1, True, ""])
def test_a_mode_that_is_not_octal_or_gives_more_than_permissions_is_refused(written):
    said = fault(FileSpec, path="/x", text="x", mode=written)
    assert "file modes are octal and hold no setuid or sticky bit: 0644, 0755" in said


@pytest.mark.parametrize(
    ("made_from", "mode"),
    [
        ({"binary": "kubelet"}, 0o755),
        ({"binaries": True}, 0o755),
        ({"dir": True}, 0o755),
        ({"text": "x"}, 0o644),
        ({"template": "packages/copyright"}, 0o644),
        ({"source": "x"}, 0o644),
    ],
)
def test_programs_and_folders_are_0755_and_all_else_0644(made_from, mode):
    assert FileSpec(path="/x", **made_from).permissions == mode


@pytest.mark.parametrize(
    "made_from", [{}, {"text": "x", "source": "y"}, {"dir": True, "link": "y"}]
)
def test_a_file_is_made_from_exactly_one_thing(made_from):
    assert "give exactly one of binary, binaries" in fault(FileSpec, path="/x", **made_from)


@pytest.mark.parametrize("path", ["/usr/bin/x", "{unitdir}/x.service", "{envfile}", "/opt/cni"])
def test_a_path_may_be_absolute_or_begin_at_a_place_of_the_layout(path):
    assert FileSpec(path=path, text="x").path == path


@pytest.mark.parametrize(
    "path",
    ["", "x", "usr/bin/x", "/", "/usr/../etc/x", "/usr//x", "/usr/x/", "/./x", "/a\nb", ".."],
)
def test_a_path_that_may_lead_elsewhere_is_refused(path):
    assert "is not an absolute path" in fault(FileSpec, path=path, text="x")


@pytest.mark.parametrize("mark", [{"config": True}, {"role": "doc"}])
@pytest.mark.parametrize("made_from", [{"dir": True}, {"link": "/y"}])
def test_folders_and_links_are_neither_configuration_nor_documentation(mark, made_from):
    assert "are for files" in fault(FileSpec, path="/x", **made_from, **mark)


@pytest.mark.parametrize(
    "other",
    ["socat", "kubelet (>= 1.19.0)", "kubelet (<< {next-minor}~)", "libstdc++6", "python3.11"],
)
def test_a_relation_names_a_package_and_perhaps_a_bound(other):
    assert RelationSpec(depends=other).other == other


@pytest.mark.parametrize(
    "other", ["kubelet >= 1.19", "kubelet (1.19)", "kubelet (== 1)", "kubelet(>= 1)", "a | b", "A"]
)
def test_a_relation_in_another_notation_is_told_the_right_one(other):
    said = fault(RelationSpec, depends=other)
    assert "write it like kubelet or kubelet (>= 1.19.0)" in said


def test_a_relation_says_exactly_one_thing():
    assert "give exactly one of depends, recommends" in fault(
        RelationSpec, depends="socat", conflicts="ebtables"
    )


def test_a_relation_knows_what_it_says():
    row = RelationSpec(breaks="kubelet (<< 1.30)")
    assert (row.relation, row.other, str(row)) == (
        "breaks",
        "kubelet (<< 1.30)",
        "breaks kubelet (<< 1.30)",
    )


@pytest.mark.parametrize(
    ("row", "version", "format_", "layout", "holds"),
    [
        ({}, "1.36.3", "deb", "etc", True),
        ({"formats": ["rpm"]}, "1.36.3", "deb", "etc", False),
        ({"formats": ["rpm"]}, "1.36.3", "rpm", "etc", True),
        ({"layouts": ["official"]}, "1.36.3", "deb", "etc", False),
        ({"layouts": ["official"]}, "1.36.3", "deb", "official", True),
        ({"kubernetes": "<1.36.0"}, "1.36.3", "deb", "etc", False),
    ],
)
def test_a_row_holds_for_its_versions_formats_and_layouts(row, version, format_, layout, holds):
    spec = RelationSpec.model_validate({"depends": "socat", **row})
    assert spec.holds(Version.parse(version), Format(format_), layout) is holds


SOCAT = {"depends": "socat (>= 1)"}
NEWER = {"depends": "socat (>= 2)"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({**SOCAT, "kubernetes": "<1.30.0"}, {**NEWER, "kubernetes": ">=1.30.0"}),
        ({**SOCAT, "formats": ["deb"]}, {**NEWER, "formats": ["rpm"]}),
        ({**SOCAT, "layouts": ["etc"]}, {**NEWER, "layouts": ["official"]}),
        (SOCAT, {"depends": "socat (<< 2)"}),
        (SOCAT, {"recommends": "socat (>= 2)"}),
        (SOCAT, {"depends": "ebtables (>= 1)"}),
    ],
)
def test_rows_that_never_hold_together_are_no_contradiction(one, other):
    assert len(PackageSpec.model_validate({"relations": [one, other]}).relations) == 2


def test_two_relations_to_one_package_for_the_same_versions_are_an_error_naming_both():
    rows = [
        {"depends": "ebtables"},
        {**SOCAT, "kubernetes": "<1.30.0"},
        {**NEWER, "kubernetes": ">=1.29.0", "layouts": ["etc"]},
    ]
    assert fault(PackageSpec, relations=rows) == (
        "Value error, rows 2 and 3 match the same versions: "
        "depends socat (>= 1) (the first up to 1.30.0) and "
        "depends socat (>= 2) (1.29.0 up to the newest)"
    )


def test_two_files_for_one_path_and_the_same_versions_are_an_error_naming_both():
    rows = [
        {"path": "/etc/x", "text": "old", "kubernetes": "<1.36.1"},
        {"path": "/etc/x", "text": "new", "kubernetes": ">=1.36.0"},
    ]
    assert fault(PackageSpec, files=rows) == (
        "Value error, rows 1 and 2 match the same versions: "
        "/etc/x (the first up to 1.36.1) and /etc/x (1.36.0 up to the newest)"
    )


def test_two_scripts_for_one_moment_are_an_error_naming_both():
    rows = [{"at": "preinstall", "template": "a"}, {"at": "preinstall", "template": "b"}]
    assert "rows 1 and 2 match the same versions: preinstall" in fault(PackageSpec, scripts=rows)


def test_a_folder_and_all_binaries_into_it_are_two_things():
    rows = [{"path": "/opt/cni/bin", "dir": True}, {"path": "/opt/cni/bin", "binaries": True}]
    assert len(PackageSpec.model_validate({"files": rows}).files) == 2


@pytest.mark.parametrize("at", ["pretrans", "configure", ""])
def test_a_script_runs_at_a_known_moment(at):
    assert "preinstall" in fault(ScriptSpec, at=at, template="x")


@pytest.mark.parametrize("field", ["summary", "section", "license", "homepage"])
def test_a_field_of_one_line_has_one_line(field):
    assert "write it like one line of text" in fault(PackageSpec, **{field: "a\nb"})


def test_an_unknown_key_is_an_error():
    assert "Extra inputs are not permitted" in fault(FileSpec, path="/x", text="x", mod=0o644)


def test_rows_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        FileSpec(path="/x", text="x").path = "/y"  # type: ignore[misc]
