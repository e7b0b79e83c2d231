"""Something between a client and the server that loses the connection at the worst moment."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from pathlib import Path
from typing import Literal

Moment = Literal["before", "after"]


class Cutter:
    """Passes bytes on until a client commits; then the connection is lost, before the server hears of it or after it has answered.

    Args:
        folder: where the socket for clients is made.
        server: the server's socket.
        moment: when the next commits are cut.
        times: how many are cut; later ones pass.
        back: whether clients can connect again afterwards.
    """

    def __init__(self, folder: Path, server: Path, moment: Moment, times: int = 1, *, back: bool = True) -> None:
        self._server = server
        self._moment = moment
        self._left = times
        self._back = back
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def cuts_left(self) -> int:
        return self._left

    def close(self) -> None:
        """No client gets through any more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        with client, server, contextlib.suppress(OSError):
            server.connect(str(self._server))
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(2**16)
                    if not data:
                        return
                    if ready is client and b"COMMIT\0" in data and self._left:
                        self._left -= 1
                        if not self._back and not self._left:
                            self.close()
                        if self._moment == "after":
                            server.sendall(data)
                            while b"COMMIT\0" not in server.recv(2**16):
                                pass
                        return
                    (server if ready is client else client).sendall(data)
