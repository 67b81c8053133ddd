"""The job of `procpool-ping`: `python3 -m procpool ping:ping`."""


def ping(text: str) -> str:
    if text != "ping":
        raise ValueError(f'expected "ping", got {text!r}')
    return "pong"
