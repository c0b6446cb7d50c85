"""An import fetches each package once, and continues after a failure with those that are missing."""

import gzip
import hashlib
import os
import signal
import subprocess
import sys
import threading

import pytest

from kubeparcel.errors import ExternalError
from kubeparcel.files import sha256_of
from kubeparcel.paths import cache_dir
from tests.importing.conftest import fetched, serve, upload
from tests.importing.flat_repository import write_flat
from tests.support.client_view import read_apt_suite, read_yum_suite
from tests.support.package_builders import deb
from tests.support.upstream_site import stalled, status
from tests.support.waiting import wait_until


def test_second_import_fetches_only_what_is_new(run, flat, theirs, repo):
    with serve(flat) as site:
        run(site.url)
        fetched(site)
        again = run(site.url)
        assert (again.new, again.change.changes, fetched(site)) == ((), (), [])
        assert "Nothing to do" in again.as_text()
        deb(flat, "kubectl", "1.36.4-1")
        upload(write_flat(flat, theirs), site)
        result = run(site.url)
        assert [package.label for package in result.new] == ["kubectl 1.36.4-1 amd64 (deb)"]
        assert fetched(site) == ["kubectl_1.36.4-1_amd64.deb"]
    assert len(read_apt_suite(repo, "v1.36")) == 6


def test_imported_rpms_are_known_again_on_a_machine_with_an_empty_cache(run, both, monkeypatch, tmp_path):
    run(both)
    monkeypatch.setenv("KUBEPARCEL_CACHE", str(tmp_path / "empty"))
    assert run(both).new == ()


def test_packages_listed_by_sha512_are_fetched_once(run, flat, theirs, repo):
    text = gzip.decompress((flat / "Packages.gz").read_bytes()).decode()
    for path in flat.glob("*.deb"):
        sha512 = hashlib.sha512(path.read_bytes()).hexdigest()
        text = text.replace(f"SHA256: {sha256_of(path)}", f"SHA512: {sha512}")
    write_flat(flat, theirs, files={"Packages": text.encode()})
    with serve(flat) as site:
        assert (len(run(site.url).new), len(fetched(site))) == (5, 5)
        assert (len(run(site.url).new), fetched(site)) == (0, [])
    assert len(read_apt_suite(repo, "stable")) == 5


def test_package_that_is_in_another_suite_is_added_without_fetching_it(run, both, repo):
    run(both)
    assert run(both, "kubectl", into="testing").new == ()
    assert read_apt_suite(repo, "testing") == {
        "kubectl_1.36.3-1_amd64.deb": sha256_of(repo / "apt/pool/main/k/kubectl/kubectl_1.36.3-1_amd64.deb")
    }
    assert len(read_yum_suite(repo, "testing")) == 1


def test_import_that_failed_continues_with_the_missing_packages(run, flat, repo):
    with serve(flat) as site:
        broken = "/kubernetes-cni_1.9.1-1_amd64.deb"
        site.faults[broken] = [status(500)] * 3
        with pytest.raises(ExternalError, match=f"{broken} .*500") as error:
            run(site.url)
        assert "run the same command again to continue" in error.value.hint
        assert not (repo / "apt").exists()
        assert len(fetched(site)) > 1
        run(site.url)
        assert fetched(site) == [broken.removeprefix("/")]
    assert len(read_apt_suite(repo, "stable")) == 5


def test_import_that_was_killed_continues_with_the_missing_packages(run, flat, repo, signers):
    release, last = threading.Event(), "/kubernetes-cni_1.9.1-1_amd64.deb"
    with serve(flat) as site:
        site.faults[last] = [stalled(100, release)]
        arguments = [
            "import",
            site.url,
            "--key",
            signers.theirs.public,
            "--to",
            repo,
            "--signing-key",
            signers.ours.secret,
        ]
        environment = {**os.environ, "PYTHONPATH": "packaging"}
        process = subprocess.Popen([sys.executable, "-m", "kubeparcel", *map(str, arguments)], env=environment)
        assert wait_until(lambda: len(list(cache_dir().glob("sha256/*/*"))) >= 4)
        process.send_signal(signal.SIGKILL)
        process.wait()
        release.set()
        fetched(site)
        run(site.url)
        assert fetched(site) == [last.removeprefix("/")]
    assert len(read_apt_suite(repo, "stable")) == 5
