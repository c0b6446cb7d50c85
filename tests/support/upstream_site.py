"""A web server on loopback with upstream's tree, which can be made to misbehave."""

from __future__ import annotations

import email.utils
import hashlib
import json
import os
import re
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubeparcel.model import Arch, Version
from kubeparcel.sources.upstream import Upstream
from tests.support import fake_sources
from tests.support.archive_builders import tar_archive
from tests.support.elf_files import elf_bytes
from tests.support.loopback import serve
from tests.support.sigstore_authority import SignedFile, authority

RELEASED = fake_sources.RELEASED["kubernetes"]


@dataclass
class RecordedRequest:
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class UpstreamSite:
    """Files by path, faults by path (each used once, in order), and the requests so far."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    requests: list[RecordedRequest] = field(default_factory=list)
    etags: bool = True
    log_entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The entries of the transparency log, by the SHA-256 of the signed file."""
    server: ThreadingHTTPServer | None = None

    def publish_file(self, address: str, data: bytes) -> str:
        """Publish one of upstream's files with its digest; return its path on this site."""
        path = "/" + address.partition("://")[2]
        self.files[path] = data
        self.files[f"{path}.sha256"] = hashlib.sha256(data).hexdigest().encode()
        return path

    def sign_file(self, address: str, signed: SignedFile, *, bundle: bool = True) -> None:
        """Publish a signature of a file: a bundle, or `.sig` and `.cert` with an entry in the transparency log."""
        path = "/" + address.partition(":/")[2].lstrip("/")
        if bundle:
            self.files[f"{path}.sigstore.json"] = json.dumps(signed.bundle).encode()
            return
        self.files[f"{path}.sig"], self.files[f"{path}.cert"] = signed.sig.encode(), signed.cert.encode()
        digest = hashlib.sha256(self.files[path]).hexdigest()
        self.log_entries.setdefault(digest, []).append(signed.entry)

    def replace_checksums(self, name: str, kind: str) -> None:
        """Publish checksums of another kind than SHA-256 for the files with `name` in their paths."""
        for path in [path for path in self.files if name in path and path.endswith(".sha256")]:
            del self.files[path]
            file = path.removesuffix(".sha256")
            self.files[f"{file}.{kind}"] = hashlib.new(kind, self.files[file]).hexdigest().encode()

    def publish_marker(self, name: str, text: str) -> None:
        self.files[f"/dl.k8s.io/release/{name}.txt"] = text.encode()

    def write_to(self, folder: Path) -> None:
        """Write all files to a folder, as a mirror has them."""
        for path, data in self.files.items():
            target = folder / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

    def requests_for(self, end: str) -> list[RecordedRequest]:
        """Return the requests for paths with this end."""
        return [request for request in self.requests if request.path.endswith(end)]

    def publish_release(
        self, upstream: Upstream, component: str, version: str, arch: Arch = Arch.AMD64, *, signed: bool = False
    ) -> dict[str, bytes]:
        """Publish a whole release; return its programs by name."""
        programs: dict[str, bytes] = {}
        for artifact in upstream.artifacts(component, Version.parse(version), arch):
            if component == "kubernetes":
                programs[artifact.name] = elf_bytes()
                self.publish_file(artifact.origin, programs[artifact.name])
                if signed:
                    self.sign_file(artifact.origin, authority().sign(programs[artifact.name]))
            else:
                names = {"cri-tools": ["crictl"], "cni": ["bridge", "loopback"]}[component]
                programs = {name: elf_bytes() for name in names}
                members = {f"./{name}": data for name, data in programs.items()}
                self.publish_file(artifact.origin, tar_archive({**members, "./LICENSE": b"text"}))
        return programs


class Handler(BaseHTTPRequestHandler):
    """Answers as a plain file server does, unless a fault is due."""

    protocol_version = "HTTP/1.1"
    site: UpstreamSite

    def log_message(self, *words: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.record()
        data = self.site.files.get(path)
        if faults := self.site.faults[path]:
            faults.pop(0)(self, data or b"")
        elif data is None:
            self.answer(404, b"no such file")
        else:
            self.whole_or_range(data)

    def record(self) -> str:
        """Record the request, and return its path."""
        path = urlsplit(self.path).path
        self.site.requests.append(RecordedRequest(self.command, path, dict(self.headers.items())))
        return path

    def do_POST(self) -> None:
        """Answer as Rekor's log/entries/retrieve."""
        path, body = self.record(), self.rfile.read(int(self.headers["Content-Length"]))
        if faults := self.site.faults[path]:
            faults.pop(0)(self, b"")
        elif not path.endswith("/api/v1/log/entries/retrieve"):
            self.answer(405, b"no such service")
        else:
            (asked,) = json.loads(body)["entries"]
            entries = self.site.log_entries.get(asked["spec"]["data"]["hash"]["value"], [])
            answer = [{f"uuid-{number}": entry} for number, entry in enumerate(entries)]
            self.answer(200, json.dumps(answer).encode())

    def whole_or_range(self, data: bytes) -> None:
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"ETag": tag} if self.site.etags else {}
        requested = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if requested and self.headers.get("If-Range", tag) == tag:
            first, last = int(requested[1]), int(requested[2] or len(data) - 1)
            if first >= len(data):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
            headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            self.answer(206, data[first : last + 1], headers)
        else:
            self.answer(200, data, headers)

    def answer(
        self, code: int, data: bytes, headers: Mapping[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(code)
        self.send_header("Last-Modified", email.utils.formatdate(RELEASED, usegmt=True))
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


Fault = Callable[[Handler, bytes], None]


def status(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    return lambda handler, _: handler.answer(code, b"no", headers)


def other_content(data: bytes) -> Fault:
    return lambda handler, _: handler.answer(200, data)


def redirect(url: str) -> Fault:
    return lambda handler, _: handler.answer(302, b"", {"Location": url})


def truncated(size: int) -> Fault:
    """Send the beginning of the body, then close the connection."""

    def fault(handler: Handler, data: bytes) -> None:
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        handler.answer(200, data[:size], {"ETag": tag}, len(data))
        handler.close_connection = True

    return fault


def reset(size: int) -> Fault:
    """Send the beginning of the body, then reset the connection."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.answer(200, data[:size], length=len(data))
        linger = struct.pack("ii", 1, 0)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # close() would wait until the handler's files are closed too.
        os.close(handler.connection.detach())

    return fault


def stalled(size: int, until: threading.Event) -> Fault:
    """Send the beginning of the body, then nothing more."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.answer(200, data[:size], length=len(data))
        until.wait(300)
        handler.close_connection = True

    return fault


def slow(until: threading.Event) -> Fault:
    """Send one byte now and then."""

    def fault(handler: Handler, data: bytes) -> None:
        handler.answer(200, b"", length=len(data))
        for byte in data:
            handler.wfile.write(bytes([byte]))
            if until.wait(0.05):
                break
        handler.close_connection = True

    return fault


def send_whole_file(handler: Handler, data: bytes) -> None:
    """Send the whole file, whatever part was requested."""
    handler.answer(200, data)


def send_chunked(handler: Handler, data: bytes) -> None:
    """Send the file without its length."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for start in range(0, len(data), 70_000):
        block = data[start : start + 70_000]
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
    handler.wfile.write(b"0\r\n\r\n")


@contextmanager
def serve_site(host: str = "127.0.0.1") -> Iterator[UpstreamSite]:
    """Run a site until the block ends."""
    site = UpstreamSite()
    with serve(type("SiteHandler", (Handler,), {"site": site}), host) as server:
        site.server, site.url = server, f"http://{host}:{server.server_port}"
        yield site
