//! Throughput of the paper's codes, without lanes and with them, by each kernel that this processor has the instructions for.
//!
//! `cargo bench -p tsds-codec-gorilla --bench classic`, with parts of names behind `--` to run only some. A case is a series, the
//! rows of a block, the lanes and the kernel. Bytes are 16 for each point, whose time and value are in two columns that are
//! decoded one after the other into the same buffers, block after block of a series.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]
// The codes are not a public interface: their sources are part of the benchmark, with their tests and what only those use.
#![allow(dead_code, unused_imports)]

#[path = "../../src/classic/mod.rs"]
mod classic;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/isa.rs"]
mod isa;
#[path = "../../tests/series/mod.rs"]
mod series;

use std::fmt;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use isa::Isa;

fn main() {
    divan::main();
}

/// Points of a series that are measured: so few that what they are encoded to does not leave the second cache.
const POINTS: usize = 64 * 1024;

/// Some published series, of different kinds, if their folder is there.
const PUBLISHED: &[&str] =
    &["Changping/TEMP", "Changping/PRES", "trade/price", "cpu_utilization_5f5533", "datatraining/CO2"];

struct Points {
    name: String,
    times: Vec<i64>,
    values: Vec<u64>,
}

static SERIES: LazyLock<Vec<Points>> = LazyLock::new(|| {
    let mut all = series::synthetic(POINTS);
    let published = series::published().unwrap_or_default();
    all.extend(
        published.into_iter().filter(|series| PUBLISHED.iter().any(|name| series.name.contains(name))),
    );
    all.iter()
        .map(series::Series::points)
        .map(|series| Points {
            values: series.values.iter().take(POINTS).map(|value| value.to_bits()).collect(),
            times: series.times.into_iter().take(POINTS).collect(),
            name: series.name,
        })
        .collect()
});

#[derive(Clone, Copy)]
struct Case {
    series: &'static Points,
    rows: usize,
    lanes_log2: u32,
    isa: Option<Isa>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { series, rows, lanes_log2, .. } = self;
        write!(f, "{}, {rows} rows, lanes {}", series.name, 1 << lanes_log2)?;
        self.isa.map_or(Ok(()), |isa| write!(f, ", {isa}"))
    }
}

fn cases(isas: &[Option<Isa>]) -> Vec<Case> {
    let mut cases = Vec::new();
    for series in SERIES.iter() {
        for rows in [1024, 8192] {
            for lanes_log2 in [0, 3, 4, 5].into_iter().filter(|&log2| log2 <= classic::most_lanes_log2(rows))
            {
                // Without lanes there is but one decoder.
                let isas = if lanes_log2 == 0 { &isas[..1] } else { isas };
                cases.extend(isas.iter().map(|&isa| Case { series, rows, lanes_log2, isa }));
            }
        }
    }
    cases.retain(|case| case.series.times.len() >= case.rows);
    cases
}

impl Case {
    fn blocks(self) -> impl Iterator<Item = (&'static [i64], &'static [u64])> {
        self.series.times.chunks_exact(self.rows).zip(self.series.values.chunks_exact(self.rows))
    }

    fn bytes(self) -> BytesCount {
        BytesCount::new(16 * self.rows * self.blocks().count())
    }
}

#[divan::bench(args = cases(&Isa::available().into_iter().map(Some).collect::<Vec<_>>()), min_time = 0.2)]
fn decode(bencher: Bencher, case: &Case) {
    let isa = case.isa.unwrap_or(Isa::Portable);
    let encoded: Vec<(Vec<u8>, Vec<u8>)> = case
        .blocks()
        .map(|(times, values)| {
            let mut block = (Vec::new(), Vec::new());
            classic::encode_times(times, case.lanes_log2, &mut block.0);
            classic::encode_floats64(values, case.lanes_log2, &mut block.1);
            block
        })
        .collect();
    let (mut times, mut values) = (vec![0; case.rows], vec![0; case.rows]);
    bencher.counter(case.bytes()).bench_local(|| {
        for block in &encoded {
            classic::decode_times(&block.0, case.lanes_log2, &mut times, isa).unwrap();
            classic::decode_floats64(&block.1, case.lanes_log2, &mut values, isa).unwrap();
            divan::black_box((&times, &values));
        }
    });
}

#[divan::bench(args = cases(&[None]), min_time = 0.2)]
fn encode(bencher: Bencher, case: &Case) {
    let (mut times, mut values) = (Vec::new(), Vec::new());
    bencher.counter(case.bytes()).bench_local(|| {
        for block in case.blocks() {
            times.clear();
            values.clear();
            classic::encode_times(block.0, case.lanes_log2, &mut times);
            classic::encode_floats64(block.1, case.lanes_log2, &mut values);
            divan::black_box((&times, &values));
        }
    });
}

#[divan::bench(args = cases(&[None]).into_iter().filter(|case| case.lanes_log2 == 0).collect::<Vec<_>>(), min_time = 0.2)]
fn length(bencher: Bencher, case: &Case) {
    bencher.counter(case.bytes()).bench_local(|| {
        for block in case.blocks() {
            divan::black_box((classic::encoded_len_times(block.0), classic::encoded_len_floats64(block.1)));
        }
    });
}
