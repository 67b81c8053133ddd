"""A module that cannot be imported."""

import no_such_module_of_this_test  # type: ignore[import-not-found]  # noqa: F401
