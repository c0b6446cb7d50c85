"""Relations are parsed as dpkg and rpm parse them, and are satisfied by the same versions."""

import pytest

from kubeparcel.model import Format
from kubeparcel.packages.relations import Relation, normalize_relation, parse_relations, satisfies


@pytest.mark.parametrize(
    ("format_", "version", "operator", "bound", "satisfied"),
    [
        (Format.DEB, "1.36.3-1", ">=", "1.36.3", True),
        (Format.DEB, "1.36.3-1", "=", "1.36.3", False),
        (Format.DEB, "1.37.0~rc.1-1", ">=", "1.37.0", False),
        (Format.DEB, "1.37.0~rc.1-1", ">=", "1.37.0~", True),
        (Format.DEB, "1.36.3-1", "<<", "1.36.3-1", False),
        (Format.RPM, "1.36.3-1", "=", "1.36.3", True),
        (Format.RPM, "1.36.3-1", ">", "1.36.3", False),
        (Format.RPM, "1.37.0~rc.1-1", "<", "1.37.0", True),
        (Format.RPM, "1:1.0-1", ">=", "2.0", True),
        (Format.RPM, "1.0-1", "", "", True),
    ],
)
def test_a_version_satisfies_a_relation_as_in_its_format(format_, version, operator, bound, satisfied):
    assert satisfies(format_, version, Relation("x", operator, bound)) is satisfied


def test_a_list_in_deb_notation_is_parsed_into_groups_of_alternatives():
    assert parse_relations("a, b (>= 1.2) | c:any [amd64] <!x>, ,d(=2)") == (
        (Relation("a"),),
        (Relation("b", ">=", "1.2"), Relation("c")),
        (Relation("d", "=", "2"),),
    )


@pytest.mark.parametrize(("relation", "text"), [(Relation("a"), "a"), (Relation("b", ">=", "1.2"), "b (>= 1.2)")])
def test_a_relation_prints_in_deb_notation(relation, text):
    assert str(relation) == text


@pytest.mark.parametrize(
    ("text", "normalized"),
    [(" a ", "a"), ("a(>=1)|b", "a (>= 1) | b"), ("a:any ( <<  1.2~ )  [amd64]", "a:any (<< 1.2~) [amd64]")],
)
def test_a_normalized_relation_has_the_usual_spaces(text, normalized):
    assert normalize_relation(text) == normalized
