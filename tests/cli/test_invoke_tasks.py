"""The same tasks under Invoke's own program, `inv`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.checkout import ROOT


def invoke(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `inv` in the checkout."""
    program = "from invoke.main import program; import sys; sys.argv[0] = 'inv'; program.run()"
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_inv_help_lists_the_options_of_a_task():
    result = invoke("build", "--help")
    assert result.returncode == 0
    assert "--cri-tools=STRING" in result.stdout
    assert "--dry-run" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("key", "bend"), "Invalid action 'bend': use new, show, list, extend or rotate."),
        (("build", "--arch", "x86"), "Invalid --arch 'x86': use amd64, arm64, ppc64le or s390x."),
        (("verify", "--path", "no-such-file"), "no-such-file"),
        (("key", "show", "--name", "nobody"), "inv key new --name nobody"),
    ],
)
def test_inv_reports_errors_with_the_exit_code(words, message):
    result = invoke(*words)
    assert (result.returncode, result.stdout) == (2, "")
    assert message in result.stderr


def test_inv_passes_option_groups_and_paths(tmp_path):
    result = invoke("remove", "--path", "kubelet", "--to", str(tmp_path), "--dry-run", "--json")
    assert f"No repository at {tmp_path}" in json.loads(result.stdout)["error"]
    assert result.returncode == 2
