"""The rows of the catalog and of the user's packages: valid and invalid values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from kubeparcel.config.catalog_models import FileSpec, PackageSpec, RelationSpec, ScriptSpec
from kubeparcel.model import Format, Version


def error_of(row: type, **fields: object) -> str:
    """Return the error message of an invalid row."""
    with pytest.raises(ValidationError) as caught:
        row.model_validate(fields)
    return " ".join(str(error["msg"]) for error in caught.value.errors())


@pytest.mark.parametrize(("value", "mode"), [(0o755, 0o755), ("0755", 0o755), ("0o640", 0o640), ("644", 0o644)])
def test_mode_is_octal_in_every_notation(value, mode):
    assert FileSpec(path="/x", text="x", mode=value).permissions == mode


@pytest.mark.parametrize("value", [755, 644, "999", "rwxr-xr-x", "04755", 0o1777, -1, True, ""])
def test_mode_that_is_not_octal_or_has_special_bits_is_rejected(value):
    message = error_of(FileSpec, path="/x", text="x", mode=value)
    assert "expected octal permissions like 0644 or 0755" in message


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        ({"binary": "kubelet"}, 0o755),
        ({"binaries": True}, 0o755),
        ({"dir": True}, 0o755),
        ({"text": "x"}, 0o644),
        ({"template": "packages/copyright"}, 0o644),
        ({"source": "x"}, 0o644),
    ],
)
def test_default_mode_is_0755_for_programs_and_folders_else_0644(content, mode):
    assert FileSpec(path="/x", **content).permissions == mode


@pytest.mark.parametrize("content", [{}, {"text": "x", "source": "y"}, {"dir": True, "link": "y"}])
def test_file_has_exactly_one_content(content):
    assert "expected exactly one of binary, binaries" in error_of(FileSpec, path="/x", **content)


@pytest.mark.parametrize("path", ["/usr/bin/x", "{unitdir}/x.service", "{envfile}", "/opt/cni"])
def test_path_is_absolute_or_starts_with_a_folder_of_the_layout(path):
    assert FileSpec(path=path, text="x").path == path


@pytest.mark.parametrize(
    "path", ["", "x", "usr/bin/x", "/", "/usr/../etc/x", "/usr//x", "/usr/x/", "/./x", "/a\nb", ".."]
)
def test_relative_or_ambiguous_path_is_rejected(path):
    assert "expected an absolute path" in error_of(FileSpec, path=path, text="x")


@pytest.mark.parametrize("mark", [{"config": True}, {"role": "doc"}])
@pytest.mark.parametrize("content", [{"dir": True}, {"link": "/y"}])
def test_folders_and_links_cannot_be_configuration_or_documentation(mark, content):
    assert "are for files" in error_of(FileSpec, path="/x", **content, **mark)


@pytest.mark.parametrize(
    "relation", ["socat", "kubelet (>= 1.19.0)", "kubelet (<< {next-minor}~)", "libstdc++6", "python3.11"]
)
def test_relation_is_a_package_with_an_optional_bound(relation):
    assert RelationSpec(depends=relation).text == relation


@pytest.mark.parametrize(
    "relation", ["kubelet >= 1.19", "kubelet (1.19)", "kubelet (== 1)", "kubelet(>= 1)", "a | b", "A"]
)
def test_relation_in_another_notation_is_rejected_with_an_example(relation):
    message = error_of(RelationSpec, depends=relation)
    assert "expected a package like kubelet or kubelet (>= 1.19.0)" in message


def test_relation_has_exactly_one_kind():
    assert "expected exactly one of depends, recommends" in error_of(
        RelationSpec, depends="socat", conflicts="ebtables"
    )


def test_relation_has_kind_and_text():
    row = RelationSpec(breaks="kubelet (<< 1.30)")
    assert (row.kind, row.text, str(row)) == ("breaks", "kubelet (<< 1.30)", "breaks kubelet (<< 1.30)")


@pytest.mark.parametrize(
    ("row", "version", "format_", "layout", "applies"),
    [
        ({}, "1.36.3", "deb", "etc", True),
        ({"formats": ["rpm"]}, "1.36.3", "deb", "etc", False),
        ({"formats": ["rpm"]}, "1.36.3", "rpm", "etc", True),
        ({"layouts": ["official"]}, "1.36.3", "deb", "etc", False),
        ({"layouts": ["official"]}, "1.36.3", "deb", "official", True),
        ({"kubernetes": "<1.36.0"}, "1.36.3", "deb", "etc", False),
    ],
)
def test_row_applies_to_its_versions_formats_and_layouts(row, version, format_, layout, applies):
    spec = RelationSpec.model_validate({"depends": "socat", **row})
    assert spec.applies_to(Version.parse(version), Format(format_), layout) is applies


SOCAT = {"depends": "socat (>= 1)"}
NEWER = {"depends": "socat (>= 2)"}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({**SOCAT, "kubernetes": "<1.30.0"}, {**NEWER, "kubernetes": ">=1.30.0"}),
        ({**SOCAT, "formats": ["deb"]}, {**NEWER, "formats": ["rpm"]}),
        ({**SOCAT, "layouts": ["etc"]}, {**NEWER, "layouts": ["official"]}),
        (SOCAT, {"depends": "socat (<< 2)"}),
        (SOCAT, {"recommends": "socat (>= 2)"}),
        (SOCAT, {"depends": "ebtables (>= 1)"}),
    ],
)
def test_rows_that_never_apply_together_do_not_conflict(first, second):
    assert len(PackageSpec.model_validate({"relations": [first, second]}).relations) == 2


@pytest.mark.parametrize(
    ("field", "rows", "numbers", "conflict"),
    [
        (
            "relations",
            [
                {"depends": "ebtables"},
                {**SOCAT, "kubernetes": "<1.30.0"},
                {**NEWER, "kubernetes": ">=1.29.0", "layouts": ["etc"]},
            ],
            "2 and 3",
            "depends socat (>= 1) (the first up to 1.30.0) and depends socat (>= 2) (1.29.0 up to the newest)",
        ),
        (
            "files",
            [
                {"path": "/etc/x", "text": "old", "kubernetes": "<1.36.1"},
                {"path": "/etc/x", "text": "new", "kubernetes": ">=1.36.0"},
            ],
            "1 and 2",
            "/etc/x (the first up to 1.36.1) and /etc/x (1.36.0 up to the newest)",
        ),
        (
            "scripts",
            [{"at": "preinstall", "template": "a"}, {"at": "preinstall", "template": "b"}],
            "1 and 2",
            "preinstall (the first up to the newest) and preinstall (the first up to the newest)",
        ),
    ],
)
def test_conflicting_rows_are_an_error_naming_both(field, rows, numbers, conflict):
    message = f"Value error, rows {numbers} match the same versions: {conflict}"
    assert error_of(PackageSpec, **{field: rows}) == message


def test_folder_and_binaries_in_it_do_not_conflict():
    rows = [{"path": "/opt/cni/bin", "dir": True}, {"path": "/opt/cni/bin", "binaries": True}]
    assert len(PackageSpec.model_validate({"files": rows}).files) == 2


@pytest.mark.parametrize("at", ["pretrans", "configure", ""])
def test_script_with_an_unknown_event_is_rejected(at):
    assert "preinstall" in error_of(ScriptSpec, at=at, template="x")


@pytest.mark.parametrize("field", ["summary", "section", "license", "homepage"])
def test_single_line_field_rejects_several_lines(field):
    assert "expected one line of text" in error_of(PackageSpec, **{field: "a\nb"})


@pytest.mark.parametrize("character", ["\n", "\t", "\x1b", "\u2028"])
def test_bound_and_link_target_reject_control_characters(character):
    bound = f"kubelet (>= 1{character}Essential:yes)"
    assert "expected a package like kubelet" in error_of(RelationSpec, depends=bound)
    if character != "\t":
        assert "expected one line of text" in error_of(FileSpec, path="/x", link=f"a{character}b")


def test_description_has_lines_but_no_control_characters():
    assert PackageSpec(description="a\n\n\tb\n").description == "a\n\n\tb\n"
    assert "without control characters" in error_of(PackageSpec, description="a\rb")


def test_unknown_key_is_an_error():
    assert "Extra inputs are not permitted" in error_of(FileSpec, path="/x", text="x", mod=0o644)


def test_rows_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        FileSpec(path="/x", text="x").path = "/y"
