"""The tasks about configuration: start a project, show the settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kubeparcel.cli.option_groups import PackageOptions, ReleaseOptions
from kubeparcel.cli.options import OPTIONS, Option
from kubeparcel.cli.output import print_result
from kubeparcel.cli.task import task
from kubeparcel.errors import UsageError

CI_FILES = {"github": ".github/workflows/packages.yml", "gitlab": ".gitlab-ci.yml"}
GIT_IGNORE = ".gitignore"
SCHEMA_FILE = "kubeparcel.schema.json"
ORIGIN_COLUMN = 40
"""The column of the comments of `config --origin`."""


@task(
    "Configure",
    ("init", "Write kubeparcel.yaml and its schema to the current folder."),
    ("init packages --ci github", "Start a project in packages/ with a GitHub workflow."),
    directory=Option("folder of the project", "DIR", "the current folder", positional=True),
    ci=Option(
        "also write a CI file for github or gitlab, which builds and verifies the packages",
        "SERVICE",
        choices=tuple(CI_FILES),
    ),
)
def init(directory: str = ".", ci: str = "") -> None:
    """Write a commented kubeparcel.yaml, its schema and a CI file.

    Existing files are never overwritten. A .gitignore excludes the output folder, unless there is one.
    """
    from kubeparcel import __version__, templates
    from kubeparcel.config.settings import FILE_NAME

    folder = Path.cwd() / directory
    contents = {
        FILE_NAME: templates.render("init/kubeparcel.yaml", {"schema": SCHEMA_FILE}),
        SCHEMA_FILE: json.dumps(settings_schema(), indent=2) + "\n",
    }
    if ci:
        contents[CI_FILES[ci]] = templates.render(f"init/{ci}.yml", {"version": __version__})
    existing = [name for name in contents if (folder / name).exists()]
    if existing:
        raise UsageError(
            f"{folder / existing[0]} already exists; nothing was written.",
            "Choose another folder, or move the file away first.",
        )
    if not (folder / GIT_IGNORE).exists():
        contents[GIT_IGNORE] = "dist/\n"
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        print_result(f"Wrote {Path(directory, name)}")
    print_result("Next: set the version in kubeparcel.yaml, run inv build, and commit kubeparcel.lock")


@task(
    "Configure",
    ("config", "Show the settings as YAML, as kubeparcel.yaml would state them."),
    ("config --origin", "Also show where each value comes from."),
    (
        "config --schema > kubeparcel.schema.json",
        "Write the schema that editors complete and check kubeparcel.yaml with.",
    ),
)
def config(
    release: ReleaseOptions,
    package: PackageOptions,
    out: str = "",
    origin: bool = False,
    schema: bool = False,
    json_: bool = False,
) -> None:
    """Show the effective settings, or the JSON Schema of kubeparcel.yaml.

    The output is a valid kubeparcel.yaml. Options show what they would change.
    """
    from kubeparcel.config.settings import load_settings, setting_origins

    if schema:
        print_result(json.dumps(settings_schema(), indent=2))
        return
    options = {**asdict(release), **package.settings(), "out": out}
    values = load_settings(options).as_document()
    origins = setting_origins(options) if origin else {}
    if json_:
        document = {key: {"value": values[key], "origin": origins[key]} for key in values if key in origins} or values
        print_result(json.dumps(document, indent=2))
    else:
        print_result("\n".join(_yaml_lines(key, value, origins.get(key, "")) for key, value in values.items()))


def _yaml_lines(key: str, value: Any, origin: str) -> str:
    """Return a setting as YAML, with its origin as a comment; text with several lines is written in lines."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(
        str, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)
    )
    in_line = None if isinstance(value, list) else False
    style: Mapping[str, Any] = {"default_flow_style": in_line, "width": 1000, "allow_unicode": True}
    text: str = yaml.dump({key: value}, Dumper=Dumper, sort_keys=False, **style)
    first, newline, rest = text.rstrip("\n").partition("\n")
    return (f"{first:<{ORIGIN_COLUMN}}  # {origin}" if origin else first) + newline + rest


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema of kubeparcel.yaml; settings that are options have their help."""
    from kubeparcel.config.settings import Settings

    schema = Settings.model_json_schema()
    for name, key in schema["properties"].items():
        key.setdefault("description", OPTIONS[name].help if name in OPTIONS else "")
    schema["properties"]["releases"]["items"] = {"$ref": "#"}  # a row has the settings of the file
    return schema
