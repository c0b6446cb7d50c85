"""The task: options that do not go together, and the documents for machines."""

import json

import pytest

from tests.bundle.conftest import read_members, write_members


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Missing --for and --to."),
        (["--for", "trixie"], "Missing --to."),
        (["--verify", "k.tar", "--for", "trixie"], "--verify cannot be combined with --for."),
        (["--verify", "none.tar"], "none.tar is not a file."),
        (["--verify", ".", "--key", "none"], "Cannot read --key none"),
    ],
)
def test_wrong_usage_is_explained(kubeparcel, words, message):
    code, out, err = kubeparcel("bundle", *words)
    assert (code, out) == (2, "")
    assert message in err


def test_bundle_is_made_and_verified_with_json(make, kubeparcel, tmp_path):
    words = ("--for", "trixie", "--from", str(tmp_path / "dist"), "--to", "k.tar")
    code, out, _ = kubeparcel("bundle", *words, "--json")
    document = json.loads(out)
    assert (code, document["contents"]["version"]) == (0, "1.36.3")
    code, out, err = kubeparcel("bundle", "--verify", "k.tar", "--json")
    assert (code, json.loads(out)["passed"]) == (0, True)
    assert "pass --key FILE to verify with a key that you trust" in err


def test_a_changed_bundle_has_exit_code_1(bundle, kubeparcel, tmp_path):
    members = read_members(bundle)
    members["extra.sh"] = b"rm"
    code, out, _ = kubeparcel("bundle", "--verify", str(write_members(tmp_path / "changed.tar", members)), "--quiet")
    assert code == 1
    assert "extra.sh" in out
    assert "Do not install from it." in out
