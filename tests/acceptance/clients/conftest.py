"""Real clients on real hosts, a web server, and repositories that we published."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from kubeparcel.console import QuietLog
from kubeparcel.hosts.base_images import ensure_image
from kubeparcel.hosts.container import Container
from kubeparcel.hosts.engine import ContainerSpec
from kubeparcel.hosts.session import Session
from kubeparcel.repository import publisher
from kubeparcel.repository.publisher import Target
from kubeparcel.repository.signing import keys
from kubeparcel.templates import render
from tests.acceptance.clients.table import CLIENTS, Client
from tests.support.web_server import WebServer, serve_folder

T = TypeVar("T")
Place = Callable[..., Path]
Boxes = Mapping[str, Container]
START = ContainerSpec("", "client", network="host", capabilities=("SYS_ADMIN",))
"""The machine's own network leads to our web server; rpm's scripts want the capability."""

DRESS = """
apt-get update
apt-get install --yes --no-install-recommends curl sudo
rm -rf /etc/apt/sources.list /var/lib/apt/lists/* /etc/apt/apt.conf.d/99mmdebstrap
apt-get clean
"""
"""What the page's commands use, once; and apt's own mind about dates, which mmdebstrap changed."""

IMAGES = "localhost/kubeparcel-tests/"


@pytest.fixture(scope="session")
def config() -> Iterator[Path]:
    """A configuration folder with two keys: `default`, and `another` that no client knows."""
    with tempfile.TemporaryDirectory(prefix="kpt-", ignore_cleanup_errors=True) as base:
        folder = Path(base, "c")
        try:
            with configured(folder):
                for name in (keys.DEFAULT_NAME, "another"):
                    keys.create(name, f"Tests {name} <tests@example.invalid>")
            yield folder
        finally:
            for home in folder.glob("keys/*"):
                subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@contextmanager
def configured(config: Path) -> Iterator[None]:
    """Publishing in this process finds its keys there, and has a memory of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBEPARCEL_CONFIG", str(config))
        patch.setenv("KUBEPARCEL_CACHE", str(config.parent / "cache"))
        yield


@pytest.fixture(scope="session")
def publish(config: Path) -> Place:
    """Publish a folder of small packages, without the layout check; give the repository."""

    def act(source: Path, repo: Path, address: str, suite: str = "stable", **target_fields: object) -> Path:
        own = {"base_url": address, **target_fields.pop("options", {})}  # type: ignore[dict-item]
        target = Target(str(repo), options=own, **target_fields)  # type: ignore[arg-type]
        with configured(config):
            publisher.publish(source, target, QuietLog(), suite=suite, skip_layout_check=True)
        return repo

    return act


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with serve_folder() as running:
        yield running


@pytest.fixture(scope="module")
def boxes(session: Session) -> Iterator[Boxes]:
    """A running container of each client's host."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                session.start_container(client.host, replace(START, image=dressed(session, client)))
            )
            for name, client in CLIENTS.items()
        }


def each(boxes: Boxes, work: Callable[[Container], T]) -> dict[str, T]:
    """What work gives for each client, several at a time."""
    with ThreadPoolExecutor(3) as pool:
        return dict(zip(boxes, pool.map(work, boxes.values()), strict=True))


def dressed(session: Session, client: Client) -> str:
    """The host's image with curl and sudo, which the page's commands use; kept by the engine.

    Its repositories afterwards are the host's own pool alone, so that what is not in our
    repository is not found anywhere else.
    """
    base = ensure_image(session, client.host)
    recipe = f"{base}\n{DRESS}".encode()
    image = f"{IMAGES}{client.host.name}:{hashlib.sha256(recipe).hexdigest()[:16]}"
    with session.store.lock(f"image-{client.host.name}-dressed"):
        if not session.engine.has_image(image):
            dress(session, client, base, image)
    return image


def dress(session: Session, client: Client, base: str, image: str) -> None:
    """Make that image; those of earlier recipes go."""
    if not session.locations.debian_archive:
        pytest.skip("needs a Debian archive: KUBEPARCEL_DEBIAN")
    source = f"deb {session.locations.debian_archive} {client.host.suite} main\n"
    with session.start_container(client.host, replace(START, image=base)) as box:
        box.write_file("/etc/apt/sources.list", source)
        box.run_script(DRESS, timeout=300)
        box.run_script(render(client.manager.repository_script, {}), timeout=120)
        session.engine.commit(box.name, image)
    for old in session.engine.list_images(f"{IMAGES}{client.host.name}:"):
        if old != image:
            session.engine.remove_image(old)
