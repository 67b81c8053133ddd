"""A job that is read as it runs: its chunks, its progress, and at last its output."""

from __future__ import annotations

import json
from base64 import b64decode
from http.client import HTTPException, HTTPResponse

from ._client import Answer
from ._outcomes import ServerGone, error_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, Optional, Sequence, Tuple, Type

    from ._client import Buffer, Connection

# An answer that is sent while its job runs, as lines of JSON.
LIVE = b"\r\nAccept: application/x-ndjson\r\n"


class Stream:
    """The chunks of a running job, in their order. The job waits for a reader that is 16 of them behind.

        with pool.stream("access.log") as lines:
            for line in lines:
                print(line, lines.progress)
            print(lines.output)

    Leaving it before its end cancels the job. Not for several threads at once.

    job_id     The job's id.
    progress   What the job has reported last: `(done, total)`, where `total` may be None. None before that.
    output     The output, once all chunks are read: bytes for raw bytes, else the JSON value.
    """

    def __init__(self, connection: Connection, head: bytes, parts: Sequence[Buffer]) -> None:
        self.progress: Optional[Tuple[int, Optional[int]]] = None
        self.output: Any = None
        self._connection: Optional[Connection] = connection
        self._answer = HTTPResponse(connection.socket, method="POST")
        try:
            self._begin(connection, head, parts)
        except BaseException:
            self.close()
            raise
        self.job_id = self._answer.getheader("job-id")

    def _begin(self, connection: Connection, head: bytes, parts: Sequence[Buffer]) -> None:
        answer = self._answer
        try:
            try:
                connection.send(head.replace(b"\r\n", LIVE, 1), parts)
            except OSError:
                # A server that refuses a long request may have closed the connection behind its answer.
                answer.begin()
            else:
                answer.begin()
            if answer.status == 200:
                return
            fields = "".join(f"\r\n{name}: {value}" for name, value in answer.getheaders())
            text = f"HTTP/1.1 {answer.status} {answer.reason}{fields}".lower()
            raise Answer(text.encode("latin-1", "replace"), answer.read()).error()
        except (OSError, HTTPException) as error:
            raise ServerGone.because(str(error), may_have_run=True) from None

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        """Waits for the next chunk. Raises a `JobError` of the outcome if the job does not end well."""
        while self._connection is not None:
            event = self._event()
            name, data = event["event"], event["data"]
            if name == "chunk":
                return b64decode(data["base64"]) if "base64" in data else data["json"]
            if name == "progress":
                self.progress = data["done"], data["total"]
            elif name == "outcome":
                self.close()
                if data["outcome"] != "ok":
                    raise error_of(data["problem"], None, self.job_id)
                raw = data.get("output_base64")
                self.output = data.get("output") if raw is None else b64decode(raw)
        raise StopIteration

    def _event(self) -> Dict[str, Any]:
        try:
            line = self._answer.readline()
            if not line.endswith(b"\n"):
                raise EOFError("the server closed the connection within an answer")
        except (OSError, EOFError, HTTPException) as error:
            self.close()
            raise ServerGone.because(str(error), may_have_run=True) from None
        event: Dict[str, Any] = json.loads(line)
        return event

    def close(self) -> None:
        """Ends the reading, and cancels the job if it has not ended."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.hang_up()
            # It holds the socket, too.
            self._answer.close()
            connection.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
