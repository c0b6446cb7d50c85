"""Parsing of scriptlets into commands with their conditions."""

from __future__ import annotations

import pytest

from kubeparcel.verify.layout.shell_parser import Command, parse_commands


def parse_one(body: str, program: str = "systemctl") -> Command:
    """Return the one command of a script that runs this program."""
    (match,) = (command for command in parse_commands(body) if command.program == program)
    return match


IF_ELSE = "if [ -d /run ]; then :; else systemctl x; fi\necho end"
CASE = 'case "$1" in\n  remove|purge)\n    systemctl stop k\n    ;;\n  *) echo;;\nesac\ntrue'


@pytest.mark.parametrize(
    ("body", "program", "conditions"),
    [
        pytest.param(
            'if [ "$1" = configure ]; then\n  if [ -z "$2" ]; then systemctl preset k; fi\nfi',
            "systemctl",
            ("[ $1 = configure ]", "[ -z $2 ]"),
            id="all surrounding ifs",
        ),
        pytest.param(IF_ELSE, "systemctl", ("not: [ -d /run ]",), id="else is negated"),
        pytest.param(IF_ELSE, "echo", (), id="none after fi"),
        pytest.param(
            'if a; then :; elif [ "$1" = purge ]; then systemctl x; fi',
            "systemctl",
            ("[ $1 = purge ]",),
            id="elif replaces if",
        ),
        pytest.param(CASE, "systemctl", ("case $1 in remove | purge",), id="pattern of a case"),
        pytest.param(CASE, "true", (), id="none after esac"),
        pytest.param("[ -d /run ] && systemctl x || true", "systemctl", ("[ -d /run ]",), id="command before &&"),
    ],
)
def test_command_has_its_conditions(body, program, conditions):
    assert parse_one(body, program).conditions == conditions


@pytest.mark.parametrize(
    ("body", "argv"),
    [
        pytest.param(
            "systemctl preset k >/dev/null 2>&1 || :", ("systemctl", "preset", "k"), id="without redirections"
        ),
        pytest.param('x="$(systemctl start k)"', ("systemctl", "start", "k"), id="in $()"),
        pytest.param("x=`systemctl start k`", ("systemctl", "start", "k"), id="in backquotes"),
        pytest.param("LC_ALL=C systemctl daemon-reload", ("systemctl", "daemon-reload"), id="without assignments"),
        pytest.param("for u in a b; do systemctl start $u; done", ("systemctl", "start", "$u"), id="in a loop"),
        pytest.param("go() {\n  systemctl start k\n}\ngo", ("systemctl", "start", "k"), id="in a function"),
        pytest.param("( systemctl start k )", ("systemctl", "start", "k"), id="in a subshell"),
    ],
)
def test_command_is_found_with_its_arguments(body, argv):
    assert parse_one(body).argv == argv


def test_command_has_its_line():
    assert parse_one('if [ "$1" = configure ]; then\n  if [ -z "$2" ]; then systemctl preset k; fi\nfi').line == 2
    command = parse_one("true\nsystemctl \\\n  restart \\\n  k\n")
    assert (command.argv, command.line) == (("systemctl", "restart", "k"), 2)


def test_command_after_and_whose_failure_is_handled_is_marked():
    command = parse_one("[ -d /run ] && systemctl x || true")
    assert command.follows_and
    assert command.failure_handled


def test_command_in_a_condition_is_marked():
    assert parse_one("if systemctl is-active k; then :; fi").is_condition


def test_quoted_text_and_comments_are_not_commands():
    body = "# systemctl start k; it's\necho 'systemctl start k' \"; systemctl\" # systemctl x\n"
    assert [command.program for command in parse_commands(body)] == ["echo"]


def test_program_is_named_without_its_folder():
    assert parse_one("LC_ALL=C /usr/bin/systemctl daemon-reload").program == "systemctl"


def test_malformed_scripts_are_parsed_without_error():
    assert parse_commands("echo 'never closed\n") != ()
    for body in ("fi; done; esac; ) }", ";;)", "case a in esac )", "case a in b) esac;; c) d"):
        assert parse_commands(body) is not None
