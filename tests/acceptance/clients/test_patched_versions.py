"""apt and dnf sort a release, its patched versions and the next release as users expect."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.clients import loops
from tests.acceptance.clients.conftest import PublishFolder
from tests.acceptance.clients.loops import Loop
from tests.support.package_builders import five
from tests.support.web_server import WebServer

SORTED = ["1.36.3-1", "1.36.3+acme.1-1", "1.36.3+acme.2-1", "1.36.3+acme.10-1", "1.36.4-1"]


def versions(client: Loop, *options: str) -> list[str]:
    """Return the kubelet's versions as a package manager prints them."""
    output = subprocess.run(
        [*client.command, *options],
        env={**os.environ, **client.environment, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return re.findall(r"\b1\.36\.[34]\S*-1\b", output)


def newest_first(client: Loop) -> list[str]:
    if client.name == "apt":
        return versions(client)
    newest: list[str] = []
    for number in range(1, len(SORTED) + 1):
        newest += {*versions(client, f"--latest-limit={number}")} - {*newest}
    return newest


@pytest.mark.parametrize("make", loops.FACTORIES)
def test_patched_versions_are_upgrades(
    publish: PublishFolder, web: WebServer, tmp_path: Path, make: Callable[[Path, Path], Loop]
) -> None:
    for version in SORTED:
        five(tmp_path / "dist", version.removesuffix("-1"))
    web.root = publish(tmp_path / "dist", tmp_path / "repo", web.address)
    assert newest_first(make(tmp_path / "client", web.root)) == SORTED[::-1]
