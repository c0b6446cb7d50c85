"""The program's name as the user started it.

Messages write commands as `inv TASK`. Whatever prints a message passes it through
`with_program_name`, so that a hint can be copied into the shell as it is.
"""

from __future__ import annotations

import re
import sys
from pathlib import PurePath

COMPLETION_VARIABLE = "_KUBEPARCEL_COMPLETE"
"""The variable in which a completion script passes its request to the program."""

_COMMAND = re.compile(r"(?<![\w./-])inv(?= (?:[a-z]|--))")


def program_name() -> str:
    """Return `./inv` in a checkout, `inv` under Invoke's own program, otherwise `kubeparcel`."""
    name = PurePath(sys.argv[0]).name
    if name == "tasks.py":
        return "./inv"
    return "inv" if name in ("inv", "invoke") else "kubeparcel"


def with_program_name(text: str) -> str:
    """Replace `inv` in commands such as `inv verify` by the program's name."""
    return _COMMAND.sub(program_name(), text)
