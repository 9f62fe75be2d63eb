"""A line to a server that can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading


class Line:
    """
    Carries TCP connections to a server; a context manager.

    :param host: of the server.
    :param port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.port = 0
        self.mend()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.cut()

    def mend(self) -> None:
        """Let connections through, at the same address as before."""
        self._threads.clear()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._run(self._accept, self._listener)

    def cut(self) -> None:
        """End every connection at once, and refuse new ones."""
        # A thread that accepts wakes up at a shutdown, not at a close. With the first thread over, none is added.
        self._end(self._listener)
        self._threads[0].join()
        for end in self._ends:
            self._end(end)
        for thread in self._threads:
            thread.join()
        self._ends.clear()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _address = listener.accept()
                far = socket.create_connection(self.target)
                self._ends += [near, far]
                self._run(self._carry, near, far)
                self._run(self._carry, far, near)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        self._end(source)
        self._end(target)

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    @staticmethod
    def _end(end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
