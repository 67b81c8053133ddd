"""Drives a server by httpx: client.py URL. The server has the pools of `procpool serve`."""

import asyncio
import json
import sys

import httpx

URL = sys.argv[1]
JOBS = f"{URL}/v1/pools/fib/jobs"


def same(name: str, expected: object, got: object) -> None:
    if expected != got:
        sys.exit(f"not ok: {name}\n  expected: {expected!r}\n  got:      {got!r}")
    print(f"ok: {name}")


def one_by_one(version: str, client: httpx.Client) -> None:
    answer = client.post(JOBS, json=40)
    same(f"a job over {version}", (200, 102334155, version), (answer.status_code, answer.json(), answer.http_version))
    same("a job's id", 32, len(answer.headers["job-id"]))

    problem = client.post(JOBS, json=94)
    told = (problem.status_code, problem.headers["content-type"], problem.json()["outcome"])
    same("a job that fails", (422, "application/problem+json", "failed"), told)

    answer = client.post(JOBS, content=iter([b"1", b"0"]), headers={"content-type": "application/json"})
    same("an upload in pieces", 55, answer.json())

    late = client.post(JOBS, json=93, params={"timeout": "100ms"})
    same("a job that is late", (504, "timed_out"), (late.status_code, late.json()["outcome"]))

    with client.stream("POST", JOBS, json=20) as answer:
        same("an answer in pieces", b"6765", b"".join(answer.iter_bytes()))

    with client.stream("POST", f"{URL}/v1/pools/fib/batch", content=(b"20\n" for _ in range(1000))) as answer:
        outputs = [json.loads(line)["output"] for line in answer.iter_lines()]
    same("a batch", [6765] * 1000, outputs)
    with client.stream("POST", JOBS, json=20, headers={"accept": "application/x-ndjson"}) as answer:
        events = [json.loads(line)["event"] for line in answer.iter_lines()]
    same("a job that is read as it runs", ["state", "state", "outcome"], events)

    accepted = client.post(JOBS, json=40, headers={"prefer": "respond-async"})
    job = f"{URL}{accepted.headers['location']}"
    same("a job that is handed over", (202, "fib"), (accepted.status_code, accepted.json()["pool"]))
    with client.stream("GET", f"{job}/events") as events:
        lines = [line.removeprefix("event: ") for line in events.iter_lines() if line.startswith("event: ")]
    same("its last event", "outcome", lines[-1])
    same("its result", 102334155, client.get(f"{job}/result").json())
    found = client.get(f"{URL}/v1/jobs", params={"pool": "fib", "limit": 1}).json()["jobs"]
    same("it is found again", [accepted.json()["id"]], [job["id"] for job in found])

    key = {"idempotency-key": f'"{version}"'}
    answers = [client.post(JOBS, json=30, headers=key) for _ in range(2)]
    same("a key has one job", 1, len({answer.headers["job-id"] for answer in answers}))
    same("and the second answer says so", [None, "true"], [answer.headers.get("idempotent-replayed") for answer in answers])


async def at_once(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post(JOBS, json=n % 25) for n in range(200)))
    fib = [0, 1]
    while len(fib) < 25:
        fib.append(fib[-1] + fib[-2])
    same("two hundred jobs at once", [fib[n % 25] for n in range(200)], [answer.json() for answer in answers])


async def main() -> None:
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(timeout=30, limits=limits) as client:
        await at_once(client)


with httpx.Client(timeout=30) as http1:
    one_by_one("HTTP/1.1", http1)
# Without TLS there is nothing to negotiate: HTTP/2 alone.
with httpx.Client(timeout=30, http1=False, http2=True) as http2:
    one_by_one("HTTP/2", http2)
asyncio.run(main())
