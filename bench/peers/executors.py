"""Calls through an executor with two workers: `executors.py SDK EXECUTOR MEASUREMENT COUNT`.

`one-by-one` and `arrays` give the time of a call in microseconds, `in-flight` calls a second.
SDK is the folder of procpool's package, unless it is found elsewhere before.
"""
import json
import sys
import time
from collections import deque

WORKERS = 2
LANES = 64
WARM_UP = 20
ARRAY_BYTES = 16 << 20


def echo(value):
    return value


def times(executor, value, count):
    """Returns the nanoseconds of each of these calls, one after another."""
    nanos = []
    for _ in range(count):
        begun = time.perf_counter_ns()
        result = executor.submit(echo, value).result()
        nanos.append(time.perf_counter_ns() - begun)
        del result
    return nanos


def rate(executor, count):
    """Returns calls a second, with the same number of them always in flight."""
    begun = time.perf_counter()
    waiting = deque()
    for number in range(count):
        if len(waiting) == LANES:
            waiting.popleft().result()
        waiting.append(executor.submit(echo, number))
    for future in waiting:
        future.result()
    return count / (time.perf_counter() - begun)


def make(which, sdk):
    if which == "procpool":
        sys.path.append(sdk)
        import procpool

        return procpool.Executor(WORKERS)
    from concurrent.futures import ProcessPoolExecutor

    return ProcessPoolExecutor(WORKERS)


def array():
    import numpy

    return numpy.arange(ARRAY_BYTES // 8, dtype=numpy.float64)


def main():
    sdk, which, measurement, count = sys.argv[1:4] + [int(sys.argv[4])]
    with make(which, sdk) as executor:
        if measurement == "in-flight":
            rate(executor, count // 5 + 1)
            print(json.dumps({"value": rate(executor, count)}))
            return
        value = array() if measurement == "arrays" else "ping"
        times(executor, value, min(count, WARM_UP))
        nanos = sorted(times(executor, value, count))
        print(json.dumps({"value": nanos[len(nanos) // 2] / 1e3, "nanos": nanos}))


if __name__ == "__main__":
    main()
