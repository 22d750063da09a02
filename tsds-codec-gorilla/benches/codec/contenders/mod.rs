//! Those who encode and decode.

mod ours;
mod parquet;
mod pco;
mod tsz;

pub use self::ours::{OurBlocks, Ours, OursAsArrays};
pub use self::parquet::Parquet;
pub use self::pco::Pco;
pub use self::tsz::Tsz;

use std::ops::Deref;

use arrow_array::{Float64Array, TimestampMillisecondArray};

use crate::sets::{Block, Set};

/// One way to encode points.
pub trait Contender {
    fn name(&self) -> String;

    fn encode(&self, set: &Set) -> Box<dyn Encoded>;

    /// Whether each block is encoded by itself.
    fn in_blocks(&self) -> bool {
        true
    }

    /// Whether a column can be decoded without the other.
    fn has_columns(&self) -> bool {
        true
    }
}

/// A set that was encoded.
pub trait Encoded {
    /// Encoded bytes of times and of values; one sum where they cannot be told apart.
    fn sizes(&self) -> Sizes;

    /// Decodes everything once, block by block.
    fn decode(&mut self, what: What, out: &mut Output);

    /// Decodes everything once and compares.
    fn check(&mut self, set: &Set, name: &str) {
        let mut out = Output::large(set.rows());
        self.decode(What::Points, &mut out);
        let (times, values) = out.written();
        let expected_times: Vec<i64> = set.blocks.iter().flat_map(|block| block.times().to_vec()).collect();
        let expected_values =
            set.blocks.iter().flat_map(|block| block.values().iter().map(|value| value.to_bits()));
        assert_eq!(times, self.times_as_kept(expected_times), "{name}: times of {}", set.name);
        assert!(
            values.iter().map(|value| value.to_bits()).eq(expected_values),
            "{name}: values of {}",
            set.name
        );
    }

    /// What becomes of times; all but tsz keep them.
    fn times_as_kept(&self, times: Vec<i64>) -> Vec<i64> {
        times
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Times,
    Values,
    Points,
}

impl What {
    pub fn times(self) -> bool {
        self != Self::Values
    }

    pub fn values(self) -> bool {
        self != Self::Times
    }

    pub fn bytes_per_row(self) -> usize {
        if self == Self::Points { 16 } else { 8 }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    Columns { times: usize, values: usize },
    Together(usize),
}

impl Sizes {
    pub fn total(self) -> usize {
        match self {
            Self::Columns { times, values } => times + values,
            Self::Together(bytes) => bytes,
        }
    }
}

/// Where decoded rows go: again and again into the same block, or one block after the other into much memory.
pub struct Output {
    times: Vec<i64>,
    values: Vec<f64>,
    /// Rows written since the start or the last time round.
    filled: usize,
}

impl Output {
    /// Room for `rows`, all of it touched, so that no page of it is new to the process.
    pub fn large(rows: usize) -> Self {
        Self { times: vec![1; rows], values: vec![1.0; rows], filled: 0 }
    }

    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// Where the next rows go.
    pub fn next(&mut self, rows: usize) -> (&mut [i64], &mut [f64]) {
        if self.filled + rows > self.times.len() {
            self.filled = 0;
        }
        let range = self.filled..self.filled + rows;
        self.filled += rows;
        (&mut self.times[range.clone()], &mut self.values[range])
    }

    fn written(&self) -> (&[i64], &[f64]) {
        (&self.times[..self.filled], &self.values[..self.filled])
    }
}

/// Rows of a block and what became of its columns, for contenders that encode block by block.
struct EncodedBlock<B> {
    rows: usize,
    times: B,
    values: B,
}

fn encode_blocks<B>(
    blocks: &[Block],
    times: impl Fn(&TimestampMillisecondArray) -> B,
    values: impl Fn(&Float64Array) -> B,
) -> Vec<EncodedBlock<B>> {
    let encode = |block: &Block| EncodedBlock {
        rows: block.rows(),
        times: times(&block.time_array),
        values: values(&block.value_array),
    };
    blocks.iter().map(encode).collect()
}

fn sizes_of<B: Deref<Target = [u8]>>(blocks: &[EncodedBlock<B>]) -> Sizes {
    Sizes::Columns {
        times: blocks.iter().map(|block| block.times.len()).sum(),
        values: blocks.iter().map(|block| block.values.len()).sum(),
    }
}
