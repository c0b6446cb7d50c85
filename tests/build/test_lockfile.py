"""kubeparcel.lock: written, read back, compared, and refused when a hand has damaged it."""

from __future__ import annotations

import dataclasses

import pytest

from kubeparcel.build import lockfile
from kubeparcel.build.lockfile import differences, dump, read, satisfies, write
from kubeparcel.errors import ConfigurationError, DiskError
from kubeparcel.model import Arch, Artifact, Component, Lock, Request, Version
from tests.conftest import locked

FROM_GO = """\
# Written by kubeparcel: the exact releases, and the digests they must have. Commit it.
# To change it, change kubeparcel.yaml or the flags, and run: inv resolve
format: 1
request:
  kubernetes: '1.36'
  cri-tools: ''
  cni: 1.9.1
  arches:
  - amd64
  source: auto
source: go
toolchain: go1.26.8
components:
  kubernetes:
    version: 1.36.3
    released: '2026-07-22T18:07:38+00:00'
    artifacts:
    - name: kubernetes
      arch: amd64
      origin: k8s.io/kubernetes@v1.36.3
      digest: h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=
  cri-tools:
    version: 1.36.0
    released: '2026-04-24T15:40:48+00:00'
    artifacts:
    - name: cri-tools
      arch: amd64
      origin: sigs.k8s.io/cri-tools@v1.36.0
      digest: h1:Xt+LLvBVH1Fnp/AR2EyHApyWS/88y2KlWjlDc2HR+aw=
  cni:
    version: 1.9.1
    released: '2026-02-19T11:31:52+00:00'
    artifacts:
    - name: cni
      arch: amd64
      origin: github.com/containernetworking/plugins@v1.9.1
      digest: h1:8oU6WsIsU3bpnNZuvHp74a6cE1MJwbj2P7s4/yTUNlA=
"""


def go_component(name: str, module: str, version: str, released: int, digest: str) -> Component:
    artifact = Artifact(name, name, Arch.AMD64, f"{module}@v{version}", digest)
    return Component(name, Version.parse(version), released, (artifact,))


GO_LOCK = Lock(
    Request("1.36", "", "1.9.1"),
    "go",
    (
        go_component(
            *("kubernetes", "k8s.io/kubernetes", "1.36.3", 1_784_743_658),
            "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=",
        ),
        go_component(
            *("cri-tools", "sigs.k8s.io/cri-tools", "1.36.0", 1_777_045_248),
            "h1:Xt+LLvBVH1Fnp/AR2EyHApyWS/88y2KlWjlDc2HR+aw=",
        ),
        go_component(
            *("cni", "github.com/containernetworking/plugins", "1.9.1", 1_771_500_712),
            "h1:8oU6WsIsU3bpnNZuvHp74a6cE1MJwbj2P7s4/yTUNlA=",
        ),
    ),
    "go1.26.8",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kubeparcel.lock"


def test_the_file_says_what_was_asked_and_exactly_what_answers_it():
    assert dump(GO_LOCK) == FROM_GO


def test_the_file_that_people_have_is_read(path):
    path.write_text(FROM_GO)
    assert read(path) == GO_LOCK


@pytest.mark.parametrize(
    "lock",
    [locked(), locked("1.37.0-rc.1", arches=tuple(Arch), source="upstream"), GO_LOCK],
    ids=["one architecture", "all of them", "from Go"],
)
def test_what_is_written_is_read_back(path, lock):
    write(lock, path)
    assert read(path) == lock
    assert path.read_text() == dump(lock)


def test_the_same_lock_gives_the_same_text(path, monkeypatch):
    write(locked(), path)
    first = path.read_bytes()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    write(read(path), path)
    assert path.read_bytes() == first


def test_warnings_are_said_once_and_not_kept():
    warned = dataclasses.replace(locked(), warnings=("cri-tools 1.37 is not out",))
    assert dump(warned) == dump(locked())
    assert warned == locked()


def test_where_a_mirror_is_stays_out_of_the_file():
    assert "mirror" not in dump(locked(mirror="https://mirror.example"))


def test_a_missing_file_is_no_lock(path):
    assert read(path) is None


def test_a_file_that_cannot_be_written_is_left_as_it_was(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((OSError, DiskError)):
        write(locked(), tmp_path / "file" / "kubeparcel.lock")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("there", "instead", "said"),
    [
        ("format: 1\n", "", "'format' is missing"),
        ("format: 1\n", "format: 2\n", "format 2 is from another version of kubeparcel"),
        ("request:\n", "requests:\n", "'request' is missing"),
        ("  cni: 1.9.1\n", "", "'cni' is missing"),
        ("kubernetes: '1.36'", "kubernetes: 1.36", "kubernetes: 1.36 has to be text, in quotes"),
        ("  - amd64\n", "  - x86\n", "'x86' is not a valid Arch"),
        ("  - amd64\n", "  - amd64\n  - arm64\n", "kubernetes lacks artifacts"),
        ("  source: auto\n", "  source: git\n", "source: git is none of auto, upstream, go"),
        ("\nsource: go\n", "\nsource: auto\n", "source: auto is none of upstream, go"),
        ("\nsource: go\n", "\n", "'source' is missing"),
        ("toolchain: go1.26.8", "toolchain: local", "'local' is not a Go toolchain"),
        ("toolchain: go1.26.8", "toolchain: 1.26", "toolchain: 1.26 has to be text, in quotes"),
        ("components:\n", "component:\n", "'components' is missing"),
        ("  cni:\n    v", "  etcd:\n    v", "its components have to be kubernetes, cri-tools, cni"),
        ("version: 1.36.3", "version: 1.36", "version: 1.36 has to be text, in quotes"),
        ("version: 1.36.3", "version: new", "Invalid version 'new'."),
        ("'2026-07-22T18:07:38+00:00'", "2026-07-22T18:07:38+00:00", "has to be text, in quotes"),
        ("'2026-07-22T18:07:38+00:00'", "'2026-07-22T18:07:38'", "lacks its time zone"),
        ("'2026-07-22T18:07:38+00:00'", "'July'", "Invalid isoformat string: 'July'"),
        ("    - name: cni\n      arch", "    - arch", "'name' is missing"),
        ("name: cni\n", "name: ../../etc/passwd\n", "'../../etc/passwd' is not an artifact's name"),
        ("      origin: k8s.io/kubernetes@v1.36.3\n", "", "'origin' is missing"),
        ("h1:qDQdoMil", "h1:qDQdoMi", "is not a digest"),
        ("h1:qDQdoMil", "sha256:qDQdoMil", "is not a digest"),
        ("h1:qDQdoMil", "md5:qDQdoMil", "is not a digest"),
        ("  - amd64\n", "  - amd64\n<<<<<<< HEAD\n", "could not find expected ':'"),
        ("  source: auto\n", "\tsource: auto\n", "found character '\\t'"),
    ],
)
def test_a_lock_damaged_by_hand_is_an_error_that_names_the_damage(path, there, instead, said):
    assert there in FROM_GO
    path.write_text(FROM_GO.replace(there, instead, 1))
    with pytest.raises(ConfigurationError) as caught:
        read(path)
    assert caught.value.message.startswith("kubeparcel.lock is damaged: ")
    assert said in caught.value.message
    assert "inv resolve" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["", "[]\n", "words\n", "format: 1\nrequest: []\ncomponents: x\n"])
