"""The JSON Schema of kubeparcel.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubeparcel.config.settings import Settings
from tests.config.settings_table import FIELDS, dashed


def test_schema_describes_every_key():
    schema = Settings.model_json_schema()
    assert schema["additionalProperties"] is False
    assert sorted(schema["properties"]) == sorted(
        [*map(dashed, FIELDS), "components", "go", "packages", "patches", "releases", "trees", "version-suffix"]
    )
    defined = schema["$defs"]
    assert sorted(defined["PackageSpec"]["properties"]) == [
        *["arch", "component", "description", "files", "homepage", "license", "relations"],
        *["scripts", "section", "summary", "version"],
    ]
    assert sorted(defined["FileSpec"]["properties"]) == [
        *["binaries", "binary", "config", "dir", "formats", "kubernetes", "layouts", "link"],
        *["mode", "parents", "path", "provenance", "remove", "role", "source", "template", "text"],
    ]


def test_schema_accepts_every_notation():
    schema = Settings.model_json_schema()
    file = schema["$defs"]["FileSpec"]["properties"]
    assert file["kubernetes"]["type"] == "string"
    assert [kind["type"] for kind in file["mode"]["anyOf"]] == ["integer", "string", "null"]
    kinds = {
        name: [kind["type"] for kind in schema["properties"][name]["anyOf"]] for name in ("arch", "format", "revision")
    }
    assert kinds == {"arch": ["string", "array"], "format": ["string", "array"], "revision": ["string", "integer"]}


def references(node: Any) -> Iterator[str]:
    """Yield all `$ref` in a schema."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_in_the_schema_is_defined():
    schema = Settings.model_json_schema()
    refs = set(references(schema))
    assert refs
    assert refs <= {f"#/$defs/{name}" for name in schema["$defs"]}
