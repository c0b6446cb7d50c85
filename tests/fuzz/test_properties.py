"""Properties of the readers of text, for any text."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kubeparcel.model import Format
from kubeparcel.packages import provenance, versions
from kubeparcel.packages.deb.deb_metadata import index_stanza, parse_fields
from kubeparcel.packages.errors import MalformedData
from kubeparcel.packages.inspection import InspectionCache
from kubeparcel.packages.json_document import parse_json
from kubeparcel.packages.member_names import parent_directories
from kubeparcel.packages.model import PackageContents, Script
from kubeparcel.packages.numbers import parse_number
from kubeparcel.packages.reader import READERS
from kubeparcel.packages.relations import Relation, normalize_relation, parse_relations, satisfies
from kubeparcel.reports import github
from kubeparcel.repository.signing import openpgp
from kubeparcel.verify import systemd_unit
from kubeparcel.verify.layout.shell_parser import parse_commands
from tests.fuzz.targets import check, debs, rpms

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)
texts = st.text(max_size=60)
version_texts = st.text(alphabet="0123456789aA.+~^-:²٣ ", max_size=30)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@quick
@given(version_texts, version_texts, st.sampled_from(Format))
def test_any_two_versions_compare(first, second, format_):
    keys = versions.version_key(format_, first), versions.version_key(format_, second)
    assert (keys[0] < keys[1]) + (keys[0] == keys[1]) + (keys[0] > keys[1]) == 1
    assert isinstance(satisfies(format_, first, Relation("a", ">=", second)), bool)


@quick
@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_digits_sort_as_numbers(first, second):
    assert (versions.digits_key(f"00{first}") < versions.digits_key(str(second))) is (first < second)


@quick
@given(texts | st.integers().map(str))
def test_a_number_is_ascii_digits_or_malformed(text):
    try:
        number = parse_number(text, "it")
    except MalformedData:
        assert not (text.isascii() and text.isdigit() and len(text) < 20)
    else:
        assert str(number) == text.lstrip("0").rjust(1, "0")


@quick
@given(texts)
def test_relations_of_any_text_parse_and_normalize_once(text):
    parse_relations(text)
    normal = normalize_relation(text)
    assert normalize_relation(normal) == normal


@quick
@given(texts)
def test_fields_of_any_text_have_lower_case_names(text):
    assert all(name == name.lower() for name in parse_fields(text))
    assert "SHA256: x" in index_stanza(text, "a", 1, "x")


@quick
@given(st.text(alphabet="ab $(){}[]|&;<>\"'`\\\n#=!-1", max_size=80))
@example(";;)")  # the end of a branch outside of a `case`
def test_any_script_has_commands_of_words(text):
    assert all(command.argv for command in parse_commands(text))


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udfff": 1}', '["\\ud83d\\ud83d"]', "NaN", "[-Infinity]"])
def test_json_that_no_file_could_have_is_malformed(text):
    assert parse_json(b'"\\ud83d\\ude00"', "it") == "\U0001f600"
    with pytest.raises(MalformedData, match="it is not valid JSON"):
        parse_json(text.encode(), "it")


@quick
@given(json_values)
def test_any_record_is_read_or_malformed(value):
    try:
        document = parse_json(json.dumps(value).encode(), "it")
    except MalformedData:
        return
    record = document if isinstance(document, dict) else {"contents": document}
    provenance.recorded_contents(record)
    provenance.recorded_contents({"contents": {"files": record, "relations": record}, "binaries": record})
    row = {"mode": "0755", "kind": value, "link": value}
    recorded = provenance.recorded_contents(
        {"contents": {"files": {"/a": row}, "relations": {"depends": [value]}}, "binaries": [value]}
    )
    assert recorded is None or hash(recorded.files["/a"])


def _package(format_: Format) -> PackageContents:
    data = debs()[0] if format_ is Format.DEB else rpms()[0]
    read = next(read for magic, read in READERS.items() if data.startswith(magic))
    return read(Path("a"), io.BytesIO(data), InspectionCache())


LONG = 120_000
SCRIPTS = {
    "long word": "a" * LONG,
    "long word in brackets": "[ " * (LONG // 2),
    "and-list": "a &&" * (LONG // 4),
    "nested ifs": "if a; then\n" * (LONG // 12),
    "else": "if a; then\n" + "else\n" * (LONG // 6),
    "case patterns": "case a in\n" + "a|" * (LONG // 2) + ") b;; esac",
    "quotes": "\"'`" * (LONG // 3),
    "escaped quotes": '"' + '\\"' * (LONG // 2),
    "substitutions": "$(" * (LONG // 2),
    "keywords": "then " * (LONG // 5),
    "redirects": ">" * LONG,
    "digits": "1" * LONG,
    "assignments": "a=" * (LONG // 2),
}


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("name", [*SCRIPTS])
def test_a_hostile_scriptlet_is_checked_in_seconds(name, format_):
    script = Script("/bin/sh", "#!/bin/sh\n" + SCRIPTS[name])
    package = dataclasses.replace(_package(format_), scripts={"postinst": script})
    started = time.thread_time()
    check(package)
    assert time.thread_time() - started < 10


@pytest.mark.parametrize("text", ["a" * LONG, "a (" * LONG, "(>= " * LONG, " " * LONG, "a <" + "@" * LONG, "1" * LONG])
@pytest.mark.parametrize(
    "change",
    [
        lambda package, text: dataclasses.replace(package, maintainer=text, version=text, summary=text),
        lambda package, text: dataclasses.replace(
            package, relations={"depends": (normalize_relation(text), "libc6" + text)}
        ),
        lambda package, text: dataclasses.replace(package, relations={"conflicts": tuple(text.split(","))}),
    ],
    ids=["fields", "depends", "conflicts"],
)
def test_hostile_fields_are_checked_in_seconds(change, text):
    started = time.thread_time()
    parse_relations(text)
    check(change(_package(Format.DEB), text))
    assert time.thread_time() - started < 10


PATTERNS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "json quotes": (lambda text: _malformed(text.encode()), '"' + '\\"' * LONG),
    "json quotes and backslash": (lambda text: _malformed(text.encode()), '"' + '\\"' * LONG + "\\"),
    "armor": (lambda text: openpgp.dearmor(text.encode()), "-----BEGIN PGP SIGNATURE-----\n" * 20_000),
    "workflow commands": (github.escape_workflow_commands, "\n" * LONG),
    "unit continuations": (systemd_unit.parse_unit, "[Service]\nExecStart=a" + "\\\n" * LONG),
    "unit settings": (
        lambda text: systemd_unit.parse_unit(text).effective_list("S", "A"),
        "[S]\n" + "A=1\n" * (LONG // 4),
    ),
    "unit quotes": (systemd_unit.split_words, '"' + '\\"' * LONG),
    "unit mixed quotes": (systemd_unit.split_words, "\"'" * LONG),
    "environment quotes": (systemd_unit.parse_environment_file, 'A="' + '\\"\n' * LONG),
    "environment values": (systemd_unit.parse_environment_file, 'A="a"' * LONG),
    "joined values": (systemd_unit.joined_variables, 'A="a" "b"  \n' * (LONG // 12)),
}


def _malformed(data: bytes) -> None:
    with pytest.raises(MalformedData):
        parse_json(data, "it")


@pytest.mark.parametrize("name", [*PATTERNS])
def test_hostile_text_is_parsed_in_linear_time(name):
    function, text = PATTERNS[name]
    started = time.thread_time()
    function(text)
    assert time.thread_time() - started < 3


def test_directories_are_yielded_once_and_in_linear_time():
    assert [*parent_directories(["/a/b/c", "/a/b/d", "/e", "/a/f/g"])] == ["/a/b", "/a", "/", "/a/f"]
    started = time.thread_time()
    assert len({*parent_directories(f"/x/{number}/y" for number in range(LONG))}) == LONG + 2
    assert time.thread_time() - started < 3
