"""A YAML file of the user's, and where in it a fault is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kubeparcel.config.data_files import LOADER
from kubeparcel.errors import ConfigurationError


@dataclass(frozen=True)
class YamlFile:
    """What a file holds, and its nodes with their lines; a missing file holds nothing."""

    path: Path
    data: Mapping[str, Any] = field(default_factory=dict)
    root: yaml.Node | None = None

    @classmethod
    def read(cls, path: Path) -> YamlFile:
        """Read a file; raises ConfigurationError for what is not YAML, or not a mapping."""
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return cls(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path.name} cannot be read: {error}") from None
        try:
            root = yaml.compose(text, LOADER)
            _refuse(root, path, set())
            data = yaml.load(text, LOADER)  # noqa: S506 - LOADER is a safe loader
        except yaml.YAMLError as error:
            raise ConfigurationError(_syntax(path, error)) from None
        except (ValueError, OverflowError) as error:  # a date such as 2026-13-45
            raise ConfigurationError(f"{path.name}: not YAML: {error}.") from None
        if data is None:
            return cls(path)
        if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
            raise ConfigurationError(f"{path.name}:1: this has to be a list of `name: value`.")
        return cls(path, data, root)

    def locate(self, loc: Sequence[str | int]) -> str:
        """`kubeparcel.yaml:7` for a path into the file: the deepest part that exists."""
        node, line = self.root, 1
        for part in loc:
            found = _child(node, part)
            if found is None:
                break
            line, node = found
        return f"{self.path.name}:{line}"

    def explain(self, fault: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
        """One fault of pydantic's in plain words, with its line and the nearest right key."""
        loc = tuple(part for part in fault["loc"] if part != "[key]")
        where, dotted = self.locate(loc), ".".join(map(str, loc))
        said = message_of(fault)
        if fault["type"] != "extra_forbidden":
            return f"{where}: {dotted}: {said}" if dotted else f"{where}: {said}"
        known = _keys(schema, loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), known, 1, 0.5)
        hint = f' Did you mean "{near[0]}"?' if near else f" There are: {', '.join(sorted(known))}."
        return f"{where}: {dotted} is not a setting.{hint}"


def message_of(fault: Mapping[str, Any]) -> str:
    """What a fault of pydantic's says, in words for someone who does not know Python."""
    said = _WORDS.get(fault["type"], str(fault["msg"]))
    return said.removeprefix("Value error, ").replace("Input should", "this has to")


_WORDS = {
    "string_type": "this has to be text, in quotes where it looks like a number",
    "int_type": "this has to be a number",
    "bool_parsing": "this has to be true or false",
    "bool_type": "this has to be true or false",
    "tuple_type": "this has to be a list",
    "mapping_type": "this has to hold lines of `name: value`",
    "model_type": "this has to hold lines of `name: value`",
    "dict_type": "this has to hold lines of `name: value`",
    "missing": "this is missing",
}


def _child(node: yaml.Node | None, part: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == str(part):
                return name.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _refuse(node: yaml.Node | None, path: Path, done: set[int]) -> None:
    """Say what YAML loaders pass over in silence: a key that stands twice, a key that is a list."""
    if node is None or isinstance(node, yaml.ScalarNode) or id(node) in done:
        return
    done.add(id(node))  # an alias comes here again
    seen: dict[str, int] = {}
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(name, yaml.ScalarNode):
            raise ConfigurationError(f"{_at(path, name)}: a name has to be a word.")
        if name.value in seen:
            raise ConfigurationError(
                f"{_at(path, name)}: {name.value} stands here a second time "
                f"(first in line {seen[name.value]}). Keep one of them."
            )
        seen[name.value] = name.start_mark.line + 1
        _refuse(value, path, done)
    for value in node.value if isinstance(node, yaml.SequenceNode) else ():
        _refuse(value, path, done)


def _at(path: Path, node: yaml.Node) -> str:
    return f"{path.name}:{node.start_mark.line + 1}"


def _syntax(path: Path, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark else ""
    return f"{path.name}{line}: not YAML: {getattr(error, 'problem', None) or error}."


def _keys(schema: Mapping[str, Any], loc: Sequence[str | int]) -> list[str]:
    """The names that may stand at a place, by the JSON Schema."""
    here: Any = schema
    for part in loc:
        here = _resolve(here, schema)
        if isinstance(part, int):
            here = here.get("items", {})
        else:
            patterns = list(here.get("patternProperties", {}).values())
            other = here.get("additionalProperties") or (patterns or [{}])[0]
            here = here.get("properties", {}).get(part) or other
    return list(_resolve(here, schema).get("properties", {}))


def _resolve(here: Any, schema: Mapping[str, Any]) -> Any:
    ref = here.get("$ref") if isinstance(here, dict) else None
    return schema["$defs"][ref.rsplit("/", 1)[1]] if ref else here
