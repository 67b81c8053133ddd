"""A Python pool of two workers, driven by lines: `pool.py POOL`. The lines are explained in ../README.md."""

import os
import sys

import lines
import work

WORKERS = 2


def process_pool_executor():
    from concurrent.futures import ProcessPoolExecutor

    pool = ProcessPoolExecutor(max_workers=WORKERS)
    return lambda job, arguments, settle: when_done(pool.submit(job, *arguments), settle)


def multiprocessing_pool():
    import multiprocessing

    return applier(multiprocessing.Pool(WORKERS))


def billiard():
    import billiard

    return applier(billiard.Pool(WORKERS))


def pebble():
    from pebble import ProcessPool

    pool = ProcessPool(max_workers=WORKERS)
    return lambda job, arguments, settle: when_done(pool.schedule(job, args=arguments), settle)


def loky():
    from loky import get_reusable_executor

    # Asked for anew for each job, as its documentation has it: a broken executor is replaced by that.
    def submit(job, arguments, settle):
        when_done(get_reusable_executor(max_workers=WORKERS, timeout=60).submit(job, *arguments), settle)

    return submit


def when_done(future, settle):
    def done(future):
        try:
            future.result()
        except BaseException as error:
            settle(error)
        else:
            settle(None)

    future.add_done_callback(done)


def applier(pool):
    def submit(job, arguments, settle):
        pool.apply_async(job, arguments, callback=lambda _: settle(None), error_callback=settle)

    return submit


POOLS = {
    "ProcessPoolExecutor": process_pool_executor,
    "multiprocessing.Pool": multiprocessing_pool,
    "billiard": billiard,
    "pebble": pebble,
    "loky": loky,
}


def run(submit, line):
    verb, name, *rest = line.split()
    job = {"nap": work.nap, "spin": work.spin}[verb]

    def settle(error):
        error = getattr(error, "exception", error)  # billiard wraps it twice, in tracebacks of many lines
        error = getattr(error, "exc", error)
        lines.say(f"ok {name}" if error is None else f"failed {name} {type(error).__name__}: {error}")

    try:
        submit(job, (name, *map(int, rest)), settle)
    except Exception as error:
        settle(error)
    lines.say(f"sent {name}")


def main():
    submit = POOLS[sys.argv[1]]()
    lines.say(f"parent {os.getpid()}")
    for line in lines.told():
        run(submit, line)
    os._exit(0)  # Whoever drives this is gone: nothing is worth waiting for.


if __name__ == "__main__":
    main()
