"""The errors of a program that has jobs run: a class for each outcome, and those of the server itself.

An outcome is what the server's problem says (RFC 9457); docs/http.md lists the members of each.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple, Type

from ._errors import BadInput


class JobError(Exception):
    """A job that did not end well. `except procpool.JobError` catches every outcome but `ok`."""

    def __init__(
        self, problem: Mapping[str, Any], retry_after: Optional[float] = None, job_id: Optional[str] = None
    ) -> None:
        self.problem: Dict[str, Any] = dict(problem)
        """Members of the problem, as the server sent them."""
        self.retry_after = retry_after
        """Seconds after which to send the job again. `None`: waiting does not help, or the job may have run."""
        self.job_id = job_id
        """The job's id, as in the server's log. `None` if the server did not accept the job."""
        super().__init__(self.problem, retry_after, job_id)

    def __str__(self) -> str:
        return str(self.problem.get("detail") or self.problem.get("title") or self.outcome)

    @property
    def outcome(self) -> str:
        """The outcome's name, such as `crashed`; `refused` for a job that was not accepted."""
        return str(self.problem.get("outcome") or _kind_of(self.problem) or "unknown")

    @property
    def may_have_run(self) -> bool:
        """False if the function certainly did not run."""
        return bool(self.problem.get("may_have_run", True))

    @property
    def stage(self) -> Optional[str]:
        """`queued` or `running`, for outcomes that are possible in both."""
        return self.problem.get("stage")

    @property
    def message(self) -> str:
        """What the function said, without the server's words around it."""
        return str(self.problem.get("message", self))

    @property
    def replay(self) -> Optional[str]:
        """The file of the saved job, which `procpool replay` runs again, where the pool saves jobs."""
        found: Optional[str] = self.problem.get("replay") or self.problem.get("crash", {}).get("replay")
        return found


class InputRejected(JobError, BadInput):
    """The input is not what the job takes (`bad_input`). The function did not run."""


class Failed(JobError):
    """The function said no: it raised `procpool.Failure` (`failed`)."""

    @property
    def code(self) -> str:
        """A short word for programs."""
        return str(self.problem.get("code", ""))

    @property
    def details(self) -> Any:
        """Any JSON value that the function added, or `None`."""
        return self.problem.get("details")

    @property
    def retryable(self) -> bool:
        """Whether the function said that the same job may succeed later."""
        return bool(self.problem.get("retryable", False))


class Broke(Failed):
    """The function raised another exception (`broke`): `code` is its type. The worker goes on.

    A `Failed` as well: `except procpool.Failed` catches all that a function raises.
    """


class Panicked(JobError):
    """The function panicked, or raised where its worker says `exceptions="panic"`. The worker was replaced."""

    @property
    def location(self) -> Optional[str]:
        """`file:line` of where it happened."""
        return self.problem.get("location")


class Crashed(JobError):
    """The worker died while it had the job: a segfault, `os._exit`, `kill -9`, a limit. Another took its place."""

    @property
    def report(self) -> Dict[str, Any]:
        """How it died: members of docs/debugging.md, "Read the report"."""
        return dict(self.problem.get("crash") or {})

    @property
    def signal(self) -> Optional[int]:
        """The signal that killed the worker."""
        return self.report.get("signal")

    @property
    def exit_code(self) -> Optional[int]:
        """The worker's exit code, if it exited."""
        return self.report.get("exit_code")

    @property
    def stderr(self) -> List[str]:
        """The worker's last words: up to 20 lines that the job wrote to standard error."""
        return list(self.report.get("stderr") or ())


class TimedOut(JobError):
    """The job's deadline passed. The function was interrupted, or its worker killed."""

    @property
    def limit(self) -> Optional[float]:
        """The time limit, in seconds."""
        limit = self.problem.get("limit_ms")
        return None if limit is None else limit / 1000


class JobCancelled(JobError):
    """The job was cancelled by somebody other than its caller (`cancelled`)."""


class ProtocolBroken(JobError):
    """The worker broke the protocol and was killed (`protocol_error`). `violation` says how."""

    @property
    def violation(self) -> str:
        """How the worker broke the protocol."""
        return str(self.problem.get("violation", ""))


class OutputTooLarge(JobError):
    """The output exceeds the pool's `max_payload`. Raise that, or return less."""

    @property
    def size(self) -> Optional[int]:
        """Size of the output in bytes."""
        return self.problem.get("size")

    @property
    def limit(self) -> Optional[int]:
        """The pool's `max_payload` in bytes."""
        return self.problem.get("limit")


class Poisoned(JobError):
    """The input has killed `poison_deaths` workers, and is not run for a while."""

    @property
    def deaths(self) -> Optional[int]:
        """Number of workers that the input has killed."""
        return self.problem.get("payload_deaths")

    @property
    def remaining(self) -> Optional[float]:
        """Seconds until the input runs again."""
        remaining = self.problem.get("remaining_ms")
        return None if remaining is None else remaining / 1000


class ShutDown(JobError):
    """The pool shut down before the job ended."""


class Refused(JobError):
    """The server did not accept the job, which did not run."""

    @property
    def outcome(self) -> str:
        """`refused`."""
        return "refused"

    @property
    def reason(self) -> str:
        """A reason of docs/outcomes.md, "Refusals", or another of the server's problems: `body_too_large`."""
        return str(self.problem.get("reason") or _kind_of(self.problem))


class ServerGone(JobError):
    """The connection to the server ended before the answer. `may_have_run` says whether the job was sent."""

    @classmethod
    def because(cls, reason: str, *, may_have_run: bool) -> ServerGone:
        """Returns the error of a connection that ended for this reason."""
        return cls({"outcome": "server_gone", "detail": reason, "may_have_run": may_have_run})


class ServerError(Exception):
    """The server of a pool could not be found, started or understood. The text says what to do."""


def _kind_of(problem: Mapping[str, Any]) -> str:
    return str(problem.get("type", "")).rpartition("/")[2]


_BY_TYPE: Dict[str, Type[JobError]] = {
    "bad_input": InputRejected,
    "broke": Broke,
    "cancelled": JobCancelled,
    "crashed": Crashed,
    "failed": Failed,
    "output_too_large": OutputTooLarge,
    "panicked": Panicked,
    "poisoned": Poisoned,
    "protocol_error": ProtocolBroken,
    "refused": Refused,
    "shut_down": ShutDown,
    "timed_out": TimedOut,
}


def error_of(problem: Mapping[str, Any], retry_after: Optional[float], job_id: Optional[str]) -> JobError:
    """Returns the error that a problem of the server stands for."""
    # A problem without an outcome is of a job that the server did not accept.
    is_refusal = problem.get("may_have_run") is False and "outcome" not in problem
    made = _BY_TYPE.get(_kind_of(problem), Refused if is_refusal else JobError)
    return made(problem, retry_after, job_id)


def arguments_of(error: JobError) -> Tuple[Dict[str, Any], Optional[float], Optional[str]]:
    """Returns what another class of the same outcome is made of."""
    return error.problem, error.retry_after, error.job_id
