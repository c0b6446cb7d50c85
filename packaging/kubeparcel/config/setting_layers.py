"""Merges the layers of settings, and explains errors by the layer that they come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pydantic import ValidationError

from kubeparcel.config.field_types import yaml_key
from kubeparcel.config.setting_types import as_mapping, as_versions
from kubeparcel.config.yaml_file import YamlFile, error_message
from kubeparcel.errors import ConfigurationError, UsageError

ENV_PREFIX = "KUBEPARCEL_"
FILE_ONLY = ("go", "patches", "releases", "trees")
"""Settings that are mappings or lists of them, so that no variable can have them."""

ROWS: Mapping[str, Callable[[Any], Any]] = {"packages": as_mapping, "components": as_versions}
"""Settings that are rows by name in the file, to which options and variables add."""

OFF = "false"
"""The value of a setting that an option `--no-SETTING` turns off."""


def merge_layers(
    options: Mapping[str, Any], file: YamlFile, fields: Collection[str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of file, variables and options, not validated yet, and their origins, by key."""
    _require_dashes(file, fields)
    values, origins = dict(file.data), {key: file.locate((key,)) for key in file.data}
    for field in fields:
        key, variable = yaml_key(field), ENV_PREFIX + field.upper()
        option = f"--no-{key}" if options.get(field) == OFF else f"--{key}"
        from_environment = "" if field in FILE_ONLY else os.environ.get(variable)
        for value, origin in ((from_environment, variable), (options.get(field), option)):
            if value not in (None, "", [], (), False):
                values[key] = _add_rows(values.get(key), value, ROWS[field]) if field in ROWS else value
                origins[key] = origin
    return values, origins


def _add_rows(rows: Any, text: Any, parse: Callable[[Any], Any]) -> Any:
    """Add what an option or a variable has to the rows of the file, which are not validated yet."""
    try:
        rows, more = parse(rows or {}), parse(text)
    except ValueError:
        return text  # whose error validation explains
    if not isinstance(rows, Mapping) or not all(isinstance(row, Mapping | None) for row in rows.values()):
        return rows
    return {**rows, **{name: {**(rows.get(name) or {}), **row} for name, row in more.items()}}


def _require_dashes(file: YamlFile, fields: Collection[str]) -> None:
    """Reject names with underscores in the file, so that no setting can be set twice."""
    for name in file.data:
        if name in fields and name != yaml_key(name):
            raise ConfigurationError(
                f'{file.locate((name,))}: {name} is not a setting. Did you mean "{yaml_key(name)}"?'
            )


def explain(error: ValidationError, origins: Mapping[str, str], file: YamlFile, schema: Mapping[str, Any]) -> Exception:
    """Return the exception for invalid settings: UsageError for an option, else ConfigurationError."""
    option_errors: list[str] = []
    other_errors: list[str] = []
    for details in error.errors():
        origin = origins.get(str(details["loc"][0]) if details["loc"] else "", "")
        message = f"{origin}: {error_message(details)}"
        if origin.startswith("--"):
            option_errors.append(message)
        elif origin.startswith(ENV_PREFIX):
            other_errors.append(message)
        else:
            other_errors.append(file.explain(details, schema))
    if option_errors:
        return UsageError("\n".join(option_errors + other_errors))
    return ConfigurationError(
        "\n".join(other_errors), "All settings: inv config --schema, docs/reference/configuration.md"
    )