def test_something_else_entirely_is_an_error_too(path, text):
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"^kubeparcel\.lock is damaged: "):
        read(path)


def test_bytes_that_are_no_text_are_an_error(path):
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"^kubeparcel\.lock cannot be read: "):
        read(path)


def test_an_artifact_that_stands_twice_is_an_error(path):
    row = FROM_GO[FROM_GO.index("    - name: cni") :]
    path.write_text(FROM_GO + row)
    with pytest.raises(ConfigurationError, match="cni lacks artifacts, or has some twice"):
        read(path)


def test_a_lock_does_not_differ_from_itself():
    assert list(differences(locked(), locked())) == []


def test_another_version_is_one_difference_not_one_for_each_of_its_files():
    old, new = locked("1.36.1"), locked("1.36.3", cni="1.9.0")
    assert list(differences(old, new)) == ["kubernetes: 1.36.1 → 1.36.3", "cni: 1.9.1 → 1.9.0"]


def test_another_digest_of_the_same_version_is_a_difference():
    old = locked()
    kubernetes, *rest = old.components
    kubeadm, *others = kubernetes.artifacts
    changed = dataclasses.replace(kubeadm, digest="sha256:" + "0" * 64)
    new = dataclasses.replace(
        old,
        components=(dataclasses.replace(kubernetes, artifacts=(changed, *others)), *rest),
    )
    assert list(differences(old, new)) == [f"kubeadm amd64: {kubeadm.digest} → {changed.digest}"]


def test_one_more_architecture_is_a_difference_for_each_file():
    lines = list(differences(locked(), locked(arches=[Arch.AMD64, Arch.ARM64])))
    assert [line.partition(" → ")[0] for line in lines] == [
        *["kubeadm arm64: none", "kubelet arm64: none", "kubectl arm64: none"],
        *["cri-tools arm64: none", "cni arm64: none"],
    ]


def test_another_source_and_another_compiler_are_differences():
    old = dataclasses.replace(locked(), source="go", toolchain="go1.26.7")
    new = dataclasses.replace(locked(), toolchain="go1.26.8")
    assert list(differences(old, new)) == [
        "source: go → upstream",
        "toolchain: go1.26.7 → go1.26.8",
    ]


@pytest.mark.parametrize(
    ("asked", "is_answered"),
    [
        ({"kubernetes": "1.36"}, True),
        ({"kubernetes": "1.36.3"}, True),
        ({"kubernetes": "1.36.2"}, False),
        ({"kubernetes": "1.35"}, False),
        ({"kubernetes": "stable"}, False),
        ({"cri_tools": "1.36.0"}, True),
        ({"cri_tools": "1.35.0"}, False),
        ({"cni": "1.9.1"}, True),
        ({"cni": "1.9.0"}, False),
        ({"arches": (Arch.AMD64,)}, True),
        ({"arches": (Arch.ARM64, Arch.AMD64)}, True),
        ({"arches": (Arch.AMD64, Arch.S390X)}, False),
        ({"source": "auto"}, True),
        ({"source": "upstream"}, True),
        ({"source": "go"}, False),
        ({"mirror": "/srv/mirror"}, True),
    ],
)
def test_a_lock_answers_the_same_request_or_its_exact_versions_for_no_more_than_it_has(
    asked, is_answered
):
    lock = locked(arches=[Arch.AMD64, Arch.ARM64])
    lock = dataclasses.replace(lock, request=dataclasses.replace(lock.request, kubernetes="1.36"))
    assert satisfies(lock, Request(**{"kubernetes": "1.36", **asked})) is is_answered


def test_a_version_that_was_named_once_does_not_answer_who_names_none():
    assert not satisfies(locked(cri_tools="1.35.0"), Request("1.36.3", cri_tools="1.36.0"))
    named = locked()
    named = dataclasses.replace(named, request=dataclasses.replace(named.request, cni="1.9.1"))
    assert not satisfies(named, Request("1.36.3"))


def test_the_name_is_the_one_that_is_documented():
    assert lockfile.NAME == "kubeparcel.lock"
