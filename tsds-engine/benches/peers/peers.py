"""What Python users have instead of a database of TSDS: pyarrow, Polars and DuckDB, each as its users would do it.

    peers.py ingest DIRECTORY       batches of 10,000 trades, each on disk for good before the next
    peers.py questions DIRECTORY    questions to the trades of DIRECTORY/trades.arrow

Prints a line of JSON for each figure: who, operation, seconds (the median), rows and a sum of the answer, by which answers are compared.
"""

import datetime
import json
import os
import pathlib
import shutil
import statistics
import sys
import time

BATCH = 10_000
BATCHES = 100
ROUNDS = 5
RUNS = 5
ONE, SOME = "SYM000", ["SYM003", "SYM030", "SYM090"]
BEGIN, END = datetime.datetime(2024, 1, 1, 5), datetime.datetime(2024, 1, 1, 6)


def say(**fields):
    print(json.dumps(fields), flush=True)


def ask(who, operation, question):
    """A question is asked once in vain; it returns rows and a sum."""
    took = []
    for _ in range(RUNS + 1):
        begin = time.perf_counter()
        rows, total = question()
        took.append(time.perf_counter() - begin)
    say(who=who, operation=operation, seconds=statistics.median(took[1:]), rows=rows, sum=int(total))


# The same trades as the benchmark makes, row by row.


def trades(first, rows):
    import numpy
    import pyarrow

    numbers = numpy.arange(first, first + rows, dtype=numpy.uint64)
    scatter = ((numbers + numpy.uint64(1)) * numpy.uint64(0x9E3779B97F4A7C15)) >> numpy.uint64(32)
    part = scatter / 4294967295.0
    keys = numpy.minimum((part * part * 100).astype(numpy.int32), 99)
    names = pyarrow.array([f"SYM{n:03}" for n in range(100)])
    sides = ((scatter >> numpy.uint64(7)) & numpy.uint64(1)).astype(numpy.int32)
    columns = {
        "timestamp": pyarrow.array((1704067200 * 10**9 + numbers.astype(numpy.int64) * 8_640_000).view("datetime64[ns]")),
        "symbol": pyarrow.DictionaryArray.from_arrays(keys, names),
        "side": pyarrow.DictionaryArray.from_arrays(sides, pyarrow.array(["buy", "sell"])),
        "price": 20.0 + (scatter % numpy.uint64(5000)).astype(numpy.float64) / 100.0,
        "volume": (scatter % numpy.uint64(1000)).astype(numpy.int64),
    }
    return pyarrow.RecordBatch.from_pydict(columns)


