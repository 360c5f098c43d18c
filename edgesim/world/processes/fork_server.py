"""The process that forks the processes of hosts, and waits for their end.

A lab's own process has an event loop and threads, so it must not fork. It forks a *fork server* once, early, while it
has one thread and its loop does not run. Everything is imported and built by then, and every process that the fork
server makes later shares it.

The fork server takes requests, a line of JSON each: ``fork`` (with the host's end of a channel as a descriptor) and
``signal``. It reports each process's state: ``forked``, ``stopped``, ``continued``, ``ended``. When the lab has ended,
for whatever reason, it reads the end of the channel and kills every process that is left, stopped ones too.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

Main = Callable[[str, socket.socket], None]
"""What a new process does, with the name of its host and its end of the channel; the process ends when it returns."""

IGNORED = (signal.SIGINT, signal.SIGTERM) if sys.platform != "win32" else ()
"""Signals that a terminal or a service manager sends to every process of a lab: its own process ends the others."""
PATIENCE = 10.0
"""Seconds in which a fork server answers."""
GONE = "the process that makes the processes of hosts has ended"


class ForkServerGone(ChildProcessError):
    """The process that makes the processes of hosts has ended."""


class ForkServer:
    """A lab's side of its fork server."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self._socket = sock
        self._waiting = b""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked: dict[int, asyncio.Future[int]] = {}
        self._number = 0
        self.on_change: Callable[[int, str, int], None] = lambda pid, what, code: None
        """Called with a process, what became of it (``stopped``, ``continued``, ``ended``), and its exit status."""
        self.on_end: Callable[[], None] = lambda: None
        """Called when the fork server itself has ended, unasked."""

    @classmethod
    def open(cls, main: Main, at_end: Callable[[], None] = lambda: None) -> ForkServer:
        """Fork a fork server whose children run ``main``; it calls ``at_end`` when its lab has ended.

        Raises `RuntimeError` where that cannot be done soundly.
        """
        if not hasattr(os, "fork"):
            raise RuntimeError("hosts in processes of their own need a system that can fork: Linux or macOS")
        if threading.active_count() > 1:
            raise RuntimeError("hosts in processes of their own need a process with one thread to begin with")
        ours, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        pid = os.fork()
        if pid:
            theirs.close()
            return cls(pid, ours)
        try:
            ours.close()
            _let_go_of_all_but(theirs.fileno())
            gc.freeze()  # what is shared with every child is looked at by none of their collections
            _Process(theirs, main, at_end).run()
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hear of processes on an event loop."""
        self._loop = loop
        self._socket.setblocking(False)
        loop.add_reader(self._socket.fileno(), self._readable)

    async def fork(self, name: str, end: socket.socket) -> int:
        """Have a host's process made and return its number; ``end`` is its end of the channel, and closed here."""
        if self._loop is None:
            end.close()
            raise ForkServerGone(GONE)
        self._number += 1
        number = self._number
        made = self._asked[number] = self._loop.create_future()
        try:
            self._send({"do": "fork", "number": number, "name": name}, end)
        finally:
            end.close()
        try:
            async with asyncio.timeout(PATIENCE):
                pid: int = await made
                return pid
        finally:
            self._asked.pop(number, None)

    def signal(self, pid: int, number: int) -> None:
        """Have a signal sent to a process of this fork server, unless it has ended."""
        self._send({"do": "signal", "pid": pid, "signal": number})

    def _send(self, order: dict[str, Any], end: socket.socket | None = None) -> None:
        line = json.dumps(order).encode() + b"\n"
        try:
            if end is None:
                self._socket.sendall(line)
            else:
                socket.send_fds(self._socket, [line], [end.fileno()])
        except OSError as error:
            raise ForkServerGone(f"{GONE}: {error}") from None

    def _readable(self) -> None:
        try:
            data = self._socket.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._detach()
            for made in self._asked.values():
                if not made.done():
                    made.set_exception(ForkServerGone(GONE))
            self.on_end()
            return
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, report: dict[str, Any]) -> None:
        if report["what"] == "forked":
            made = self._asked.get(report["number"])
            if made is not None and not made.done():
                made.set_result(report["pid"])
        else:
            self.on_change(report["pid"], report["what"], report["code"])

    def _detach(self) -> None:
        if self._loop is not None and self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
        self._loop = None

    def close(self) -> None:
        """End the fork server, which kills every process that is left, and wait for it."""
        if self._socket.fileno() < 0:
            return
        self._detach()
        self._socket.close()
        os.waitpid(self.pid, 0)


class _Process:
    """The fork server itself."""

    def __init__(self, sock: socket.socket, main: Main, at_end: Callable[[], None]) -> None:
        self._socket = sock
        self._main = main
        self._at_end = at_end
        self._children: set[int] = set()
        self._waiting = b""
        self._ends: list[int] = []

    def run(self) -> NoReturn:
        for number in (*IGNORED, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        heard, woken = os.pipe()
        for end in (heard, woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._own = (heard, woken)
        while True:
            ready, _, _ = select.select([self._socket.fileno(), heard], [], [])
            if heard in ready:
                os.read(heard, 4096)
                self._reap()
            if self._socket.fileno() in ready and not self._serve():
                self._end()

    def _end(self) -> NoReturn:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)
        self._at_end()
        os._exit(0)

    def _serve(self) -> bool:
        """Do what was asked; return whether the lab is still there."""
        try:
            data, ends, _, _ = socket.recv_fds(self._socket, 65536, 16)
        except OSError:
            return False
        if not data:
            return False
        self._ends += ends
        *lines, self._waiting = (self._waiting + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if order["do"] == "fork":
                self._fork(order["number"], order["name"], self._ends.pop(0))
            elif order["pid"] in self._children:
                os.kill(order["pid"], order["signal"])
        return True

    def _fork(self, number: int, name: str, end: int) -> None:
        pid = os.fork()
        if pid:
            os.close(end)
            self._children.add(pid)
            self._report({"what": "forked", "number": number, "pid": pid})
            return
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            self._socket.close()
            for each in (*self._own, *self._ends):
                os.close(each)
            self._main(name, socket.socket(fileno=end))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        """See what became of children."""
        for pid in tuple(self._children):
            found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED | os.WCONTINUED)
            if not found:
                continue
            if os.WIFSTOPPED(status):
                self._report({"what": "stopped", "pid": pid, "code": 0})
            elif os.WIFCONTINUED(status):
                self._report({"what": "continued", "pid": pid, "code": 0})
            else:
                self._children.discard(pid)
                self._report({"what": "ended", "pid": pid, "code": os.waitstatus_to_exitcode(status)})

    def _report(self, report: dict[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(report).encode() + b"\n")
        except OSError:  # the lab is gone: reading says so
            return


def _let_go_of_all_but(kept: int) -> None:
    """Close the descriptors that a forked process must not have: all but standard error and one more.

    The numbers stay taken: libuv closes those that it had before a fork in every process that is forked (it makes its
    pipes for signals again), and would close what has come to their place.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"):
        number = int(name)
        if number not in (2, kept, null):
            try:
                os.fstat(number)
            except OSError:  # the descriptor by which the folder was listed
                continue
            os.dup2(null, number)
    os.close(null)
