"""The rows of the catalog and of the user's packages: what they take, what they refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kubeparcel.config.catalog_models import FileSpec, PackageSpec, RelationSpec, ScriptSpec
from kubeparcel.model import Format, Version


def fault(row: type, **fields: object) -> str:
    """What is said of a row that is wrong."""
    with pytest.raises(ValidationError) as caught:
        row.model_validate(fields)  # type: ignore[attr-defined]
    return " ".join(str(error["msg"]) for error in caught.value.errors())


@pytest.mark.parametrize(("written", "mode"), [(0o755, 0o755), ("0755", 0o755), ("0o640", 0o640), ("644", 0o644)])
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


@pytest.mark.parametrize("made_from", [{}, {"text": "x", "source": "y"}, {"dir": True, "link": "y"}])
def test_a_file_is_made_from_exactly_one_thing(made_from):
    assert "give exactly one of binary, binaries" in fault(FileSpec, path="/x", **made_from)


@pytest.mark.parametrize("path", ["/usr/bin/x", "{unitdir}/x.service", "{envfile}", "/opt/cni"])
def test_a_path_may_be_absolute_or_begin_at_a_place_of_the_layout(path):
    assert FileSpec(path=path, text="x").path == path


@pytest.mark.parametrize(
    "path", ["", "x", "usr/bin/x", "/", "/usr/../etc/x", "/usr//x", "/usr/x/", "/./x", "/a\nb", ".."]
)
def test_a_path_that_may_lead_elsewhere_is_refused(path):
    assert "is not an absolute path" in fault(FileSpec, path=path, text="x")


@pytest.mark.parametrize("mark", [{"config": True}, {"role": "doc"}])
@pytest.mark.parametrize("made_from", [{"dir": True}, {"link": "/y"}])
def test_folders_and_links_are_neither_configuration_nor_documentation(mark, made_from):
    assert "are for files" in fault(FileSpec, path="/x", **made_from, **mark)


@pytest.mark.parametrize(
    "other", ["socat", "kubelet (>= 1.19.0)", "kubelet (<< {next-minor}~)", "libstdc++6", "python3.11"]
)
def test_a_relation_names_a_package_and_perhaps_a_bound(other):
    assert RelationSpec(depends=other).text == other


@pytest.mark.parametrize(
    "other", ["kubelet >= 1.19", "kubelet (1.19)", "kubelet (== 1)", "kubelet(>= 1)", "a | b", "A"]
)
def test_a_relation_in_another_notation_is_told_the_right_one(other):
    said = fault(RelationSpec, depends=other)
    assert "write it like kubelet or kubelet (>= 1.19.0)" in said


def test_a_relation_says_exactly_one_thing():
    assert "give exactly one of depends, recommends" in fault(RelationSpec, depends="socat", conflicts="ebtables")


def test_a_relation_knows_what_it_says():
    row = RelationSpec(breaks="kubelet (<< 1.30)")
    assert (row.kind, row.text, str(row)) == ("breaks", "kubelet (<< 1.30)", "breaks kubelet (<< 1.30)")


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
    assert spec.applies_to(Version.parse(version), Format(format_), layout) is holds


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
