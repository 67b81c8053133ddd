"""The jobs of a program, and the choice of the one that this process serves."""

from __future__ import annotations

from ._errors import NotAWorker, StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from ._target import Target


def distinct(targets: List[Target]) -> List[Target]:
    """Returns the jobs. Raises `StartError` if there are none, or two of one name."""
    names = [target.name for target in targets]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise StartError(
            f"two of the jobs are called `{twice[0]}`: give one another name, by `@procpool.job(name=…)` above it"
        )
    if not targets:
        raise StartError("there is no job: call `procpool.serve` with a function")
    return targets


def chosen(targets: Sequence[Target], welcome: Dict[str, Any]) -> Target:
    """Returns the job that the coordinator asks for. If there is one job only, the coordinator judges it."""
    wanted, pool = welcome.get("job"), welcome.get("pool")
    for target in targets:
        if len(targets) == 1 or target.name == wanted:
            return target
    asked = f"job `{wanted}`" if wanted is not None else "no job by its name"
    raise StartError(
        f"pool `{pool}` asks for {asked}, and this program has {listed(targets)}: "
        f'name one of them, with `job = "…"` in `[pools.{pool}]`'
    )


def saved(targets: Sequence[Target], path: str, job: Any, contract: Any) -> Target:
    """Returns the job of a saved job."""
    for target in targets:
        if (job, contract) == (target.name, target.mark.version):
            return target
    ours = ", or ".join(f"`{target.name}`, version {target.mark.version}" for target in targets)
    raise NotAWorker(f"the saved job {path} is of job `{job}`, contract version {contract}, and this worker of {ours}")


def description(targets: Sequence[Target]) -> Dict[str, Any]:
    """Returns what `--describe` prints."""
    described = [target.description() for target in targets]
    return described[0] if len(described) == 1 else {"jobs": described}


def listed(targets: Sequence[Target]) -> str:
    """Returns the names as a part of a sentence: `the jobs a, b and c`."""
    names = [f"`{target.name}`" for target in targets]
    return f"the jobs {', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else f"the job {names[0]}"
