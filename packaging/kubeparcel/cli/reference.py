"""Reference pages and the man page, made from the tables of tasks, options, settings and checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click

from kubeparcel import templates
from kubeparcel.cli.configure import settings_schema
from kubeparcel.cli.environment import ENVIRONMENT
from kubeparcel.cli.program import Program
from kubeparcel.packages import limits

EXIT_CODES: Mapping[int, str] = {
    0: "success",
    1: "a check failed: the packages, the repository or kubeparcel.lock",
    2: "wrong usage or configuration",
    3: "an external failure: network, disk, or another program",
    130: "interrupted",
}


def pages(program: Program) -> dict[str, str]:
    """Return the text of each generated file, by its path in a checkout."""
    from kubeparcel.config.setting_layers import ENV_PREFIX
    from kubeparcel.verify.layout.checks import CHECKS

    schema = settings_schema()
    context = {
        "program": program,
        "usage": _usage,
        "options": _options,
        "environment": sorted(ENVIRONMENT.items()),
        "exit_codes": [(str(code), meaning) for code, meaning in EXIT_CODES.items()],
        "prefix": ENV_PREFIX,
        "schema": schema,
        "properties": partial(_property_table, schema),
        "checks": [(f"`{check.name}`", check.meaning, " ".join(check.details.split()), check.hint) for check in CHECKS],
        "limits": [
            (f"`{row.name}`", f"`{row.variable}`", f"{row.default:,}", row.unit, row.reason) for row in limits.table()
        ],
        "table": _table,
        "roff": _roff,
    }
    paths = [f"docs/reference/{page}.md" for page in ("commands", "configuration", "checks", "limits")]
    return {
        path: templates.render(f"reference/{path.rpartition('/')[2]}", context)
        for path in (*paths, "docs/kubeparcel.1")
    }


def _usage(task: click.Command) -> str:
    return " ".join([str(task.name), *task.collect_usage_pieces(click.Context(task))])


def _options(parameters: Iterable[click.Parameter], *, code: bool = False) -> Iterator[tuple[str, str]]:
    """Yield options as help shows them, each with its meaning."""
    context = click.Context(click.Command(None))
    for label, meaning in filter(None, (p.get_help_record(context) for p in parameters)):
        yield f"`{label}`" if code else label, meaning


def _property_table(schema: Mapping[str, Any], definition: Mapping[str, Any]) -> str:
    """Return a table of an object's keys."""
    required = definition.get("required", ())
    rows = []
    for name, key in definition["properties"].items():
        default = "required" if name in required else _default(key.get("default"))
        rows.append((f"`{name}`", _type(key, schema), key.get("description", ""), default))
    return _table(("Key", "Type", "Meaning", "Default"), rows)


def _type(key: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return a key's type in words."""
    if "$ref" in key:
        name = key["$ref"].removeprefix("#").rpartition("/")[2]
        return _type(schema["$defs"][name] if name else {"type": "object"}, schema)  # a row is as the file
    if "enum" in key:
        return ", ".join(f"`{value}`" for value in key["enum"] if value)
    if "anyOf" in key:
        kinds = [_type(kind, schema) for kind in key["anyOf"] if kind.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if key["type"] == "array":
        return f"list of {_type(key['items'], schema)}"
    if key["type"] == "object":
        return "mapping"
    return {"string": "text", "boolean": "true or false", "integer": "number"}[key["type"]]


def _default(value: object) -> str:
    if value in ("", None, [], {}) or value is False or isinstance(value, dict):
        return ""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"`{text}`"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; columns that are empty in all rows are left out."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    used = [i for i in range(len(titles)) if any(row[i] for row in cells)]
    lines = [[row[i] for i in used] for row in (titles, ["---"] * len(titles), *cells)]
    return "\n".join("|" + "|".join(f" {c} " if c else " " for c in line) + "|" for line in lines)


def _roff(text: str) -> str:
    """Return a text in roff; an empty line starts a paragraph."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE).replace("\n\n", "\n.PP\n")
