"""The main module of a program, in the workers of its executor: what it defines is found by pickles.

As `multiprocessing` does for `spawn`, with a difference: a program without `if __name__ == "__main__"`
is imported up to the line where it first uses an executor. What stands above is defined.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

from . import _nesting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

_NAME = "__mp_main__"


def describe() -> Dict[str, Any]:
    """Returns what workers need to know of this program's main module."""
    main = sys.modules["__main__"]
    name = getattr(getattr(main, "__spec__", None), "name", None)
    path = getattr(main, "__file__", None)
    if name is not None:
        # A `__main__.py` has no guard, and nothing that others import.
        return {} if name == "__main__" or name.endswith(".__main__") else {"name": name}
    if path is None or os.path.splitext(os.path.basename(path))[0] == "ipython":
        return {}
    return {"path": os.path.abspath(path)}


def define(description: Dict[str, Any]) -> None:
    """Imports the module that `describe` described, as the main module of this process."""
    name, path = description.get("name"), description.get("path")
    if name is None and path is None:
        return
    module = ModuleType(_NAME)
    code = _code_of_module(name, module) if name is not None else _code_of_file(str(path))
    module.__file__ = path or module.__file__
    sys.modules["__main__"] = sys.modules[_NAME] = module
    _nesting.imports_main = True
    try:
        exec(code, module.__dict__)  # noqa: S102 - it is an import
    except _nesting.StopImport:
        pass
    finally:
        _nesting.imports_main = False


def _code_of_module(name: str, module: ModuleType) -> Any:
    from importlib.util import find_spec

    spec = find_spec(name)
    loader: Optional[Any] = spec.loader if spec is not None else None
    if spec is None or loader is None:
        raise ImportError(f"the program's main module `{name}` is not found in a worker")
    module.__package__ = spec.parent
    module.__file__ = spec.origin
    return loader.get_code(name)


def _code_of_file(path: str) -> Any:
    if path.endswith(".pyc"):
        from importlib.machinery import SourcelessFileLoader

        return SourcelessFileLoader(_NAME, path).get_code(_NAME)
    with open(path, "rb") as file:
        return compile(file.read(), path, "exec")
