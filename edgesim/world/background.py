"""Runs work that may block in the kernel on a separate thread: a disk that hangs, a pipe without a reader."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

WAITING: Final = 100
"""Jobs that may wait for their turn."""
_IDLE_S: Final = 5.0


class Job(Generic[T]):
    """Something that is done in the background, or was."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: T
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._since = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether it is done."""
        return self._done.is_set()

    @property
    def age(self) -> float:
        """Seconds since it was asked for."""
        return time.monotonic() - self._since

    def wait(self, seconds: float) -> bool:
        """Wait until it is done, at most ``seconds``; return whether it is."""
        return self._done.wait(max(seconds, 0.0))

    @property
    def result(self) -> T:
        """The result, once it is done; raises what the work raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def run(self) -> None:
        """Do it."""
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error
        self._done.set()


class Background:
    """Does jobs one after another on a thread, which begins with the first and ends when there is nothing to do.

    A job that never comes back keeps no process alive.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: Queue[Job[Any]] = Queue(WAITING)
        self._lock = threading.Lock()
        self._works = False

    def do(self, work: Callable[[], T]) -> Job[T] | None:
        """Queue work after all earlier work; return None, and drop it, if too much is queued already."""
        job = Job(work)
        with self._lock:
            try:
                self._jobs.put_nowait(job)
            except Full:
                return None
            if not self._works:
                self._works = True
                threading.Thread(target=self._run, name=self._name, daemon=True).start()
        return job

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_S)
            except Empty:
                with self._lock:
                    if self._jobs.empty():
                        self._works = False
                        return
                continue
            job.run()


def end_within(seconds: float, last_words: Callable[[], None], *, unless: Callable[[], bool]) -> None:
    """End this process after ``seconds``, whatever its threads wait for, unless it is ending by then."""

    def end() -> None:
        time.sleep(seconds)
        if unless():
            return
        speaking = threading.Thread(target=last_words, daemon=True)
        with suppress(RuntimeError):  # the interpreter is ending
            speaking.start()
            speaking.join(0.05)
        os._exit(0)

    threading.Thread(target=end, name="end", daemon=True).start()
