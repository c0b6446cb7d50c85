"""The least recently used images of hosts and nodes are removed, unless they are in use."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubeparcel import paths
from kubeparcel.console import QuietLog
from kubeparcel.hosts.engine import Engine, ResourceKind
from kubeparcel.hosts.image_cache import IMAGE_PREFIX, IMAGES_TO_KEEP, ImageCache
from kubeparcel.hosts.session import open_session
from kubeparcel.store import Store
from tests.support.recording_log import RecordingLog

USING = """
import sys
from pathlib import Path
from kubeparcel.hosts.engine_cli import select_engine
from kubeparcel.hosts.image_cache import ImageCache
from kubeparcel.console import QuietLog
from kubeparcel.store import Store

cache = ImageCache(select_engine(sys.argv[1]), Store(Path(sys.argv[2])), QuietLog())
cache.mark_used(sys.argv[3])
print("used", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def images(engine: Engine, tmp_path: Path) -> Iterator[Callable[[int], list[str]]]:
    """Return a function that creates small images of a host that no other test uses."""
    kind = f"{IMAGE_PREFIX}host-{secrets.token_hex(4)}-kubernetes"
    (tmp_path / "file").write_text("x")
    with tarfile.open(tmp_path / "root.tar", "w") as tar:
        tar.add(tmp_path / "file", "file")

    def make(count: int) -> list[str]:
        names = [f"{kind}:{number}" for number in range(count)]
        for name in names:
            engine.import_image(tmp_path / "root.tar", name, [f"ENV NAME={name}"])
        return names

    yield make
    for name in engine.list_images(f"{kind}:"):
        engine.remove_image(name)


def existing(engine: Engine, names: list[str]) -> list[str]:
    return [name for name in names if engine.has_image(name)]


def use(store: Store, engine: Engine, *names: str) -> None:
    """Use each image in a run of its own."""
    for name in names:
        cache = ImageCache(engine, store, QuietLog())
        cache.mark_used(name)
        cache.close()


def test_the_last_used_images_are_kept_and_the_removed_ones_logged(engine, images, store):
    names = images(IMAGES_TO_KEEP + 2)
    use(store, engine, *names[:IMAGES_TO_KEEP], names[0])
    assert existing(engine, names) == names
    log = RecordingLog()
    with open_session(store, log, engine=engine.name) as session:
        session.image_cache.mark_used(names[IMAGES_TO_KEEP])
        session.image_cache.mark_used(names[IMAGES_TO_KEEP + 1])
    assert existing(engine, names) == [names[0], *names[IMAGES_TO_KEEP:]]
    (message,) = [text for label, text in log.messages if label == "Images"]
    assert message == f"kept the last {IMAGES_TO_KEEP}, removed {names[2]}, {names[1]}"


def test_an_image_that_another_run_uses_is_not_removed(engine, images, store):
    names = images(IMAGES_TO_KEEP + 1)
    argv = [sys.executable, "-c", USING, engine.name, str(store.root), names[0]]
    env = {**os.environ, "PYTHONPATH": str(paths.PACKAGE.parent)}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=env, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "used\n"
        use(store, engine, *names[1:])
        assert existing(engine, names) == names
        other.kill()
        other.wait()
    use(store, engine, names[1])
    assert existing(engine, names) == names[1:]


def test_an_image_of_an_existing_container_is_not_removed(engine, images, store):
    names = images(IMAGES_TO_KEEP + 1)
    use(store, engine, names[0])
    container = f"kubeparcel-{secrets.token_hex(4)}"
    subprocess.run([engine.name, "create", "--name", container, names[0], "nothing"], check=True, capture_output=True)
    try:
        use(store, engine, *names[1:])
        assert existing(engine, names) == names
    finally:
        engine.remove(ResourceKind.CONTAINER, container)


def test_images_of_another_store_are_not_removed(engine, images, store, tmp_path):
    names = images(IMAGES_TO_KEEP + 2)
    use(Store(tmp_path / "other"), engine, names[0])
    use(store, engine, *names[1:])
    assert existing(engine, names) == names[:1] + names[2:]


def test_clean_removes_the_images_with_the_cache(engine, images, tmp_path):
    names = images(3)
    cache = tmp_path / "cache"
    use(Store(cache), engine, *names[:2])
    message = subprocess.run(
        [sys.executable, "-m", "kubeparcel", "clean", "--store", "--yes"],
        cwd=tmp_path,
        env={**os.environ, "KUBEPARCEL_CACHE": str(cache)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Removed 2 images of hosts and nodes." in message.stdout
    assert existing(engine, names) == names[2:]
    assert not cache.exists()
