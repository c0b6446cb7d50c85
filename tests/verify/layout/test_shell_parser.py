"""Scriptlets are read as commands with the conditions they run under."""

from __future__ import annotations

from kubeparcel.verify.layout.shell_parser import Command, parse_commands


def one(body: str, program: str = "systemctl") -> Command:
    (found,) = (command for command in parse_commands(body) if command.program == program)
    return found


def test_conditions_around_a_command_are_known():
    command = one(
        'if [ "$1" = configure ]; then\n  if [ -z "$2" ]; then systemctl preset k; fi\nfi'
    )
    assert command.conditions == ("[ $1 = configure ]", "[ -z $2 ]")
    assert command.line == 2


def test_the_other_branch_runs_under_the_opposite():
    body = "if [ -d /run ]; then :; else systemctl x; fi\necho end"
    assert one(body).conditions == ("not: [ -d /run ]",)
    assert one(body, "echo").conditions == ()


def test_elif_replaces_the_condition():
    assert one('if a; then :; elif [ "$1" = purge ]; then systemctl x; fi').conditions == (
        "[ $1 = purge ]",
    )


def test_case_is_a_condition():
    body = 'case "$1" in\n  remove|purge)\n    systemctl stop k\n    ;;\n  *) echo;;\nesac\ntrue'
    assert one(body).conditions == ("case $1 in remove | purge",)
    assert one(body, "true").conditions == ()


def test_what_follows_and_runs_under_what_stands_before():
    command = one("[ -d /run ] && systemctl x || true")
    assert command.conditions == ("[ -d /run ]",)
    assert command.follows_and
    assert command.failure_handled


def test_a_condition_may_fail():
    assert one("if systemctl is-active k; then :; fi").is_condition


def test_words_in_quotes_and_comments_are_no_commands():
    body = "# systemctl start k; it's\necho 'systemctl start k' \"; systemctl\" # systemctl x\n"
    assert [command.program for command in parse_commands(body)] == ["echo"]


def test_redirections_are_no_words():
    assert one("systemctl preset k >/dev/null 2>&1 || :").argv == ("systemctl", "preset", "k")


def test_commands_in_substitutions_count():
    assert one('x="$(systemctl start k)"').argv == ("systemctl", "start", "k")
    assert one("x=`systemctl start k`").argv == ("systemctl", "start", "k")


def test_lines_may_go_on():
    command = one("true\nsystemctl \\\n  restart \\\n  k\n")
    assert (command.argv, command.line) == (("systemctl", "restart", "k"), 2)


def test_variables_before_a_program_are_left_out():
    assert one("LC_ALL=C /usr/bin/systemctl daemon-reload").program == "systemctl"
    assert one("LC_ALL=C systemctl daemon-reload").argv[1] == "daemon-reload"


def test_loops_and_functions_hide_nothing():
    assert one("for u in a b; do systemctl start $u; done").argv[1] == "start"
    assert one("go() {\n  systemctl start k\n}\ngo").argv[1] == "start"
    assert one("( systemctl start k )").argv[1] == "start"


def test_damaged_text_does_not_stop_it():
    assert parse_commands("echo 'never closed\n") != ()
    assert parse_commands("fi; done; esac; ) }") is not None
