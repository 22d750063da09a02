#!/usr/bin/env python3
"""Does with CuPy what TSDS did on the same data on the same device, and says how many times as fast TSDS was.

    scripts/gpu-check-cupy.py COLUMNS TIMINGS [--json FILE] [--with cupy|numpy] [--runs N]
    scripts/gpu-check-cupy.py --try [--with cupy|numpy]     on a few rows that it makes up, to see whether it works

COLUMNS is the directory that `TSDS_TIMING_COLUMNS` named when the timings of TSDS ran, and TIMINGS the file that `TSDS_TIMING_JSON` named. Both
sides begin with columns in the memory of the device and leave their results there; whoever asks waits until they are there. Of what CuPy
can do in two ways the faster one counts, and it keeps the memory that it allocates. Ends with 77 if the library is absent
(`pip install cupy-cuda12x`), and with 1 if the answers differ. NumPy does the same on the host: it shows that the script works.
"""

import argparse
import importlib
import json
import pathlib
import statistics
import sys
import tempfile
import time

ABSENT = 77
# What is asked of TSDS, in times of the other's speed.
GOAL = ("filter and gather of 3 columns", 5.0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("columns", type=pathlib.Path, nargs="?")
    parser.add_argument("timings", type=pathlib.Path, nargs="?")
    parser.add_argument("--json", type=pathlib.Path, help="where the result is written as JSON")
    parser.add_argument("--with", dest="library", choices=["cupy", "numpy"], default="cupy")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--try", dest="is_try", action="store_true", help="on made-up rows")
    given = parser.parse_args()
    if not given.is_try and not (given.columns and given.timings):
        parser.error("say where the columns and the timings are, or --try")
    return given


class Library:
    """CuPy or NumPy, which have the same functions."""

    def __init__(self, name):
        self.name = name
        self.of = importlib.import_module(name)
        self.is_device = name == "cupy"
        if self.is_device:
            # It imports without a device, too.
            properties = self.of.cuda.runtime.getDeviceProperties(self.of.cuda.Device().id)
            self.device = properties["name"].decode()
        else:
            self.device = "the host"

    def load(self, path):
        import numpy

        return self.of.asarray(numpy.load(path))

    def wait(self):
        if self.is_device:
            self.of.cuda.Device().synchronize()

    def seconds(self, run, runs):
        """The median of some runs, after one that counts for nothing."""
        times = []
        for _ in range(runs + 1):
            self.wait()
            start = time.perf_counter()
            result = run()
            self.wait()
            times.append(time.perf_counter() - start)
            del result
        return statistics.median(times[1:])


def measure(library, columns, bounds, matches, runs):
    """Seconds of each operation, by its name in TSDS's timings. Fails if filtering finds other rows than TSDS found."""
    of = library.of
    names = ["price", "time", "code"]
    arrays = {name: library.load(columns / f"{name}.npy") for name in names}
    price = arrays["price"]
    least, most = bounds

    def mask():
        return (price >= least) & (price <= most)

    def by_mask():
        found = mask()
        return [arrays[name][found] for name in names]

    def by_rows():
        rows = of.flatnonzero(mask())
        return [of.take(arrays[name], rows) for name in names]

    found = by_mask()
    if len(found[0]) != matches:
        sys.exit(f"{len(found[0])} rows match here, {matches} in TSDS")
    del found
    ways = {"by mask": by_mask, "by row numbers": by_rows}
    ways = {name: library.seconds(run, runs) for name, run in ways.items()}
    best = min(ways, key=ways.get)
    seconds = {"range filter to a bitmask": (library.seconds(mask, runs), "to a byte a row")}
    seconds[GOAL[0]] = (ways[best], best)
    arrays.clear()
    shuffled = library.load(columns / "shuffled.npy")
    seconds["gather_64, random list"] = (library.seconds(lambda: of.take(price, shuffled), runs), "take")
    del shuffled, price
    keys = library.load(columns / "keys.npy")
    seconds["sort of 64-bit keys with row ids"] = (library.seconds(lambda: of.argsort(keys), runs), "argsort")
    seconds["keys alone"] = (library.seconds(lambda: of.sort(keys), runs), "sort")
    return seconds


def compared(library, seconds, timings):
    """A row for each operation, and the goal."""
    own = {line["name"]: line for line in timings if "seconds" in line}
    rows = []
    for name, (took, how) in seconds.items():
        tsds = own.get(name, {}).get("seconds")
        times = took / tsds if tsds else None
        rows.append({"operation": name, "how": how, f"{library.name}_seconds": took, "tsds_seconds": tsds, "times": times})
    what, least = GOAL
    times = next((row["times"] for row in rows if row["operation"] == what), None)
    reached = None if times is None else times >= least
    return rows, {"goal": what, "asked": least, "measured": times, "reached": reached}


def show(library, rows, goal, count):
    number = lambda value, form: form.format(value) if value is not None else ""
    print(f"{library.name} {library.of.__version__} on {library.device}, beside TSDS, {count} rows: results stay where they are\n")
    print(f"{'operation':36} {'how':16} {library.name + ' ms':>12} {'tsds ms':>12} {'times':>8}")
    for row in rows:
        took, tsds = row[f"{library.name}_seconds"], row["tsds_seconds"]
        tsds = number(tsds and tsds * 1e3, "{:.3f}")
        print(f"{row['operation']:36} {row['how']:16} {took * 1e3:12.3f} {tsds:>12} {number(row['times'], '{:.2f}'):>8}")
    said = {True: "reached", False: "not reached", None: "not measured"}[goal["reached"]]
    print(f"\ngoal: {goal['goal']} at least {goal['asked']} times as fast: {said}")


def made_up(directory):
    """A few rows as TSDS would write them, and its timings of these."""
    import numpy

    count = 10_000
    rows = numpy.arange(count)
    price = numpy.sin(rows * 0.37) * 50
    chance = numpy.random.default_rng(1)
    columns = {
        "price": price,
        "time": rows * 1_000_000,
        "code": (rows // 10).astype(numpy.uint32),
        "shuffled": chance.permutation(count).astype(numpy.uint32),
        "keys": chance.integers(0, 1 << 64, count, dtype=numpy.uint64),
    }
    for name, array in columns.items():
        numpy.save(directory / f"{name}.npy", array)
    matches = int(((price >= 0) & (price <= 10)).sum())
    names = ["range filter to a bitmask", GOAL[0], "gather_64, random list", "sort of 64-bit keys with row ids"]
    lines = [{"device": "made up", "rows": count}, {"least": 0.0, "most": 10.0, "matches": matches}]
    lines += [{"name": name, "seconds": 1e-3, "rows": count} for name in names]
    timings = directory / "timings.json"
    timings.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return timings


def main():
    given = arguments()
    try:
        library = Library(given.library)
    except Exception as error:
        print(f"{given.library} cannot be used: {error}\ninstall it, such as with: pip install cupy-cuda12x")
        sys.exit(ABSENT)
    with tempfile.TemporaryDirectory() as directory:
        columns, timings = given.columns, given.timings
        if given.is_try:
            columns = pathlib.Path(directory)
            timings = made_up(columns)
        lines = [json.loads(line) for line in timings.read_text().splitlines()]
        asked = next((line for line in lines if "matches" in line), None)
        if asked is None:
            sys.exit("TSDS did not filter and gather: let its timings run that")
        bounds = (asked["least"], asked["most"])
        seconds = measure(library, columns, bounds, asked["matches"], given.runs)
    rows, goal = compared(library, seconds, lines)
    show(library, rows, goal, lines[0]["rows"])
    if given.json:
        result = {"library": library.name, "version": library.of.__version__, "device": library.device}
        given.json.write_text(json.dumps({**result, "rows": lines[0]["rows"], "compared": rows, "goal": goal}, indent=2) + "\n")


if __name__ == "__main__":
    main()
