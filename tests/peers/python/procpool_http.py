"""`procpool serve` with the pool fib and two workers, driven by the same lines as the peers:
`procpool_http.py DIRECTORY_OF_THE_EXECUTABLES`.

fib cannot nap: a short job is fib(38), a long one and a spin are fib(93), which takes centuries. Nor can it
tell its process id: the server is asked which worker is busy.
"""

import http.client
import json
import os
import subprocess
import sys
import threading
import time

import lines

SHORT, ENDLESS = 38, 93
LONGEST_SHORT = 1000  # milliseconds of a nap that count as short
CONFIG = """
[server]
listen = "127.0.0.1:0"

[pools.fib]
command = ["{executable}"]
min_workers = 2
max_workers = 2
timeout = "60s"
"""
told = set()


def start(binaries):
    """The server and its address."""
    config = os.path.join(os.environ["PEERS_DIR"], "procpool.toml")
    with open(config, "w") as file:
        file.write(CONFIG.format(executable=os.path.join(binaries, "procpool-fib")))
    command = [os.path.join(binaries, "procpool"), "serve", "--config", config]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    for line in server.stdout:
        if line.startswith("listening on http://"):
            return server, line.split("http://")[1].strip()
    sys.exit("procpool serve ended before it listened")


def run(address, name, number):
    try:
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", "/v1/pools/fib/jobs", str(number), {"Content-Type": "application/json"})
        lines.say(f"sent {name}")
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        return lines.say(f"failed {name} {type(error).__name__}: {error}")
    lines.say(f"ok {name}" if answer.status == 200 else f"failed {name} {reason(answer.status, body)}")


def reason(status, body):
    """What a problem of the server says: the outcome by name, and the sentence about it."""
    problem = json.loads(body)
    return f"{status} {problem['type'].rsplit('/', 1)[-1]}: {problem.get('detail', '')}"


def busy_workers(address):
    connection = http.client.HTTPConnection(address, timeout=60)
    connection.request("GET", "/v1/pools/fib/workers")
    workers = json.loads(connection.getresponse().read())["workers"]
    return [worker["pid"] for worker in workers if worker["state"] == "busy"]


def tell(address, name, job):
    """Writes the process id of the worker that has the job: the only one that is busy with a new long job."""
    place = os.path.join(os.environ["PEERS_DIR"], name)
    while job.is_alive():
        busy = [pid for pid in busy_workers(address) if pid not in told]
        if busy:
            told.add(busy[0])
            with open(place + ".part", "w") as file:
                file.write(str(busy[0]))
            return os.rename(place + ".part", place + ".pid")
        time.sleep(0.01)


def main():
    server, address = start(sys.argv[1])
    lines.say(f"parent {server.pid}")
    for line in lines.told():
        verb, name, *rest = line.split()
        is_short = verb == "nap" and int(rest[0]) <= LONGEST_SHORT
        job = threading.Thread(target=run, args=(address, name, SHORT if is_short else ENDLESS), daemon=True)
        job.start()
        if not is_short:
            threading.Thread(target=tell, args=(address, name, job), daemon=True).start()
    server.kill()
    os._exit(0)  # Whoever drives this is gone: nothing is worth waiting for.


if __name__ == "__main__":
    main()
