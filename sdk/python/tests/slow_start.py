"""A worker that loads until the test lets it."""

from __future__ import annotations

import logging
import os
from pathlib import Path


class Slow:
    def __init__(self) -> None:
        Path(os.environ["PROCPOOL_TEST_GATE"]).read_text(encoding="utf-8")

    def __call__(self, value: int) -> int:
        return value


class Chatty:
    def __init__(self) -> None:
        logging.getLogger("model").warning("loading")

    def __call__(self, value: int) -> int:
        return value
