"""Parsing of scriptlets into commands with their conditions."""

from __future__ import annotations

from kubeparcel.verify.layout.shell_parser import Command, parse_commands


def parse_one(body: str, program: str = "systemctl") -> Command:
    (match,) = (command for command in parse_commands(body) if command.program == program)
    return match


def test_command_has_the_conditions_of_surrounding_ifs():
    command = parse_one('if [ "$1" = configure ]; then\n  if [ -z "$2" ]; then systemctl preset k; fi\nfi')
    assert command.conditions == ("[ $1 = configure ]", "[ -z $2 ]")
    assert command.line == 2


def test_else_branch_has_the_negated_condition():
    body = "if [ -d /run ]; then :; else systemctl x; fi\necho end"
    assert parse_one(body).conditions == ("not: [ -d /run ]",)
    assert parse_one(body, "echo").conditions == ()


def test_elif_replaces_the_condition():
    assert parse_one('if a; then :; elif [ "$1" = purge ]; then systemctl x; fi').conditions == ("[ $1 = purge ]",)


def test_case_pattern_is_a_condition():
    body = 'case "$1" in\n  remove|purge)\n    systemctl stop k\n    ;;\n  *) echo;;\nesac\ntrue'
    assert parse_one(body).conditions == ("case $1 in remove | purge",)
    assert parse_one(body, "true").conditions == ()


def test_command_after_and_has_the_command_before_as_condition():
    command = parse_one("[ -d /run ] && systemctl x || true")
    assert command.conditions == ("[ -d /run ]",)
    assert command.follows_and
    assert command.failure_handled


def test_command_in_a_condition_is_marked():
    assert parse_one("if systemctl is-active k; then :; fi").is_condition


def test_quoted_text_and_comments_are_not_commands():
    body = "# systemctl start k; it's\necho 'systemctl start k' \"; systemctl\" # systemctl x\n"
    assert [command.program for command in parse_commands(body)] == ["echo"]


def test_redirections_are_left_out():
    assert parse_one("systemctl preset k >/dev/null 2>&1 || :").argv == ("systemctl", "preset", "k")


def test_commands_in_substitutions_are_included():
    assert parse_one('x="$(systemctl start k)"').argv == ("systemctl", "start", "k")
    assert parse_one("x=`systemctl start k`").argv == ("systemctl", "start", "k")


def test_continued_lines_are_one_command():
    command = parse_one("true\nsystemctl \\\n  restart \\\n  k\n")
    assert (command.argv, command.line) == (("systemctl", "restart", "k"), 2)


def test_assignments_before_a_program_are_left_out():
    assert parse_one("LC_ALL=C /usr/bin/systemctl daemon-reload").program == "systemctl"
    assert parse_one("LC_ALL=C systemctl daemon-reload").argv[1] == "daemon-reload"


def test_commands_in_loops_functions_and_subshells_are_included():
    assert parse_one("for u in a b; do systemctl start $u; done").argv[1] == "start"
    assert parse_one("go() {\n  systemctl start k\n}\ngo").argv[1] == "start"
    assert parse_one("( systemctl start k )").argv[1] == "start"


def test_malformed_scripts_are_parsed_without_error():
    assert parse_commands("echo 'never closed\n") != ()
    assert parse_commands("fi; done; esac; ) }") is not None
