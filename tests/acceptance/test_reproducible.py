"""The same lock gives the same bytes, for any user, in any place and at any time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubeparcel.paths import config_dir
from tests.acceptance.conftest import Site


def sums(folder: Path) -> str:
    return (folder / "dist/SHA256SUMS").read_text()


def elsewhere(real: Site, folder: Path, cache: Path, **env: str) -> Site:
    """Return a site in another folder with the same lock."""
    folder.mkdir(parents=True)
    shutil.copy(real.folder / "kubeparcel.lock", folder)
    return Site(folder, {**real.env, "KUBEPARCEL_CACHE": str(cache), **env})


def test_another_cache_path_time_zone_and_language_give_the_same_bytes(real, tmp_path):
    """Everything is linked and assembled again; only Go's own cache of object files is shared."""
    site = elsewhere(real, tmp_path / "a folder/ünïcode", tmp_path / "cache", TZ="Asia/Kathmandu", LANG="tr_TR")
    site.run("build", "--locked")
    assert sums(site.folder) == sums(real.folder)


def test_another_user_with_another_umask_gives_the_same_bytes(real, tmp_path, binaries_cache):
    """The binaries are cached; the user nobody builds the packages again."""
    if os.geteuid():
        pytest.skip("needs root to become another user")
    shared = Path("/var/tmp") / f"kubeparcel-{os.getpid()}"
    try:
        cache = shared / "cache"
        for binary in real.json("fetch")["binaries"]:
            path = Path("sha256", binary["sha256"][:2], binary["sha256"])
            (cache / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(binaries_cache / path, cache / path)
        shutil.copytree(binaries_cache / "memory/go", cache / "memory/go")
        site = elsewhere(real, shared / "site", cache, HOME=str(shared))
        key = shared / ".config/kubeparcel/cache.key"  # which authenticates the records of the binaries
        key.parent.mkdir(parents=True)
        shutil.copy(config_dir() / key.name, key)
        subprocess.run(["chown", "-R", "nobody", shared], check=True)
        command = f'umask 077; exec "{sys.executable}" -m kubeparcel build --locked'
        reads_all = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *reads_all]
        result = subprocess.run(
            [*nobody, "sh", "-c", command], cwd=site.folder, env=site.env, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert sums(site.folder) == sums(real.folder)
    finally:
        shutil.rmtree(shared)


def test_a_cold_compiler_gives_the_same_binaries(real, tmp_path):
    """Go's caches are empty too: the CNI plugins are compiled from nothing."""
    site = elsewhere(real, tmp_path / "cold", tmp_path / "cache", GOCACHE=str(tmp_path / "go"))
    text = (site.folder / "kubeparcel.lock").read_text()
    known = {row["name"]: row["sha256"] for row in real.json("fetch")["binaries"]}
    (site.folder / "kubeparcel.lock").write_text(text)
    script = (
        "from pathlib import Path;"
        "from kubeparcel import console, paths, store;"
        "from kubeparcel.build.lock import lockfile;"
        "from kubeparcel.config import catalog;"
        "from kubeparcel.sources.selection import create_source;"
        "lock = lockfile.read_all(Path('kubeparcel.lock'))[0];"
        "source = create_source(lock.source, catalog.load().components, '', lock.toolchain);"
        "cni = [a for a in lock.artifacts if a.component == 'cni'];"
        "fetched = source.fetch(cni, store.Store(paths.cache_dir()), console.QuietLog());"
        "[print(n, d) for names in fetched.values() for n, d in names.items()]"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=site.folder, env=site.env, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    cold = dict(line.split() for line in result.stdout.splitlines())
    assert len(cold) == 18
    assert cold == {name: known[name] for name in cold}


def test_source_date_epoch_is_the_time_of_every_file(real, tmp_path, binaries_cache):
    site = elsewhere(real, tmp_path / "epoch", binaries_cache, SOURCE_DATE_EPOCH="1000000000")
    site.run("build", "--locked", "--format", "deb", "--compression", "fast")
    debs = [*(site.folder / "dist/deb").iterdir()]
    assert len(debs) == 5
    for deb in debs:
        listing = subprocess.run(
            ["dpkg-deb", "-c", deb], env={**os.environ, "TZ": "UTC"}, capture_output=True, check=True
        ).stdout.decode()
        assert {line.split()[3] for line in listing.splitlines()} == {"2001-09-09"}
