"""The experiments. Each knows jobs, deaths and the clock, and nothing of the pool."""

import time

from . import processes
from .program import Broken, started

BOUND = 20.0  # seconds from the death to giving up on whoever has not settled
LONG = 30_000  # milliseconds: longer than the bound
SHORT = 400  # milliseconds
QUEUEING = 0.1  # seconds between the last job and the death: what was taken shall be queued
QUEUED = [f"queued-{number}" for number in range(1, 5)]
BEFORE_LATER = 8.0  # seconds from the death to the later job, if the others have not settled earlier
ORPHANED = 2.0  # seconds in which a worker should notice that its parent is gone
SENT = 5  # times that the poison job is sent
PATIENCE = 3.0  # seconds for a poison job to begin, and for it to settle


def warm_up(program):
    """Both workers have had a job: what is measured is no start."""
    names = ["warm-1", "warm-2"]
    program.send(*(f"nap {name} {SHORT}" for name in names))
    program.wait_for(lambda: program.has_settled(*names), BOUND, "did not finish two jobs to begin with")


def begin(program, job, name):
    program.send(job)
    program.wait_for(lambda: program.worker_of(name) is not None, BOUND, f"did not begin the job {name}")


def one_worker_killed(setup, log):
    """A: one of two workers is killed while four jobs are queued; a last one comes after that."""
    return workers_killed(setup, log, ["long-1"])


def both_workers_killed(setup, log):
    """B: the same, and nobody is left to take the queued jobs."""
    return workers_killed(setup, log, ["long-1", "long-2"])


def workers_killed(setup, log, victims):
    with started(setup, log) as program:
        queued = [f"nap {name} {SHORT}" for name in QUEUED]
        if setup.fails_at_load:
            program.send(*(f"nap {name} {LONG}" for name in victims), *queued)
        else:
            warm_up(program)
            for name in victims:
                begin(program, f"nap {name} {LONG}", name)
            program.send(*queued)
            time.sleep(QUEUEING)
            for name in victims:
                program.kill_worker_of(name)
        death = time.monotonic()
        program.wait_for(lambda: program.has_settled(*victims, *QUEUED), BEFORE_LATER)
        before_later = sum(program.has_settled(name) for name in QUEUED)
        program.send(f"nap later {SHORT}")
        left = death + BOUND - time.monotonic()
        program.wait_for(lambda: program.has_settled(*victims, *QUEUED, "later"), left)
        return {
            "killed": [ending(program, name, death) for name in victims],
            "queued": [ending(program, name, death) for name in QUEUED],
            "queued_settled_before_later": before_later,
            "later": ending(program, "later", death),
        }


def ending(program, name, death):
    end = program.ending(name)
    if end is None:
        return {"outcome": "never settles"}
    outcome = {"outcome": "ok"} if end.error is None else {"outcome": "failed", "error": end.error}
    return {**outcome, "after_seconds": round(max(0.0, end.when - death), 3)}


def parent_killed(setup, log):
    """C: the parent is killed while a worker spins."""
    with started(setup, log) as program:
        warm_up(program)
        begin(program, "spin busy", "busy")
        worker = program.worker_of("busy")
        birth = processes.born(worker)
        program.kill_parent()
        death = time.monotonic()
        gone = program.wait_for(lambda: processes.born(worker) != birth, ORPHANED)
        after = round(time.monotonic() - death, 3) if gone else None
        return {"worker_gone": gone, "after_seconds": after, "is_thread": worker == program.parent}


def poison(setup, log):
    """D: the same job is sent again and again, and kills its worker each time."""
    with started(setup, log) as program:
        warm_up(program)
        deaths = 0
        for sent in range(1, SENT + 1):
            program.forget_worker_of("poison")
            program.send(f"nap poison {LONG}")
            settled = lambda: len(program.settled.get("poison", [])) >= sent
            program.wait_for(lambda: settled() or program.worker_of("poison") is not None, PATIENCE)
            if program.worker_of("poison") is not None:
                program.kill_worker_of("poison")
                deaths += 1
                program.wait_for(settled, PATIENCE)
        program.wait_for(settled, BOUND)
        return {"sent": SENT, "workers_lost": deaths, "settled": len(program.settled.get("poison", []))}


ALL = {
    "one_worker_killed": one_worker_killed,
    "both_workers_killed": both_workers_killed,
    "parent_killed": parent_killed,
    "poison": poison,
}
