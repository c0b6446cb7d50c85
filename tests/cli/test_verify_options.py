"""The options of `verify` on the command line."""

import pytest


def test_list_needs_no_packages(kubeparcel):
    code, out, _ = kubeparcel("verify", "--list", "--level", "install")
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines() if line[:1].strip()] == ["layout", "install"]


def test_unknown_name_is_wrong_usage(kubeparcel):
    code, _, err = kubeparcel("verify", "--only", "mode")
    assert code == 2
    assert "unknown name 'mode'. Did you mean modes" in err


@pytest.mark.parametrize(
    ("options", "message"), [("--memory 2g", "'2g' does not start with '--'"), ("--label='a", "No closing quotation")]
)
def test_engine_options_are_options(kubeparcel, options, message):
    code, _, err = kubeparcel("verify", "--list", "--engine-options", options)
    assert code == 2
    assert message in err
