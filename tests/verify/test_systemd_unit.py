"""Parsing of unit files and environment files."""

import pytest

from kubeparcel.verify.systemd_unit import joined_variables, parse_environment_file, parse_unit, split_words


def test_setting_has_section_and_line_number():
    unit = parse_unit("# comment\n[Service]\n ExecStart = /bin/a b \n; another\n[Install]\nWantedBy=x\n")
    assert [(s.section, s.key, s.value, s.line) for s in unit.settings] == [
        ("Service", "ExecStart", "/bin/a b", 3),
        ("Install", "WantedBy", "x", 6),
    ]
    assert unit.invalid_lines == ()


def test_empty_assignment_clears_the_list():
    unit = parse_unit("[Service]\nExecStart=a\nExecStart=\nExecStart=b\n")
    assert [setting.value for setting in unit.effective_list("Service", "ExecStart")] == ["b"]
    assert [setting.value for setting in unit.assignments("Service", "ExecStart")] == ["a", "", "b"]


def test_section_can_be_repeated():
    unit = parse_unit("[Service]\nA=1\n[Unit]\nB=2\n[Service]\nA=3\n")
    assert unit.effective_value("Service", "A") == unit.settings[2]


def test_continuation_skips_comment_lines():
    unit = parse_unit("[Service]\nExecStart=/bin/a \\\n# not this\n  b\nRestart=always\n")
    assert unit.settings[0].value.split() == ["/bin/a", "b"]
    assert unit.settings[1].key == "Restart"


def test_lines_that_systemd_ignores_are_invalid():
    assert parse_unit("A=1\n[Service\nB\n[Service]\n=x\n").invalid_lines == (
        (1, "A=1"),
        (2, "[Service"),
        (3, "B"),
        (5, "=x"),
    )


def test_split_words_keeps_quoted_spaces():
    words = split_words("""a "b c" 'd e' f"g h"i \\x""")
    assert [word.text for word in words] == ["a", "b c", "d e", "fg hi", "x"]
    assert [word.quoted for word in words] == [False, True, True, True, True]


def test_environment_file_has_names_values_and_line_numbers():
    text = '# comment\nA=1\nB="x y"\n\nexport C=2\nD\n'
    assert parse_environment_file(text) == (("A", "1", 2), ("B", "x y", 3), ("export C", "2", 5), ("D", "", 6))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"--a" --b', "--a--b"),
        ("--a \"b c\" 'd'", "--a \"b c\" 'd'"),
        ('"a" "b"', "ab"),
        (r"a\nb \\ \"", 'anb \\ "'),
        (r'"a\nb \\ \" \$x \`"', r'a\nb \ " $x `'),
        (r"'a\n\\'", r"a\n\\"),
        ("a \t", "a"),
        ('" a "  ', " a "),
        ("a\\\n  b", "a  b"),
        ('"a\n# b"', "a\n# b"),
        ("a # b ; c", "a # b ; c"),
    ],
)
def test_environment_file_value_is_unquoted_as_systemd_does(written, value):
    assert parse_environment_file(f"; comment\nA = {written}\nB=2\n")[0][1] == value
    assert [name for name, _, _ in parse_environment_file(f"A={written}\nB=2\n")] == ["A", "B"]


@pytest.mark.parametrize(
    ("written", "joined"),
    [
        ('"--a" --b', True),
        (""" '--a' "--b" """, True),
        ('"--a""--b" c', True),
        ('"--a --b"  ', False),
        ('--a "b c"', False),
        ("'a'\"b\"c", False),
        (r'"a \" b"', False),
        ("", False),
    ],
)
def test_value_in_quoted_parts_is_found(written, joined):
    assert joined_variables(f'# "a" b\nA={written}\nB="x"\n') == (("A",) if joined else ())
