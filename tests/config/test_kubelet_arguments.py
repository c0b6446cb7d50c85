"""The kubelet's extra arguments reach it as they were asked for, or are refused."""

import pytest

from kubeparcel.config.kubelet_arguments import environment_value, split_arguments
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError, UsageError
from tests.support.kubelet_arguments import ARGUMENTS, INVALID


@pytest.mark.parametrize("text", ARGUMENTS)
def test_quotes_group_and_nothing_else_is_special(text):
    assert split_arguments(text) == ARGUMENTS[text]


@pytest.mark.parametrize("text", INVALID)
def test_ambiguous_quotes_and_backslashes_are_refused(workdir, text):
    (workdir / "kubeparcel.yaml").write_text("kubelet-extra-args: |-\n  " + text)
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.yaml:1: kubelet-extra-args: ambiguous or unb") as caught:
        load_settings({})
    assert "single quotes" in str(caught.value)


@pytest.mark.parametrize("character", ["\0", "\x0b", "\x1b", "\x7f", "\x85", "\u2028"])
@pytest.mark.parametrize("field", ["kubelet_extra_args", "vendor", "maintainer"])
def test_control_characters_are_refused(workdir, field, character):
    with pytest.raises(UsageError, match=r"one line of text|an address"):
        load_settings({field: f"a{character}b <a@b>"})


@pytest.mark.parametrize("field", ["KUBELET_EXTRA_ARGS", "VENDOR", "MAINTAINER"])
def test_bytes_that_are_not_utf8_are_refused(workdir, monkeypatch, field):
    monkeypatch.setenv(f"KUBEPARCEL_{field}", "a\udcff <a@b>")
    with pytest.raises(ConfigurationError, match=rf"KUBEPARCEL_{field}: invalid value .* expected UTF-8"):
        load_settings({})


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        ([], ""),
        (["--v=4", "--node-ip=::1"], "--v=4 --node-ip=::1"),
        (["--x=two words", "--v=2"], r'''"\"--x=two words\" --v=2"'''),
        (['--x={"a":"\\n"}'], r'''"\"--x={\\\"a\\\":\\\"\\\\n\\\"}\""'''),
        (["--x=$A`b`"], r'''"--x=\$A\`b\`"'''),
        (["--x", ""], r'''"--x \"\""'''),
    ],
)
def test_value_is_quoted_only_where_systemd_needs_it(arguments, value):
    assert environment_value(arguments) == value
