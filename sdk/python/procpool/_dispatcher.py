"""Futures: requests go out in the thread that submits, one thread receives all the answers.

A bounded number of requests is at the server; the others wait here, and can be cancelled for nothing.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
import weakref

from ._futures import ENDED, SENDING, SENT, WAITING, JobFuture, Request
from ._lent import LENT_FROM, Memories
from ._outcomes import ServerGone
from ._places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

    from ._client import Answer, Buffer, Client, Connection

    # A request that has ended, whether its future is to be completed here, and how it ended.
    _Ended = Tuple[Optional[Request], bool, Union[Answer, BaseException]]


class Dispatcher:
    """Sends requests and receives their answers: at most `most` at a time, and `ahead` more small ones."""

    def __init__(self, client: Client, most: int, ahead: int = 0) -> None:
        self._client = client
        self._most = most
        self._ahead = ahead
        self._begin()
        _dispatchers.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._is_idle = threading.Condition(self._lock)
        self._places = Places(self._most, self._ahead)
        self._idle: List[Connection] = []
        self.memories = Memories()
        self._connections: Dict[int, Connection] = {}
        self._requests: Dict[int, Request] = {}
        self._thread: Optional[threading.Thread] = None
        self._is_closed = False
        self._at_end: Optional[Callable[[], None]] = None

    def submit(self, head: bytes, parts: Sequence[Buffer], size: int, decode: Callable[[Answer], Any]) -> JobFuture:
        """Sends a request, or lets it wait. Returns the future of what `decode` makes of its answer.

        The parts have `size` bytes, and the head ends with that as its `Content-Length`.
        """
        request = Request(self, head, parts, size, decode)
        future = request.future
        with self._lock:
            if self._is_closed or self._at_end is not None:
                raise RuntimeError("cannot schedule new futures after shutdown")
            if self._thread is None:
                self._start()
            has_place = self._places.enter(request)
        if has_place:
            self._send(request)
        return future

    def _start(self) -> None:
        self._epoll = select.epoll()
        self._wake, self._woken = socket.socketpair()
        self._epoll.register(self._woken, select.EPOLLIN)
        self._thread = threading.Thread(target=self._receive, name="procpool", daemon=True)
        self._thread.start()

    def _send(self, request: Request) -> None:
        """Sends a request, and those that wait for its place if it fails."""
        following: Optional[Request] = request
        while following is not None:
            request, following = following, None
            try:
                connection = self._free_connection()
            except BaseException as error:
                following = self._give_up(request, error)
                continue
            number = connection.socket.fileno()
            with self._lock:
                is_there = self._connections.get(number) is connection
                if is_there:
                    request.connection = connection
                    self._requests[number] = request
            if not is_there:  # The server has closed it just now.
                following = request
                continue
            try:
                if request.size < LENT_FROM or not self.memories.send(connection, request):
                    connection.send(request.head, request.parts)
            except OSError:
                # The thread that receives sees the end of this connection, and says so.
                connection.hang_up()
                continue
            except BaseException as error:
                with self._lock:
                    is_mine = self._requests.pop(number, None) is request
                connection.hang_up()
                if is_mine:
                    following = self._give_up(request, error)
                continue
            with self._lock:
                if request.state == SENDING:
                    request.state = SENT
                    request.parts = ()
                elif self._requests.get(number) is request:
                    # Was cancelled meanwhile, not answered.
                    connection.hang_up()
                elif connection.is_answered and self._connections.get(number) is connection:
                    connection.is_answered = False
                    self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        self._idle.append(connection)

    def _free_connection(self) -> Connection:
        while self._idle:
            try:
                kept = self._idle.pop()
            except IndexError:
                break
            if not kept.is_old():
                return kept
            kept.hang_up()
        connection = self._client.connect()
        number = connection.socket.fileno()
        with self._lock:
            self._connections[number] = connection
        self._epoll.register(number, select.EPOLLIN)
        return connection

    def _give_up(self, request: Request, error: BaseException) -> Optional[Request]:
        """Fails a request that could not be sent. Returns the next one for its place.

        Raises again what was not the request's fault: Ctrl-C.
        """
        is_claimed = self._claim(request)
        if is_claimed:
            request.fail(error)
        if isinstance(error, Exception):
            return self._next()
        self._leave_place()
        raise error

    def _claim(self, request: Request) -> bool:
        with self._lock:
            if request.state == ENDED:
                return False
            request.state = ENDED
            return True

    def _next(self) -> Optional[Request]:
        """Returns the request that takes a place that has become free. Gives the place up if none waits."""
        at_end = None
        with self._lock:
            request = self._places.next()
            if self._places.taken == 0:
                self._is_idle.notify_all()
                at_end, self._at_end = self._at_end, None
                self._is_closed |= at_end is not None
        if at_end is not None:
            at_end()
        return request

    def take_back(self, request: Request, *, if_waiting: bool = False) -> bool:
        """Claims a request for a cancel, and hangs up where it was sent."""
        with self._lock:
            if request.state == ENDED or (if_waiting and request.state != WAITING):
                return False
            was_sent = request.state == SENT
            request.state = ENDED
            request.parts = ()
            if was_sent and request.connection is not None:
                request.connection.hang_up()
        return True

    def cancel_waiting(self) -> None:
        """Cancels the requests that were not sent."""
        with self._lock:
            waiting = list(self._places.waiting)
        for request in waiting:
            if self.take_back(request, if_waiting=True):
                request.future._end_cancelled()

    def cancel_all(self) -> None:
        """Cancels the requests that wait, and those that run."""
        with self._lock:
            all_of_them = [*self._places.waiting, *self._requests.values()]
        for request in all_of_them:
            request.future.cancel()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until no request is left. Returns False if the time was over before."""
        with self._lock:
            return self._is_idle.wait_for(lambda: self._places.taken == 0, timeout)

    def when_idle(self, at_end: Callable[[], None]) -> None:
        """Takes no further requests, and calls `at_end` once when none is left, in any thread."""
        with self._lock:
            if self._is_closed or self._at_end is not None:
                return
            if self._places.taken:
                self._at_end = at_end
                return
            self._is_closed = True
        at_end()

    def close(self) -> None:
        """Ends the thread. The futures that are left fail as `ServerGone`."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
            if thread is None:
                return
        try:
            self._wake.send(b"x")
        except OSError:
            pass
        self.join()

    def join(self) -> None:
        """Waits for the end of the thread, after `close`."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def forget(self) -> None:
        """Begins anew in a fork: its parent receives the answers."""
        for connection in self._connections.values():
            connection.close()
        if self._thread is not None:
            self._epoll.close()
            self._wake.close()
            self._woken.close()
        self._client.forget()
        self._begin()

    def _receive(self) -> None:
        """Receives answers until closed."""
        epoll, ending = self._epoll, self._woken.fileno()
        while True:
            for number, _ in epoll.poll(self.memories.rest()):
                if number == ending:
                    self._end()
                    return
                self._readable(number)

    def receive(self, request: Request, timeout: Optional[float]) -> None:
        """Receives the answer to a request in the thread that waits for it, if no other job is at the server.

        Two threads that wake each other take longer than a small job. Returns when the job has ended, when
        another thread receives its answer, or when the time is over.
        """
        connection = request.connection
        if self._places.taken != 1 or connection is None or not connection.receiving.acquire(blocking=False):
            return
        ended = None
        try:
            with self._lock:
                if request.state != SENT:
                    return
                number = connection.socket.fileno()
                # Wakes the other thread once at most, for the end of the connection.
                self._epoll.modify(number, select.EPOLLET)
            end = None if timeout is None else time.monotonic() + timeout
            try:
                while ended is None and connection.is_readable(None if end is None else end - time.monotonic()):
                    ended = self._feed(number, connection)
            finally:
                with self._lock:
                    if self._connections.get(number) is connection:
                        self._epoll.modify(number, select.EPOLLIN)
        finally:
            connection.receiving.release()
        if ended is not None:
            self._complete(*ended)

    def _readable(self, number: int) -> None:
        connection = self._connections.get(number)
        if connection is None or not connection.receiving.acquire(blocking=False):
            return
        try:
            ended = self._feed(number, connection)
        finally:
            connection.receiving.release()
        if ended is not None:
            self._complete(*ended)

    def _feed(self, number: int, connection: Connection) -> Optional[_Ended]:
        """Receives a part of an answer. Returns how its request has ended, if it has."""
        try:
            answer = connection.feed(socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except BaseException as error:
            return self._lost(number, connection, error)
        return None if answer is None else self._answered(number, connection, answer)

    def _answered(self, number: int, connection: Connection, answer: Answer) -> _Ended:
        """Takes the request that was answered, and keeps its connection for the next one."""
        with self._lock:
            request = self._requests.get(number)
            is_sent = request is None or request.state != SENDING
            request, is_claimed = self._take_request(number)
            if is_claimed and b"\r\nconnection: close" not in answer.head:
                if is_sent:
                    self._keep(connection)
                else:
                    # The thread that sends keeps it when it is done: a refusal may come early.
                    connection.is_answered = True
            else:
                self._drop(number, connection)
        return request, is_claimed, answer

    def _lost(self, number: int, connection: Connection, error: BaseException) -> _Ended:
        """Drops a connection that has ended, and takes the request that it had."""
        with self._lock:
            request, is_claimed = self._take_request(number)
            self._drop(number, connection)
        if isinstance(error, (OSError, EOFError)):
            error = ServerGone.because(str(error), may_have_run=True)
        return request, is_claimed, error

    def _complete(self, request: Optional[Request], is_claimed: bool, outcome: Union[Answer, BaseException]) -> None:
        """Completes the future of a request that has ended, and gives its place to the next one."""
        if request is None:
            return
        if isinstance(outcome, BaseException):
            if is_claimed:
                request.fail(outcome)
            self._leave_place()
            return
        # First the next jobs: what waits for this one may take its time.
        with self._lock:
            following = self._places.following()
        for each in following:
            self._send(each)
        if is_claimed:
            request.succeed(outcome)
        if not following:
            self._leave_place()

    def _take_request(self, number: int) -> Tuple[Optional[Request], bool]:
        """Returns the request of a connection, and whether its future is the caller's to complete."""
        request = self._requests.pop(number, None)
        if request is None or request.state == ENDED:
            return request, False
        request.state = ENDED
        return request, True

    def _leave_place(self) -> None:
        following = self._next()
        if following is not None:
            self._send(following)

    def _drop(self, number: int, connection: Connection) -> None:
        """Closes a connection, under the lock: no request may be given to it meanwhile."""
        if connection in self._idle:
            self._idle.remove(connection)
        del self._connections[number]
        self._epoll.unregister(number)
        connection.close()

    def _end(self) -> None:
        with self._lock:
            left = [request for request in self._places.waiting if request.state == WAITING]
            self._places.waiting.clear()
            for request in left:
                request.state = ENDED
        for request in left:
            request.fail(ServerGone.because("the pool was closed", may_have_run=False))
        for number, connection in list(self._connections.items()):
            # A thread that receives there sees the end, and has then taken it.
            connection.hang_up()
            with connection.receiving:
                is_there = self._connections.get(number) is connection
                ended = self._lost(number, connection, EOFError("the pool was closed")) if is_there else None
            if ended is not None:
                self._complete(*ended)
        self._epoll.close()
        self._wake.close()
        self._woken.close()


_dispatchers: weakref.WeakSet[Dispatcher] = weakref.WeakSet()


def _after_fork() -> None:
    for dispatcher in list(_dispatchers):
        dispatcher.forget()


os.register_at_fork(after_in_child=_after_fork)
