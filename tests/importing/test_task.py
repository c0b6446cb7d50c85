"""The task `import`: its options, its result as text and JSON, and the commands of its page."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.importing.conftest import serve
from tests.support.checkout import ROOT
from tests.test_documents import code

PAGE = ROOT / "docs/how-to/mirror-a-repository.md"
COMMAND = re.compile(r"inv (import https://packages\.example\.com/kubernetes .*)")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "Missing option --key: a file with the public keys"),
        (("--key", "x.asc", "--insecure"), "--key and --insecure exclude each other"),
        (("--insecure",), "Missing option --to"),
        (("--insecure", "--to", "repo", "--into", "a/b"), "Invalid suite name 'a/b'"),
        (("--insecure", "--to", "repo", "--follow", "https://x"), "Invalid --follow 'https://x'"),
        (("--insecure", "--to", "repo", "--address", "x"), "Invalid --address 'x'"),
    ],
)
def test_invalid_options_are_rejected(kubeparcel, flat, options, message):
    exit_code, _, error = kubeparcel("import", str(flat), *options)
    assert (exit_code, message in error) == (2, True), error


def test_result_is_one_json_document(kubeparcel, flat, signers):
    keys = ("--key", str(signers.theirs.public), "--signing-key", str(signers.ours.secret))
    exit_code, out, _ = kubeparcel(
        "import", str(flat), *keys, "--to", "repo", "--json", "--address", "https://example.com/k"
    )
    document = json.loads(out)
    assert (exit_code, document["generation"], document["source"]["fetched"]) == (0, 1, 5)
    assert "https://example.com/k" in Path("repo/stable.sources").read_text()


def test_commands_of_the_page_import_packages(kubeparcel, both, signers, tmp_path):
    commands = [match[1] for line in code(PAGE) if (match := COMMAND.search(line))]
    assert len(commands) == 4
    outputs = []
    with serve(both) as site:
        values = {
            "https://packages.example.com/kubernetes": site.url,
            "packages.asc": str(signers.theirs.public),
            "/etc/packages.asc": str(signers.theirs.public),
            "/srv/www/kubernetes": str(tmp_path / "www"),
        }
        for command in commands:
            words = [values.get(word, word) for word in shlex.split(command)]
            exit_code, out, error = kubeparcel(*words, "--signing-key", str(signers.ours.secret))
            assert exit_code == 0, error
            outputs.append(out)
    assert "10 packages selected, 10 new" in outputs[0]
    assert "nothing was changed" in outputs[0]
    assert "contains 10 packages · generation 1" in outputs[1]
    assert "6 packages selected, none new" in outputs[2]
    assert "Nothing to do" in outputs[3]
