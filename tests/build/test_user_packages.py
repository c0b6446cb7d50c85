"""Files, relations, scriptlets and packages that a user adds in kubeparcel.yaml."""

from __future__ import annotations

import textwrap

import pytest

from kubeparcel.build.package_plan import (
    ComponentBinary,
    FilePlan,
    LocalFile,
    OwnedDirectory,
    ProvenanceRecord,
    Symlink,
    TextContent,
)
from kubeparcel.build.planner import plan_packages
from kubeparcel.config import catalog
from kubeparcel.config.settings import load_settings
from kubeparcel.errors import ConfigurationError
from kubeparcel.model import Arch
from tests.build.plans import file_at, paths, plan, text_at
from tests.support.fake_sources import locked


@pytest.fixture
def write(workdir):
    """Return a function that writes kubeparcel.yaml to the current folder."""

    def write_settings(content: str) -> None:
        (workdir / "kubeparcel.yaml").write_text(textwrap.dedent(content))

    return write_settings


def test_user_file_is_added_to_a_catalog_package(workdir, write):
    (workdir / "20-user.conf").write_text("[Service]\n")
    write("""
        packages:
          kubelet:
            files:
              - {path: "{unitdir}/kubelet.service.d/20-user.conf", source: 20-user.conf}
    """)
    packages = plan()
    file = file_at(packages["kubelet", "deb"], "/lib/systemd/system/kubelet.service.d/20-user.conf")
    assert file == FilePlan(file.path, 0o644, LocalFile(workdir / "20-user.conf"), custom=True)
    assert "/usr/lib/systemd/system/kubelet.service.d/20-user.conf" in paths(packages["kubelet", "rpm"])
    assert "/usr/bin/kubelet" in paths(packages["kubelet", "deb"])
    assert len(packages["kubeadm", "deb"].files) == 7


def test_user_file_for_one_format_is_not_added_to_the_other(write):
    write("packages: {kubelet: {files: [{path: /etc/x, text: x, formats: [deb]}]}}")
    packages = plan()
    assert "/etc/x" in paths(packages["kubelet", "deb"])
    assert "/etc/x" not in paths(packages["kubelet", "rpm"])


def test_user_file_replaces_a_catalog_file(write):
    write("""
        packages:
          kubelet:
            files: [{path: "{envfile}", text: "KUBELET_EXTRA_ARGS=--v=2\\n", config: true}]
    """)
    for format_, path in (("deb", "/etc/default/kubelet"), ("rpm", "/etc/sysconfig/kubelet")):
        assert file_at(plan()["kubelet", format_], path) == FilePlan(
            path, 0o644, TextContent("KUBELET_EXTRA_ARGS=--v=2\n"), config=True, custom=True
        )


def test_user_file_with_a_full_path_replaces_a_catalog_file_with_a_placeholder(write):
    write("packages: {kubelet: {files: [{path: /etc/default/kubelet, text: x}]}}")
    packages = plan()
    assert file_at(packages["kubelet", "deb"], "/etc/default/kubelet").content == TextContent("x")
    assert text_at(packages["kubelet", "rpm"], "/etc/sysconfig/kubelet") == "KUBELET_EXTRA_ARGS=\n"


def test_file_replaced_in_one_format_is_kept_in_the_other(write):
    write("packages: {kubectl: {files: [{path: /usr/bin/kubectl, text: x, formats: [deb]}]}}")
    packages = plan()
    assert file_at(packages["kubectl", "deb"], "/usr/bin/kubectl").content == TextContent("x")
    assert file_at(packages["kubectl", "rpm"], "/usr/bin/kubectl").content == ComponentBinary("kubernetes", "kubectl")


def test_user_file_replaces_a_file_of_every_package(write):
    write('packages: {kubectl: {files: [{path: "/usr/share/doc/{package}/copyright", text: x}]}}')
    assert text_at(plan()["kubectl", "deb"], "/usr/share/doc/kubectl/copyright") == "x"


def test_user_relation_is_added_to_a_catalog_package(write):
    write('packages: {kubectl: {relations: [{recommends: "bash-completion (>= 2)"}]}}')
    assert ("recommends", "bash-completion (>= 2)") in plan()["kubectl", "deb"].relations


@pytest.mark.parametrize("format_", ["deb", "rpm"])
def test_user_relation_replaces_files_of_another_package(write, format_):
    write('packages: {cri-tools: {relations: [{replaces: "our-crictl (<< 2)"}]}}')
    assert plan()["cri-tools", format_].relations == (("replaces", "our-crictl (<< 2)"),)


def test_relation_placeholders_are_replaced_by_kubernetes_minors(write):
    write("""
        packages:
          kubectl:
            relations:
              - depends: "kubelet (>= {minor})"
              - depends: "kubelet (<< {next-minor}~)"
              - breaks: "kubeadm (>= {after-next-minor}~)"
    """)
    relations = plan()["kubectl", "deb"].relations
    assert [other for kind, other in relations if kind in ("depends", "breaks")] == [
        *["kubelet (>= 1.36)", "kubelet (<< 1.37~)", "kubeadm (>= 1.38~)"]
    ]


