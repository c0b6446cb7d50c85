"""The options of `verify` on the command line."""


def test_list_needs_no_packages(kubeparcel):
    code, out, _ = kubeparcel("verify", "--list", "--level", "install")
    assert code == 0
    assert [line.partition(":")[0] for line in out.splitlines() if line[:1].strip()] == ["layout", "install"]


def test_unknown_name_is_wrong_usage(kubeparcel):
    code, _, err = kubeparcel("verify", "--only", "mode")
    assert code == 2
    assert "unknown name 'mode'. Did you mean modes" in err


def test_engine_options_are_options(kubeparcel):
    code, _, err = kubeparcel("verify", "--list", "--engine-options", "--memory 2g")
    assert code == 2
    assert "'2g' does not start with '--'" in err
    code, _, err = kubeparcel("verify", "--list", "--engine-options", "--label='a")
    assert code == 2
    assert "No closing quotation" in err
