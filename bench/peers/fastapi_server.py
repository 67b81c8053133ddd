"""FastAPI in front of a ProcessPoolExecutor with two workers. Prints its port."""
import asyncio
import ctypes
import signal
import socket
from concurrent.futures import ProcessPoolExecutor

import uvicorn
from fastapi import Body, FastAPI

PR_SET_PDEATHSIG = 1


def end_with_the_server():
    """Workers of this pool would outlive a server that is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ping(text):
    return "pong"


app = FastAPI()
pool = ProcessPoolExecutor(2, initializer=end_with_the_server)


@app.post("/v1/pools/ping/jobs")
async def run(text: str = Body()):
    return await asyncio.get_running_loop().run_in_executor(pool, ping, text)


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print("listening on", listener.getsockname()[1], flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])
