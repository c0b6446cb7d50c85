"""A module proxy, a checksum database and a compiler, as a script in place of go."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kubeparcel.config import catalog
from kubeparcel.lock_models import Artifact
from kubeparcel.model import Arch, Version
from kubeparcel.sources import go_toolchain
from kubeparcel.sources.go_modules import GoModules

SUM = "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o="
KUBERNETES = "k8s.io/kubernetes"
GO = """\
#!{python}
import json, os, pathlib, shutil, sys
folder = pathlib.Path({world!r})
words = sys.argv[1:]
recorded_calls = {{"words": words, "cwd": os.getcwd(), "arch": os.environ.get("GOARCH", "")}}
recorded_calls["toolchain"] = os.environ["GOTOOLCHAIN"]
recorded_calls["variant"] = {{name: os.environ.get(name) for name in ("GOFIPS140", "GOAMD64")}}
recorded_calls["environment"] = {{name: os.environ.get(name) for name in ("GOENV", "GOFLAGS", "GOPROXY")}}
with (folder / "recorded_calls").open("a") as log:
    log.write(json.dumps(recorded_calls) + "\\n")
world = json.loads((folder / "world.json").read_text())
if words[:2] == ["env", "-json"]:
    print(json.dumps({{**world["settings"], "GOVERSION": "go1.26.8"}}))
elif words[:3] == ["list", "-m", "-versions"]:
    if words[3] not in world["lists"]:
        sys.exit(f"go: module {{words[3]}}: reading https://proxy.example/@v/list: 403 Forbidden")
    print(words[3], *world["lists"][words[3]])
elif words[:3] in (["list", "-m", "-json"], ["mod", "download", "-json"]):
    if words[3] not in world["modules"]:
        sys.exit(f"go: {{words[3]}}: reading https://proxy.example/{{words[3]}}: 404 Not Found")
    print(json.dumps(world["modules"][words[3]]))
elif words[:3] == ["list", "-mod=mod", "-deps"]:
    print("\\n".join(["fmt", "os", *words[3:]]))
elif words[0] == "build":
    (out,) = [word[3:] for word in words if word.startswith("-o=")]
    mains = [word for word in words[1:] if not word.startswith("-")]
    into_folder = out.endswith("/")
    (pathlib.Path(out) if into_folder else pathlib.Path(out).parent).mkdir()
    (folder / "go.mod").write_text(pathlib.Path("go.mod").read_text())
    if pathlib.Path("patched").exists():
        shutil.copytree("patched", folder / "patched")
    print("go: downloading golang.org/x/sys v0.1.0", file=sys.stderr)
    for main in mains:
        print(main, file=sys.stderr)
        if main.rpartition("/")[2] not in world["broken"]:
            program = pathlib.Path(out, main.rpartition("/")[2]) if into_folder else pathlib.Path(out)
            text = f"{{main}} {{recorded_calls['arch']}}"
            program.write_bytes(bytes.fromhex(world.get("program", "")) or text.encode())
else:
    sys.exit(f"unexpected: {{words}}")
"""

GO_MOD = """\
module {module}

go {go}

godebug default=go1.26

require (
\tk8s.io/api v0.0.0
)

replace (
\tk8s.io/api => ./staging/src/k8s.io/api
\tk8s.io/client-go => ./staging/src/k8s.io/client-go
)
"""


class World:
    """The answers of the fake go, and a record of its calls."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {"GOPROXY": "https://proxy.golang.org,direct", "GOSUMDB": "sum.golang.org"}
        self.facts: dict[str, Any] = {"lists": {}, "modules": {}, "broken": [], "settings": settings}
        self.save()

    def save(self) -> None:
        (self.folder / "world.json").write_text(json.dumps(self.facts))

    def lists(self, module: str, *versions: str) -> None:
        self.facts["lists"][module] = [f"v{version}" for version in versions]
        self.save()

    def sets(self, **settings: str) -> None:
        self.facts["settings"].update(settings)
        self.save()
        go_toolchain.find_go.cache_clear()

    def breaks(self, name: str) -> None:
        self.facts["broken"].append(name)
        self.save()

    def publishes(
        self,
        module: str,
        version: str,
        mains: tuple[str, ...] = ("cmd/kubeadm", "cmd/kubelet", "cmd/kubectl"),
        query: str = "",
        go: str = "1.26.0",
        mod: str = GO_MOD,
    ) -> None:
        """Publish a module with folders of main packages."""
        source = self.folder / "mod" / f"{module}@v{version}"
        source.mkdir(parents=True)
        (source / "go.mod").write_text(mod.format(module=module, go=go))
        (source / "go.sum").write_text("k8s.io/api v0.0.0 h1:x\n")
        for main in mains:
            (source / main).mkdir(parents=True)
        info = source.with_suffix(".info")
        info.write_text(json.dumps({"Version": f"v{version}", "Time": "2026-07-22T18:07:38Z"}))
        self.facts["modules"][query or f"{module}@v{version}"] = {
            "Path": module,
            "Version": f"v{version}",
            "Info": str(info),
            "GoMod": str(source / "go.mod"),
            "Dir": str(source),
            "Sum": SUM,
        }
        self.save()

    def compiled(self, path: str) -> str:
        """Return the compiled go.mod, or a file of a patched module."""
        return (self.folder / path).read_text()

    def recorded_calls(self, *start: str) -> list[Mapping[str, Any]]:
        """Return the calls of go whose arguments start with these."""
        log = self.folder / "recorded_calls"
        lines = log.read_text().splitlines() if log.exists() else []
        calls = [json.loads(line) for line in lines]
        return [call for call in calls if tuple(call["words"][: len(start)]) == start]


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    folder = tmp_path / "world"
    folder.mkdir()
    go = tmp_path / "bin/go"
    go.parent.mkdir()
    go.write_text(GO.format(python=sys.executable, world=str(folder)))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(go.parent))
    go_toolchain.find_go.cache_clear()
    yield World(folder)
    go_toolchain.find_go.cache_clear()


def modules(toolchain: str = "") -> GoModules:
    return GoModules(catalog.load().components, toolchain)


def version(text: str) -> Version:
    return Version.parse(text)


MAINS = ("cmd/kubeadm", "cmd/kubelet", "cmd/kubectl", "cmd/kube-proxy")
PLUGINS = ("main/bridge", "main/windows", "meta/portmap", "ipam/dhcp")
AMD64 = Artifact("kubernetes", "kubernetes", Arch.AMD64, "k8s.io/kubernetes@v1.36.3", SUM)
S390X = dataclasses.replace(AMD64, arch=Arch.S390X)


@pytest.fixture
def published(world) -> World:
    world.publishes(KUBERNETES, "1.36.3", MAINS)
    plugins = tuple(f"plugins/{name}" for name in PLUGINS)
    mod = "module {module}\n\ngo {go}\n"
    world.publishes("github.com/containernetworking/plugins", "1.9.1", plugins, mod=mod)
    return world
