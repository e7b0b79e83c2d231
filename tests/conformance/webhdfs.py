"""A folder of this machine behind WebHDFS, as Hadoop's client speaks it: for tests of addresses that Python does not read, but Spark does."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

PREFIX = "/webhdfs/v1"
STATUS = {"FileNotFoundException": 404, "AccessControlException": 403, "IOException": 500}


@dataclass
class Served:
    """What a server gives and what it has seen.

    Args:
        folder: what lies behind it.
        address: without a slash at the end.
        seen: operations, paths and, of OPEN, the first byte, in order.
        fault: asked for each operation and path which Java exception it ends in, if any.
    """

    folder: Path
    address: str = ""
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    fault: Callable[[str, str], str | None] = lambda _op, _path: None


@contextmanager
def webhdfs(folder: Path) -> Iterator[Served]:
    """A server for as long as the block lasts."""
    served = Served(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, served))
    server.daemon_threads = True
    served.address = f"webhdfs://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, served: Served, *given: Any) -> None:
        self.served = served
        super().__init__(*given)

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answered()

    def do_PUT(self) -> None:
        self._answered()

    def do_DELETE(self) -> None:
        self._answered()

    def _answered(self) -> None:
        parts = urlsplit(self.path.encode("latin-1").decode())
        self.query = {name.lower(): values[0] for name, values in parse_qs(parts.query).items()}
        self.at = unquote(parts.path).removeprefix(PREFIX) or "/"
        self.place = self.served.folder / self.at.lstrip("/")
        op = self.query["op"].upper()
        self.served.seen.append((op, self.at, int(self.query.get("offset", 0))))
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.served.fault(op, self.at)
        if fault:
            self._refuse(fault)
        elif op in ("OPEN", "CREATE") and "second" not in self.query:
            # The name node sends a client to the data node that has the bytes.
            self._send(307, b"", {"Location": f"http://{self.headers['Host']}{PREFIX}{quote(self.at)}?{parts.query}&second=true"})
        else:
            getattr(self, f"_{op.lower()}")(body)

    def _open(self, _: bytes) -> None:
        if not self.place.is_file():
            self._refuse("FileNotFoundException")
            return
        begin = int(self.query.get("offset", 0))
        size = self.place.stat().st_size - begin
        size = min(size, int(self.query.get("length", size)))
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        with self.place.open("rb") as file:
            file.seek(begin)
            try:
                while size and (block := file.read(min(size, 1 << 16))):
                    self.wfile.write(block)
                    size -= len(block)
            except (BrokenPipeError, ConnectionResetError):  # the client has what it wants
                self.close_connection = True

    def _getfilestatus(self, _: bytes) -> None:
        if self.place.exists():
            self._json({"FileStatus": _status(self.place, "")})
        else:
            self._refuse("FileNotFoundException")

    def _liststatus(self, _: bytes) -> None:
        if not self.place.exists():
            self._refuse("FileNotFoundException")
            return
        found = [_status(p, p.name) for p in sorted(self.place.iterdir())] if self.place.is_dir() else [_status(self.place, "")]
        self._json({"FileStatuses": {"FileStatus": found}})

    def _getfileblocklocations(self, _: bytes) -> None:
        block = {"cachedHosts": [], "corrupt": False, "hosts": ["127.0.0.1"], "length": self.place.stat().st_size, "names": ["127.0.0.1:1"], "offset": 0}
        self._json({"BlockLocations": {"BlockLocation": [block | {"storageTypes": ["DISK"], "topologyPaths": ["/default/127.0.0.1:1"]}]}})

    def _create(self, body: bytes) -> None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b"".join(self._chunks())
        if self.place.exists() and self.query.get("overwrite", "true") != "true":
            self._refuse("FileAlreadyExistsException")
            return
        self.place.parent.mkdir(parents=True, exist_ok=True)
        self.place.write_bytes(body)
        self._send(201, b"", {})

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _mkdirs(self, _: bytes) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        self._json({"boolean": True})

    def _rename(self, _: bytes) -> None:
        to = self.served.folder / unquote(self.query["destination"]).lstrip("/")
        good = self.place.exists() and not to.exists()
        if good:
            self.place.rename(to)
        self._json({"boolean": good})

    def _delete(self, _: bytes) -> None:
        there = self.place.exists()
        if self.place.is_dir():
            shutil.rmtree(self.place)
        elif there:
            self.place.unlink()
        self._json({"boolean": there})

    def _json(self, body: Any) -> None:
        # No Content-Type: Hadoop 3.5, as Spark 4.3 packs it, looks for a class to parse one that it does not have, and does without where there is none.
        self._send(200, json.dumps(body).encode(), {})

    def _refuse(self, kind: str) -> None:
        package = "org.apache.hadoop.security." if kind == "AccessControlException" else "java.io."
        body = {"RemoteException": {"exception": kind, "javaClassName": package + kind, "message": "as the test says"}}
        self._send(STATUS.get(kind, 500), json.dumps(body).encode(), {})

    def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _status(place: Path, name: str) -> dict[str, Any]:
    info, folder = place.stat(), place.is_dir()
    return {
        "accessTime": 0,
        "blockSize": 1 << 27,
        "group": "test",
        "length": 0 if folder else info.st_size,
        "modificationTime": info.st_mtime_ns // 1_000_000,
        "owner": "test",
        "pathSuffix": name,
        "permission": "700",
        "replication": 1,
        "type": "DIRECTORY" if folder else "FILE",
    }
