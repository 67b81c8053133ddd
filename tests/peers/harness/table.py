"""The results as text: Markdown that can be read on a terminal."""

WIDEST = 90  # characters of an error text; --json has the rest


def text(results):
    first = {
        "the killed job": of("one_worker_killed", killed),
        "known after": of("one_worker_killed", known),
        "the four that waited": of("one_worker_killed", queued),
        "one later": of("one_worker_killed", later),
    }
    second = {
        "both killed: they": of("both_workers_killed", killed_in_short),
        "the four that waited": of("both_workers_killed", queued),
        "one later": of("both_workers_killed", later),
        "worker of a killed parent": of("parent_killed", orphan),
        "job that kills, sent 5 times": of("poison", poison),
    }
    titles = ["One of two workers is killed while four jobs wait:", "And what else was done to them:"]
    return "\n\n".join([titles[0], table(results, first), titles[1], table(results, second)])


def table(results, columns):
    rows = [["pool", *columns]]
    for name, result in results.items():
        cells = [cell(result["experiments"]) for cell in columns.values()]
        rows.append([f"{name} {result['version']}"] + [cell.replace("|", "/") for cell in cells])
    widths = [max(map(len, column)) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def of(experiment, cell):
    """`cell` of an experiment that may be missing, or have broken off."""

    def filled(experiments):
        result = experiments.get(experiment)
        if result is None:
            return "-"
        return f"not measured: {result['broken']}" if "broken" in result else cell(result)

    return filled


def killed(result):
    return outcome(result["killed"][0], WIDEST)


def killed_in_short(result):
    return counted(result["killed"])


def known(result):
    return seconds(result["killed"][0].get("after_seconds"))


def queued(result):
    counts = counted(result["queued"])
    settled = sum(end["outcome"] != "never settles" for end in result["queued"])
    before = result["queued_settled_before_later"]
    late = "" if before == settled else f", {settled - before} only after the later one was sent"
    return counts + late


def later(result):
    return outcome(result["later"], 0)


def orphan(result):
    if not result["worker_gone"]:
        return "still runs after 2 s"
    if result["is_thread"]:
        return "gone with it: a thread"
    return f"gone after {seconds(result['after_seconds'])}"


def poison(result):
    return f"{result['workers_lost']} dead, {result['settled']} answers"


def counted(endings):
    counts = {}
    for end in endings:
        counts[end["outcome"]] = counts.get(end["outcome"], 0) + 1
    if counts.get("never settles", 0) > 1:
        counts["never settle"] = counts.pop("never settles")
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def outcome(end, widest):
    """How a job ended; of an error at least the name that stands before its colon."""
    if end["outcome"] != "failed":
        return end["outcome"]
    error = end["error"]
    widest = max(widest, error.find(":"))
    return error if len(error) <= widest else error[:widest].rstrip() + ("…" if widest == WIDEST else "")


def seconds(number):
    if number is None:
        return "-"
    return f"{1000 * number:.0f} ms" if number < 1 else f"{number:.1f} s"
