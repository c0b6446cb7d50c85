"""Errors of an invalid or hostile kubeparcel.lock."""

import pytest

from kubeparcel.build.lock.lockfile import dump
from kubeparcel.errors import ConfigurationError
from tests.build.lock.conftest import FROM_GO, SIGNATURE, with_kubelet
from tests.support.fake_sources import locked
from tests.support.one_release import read_lock


@pytest.mark.parametrize(
    ("text", "replacement", "message"),
    [
        ("format: 1\n", "", "'format' is missing"),
        ("format: 1\n", "format: 3\n", "format 3 needs another version of kubeparcel"),
        ("request:\n", "requests:\n", "'request' is missing"),
        ("  cni: 1.9.1\n", "", "expected the components kubernetes, cri-tools"),
        ("kubernetes: '1.36'", "kubernetes: 1.36", "kubernetes: expected text in quotes, not 1.36"),
        ("  - amd64\n", "  - x86\n", "'x86' is not a valid Arch"),
        ("  - amd64\n", "  - amd64\n  - arm64\n", "kubernetes has missing or duplicate artifacts"),
        ("  source: auto\n", "  source: git\n", "invalid source git: use auto, upstream, go"),
        ("\nsource: go\n", "\nsource: auto\n", "invalid source auto: use upstream, go"),
        ("\nsource: go\n", "\n", "'source' is missing"),
        ("toolchain: go1.26.8", "toolchain: local", "invalid Go toolchain 'local'"),
        ("toolchain: go1.26.8", "toolchain: 1.26", "toolchain: expected text in quotes, not 1.26"),
        ("components:\n", "component:\n", "'components' is missing"),
        ("  cni:\n    v", "  etcd:\n    v", "expected the components kubernetes, cri-tools, cni"),
        ("version: 1.36.3", "version: 1.36", "version: expected text in quotes, not 1.36"),
        ("version: 1.36.3", "version: new", "Invalid version 'new'."),
        ("'2026-07-22T18:07:38+00:00'", "2026-07-22T18:07:38+00:00", "expected text in quotes"),
        ("'2026-07-22T18:07:38+00:00'", "'2026-07-22T18:07:38'", "missing time zone"),
        ("'2026-07-22T18:07:38+00:00'", "'9999-12-31T23:59:59-12:00'", "released: '9999-12-31T23:59:59-12:00' is not"),
        ("'2026-07-22T18:07:38+00:00'", "'1969-12-31T23:59:59+00:00'", "is not between 1970 and 2106"),
        ("'2026-07-22T18:07:38+00:00'", "'July'", "Invalid isoformat string: 'July'"),
        ("    - name: cni\n      arch", "    - arch", "'name' is missing"),
        ("name: cni\n", "name: ../../etc/passwd\n", "invalid artifact name '../../etc/passwd'"),
        ("      origin: k8s.io/kubernetes@v1.36.3\n", "", "'origin' is missing"),
        ("h1:qDQdoMil", "h1:qDQdoMi", "invalid digest"),
        ("h1:qDQdoMil", "sha256:qDQdoMil", "invalid digest"),
        ("h1:qDQdoMil", "md5:qDQdoMil", "invalid digest"),
        ("  - amd64\n", "  - amd64\n<<<<<<< HEAD\n", "could not find expected ':'"),
        ("  source: auto\n", "\tsource: auto\n", "found a tab character"),
    ],
)
def test_read_names_the_problem_of_an_invalid_lock(path, text, replacement, message):
    assert text in FROM_GO
    path.write_text(FROM_GO.replace(text, replacement, 1))
    with pytest.raises(ConfigurationError) as error:
        read_lock(path)
    assert error.value.message.startswith("kubeparcel.lock is invalid: ")
    assert message in error.value.message
    assert "inv resolve" in error.value.hint
    assert error.value.exit_code == 2


@pytest.mark.parametrize(("text", "replacement"), [("  cni:", "  cilium:"), ("\ns", "\n  programs: [cilium/x]\ns")])
def test_component_that_the_catalog_does_not_have_is_an_error(path, text, replacement):
    """A later version of kubeparcel may have it."""
    path.write_text(FROM_GO.replace(text, replacement))
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid: unknown component cilium: it needs "):
        read_lock(path)


@pytest.mark.parametrize(
    "text",
    ["", "[]\n", "words\n", "format: 1\nrequest: []\ncomponents: x\n", "format: 1\nrequest: [1]\ncomponents: {}\n"],
)
def test_read_rejects_other_yaml(path, text):
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"^kubeparcel\.lock is invalid: "):
        read_lock(path)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"\xff\xfe", r"^kubeparcel\.lock cannot be read: "),
        ((FROM_GO + FROM_GO[FROM_GO.index("    - name: cni") :]).encode(), "cni has missing or duplicate artifacts"),
    ],
    ids=["not UTF-8", "duplicate artifact"],
)
def test_read_rejects_other_bytes_and_duplicate_artifacts(path, data, problem):
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=problem):
        read_lock(path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("checksum: sha512", "checksum: ''"),
        ("checksum: sha512", "checksum: 1"),
        ("checksum: sha512", 'checksum: "sha512\\nx"'),
        ("identity: signer@example.org", "identity: a b"),
        ("identity: signer@example.org", 'identity: "\\x1b[31m"'),
        ("issuer: https://accounts.example.org\n", ""),
        ("log-index: 123", "log-index: -1"),
        ("log-index: 123", "log-index: true"),
        ("log-index: 123", "log-index: '123'"),
        ("time: '2026-07-22T18:07:38+00:00'", "time: '2026-07-22T18:07:38'"),
        ("time: '2026-07-22T18:07:38+00:00'", "time: 1"),
        ("signature:\n", "signature: nobody\n      other:\n"),
    ],
)
def test_invalid_signature_or_checksum_is_an_error(path, before, after):
    text = dump(with_kubelet(locked(), signature=SIGNATURE, checksum="sha512"))
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(ConfigurationError, match=r"kubeparcel\.lock is invalid"):
        read_lock(path)


BOMB = (
    b"a: &a ["
    + b"x, " * 20
    + b"]\n"
    + b"".join(b"%c: &%c [%s]\n" % (c + 1, c + 1, b"*%c, " % c * 20) for c in range(97, 104))
)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"[" * 5000, "nesting depth"),
        (b"a: {" * 5000, "nesting depth"),
        (BOMB + b"format: *h\n", "alias"),
        (b"# " + b"x" * (16 << 20), "more than 16,777,216 bytes"),
        (b"format: " + b"9" * 5000, "digits"),
        (b"\xff", "decode"),
        (b"format: 1\x00", "control characters"),
        (b"format: !!python/object:os.system {}", "constructor"),
    ],
)
def test_read_rejects_hostile_files_at_once(path, data, problem):
    path.write_bytes(data)
    with pytest.raises(ConfigurationError) as caught:
        read_lock(path)
    assert problem in caught.value.message
    assert len(caught.value.message) < 600
