"""Jobs through a Python pool with two workers: `pools.py POOL COUNT`. The time of a job, in microseconds."""
import json
import sys
import time


def echo(value):
    return value


def make(which):
    """What runs a job, and what ends the pool."""
    if which == "loky":
        import loky
        pool = loky.get_reusable_executor(max_workers=2)
        return lambda: pool.submit(echo, "ping").result(), lambda: pool.shutdown(wait=True, kill_workers=True)
    if which == "pebble":
        import pebble
        pool = pebble.ProcessPool(max_workers=2)
        return lambda: pool.schedule(echo, args=["ping"]).result(), lambda: (pool.close(), pool.join())
    from concurrent.futures import ProcessPoolExecutor
    pool = ProcessPoolExecutor(2)
    return lambda: pool.submit(echo, "ping").result(), pool.shutdown


def main():
    run, end = make(sys.argv[1])
    count = int(sys.argv[2])
    for _ in range(count // 5 + 1):
        run()
    nanos = []
    for _ in range(count):
        begun = time.perf_counter_ns()
        run()
        nanos.append(time.perf_counter_ns() - begun)
    end()
    nanos.sort()
    print(json.dumps({"value": nanos[len(nanos) // 2] / 1e3, "nanos": nanos}))


if __name__ == "__main__":
    main()
