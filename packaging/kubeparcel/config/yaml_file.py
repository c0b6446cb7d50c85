"""Reads YAML files: the program's own, and those of the user, in which errors are located."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kubeparcel.errors import ConfigurationError, did_you_mean
from kubeparcel.paths import PACKAGE

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The faster loader of libyaml, where PyYAML was built with it."""


def load_data_file(name: str) -> Any:
    """Return the contents of a file such as `hosts/hosts.yaml`."""
    return yaml.load((PACKAGE / name).read_bytes(), LOADER)  # noqa: S506 - LOADER is a safe loader


@dataclass(frozen=True)
class YamlFile:
    """The content of a file, and its nodes with their lines; both are empty if it is missing."""

    path: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    root: yaml.Node | None = None

    @classmethod
    def read(cls, path: Path) -> YamlFile:
        """Read a file; raise ConfigurationError for invalid YAML, or anything but a mapping."""
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path.name} cannot be read: {error}") from None
        try:
            root = yaml.compose(text, LOADER)
            _check_keys(root, path, set())
            data = yaml.load(text, LOADER)  # noqa: S506 - LOADER is a safe loader
        except yaml.YAMLError as error:
            raise ConfigurationError(_syntax(path, error)) from None
        except (ValueError, OverflowError) as error:  # a date such as 2026-13-45
            raise ConfigurationError(f"{path.name}: invalid YAML: {error}.") from None
        if data is None:
            return cls(path)
        if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
            raise ConfigurationError(f"{path.name}:1: expected `name: value` lines.")
        return cls(path, data, root)

    def locate(self, loc: Sequence[str | int]) -> str:
        """Return `kubeparcel.yaml:7` for a path into the file: the line of its deepest part that exists."""
        node, line = self.root, 1
        for part in loc:
            child = _child(node, part)
            if child is None:
                break
            line, node = child
        return f"{self.path.name}:{line}"

    def error(self, loc: Sequence[str | int], problem: str, hint: str = "") -> ConfigurationError:
        """Return the error for an invalid value at a path into the file."""
        return ConfigurationError(f"{self.locate(loc)}: {'.'.join(map(str, loc))}: {problem}", hint)

    def explain(self, details: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
        """Return an error of pydantic in plain words, with its line and the nearest valid key."""
        loc = tuple(part for part in details["loc"] if part != "[key]")
        location, dotted = self.locate(loc), ".".join(map(str, loc))
        message = error_message(details)
        if details["type"] != "extra_forbidden":
            return f"{location}: {dotted}: {message}" if dotted else f"{location}: {message}"
        keys = _keys(schema, loc[:-1])
        hint = did_you_mean(str(loc[-1]), keys, 0.5, '"') or f" Valid keys: {', '.join(sorted(keys))}."
        return f"{location}: {dotted} is not a setting.{hint}"


def error_message(details: Mapping[str, Any]) -> str:
    """Return the message of an error of pydantic, in words for someone who does not know Python."""
    message = _MESSAGES.get(details["type"], str(details["msg"]))
    message = message.removeprefix("Value error, ").replace("Input should be", "expected")
    if details["type"] in ("enum", "literal_error"):
        suggestion = did_you_mean(str(details["input"]).lower(), re.findall(r"'([^']+)'", message), quote="'")
        message += f", not {details['input']!r}{suggestion and '.'}{suggestion}"
    return message


_MESSAGES = {
    "string_type": "expected text; put numbers in quotes",
    "int_type": "expected a number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "mapping_type": "expected `name: value` lines",
    "model_type": "expected `name: value` lines",
    "dict_type": "expected `name: value` lines",
    "missing": "missing",
}


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(part):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _check_keys(node: yaml.Node | None, path: Path, visited: set[int]) -> None:
    """Reject duplicate keys, which YAML loaders accept silently, and keys that are lists."""
    if node is None or isinstance(node, yaml.ScalarNode) or id(node) in visited:
        return
    visited.add(id(node))  # an alias refers to the same node again
    lines: dict[str, int] = {}
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(name, yaml.ScalarNode):
            raise ConfigurationError(f"{_at(path, name)}: a key must be a word, not a list or a mapping.")
        if name.value in lines:
            raise ConfigurationError(
                f"{_at(path, name)}: duplicate key {name.value} (first set on line {lines[name.value]}). "
                "Keep one of them."
            )
        lines[name.value] = name.start_mark.line + 1
        _check_keys(value, path, visited)
    for value in node.value if isinstance(node, yaml.SequenceNode) else ():
        _check_keys(value, path, visited)


def _at(path: Path, node: yaml.Node) -> str:
    return f"{path.name}:{node.start_mark.line + 1}"


def _syntax(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    return f"{path.name}{line}: invalid YAML: {getattr(error, 'problem', None) or error}."


def _keys(schema: Mapping[str, Any], loc: Sequence[str | int]) -> list[str]:
    """Return the valid keys of a mapping at a path, by the JSON Schema."""
    subschema: Mapping[str, Any] = schema
    for part in loc:
        subschema = _resolve(subschema, schema)
        if isinstance(part, int):
            subschema = subschema.get("items", {})
        else:
            patterns = list(subschema.get("patternProperties", {}).values())
            other = subschema.get("additionalProperties") or (patterns or [{}])[0]
            subschema = subschema.get("properties", {}).get(part) or other
    return list(_resolve(subschema, schema).get("properties", {}))


def _resolve(subschema: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "anyOf" in subschema:  # a mapping that may also be written as a list of names
        subschema = next((choice for choice in subschema["anyOf"] if choice.get("type") != "array"), subschema)
    ref = subschema.get("$ref")
    return schema["$defs"][ref.rsplit("/", 1)[1]] if ref else subschema
