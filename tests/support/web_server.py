"""A web server on loopback that serves a repository's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

from tests.support.loopback import serve


@dataclass
class WebServer:
    """The server's address, the folder `root` that it serves and tests may change, and requests."""

    address: str
    root: Path = Path("/nowhere")
    requested_paths: list[str] = field(default_factory=list)


class _Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, web: WebServer, *args: object) -> None:
        self.web = web
        super().__init__(*args, directory=str(web.root))

    def translate_path(self, path: str) -> str:
        self.directory = str(self.web.root)
        self.web.requested_paths.append(path)
        return super().translate_path(path)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        return


@contextmanager
def serve_folder(root: Path = Path("/nowhere")) -> Iterator[WebServer]:
    """Run a server until the end of the block."""
    web = WebServer("", root)
    with serve(partial(_Files, web)) as server:
        web.address = f"http://127.0.0.1:{server.server_port}"
        yield web
