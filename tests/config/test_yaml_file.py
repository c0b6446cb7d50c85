"""A YAML file of the user's: every fault in it is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubeparcel.config.yaml_file import YamlFile
from kubeparcel.errors import ConfigurationError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("text", ["", "\n", "# only a remark\n", "---\n", "~\n"])
def test_an_empty_file_holds_nothing(tmp_path, text):
    assert YamlFile.read(written(tmp_path, text)).data == {}


def test_a_missing_file_holds_nothing(tmp_path):
    assert YamlFile.read(tmp_path / "some.yaml").data == {}


def test_a_file_holds_what_it_says(tmp_path):
    assert YamlFile.read(written(tmp_path, "a: {b: [1, x]}\n")).data == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n- b\n", "some.yaml:2: not YAML: "),
        ("a: [1\n", "some.yaml:2: not YAML: "),
        ("a: 1\nb: '\n", "some.yaml:3: not YAML: "),
        ("a: 1\n\tb: 2\n", "some.yaml:2: not YAML: "),
        ("a: 1\nb: *x\n", "some.yaml:2: not YAML: "),
        ("a: 1\n---\nb: 2\n", "some.yaml:2: not YAML: "),
        ("a: !!python/object:os.system x\n", "some.yaml:1: not YAML: "),
        ("a: 2026-13-45\n", "some.yaml: not YAML: month must be in 1..12."),
        ("a: \x07\n", "some.yaml: not YAML: "),
        (b"a: \xff\n", "some.yaml cannot be read: "),
        ("- a\n", "some.yaml:1: this has to be a list of `name: value`."),
        ("only words\n", "some.yaml:1: this has to be a list of `name: value`."),
        ("1: a\n", "some.yaml:1: this has to be a list of `name: value`."),
        ("a: 1\n? [b, c]\n: 2\n", "some.yaml:2: a name has to be a word."),
        ("a: 1\n? {b: c}\n: 2\n", "some.yaml:2: a name has to be a word."),
    ],
)
def test_what_is_not_a_mapping_in_yaml_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as caught:
        YamlFile.read(written(tmp_path, text))
    assert str(caught.value).startswith(said)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "some.yaml:3: a stands here a second time (first in line 1). "),
        ("a:\n  b: 1\n  b: 1\n", "some.yaml:3: b stands here a second time (first in line 2). "),
        ("a:\n- b: 1\n  c: 2\n  b: 3\n", "some.yaml:4: b stands here a second time (first in line"),
    ],
)
def test_a_key_that_stands_twice_is_an_error_naming_both_lines(tmp_path, text, said):
    with pytest.raises(ConfigurationError) as caught:
        YamlFile.read(written(tmp_path, text))
    assert str(caught.value).startswith(said)


def test_one_key_in_two_rows_is_no_repetition(tmp_path):
    assert YamlFile.read(written(tmp_path, "a: [{b: 1}, {b: 2}]\n")).data["a"] == [{"b": 1}, {"b": 2}]


def test_many_aliases_take_no_time(tmp_path):
    """Walked one by one, these would be two to the power of sixty nodes."""
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60))]
    assert len(YamlFile.read(written(tmp_path, "\n".join(lines))).data) == 60


def test_a_node_inside_itself_is_read(tmp_path):
    """Whoever uses it sees what is wrong; nothing runs for ever here."""
    data = YamlFile.read(written(tmp_path, "a: &a [*a]\n")).data
    assert data["a"][0] is data["a"]


@pytest.mark.parametrize(
    ("loc", "place"),
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
def test_a_place_is_the_line_of_the_deepest_part_that_is_there(tmp_path, loc, place):
    text = "layout: etc\npackages:\n  kubelet:\n    files: [{},\n      {path: /y,\n      mode: 7}]\n"
    assert YamlFile.read(written(tmp_path, text)).locate(loc) == place


SCHEMA = {
    "properties": {"layout": {}, "packages": {"additionalProperties": {"$ref": "#/$defs/Package"}}},
    "$defs": {
        "Package": {"properties": {"files": {"items": {"$ref": "#/$defs/File"}}, "summary": {}}},
        "File": {"properties": {"path": {}, "mode": {}}},
    },
}


@pytest.mark.parametrize(
    ("loc", "said"),
    [
        (("layut",), 'some.yaml:1: layut is not a setting. Did you mean "layout"?'),
        (("zzz",), "some.yaml:1: zzz is not a setting. There are: layout, packages."),
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
def test_an_unknown_key_comes_with_the_nearest_right_one_of_its_place(tmp_path, loc, said):
    text = "layut: 1\npackages:\n  kubelet: {sumary: x,\n    files: [{mod: 1}]}\n"
    file = YamlFile.read(written(tmp_path, text))
    fault = {"type": "extra_forbidden", "loc": loc, "msg": "Extra inputs are not permitted"}
    assert file.explain(fault, SCHEMA) == said


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        ("string_type", "Input should be a valid string", "this has to be text, in quotes "),
        ("tuple_type", "Input should be a valid tuple", "this has to be a list"),
        ("model_type", "Input should be …", "this has to hold lines of `name: value`"),
        ("missing", "Field required", "this is missing"),
        ("literal_error", "Input should be 'a' or 'b'", "this has to be 'a' or 'b'"),
        ("value_error", "Value error, write it so", "write it so"),
    ],
)
def test_a_fault_is_told_without_pythons_words(tmp_path, kind, message, said):
    file = YamlFile.read(written(tmp_path, "layout: x\n"))
    fault = {"type": kind, "loc": ("layout",), "msg": message}
    assert file.explain(fault, SCHEMA).startswith(f"some.yaml:1: layout: {said}")
