"""Shell completion by click's scripts, also of `--option=value` and of lists."""

from __future__ import annotations

from pathlib import PurePath

import click
from click import shell_completion
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete

from kubeparcel.program_name import COMPLETION_VARIABLE, program_name


class _Bash(BashComplete):
    def get_completion_args(self) -> tuple[list[str], str]:
        # Bash splits --format=rpm into three words.
        words, incomplete = super().get_completion_args()
        return [word for word in words if word != "="], incomplete


class _WholeWord(shell_completion.ShellComplete):
    """Zsh and fish replace all of `--format=r`."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        flag, equals, _ = incomplete.partition("=")
        items = super().get_completions(args, incomplete)
        if equals and flag.startswith("-"):
            return [CompletionItem(f"{flag}={item.value}", item.type) for item in items]
        return items


class _Zsh(_WholeWord, ZshComplete):
    """Zsh, with whole words."""


class _Fish(_WholeWord, FishComplete):
    # The script separates values by commas, and values may be lists with commas.
    source_template = FishComplete.source_template.replace('split ","', 'split --max 1 ","')


for shell in (_Bash, _Zsh, _Fish):
    shell_completion.add_completion_class(shell)


def respond(program: click.Group, instruction: str) -> int:
    """Print the script (`bash_source`) or the candidates (`bash_complete`) for a shell."""
    name = PurePath(program_name()).name  # the shell completes ./inv by the name inv
    return shell_completion.shell_complete(program, {}, name, COMPLETION_VARIABLE, instruction)
