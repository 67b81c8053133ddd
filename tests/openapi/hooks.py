"""What schemathesis has to be told: lines of JSON, and to which pool orders may go."""

import json

import schemathesis

# Orders of operators go to a pool that no job needs: a paused pool lets its jobs wait, and a resized one fills the machine.
ORDERS = {"changePool", "pausePool", "drainPool", "clearQuarantine", "clearOne"}
POOLS = {"ping", "fib", "compute"}
MOST_WORKERS = 4


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


@schemathesis.deserializer("application/x-ndjson")
def records(context, response):
    return [json.loads(line) for line in response.text.splitlines()]


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.operation.definition.raw.get("operationId") not in ORDERS:
        return
    if case.path_parameters and case.path_parameters.get("pool") in POOLS:
        case.path_parameters["pool"] = "spare"
    if isinstance(case.body, dict):
        for name in ("min_workers", "max_workers", "spares"):
            count = case.body.get(name)
            if isinstance(count, int) and count > MOST_WORKERS:
                case.body[name] = MOST_WORKERS
