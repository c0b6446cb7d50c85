"""Templates: rendering, and the errors of invalid ones."""

from __future__ import annotations

import pytest

from kubeparcel.errors import ConfigurationError
from kubeparcel.templates import render


def error_message(name: str, base: object, **context: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        render(name, context, base)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.fixture
def write(tmp_path):
    """Write a template of the user's."""

    def text(content: str | bytes, name: str = "mine.conf") -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return text


def test_packaged_template_is_rendered():
    assert render("packages/kubelet.env", {"kubelet_extra_args": "--v=4"}) == ("KUBELET_EXTRA_ARGS=--v=4\n")


def test_users_template_is_next_to_kubeparcel_yaml(tmp_path, write):
    write("{{ package }} {{ version }}\n", "files/mine.conf")
    context = {"package": "mine", "version": "1.0.0"}
    assert render("files/mine.conf", context, tmp_path) == "mine 1.0.0\n"


def test_control_lines_leave_no_blank_lines_and_the_last_newline_is_kept(tmp_path, write):
    write("a\n  {% if true %}\nb\n  {% endif %}\n")
    assert render("mine.conf", {}, tmp_path) == "a\nb\n"


def test_text_is_not_escaped_as_html(tmp_path, write):
    write("{{ x }}")
    assert render("mine.conf", {"x": "<&>"}, tmp_path) == "<&>"


def test_a_changed_template_is_read_again(tmp_path, write):
    write("one")
    assert render("mine.conf", {}, tmp_path) == "one"
    write("another")
    assert render("mine.conf", {}, tmp_path) == "another"


def test_undefined_name_is_an_error_with_template_line_and_known_names(tmp_path, write):
    write("a\nb\n{{ envfil }}\n")
    assert error_message("mine.conf", tmp_path, envfile="/etc/default/kubelet", package="x") == (
        "mine.conf:3: 'envfil' is undefined.\n  Available names: envfile, package."
    )


def test_undefined_name_in_an_included_template_is_located_there(tmp_path, write):
    write("a\n{% include 'parts/inner.conf' %}\n")
    write("{{ x }}\n\n\n{{ y }}\n", "parts/inner.conf")
    assert error_message("mine.conf", tmp_path, x=1).startswith("parts/inner.conf:4: 'y' is undefined.")


def test_a_missing_attribute_is_an_error_with_its_line(tmp_path, write):
    write("\n{{ version.minor }}\n")
    assert error_message("mine.conf", tmp_path, version="1.36.3").startswith("mine.conf:2: ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a\n{% if %}\n", 2, "Expected an expression"),
        ("a\n\n{% if x %}\n", 3, "Unexpected end of template"),
        ("{{ x | nosuch }}", 1, "No filter named 'nosuch'"),
        ("{{ x", 1, "unexpected end of template"),
    ],
)
def test_syntax_error_in_a_template_has_its_line(tmp_path, write, text, line, words):
    write(text)
    message = error_message("mine.conf", tmp_path, x=1)
    assert message.startswith(f"mine.conf:{line}: ")
    assert words in message


@pytest.mark.parametrize("text", ["\n{{ 1 / 0 }}", "\n{{ x + 1 }}", "\n{{ x.index('z') }}"])
def test_a_template_that_fails_is_an_error_with_its_line(tmp_path, write, text):
    write(text)
    assert error_message("mine.conf", tmp_path, x="text").startswith("mine.conf:2: ")


def test_a_template_that_is_not_text_is_an_error(tmp_path, write):
    write(b"\xff\xfe")
    assert error_message("mine.conf", tmp_path).startswith("mine.conf: not valid UTF-8")


def test_missing_template_is_an_error_that_names_the_folder(tmp_path):
    message = error_message("no/such", tmp_path)
    assert message.startswith("Template no/such not found")
    assert "next to kubeparcel.yaml" in message


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "parts/../../secret"])
def test_a_template_cannot_come_from_elsewhere(tmp_path, write, name):
    folder = tmp_path / "base"
    folder.mkdir()
    write("secret", "secret")
    assert "not found" in error_message(name, folder)


@pytest.mark.parametrize(
    "text", ["{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ cycler.__init__.__globals__.os.getcwd() }}"]
)
def test_a_template_cannot_reach_python(tmp_path, write, text):
    """Those of a foreign statement are rendered as well."""
    write(text)
    assert "unsafe" in error_message("mine.conf", tmp_path)
