"""A YAML file of the user: every error in it is reported with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError


def write_file(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("text", ["", "\n", "# only a remark\n", "---\n", "~\n"])
def test_empty_file_has_no_data(tmp_path, text):
    assert YamlFile.read(write_file(tmp_path, text)).data == {}


def test_missing_file_has_no_data(tmp_path):
    assert YamlFile.read(tmp_path / "some.yaml").data == {}


def test_file_has_its_data(tmp_path):
    assert YamlFile.read(write_file(tmp_path, "a: {b: [1, x]}\n")).data == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n- b\n", "some.yaml:2: invalid YAML: "),
        ("a: [1\n", "some.yaml:2: invalid YAML: "),
        ("a: 1\nb: '\n", "some.yaml:3: invalid YAML: "),
        ("a: 1\n\tb: 2\n", "some.yaml:2: invalid YAML: "),
        ("a: 1\nb: *x\n", "some.yaml:2: invalid YAML: "),
        ("a: 1\n---\nb: 2\n", "some.yaml:2: invalid YAML: "),
        ("a: !!python/object:os.system x\n", "some.yaml:1: invalid YAML: "),
        ("a: 2026-13-45\n", "some.yaml: invalid YAML: month must be in 1..12."),
        ("a: \x07\n", "some.yaml: invalid YAML: "),
        (b"a: \xff\n", "some.yaml cannot be read: "),
        ("- a\n", "some.yaml:1: expected `name: value` lines."),
        ("only words\n", "some.yaml:1: expected `name: value` lines."),
        ("1: a\n", "some.yaml:1: expected `name: value` lines."),
        ("a: 1\n? [b, c]\n: 2\n", "some.yaml:2: a key must be a word, not a list or a mapping."),
        ("a: 1\n? {b: c}\n: 2\n", "some.yaml:2: a key must be a word, not a list or a mapping."),
    ],
)
def test_invalid_file_is_rejected_with_its_line(tmp_path, text, message):
    with pytest.raises(ConfigurationError) as caught:
        YamlFile.read(write_file(tmp_path, text))
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "some.yaml:3: duplicate key a (first set on line 1). "),
        ("a:\n  b: 1\n  b: 1\n", "some.yaml:3: duplicate key b (first set on line 2). "),
        ("a:\n- b: 1\n  c: 2\n  b: 3\n", "some.yaml:4: duplicate key b (first set on line"),
    ],
)
def test_duplicate_key_is_an_error_naming_both_lines(tmp_path, text, message):
    with pytest.raises(ConfigurationError) as caught:
        YamlFile.read(write_file(tmp_path, text))
    assert str(caught.value).startswith(message)


def test_same_key_in_two_rows_is_no_duplicate(tmp_path):
    assert YamlFile.read(write_file(tmp_path, "a: [{b: 1}, {b: 2}]\n")).data["a"] == [{"b": 1}, {"b": 2}]


def test_many_aliases_are_read_quickly(tmp_path):
    """Visited one by one, these would be 2^60 nodes."""
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    assert len(YamlFile.read(write_file(tmp_path, "\n".join(lines))).data) == 60


def test_recursive_node_is_read(tmp_path):
    data = YamlFile.read(write_file(tmp_path, "a: &a [*a]\n")).data
    assert data["a"][0] is data["a"]


@pytest.mark.parametrize(
    ("loc", "location"),
    [
        ((), "some.yaml:1"),
        (("packages",), "some.yaml:2"),
        (("packages", "kubelet", "files", 1, "mode"), "some.yaml:6"),
        (("packages", "kubelet", "files", 1), "some.yaml:5"),
        (("packages", "kubelet", "files", 9, "mode"), "some.yaml:4"),
        (("packages", "kubelet", "summary"), "some.yaml:3"),
        (("nothing",), "some.yaml:1"),
    ],
)
def test_locate_returns_the_line_of_the_deepest_existing_part(tmp_path, loc, location):
    text = "layout: etc\npackages:\n  kubelet:\n    files: [{},\n      {path: /y,\n      mode: 7}]\n"
    assert YamlFile.read(write_file(tmp_path, text)).locate(loc) == location


SCHEMA = {
    "properties": {"layout": {}, "packages": {"additionalProperties": {"$ref": "#/$defs/Package"}}},
    "$defs": {
        "Package": {"properties": {"files": {"items": {"$ref": "#/$defs/File"}}, "summary": {}}},
        "File": {"properties": {"path": {}, "mode": {}}},
    },
}


@pytest.mark.parametrize(
    ("loc", "message"),
    [
        (("layut",), 'some.yaml:1: layut is not a setting. Did you mean "layout"?'),
        (("zzz",), "some.yaml:1: zzz is not a setting. Valid keys: layout, packages."),
        (
            ("packages", "kubelet", "sumary"),
            'some.yaml:3: packages.kubelet.sumary is not a setting. Did you mean "summary"?',
        ),
        (
            ("packages", "kubelet", "files", 0, "mod"),
            'some.yaml:4: packages.kubelet.files.0.mod is not a setting. Did you mean "mode"?',
        ),
    ],
)
def test_unknown_key_is_reported_with_the_nearest_valid_key(tmp_path, loc, message):
    text = "layut: 1\npackages:\n  kubelet: {sumary: x,\n    files: [{mod: 1}]}\n"
    file = YamlFile.read(write_file(tmp_path, text))
    details = {"type": "extra_forbidden", "loc": loc, "msg": "Extra inputs are not permitted"}
    assert file.explain(details, SCHEMA) == message


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("string_type", "Input should be a valid string", "expected text; put numbers in quotes"),
        ("tuple_type", "Input should be a valid tuple", "expected a list"),
        ("model_type", "Input should be …", "expected `name: value` lines"),
        ("missing", "Field required", "missing"),
        ("literal_error", "Input should be 'a' or 'b'", "expected 'a' or 'b'"),
        ("value_error", "Value error, write it so", "write it so"),
    ],
)
def test_error_is_explained_without_terms_of_python(tmp_path, kind, text, message):
    file = YamlFile.read(write_file(tmp_path, "layout: x\n"))
    details = {"type": kind, "loc": ("layout",), "msg": text, "input": 1}
    assert file.explain(details, SCHEMA).startswith(f"some.yaml:1: layout: {message}")