def synced(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def ingest(directory):
    import pyarrow

    def arrow_file(path, batches):
        with open(path / "batches.arrow", "wb") as file, pyarrow.ipc.new_file(file, batches[0].schema) as writer:
            for batch in batches:
                writer.write(batch)
                file.flush()
                os.fsync(file.fileno())

    def polars_files(path, batches):
        import polars

        for number, batch in enumerate(batches):
            polars.from_arrow(batch).write_parquet(path / f"{number}.parquet")
            synced(path / f"{number}.parquet")

    def duckdb_inserts(path, batches):
        import duckdb

        database = duckdb.connect(str(path / "trades.duckdb"))
        database.register("empty", pyarrow.Table.from_batches(batches[:1]))
        database.execute("CREATE TABLE trades AS SELECT * FROM empty LIMIT 0")
        for batch in batches:
            database.register("batch", pyarrow.Table.from_batches([batch]))
            database.execute("INSERT INTO trades SELECT * FROM batch")
        database.close()

    for who, write in [
        ("pyarrow, one file of Arrow", arrow_file),
        ("Polars, a Parquet file a batch", polars_files),
        ("DuckDB", duckdb_inserts),
    ]:
        took = []
        try:
            for round in range(ROUNDS):
                batches = [trades((round * BATCHES + n) * BATCH, BATCH) for n in range(BATCHES)]
                path = directory / "peer"
                path.mkdir()
                begin = time.perf_counter()
                write(path, batches)
                took.append(time.perf_counter() - begin)
                shutil.rmtree(path)
        except ImportError as error:
            say(note=f"not measured: {who}: {error}")
            shutil.rmtree(directory / "peer", ignore_errors=True)
            continue
        rows = BATCH * BATCHES
        say(who=who, operation="a million trades", seconds=statistics.median(took), rows=rows, sum=0)


def questions(directory):
    for who, ask_them in [("pyarrow, Parquet", of_pyarrow), ("Polars, Parquet", of_polars), ("DuckDB, its own file", of_duckdb)]:
        try:
            ask_them(who, directory)
        except ImportError as error:
            say(note=f"not measured: {who}: {error}")


def of_pyarrow(who, directory):
    import pyarrow
    import pyarrow.compute as pc
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    path = parquet(directory)
    table = ds.dataset(path, format="parquet")
    time_, symbol, price, volume = (ds.field(name) for name in ("timestamp", "symbol", "price", "volume"))
    low, high = (pyarrow.scalar(at, pyarrow.timestamp("ns")) for at in (BEGIN, END))

    def rows_of(found):
        return found.num_rows, pc.sum(found["volume"]).as_py()

    def buckets():
        found = table.to_table(columns={"minute": pc.floor_temporal(time_, unit="minute"), "symbol": symbol, "volume": volume, "price": price})
        groups = found.group_by(["minute", "symbol"]).aggregate([([], "count_all"), ("volume", "sum"), ("price", "min")])
        return groups.num_rows, pc.sum(groups["volume_sum"]).as_py()

    def some():
        found = table.to_table(columns=["volume"], filter=symbol.isin(SOME) & (price > 60.0))
        return 1, pc.sum(found["volume"]).as_py()

    def top():
        found = table.to_table(columns=["price"], filter=symbol == ONE)
        return found.take(pc.select_k_unstable(found, 1000, [("price", "descending")])).num_rows, 0

    def in_order():
        rows = total = 0
        for batch in table.to_table().sort_by("timestamp").to_batches(max_chunksize=100_000):
            rows += batch.num_rows
            total += pc.sum(batch["volume"]).as_py()
        return rows, total

    ask(who, "one symbol, one hour, all columns", lambda: rows_of(table.to_table(filter=(symbol == ONE) & (time_ >= low) & (time_ < high))))
    ask(who, "3 symbols and price > 60: count, sum", some)
    ask(who, "volume > 990, all columns", lambda: rows_of(table.to_table(filter=volume > 990)))
    ask(who, "top 1000 by price of one symbol", top)
    ask(who, "all trades of one symbol in time order", lambda: rows_of(table.to_table(filter=symbol == ONE).sort_by("timestamp")))
    ask(who, "1-minute buckets per symbol: count, sum, min", buckets)
    last = lambda: table.to_table(columns=["symbol", "price"]).group_by("symbol", use_threads=False).aggregate([("price", "last")])
    ask(who, "last price of each symbol", lambda: (last().num_rows, 0))
    ask(who, "everything in time order, streamed", in_order)


def parquet(directory):
    """The trades as a Parquet file of row groups of a million, which readers can do in parallel."""
    import pyarrow
    import pyarrow.parquet as pq

    path = directory / "trades.parquet"
    if not path.exists():
        with pyarrow.memory_map(str(directory / "trades.arrow")) as source:
            pq.write_table(pyarrow.ipc.open_file(source).read_all(), path, compression="zstd", row_group_size=1 << 20)
    return path


def of_polars(who, directory):
    import polars as pl

    table = pl.scan_parquet(parquet(directory))
    symbol, time_ = pl.col("symbol").cast(pl.String), pl.col("timestamp")

    def rows_of(found):
        found = found.collect()
        return found.height, found["volume"].sum()

    def some():
        found = table.filter(symbol.is_in(SOME) & (pl.col("price") > 60.0)).select(pl.len(), pl.col("volume").sum()).collect()
        return found.height, found["volume"][0]

    minutes = table.group_by(time_.dt.truncate("1m"), "symbol").agg(pl.len(), pl.col("volume").sum(), pl.col("price").min())
    top = table.filter(symbol == ONE).select("price").top_k(1000, by="price")
    last = table.group_by("symbol").agg(pl.col("price").last())
    ask(who, "one symbol, one hour, all columns", lambda: rows_of(table.filter((symbol == ONE) & (time_ >= BEGIN) & (time_ < END))))
    ask(who, "3 symbols and price > 60: count, sum", some)
    ask(who, "volume > 990, all columns", lambda: rows_of(table.filter(pl.col("volume") > 990)))
    ask(who, "top 1000 by price of one symbol", lambda: (top.collect().height, 0))
    ask(who, "all trades of one symbol in time order", lambda: rows_of(table.filter(symbol == ONE).sort("timestamp")))
    ask(who, "1-minute buckets per symbol: count, sum, min", lambda: rows_of(minutes))
    ask(who, "last price of each symbol", lambda: (last.collect().height, 0))
    ask(who, "everything in time order, streamed", lambda: rows_of(table.sort("timestamp")))


def of_duckdb(who, directory):
    import duckdb

    path = directory / "trades.duckdb"
    database = duckdb.connect(str(path))
    database.execute(f"CREATE TABLE trades AS SELECT * FROM read_parquet('{parquet(directory)}')")
    database.execute("CHECKPOINT")
    say(note=f"{who} has {path.stat().st_size / 1e7:.2f} bytes a row, Parquet {parquet(directory).stat().st_size / 1e7:.2f}")

    def rows_of(query):
        found = database.sql(query).arrow()
        found = found.read_all() if hasattr(found, "read_all") else found
        import pyarrow.compute as pc

        return found.num_rows, pc.sum(found["volume"]).as_py() if "volume" in found.column_names else 0

    def in_order():
        import pyarrow.compute as pc

        rows = total = 0
        for batch in database.sql("SELECT * FROM trades ORDER BY timestamp").fetch_record_batch(100_000):
            rows += batch.num_rows
            total += pc.sum(batch["volume"]).as_py()
        return rows, total

    some = ", ".join(f"'{name}'" for name in SOME)
    ask(who, "one symbol, one hour, all columns", lambda: rows_of(f"FROM trades WHERE symbol = '{ONE}' AND timestamp >= '{BEGIN}' AND timestamp < '{END}'"))
    ask(who, "3 symbols and price > 60: count, sum", lambda: rows_of(f"SELECT count(*), sum(volume)::BIGINT AS volume FROM trades WHERE symbol IN ({some}) AND price > 60"))
    ask(who, "volume > 990, all columns", lambda: rows_of("FROM trades WHERE volume > 990"))
    ask(who, "top 1000 by price of one symbol", lambda: rows_of(f"SELECT price FROM trades WHERE symbol = '{ONE}' ORDER BY price DESC LIMIT 1000"))
    ask(who, "all trades of one symbol in time order", lambda: rows_of(f"FROM trades WHERE symbol = '{ONE}' ORDER BY timestamp"))
    minutes = "SELECT time_bucket(INTERVAL 1 minute, timestamp), symbol, count(*), sum(volume)::BIGINT AS volume, min(price) FROM trades GROUP BY ALL"
    ask(who, "1-minute buckets per symbol: count, sum, min", lambda: rows_of(minutes))
    ask(who, "last price of each symbol", lambda: rows_of("SELECT symbol, arg_max(price, timestamp) FROM trades GROUP BY symbol"))
    ask(who, "everything in time order, streamed", in_order)


if __name__ == "__main__":
    {"ingest": ingest, "questions": questions}[sys.argv[1]](pathlib.Path(sys.argv[2]))
