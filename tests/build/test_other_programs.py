"""Programs of Kubernetes that the catalog does not name, packaged by naming them."""

import pytest

from kubeparcel.build.lock import comparison, lockfile
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.packages.reader import read_package
from tests.support.one_release import build, read_lock, resolve_or_load
from tests.support.recording_log import RecordingLog

CONVERT = """
packages:
  kubectl-convert:
    component: kubernetes
    summary: kubectl plugin that converts manifests between API versions
    files:
      - {path: /usr/bin/kubectl-convert, binary: kubectl-convert}
    relations:
      - depends: kubectl
"""


@pytest.fixture
def convert(workdir, fake_sources):
    """Ask for a package of kubectl-convert."""
    fake_sources()
    (workdir / "kubeparcel.yaml").write_text(CONVERT)
    return load_settings({"kubernetes": "1.36.3"})


def test_the_program_is_locked_fetched_and_packaged(convert, workdir):
    result = build(convert, RecordingLog())
    assert result.report.passed
    assert {artifact.name for artifact in result.lock.artifacts} >= {"kubectl", "kubectl-convert"}
    (deb,) = (workdir / "dist/deb").glob("kubectl-convert_1.36.3-1_*.deb")
    assert "/usr/bin/kubectl-convert" in [entry.path for entry in read_package(deb).entries]
    (kubectl,) = (workdir / "dist/deb").glob("kubectl_1.36.3-1_*.deb")
    assert "/usr/bin/kubectl-convert" not in [entry.path for entry in read_package(kubectl).entries]


def test_the_lock_names_the_program_and_can_be_read_back(convert, workdir):
    lock = resolve_or_load(convert, RecordingLog(), locked=False)
    assert "  programs:\n  - kubernetes/kubectl-convert\n" in (workdir / lockfile.NAME).read_text()
    assert read_lock(workdir / lockfile.NAME) == lock


def test_a_lock_without_the_program_is_resolved_again(convert, workdir):
    (workdir / "kubeparcel.yaml").unlink()
    lock = resolve_or_load(load_settings({"kubernetes": "1.36.3"}), RecordingLog(), locked=False)
    assert "programs" not in (workdir / lockfile.NAME).read_text()
    assert comparison.mismatches(lock, convert.request()) == ["locked without kubernetes/kubectl-convert"]
    with pytest.raises(ConfigurationError, match="locked without kubernetes/kubectl-convert"):
        resolve_or_load(convert, RecordingLog(), locked=True)
    updated = resolve_or_load(convert, RecordingLog(), locked=False)
    assert updated.request.programs == ("kubernetes/kubectl-convert",)


def test_a_removed_package_leaves_the_lock_and_is_not_fetched(convert, workdir):
    before = resolve_or_load(convert, RecordingLog(), locked=False)
    (workdir / "kubeparcel.yaml").unlink()
    settings = load_settings({"kubernetes": "1.36.3"})
    with pytest.raises(ConfigurationError, match=r"locked with kubernetes/kubectl-convert, which no package contains"):
        resolve_or_load(settings, RecordingLog(), locked=True)
    lock = build(settings, RecordingLog()).lock
    assert {a.name for a in before.artifacts} - {a.name for a in lock.artifacts} == {"kubectl-convert"}
    assert lock.component("cni") == before.component("cni")
    assert read_lock(workdir / lockfile.NAME) == lock


def test_a_program_in_a_package_of_the_catalog_is_found_too(workdir):
    rows = "{files: [{path: /usr/bin/kubectl-convert, binary: kubectl-convert}]}"
    (workdir / "kubeparcel.yaml").write_text(f"packages: {{kubectl: {rows}}}")
    assert load_settings({}).request().programs == ("kubernetes/kubectl-convert",)
