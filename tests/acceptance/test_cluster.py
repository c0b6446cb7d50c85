"""The cluster level with real, patched packages: a new cluster, and one that is upgraded."""

from __future__ import annotations

import json

import pytest

from kubeparcel.hosts import catalog
from kubeparcel.hosts.session import Session
from kubeparcel.reports.output import as_text
from kubeparcel.verify.cluster import level
from kubeparcel.verify.level_runner import LevelRun, run_level
from tests.acceptance.conftest import Site

HOSTS = ("trixie", "trixie-dnf")


KUBECTL = "staging/src/k8s.io/kubectl/pkg/cmd/version/version.go"
PATCH = f"""\
diff --git a/{KUBECTL} b/{KUBECTL}
--- a/{KUBECTL}
+++ b/{KUBECTL}
@@ -144,3 +144,3 @@ func (o *Options) Run() error {{
 \tcase "":
-\t\tfmt.Fprintf(o.Out, "Client Version: %s\\n", versionInfo.ClientVersion.GitVersion)
+\t\tfmt.Fprintf(o.Out, "Client Version (acme): %s\\n", versionInfo.ClientVersion.GitVersion)
 \t\tfmt.Fprintf(o.Out, "Kustomize Version: %s\\n", versionInfo.KustomizeVersion)
"""


CONFIGURATION = """\
kubernetes: 1.36.3
source: go
version-suffix: +acme.1
patches: {kubernetes: [fix-1.patch]}
"""


@pytest.fixture(scope="module")
def patched(real: Site, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The packages with a patch of kubectl's module: the other binaries are only linked again, for their version."""
    site = real.with_files(tmp_path_factory.mktemp("patched"), {"kubeparcel.yaml": CONFIGURATION, "fix-1.patch": PATCH})
    site.run("build", "--no-sbom")
    return site


def test_patched_packages_create_a_cluster_and_upgrade_a_previous_one(
    session: Session, patched: Site, earlier: Site
) -> None:
    """cri-tools and CNI plugins are those of the previous packages, as in any upgrade to a patched release."""
    hosts = [catalog.load_hosts().get(name) for name in HOSTS]
    run = LevelRun.create(session, [patched.folder / "dist"], [earlier.folder / "dist"])
    report = run_level(level.LEVEL, run, hosts)
    assert report.passed, as_text([report])
    assert [check for check in report.checks if not check.evidence] == []
    assert {scenario for _, scenario in report.checks_by_subject} == {"cluster", "upgrade"}
    results = {(check.subject, check.name): json.dumps(check.as_dict()) for check in report.checks}
    assert "v1.36.1" in results["upgrade", "init"]
    assert "v1.36.3+acme.1" in results["upgrade", "upgraded"]
    assert "Connection refused" in results["upgrade", "pods-kept"]