def test_user_scriptlet_replaces_the_catalog_scriptlet_in_its_format(workdir, write):
    (workdir / "user.sh").write_text("#!/bin/sh\necho {{ package }}\n")
    write("""
        packages:
          kubelet:
            scripts: [{at: postinstall, template: user.sh, formats: [deb]}]
    """)
    packages = plan()
    assert packages["kubelet", "deb"].scripts["postinstall"] == "#!/bin/sh\necho kubelet\n"
    assert "systemctl preset" in packages["kubelet", "rpm"].scripts["postinstall"]


def test_user_fields_override_catalog_fields(write):
    write("packages: {kubelet: {summary: Changed, homepage: https://example.org}}")
    fields = plan()["kubelet", "deb"].fields
    assert (fields["summary"], fields["homepage"]) == ("Changed", "https://example.org")
    assert fields["section"] == "net"


USER_PACKAGE = """
    packages:
      my-policy:
        summary: What all our nodes have
        version: 2.1.0
        arch: all
        license: MIT
        files:
          - {path: /etc/my-policy.conf, template: policy.conf, config: true}
          - {path: /usr/sbin/my-policy, source: policy.sh, mode: 0755}
          - {path: /usr/sbin/policy, link: my-policy}
          - {path: /etc/my-policy.d, dir: true}
        relations:
          - depends: "kubelet (>= {minor})"
"""


def test_user_package_for_all_architectures_is_planned_once_per_format(workdir, write):
    (workdir / "policy.conf").write_text("for={{ package }} {{ version }}\n")
    (workdir / "policy.sh").write_text("#!/bin/sh\n")
    write(USER_PACKAGE)
    settings = load_settings({"arch": "amd64,arm64"})
    packages = plan_packages(settings, locked(arches=[Arch.AMD64, Arch.ARM64]), catalog.load())
    deb, rpm = [package for package in packages if package.name == "my-policy"]
    assert deb.file_name == "deb/my-policy_2.1.0-1_all.deb"
    assert rpm.file_name == "rpm/my-policy-2.1.0-1.noarch.rpm"
    assert {file.path: (file.mode, file.content) for file in deb.files} == {
        "/etc/my-policy.conf": (0o644, TextContent("for=my-policy 2.1.0\n")),
        "/etc/my-policy.d": (0o755, OwnedDirectory()),
        "/usr/sbin/my-policy": (0o755, LocalFile(workdir / "policy.sh")),
        "/usr/sbin/policy": (0o644, Symlink("my-policy")),
        "/usr/share/doc/my-policy/copyright": (0o644, file_at(deb, "/usr/share/doc/my-policy/copyright").content),
    }
    assert "License: MIT\n" in text_at(deb, "/usr/share/doc/my-policy/copyright")
    assert deb.relations == (("depends", "kubelet (>= 1.36)"),)


def test_user_package_can_have_binaries_of_a_component(write):
    write("""
        packages:
          kubectl-only:
            component: kubernetes
            summary: Another name for it
            files: [{path: /opt/kubectl, binary: kubectl}]
    """)
    package = plan()["kubectl-only", "rpm"]
    assert (package.version, package.component) == ("1.36.3", "kubernetes")
    assert file_at(package, "/opt/kubectl").content == ComponentBinary("kubernetes", "kubectl")
    assert file_at(package, "/usr/share/doc/kubectl-only/provenance.json").content == ProvenanceRecord()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("files: [{path: /x, source: user.conf}]", "kubeparcel.yaml: /x: source file {workdir}/user.conf not found."),
        ("files: [{path: /x, source: .}]", "kubeparcel.yaml: /x: source file {workdir}"),
        ("files: [{path: /x, template: user.conf}]", "Template user.conf not found"),
        ("files: [{path: /x, template: bad.conf}]", "bad.conf:2: 'nobody' is undefined."),
        ("scripts: [{at: preremove, template: bad.conf}]", "bad.conf:2: 'nobody' is undefined."),
        ("files: [{path: '{unitdr}/x', text: x}]", "packages.kubelet.files: unknown placeholder in '{{unitdr}}/x'."),
        ("files: [{path: '{}/x', text: x}]", "unknown placeholder in '{{}}/x'."),
        ("files: [{path: '{package}/x', text: x}]", "kubelet/x is not an absolute path."),
        (
            'relations: [{depends: "x (>= {minr})"}]',
            (
                "relations: unknown placeholder in 'x (>= {{minr}})'.\n"
                "  Use one of: {{minor}}, {{next-minor}}, {{after-next-minor}}."
            ),
        ),
    ],
)
def test_invalid_user_entries_are_errors_with_their_location(workdir, write, content, message):
    (workdir / "bad.conf").write_text("a\n{{ nobody }}\n")
    write(f"packages: {{kubelet: {{{content}}}}}")
    with pytest.raises(ConfigurationError) as error:
        plan()
    assert message.format(workdir=workdir) in str(error.value)
