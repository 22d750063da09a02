//! The codec `tsds.gorilla` with given instructions.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Float64Array, TimestampMillisecondArray};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, TimeUnit};
use tsds_codec_gorilla::{GorillaCodec, Isa, Mode};
use tsds_traits::{Codec, EncodeHints};

use super::{Contender, Encoded, EncodedBlock, Output, Sizes, What};
use crate::sets::{Block, Set};

pub const TIMES: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

pub struct Ours {
    pub isa: Isa,
}

impl Ours {
    /// With the best instructions of the processor.
    pub fn best() -> Self {
        Self { isa: Isa::best() }
    }

    fn codec(&self) -> GorillaCodec {
        GorillaCodec::new().with_isa(self.isa)
    }

    pub fn encode_blocks(&self, set: &Set) -> OurBlocks {
        let codec = self.codec();
        let encode = |array: &dyn Array, sorted: bool| {
            let mut out = Vec::new();
            codec.encode(array, &EncodeHints::runs(&[0], sorted), &mut out).unwrap();
            Buffer::from(out)
        };
        let blocks = set.blocks.iter().map(|block| {
            let (times, values) = arrays(block);
            EncodedBlock { rows: times.len(), times: encode(&times, true), values: encode(&values, false) }
        });
        OurBlocks { blocks: blocks.collect(), codec: self.codec(), kept: Vec::new(), at: 0 }
    }
}

fn arrays(block: &Block) -> (TimestampMillisecondArray, Float64Array) {
    (block.times.clone().into(), block.values.clone().into())
}

impl Contender for Ours {
    fn name(&self) -> String {
        format!("ours, {}", self.isa)
    }

    fn encode(&self, set: &Set) -> Box<dyn Encoded> {
        Box::new(self.encode_blocks(set))
    }
}

pub struct OurBlocks {
    pub(super) blocks: Vec<EncodedBlock<Buffer>>,
    codec: GorillaCodec,
    /// The codec gives arrays: they are kept until their place in the output is written again.
    kept: Vec<[Option<ArrayRef>; 2]>,
    at: usize,
}

impl OurBlocks {
    pub fn codec(&self) -> &GorillaCodec {
        &self.codec
    }

    /// Rows and bytes of each block of values.
    pub fn values(&self) -> impl Iterator<Item = (usize, &Buffer)> {
        self.blocks.iter().map(|block| (block.rows, &block.values))
    }

    /// The modes of the blocks of values with how many rows are in each, commonest first.
    pub fn modes(&self) -> Vec<(Mode, usize)> {
        let mut modes: Vec<(Mode, usize)> = Mode::ALL.map(|mode| (mode, 0)).into();
        for block in &self.blocks {
            // The header's byte of the mode.
            let found = modes.iter_mut().find(|(mode, _)| *mode as u8 == block.values[5]);
            found.unwrap().1 += block.rows;
        }
        modes.retain(|(_, rows)| *rows > 0);
        modes.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        modes
    }
}

impl Encoded for OurBlocks {
    fn sizes(&self) -> Sizes {
        super::sizes_of(&self.blocks)
    }

    fn decode(&mut self, what: What, out: &mut Output) {
        let version = self.codec.version();
        for block in &self.blocks {
            // An allocator that has to give the same room again is a buffer that is reused.
            self.at = if (self.at + 2) * block.rows > out.rows() { 0 } else { self.at + 1 };
            if self.kept.len() <= self.at {
                self.kept.resize(self.at + 1, [None, None]);
            }
            let kept = &mut self.kept[self.at];
            *kept = [None, None];
            if what.times() {
                kept[0] = Some(self.codec.decode(version, &block.times, block.rows, &TIMES).unwrap());
            }
            if what.values() {
                let decoded = self.codec.decode(version, &block.values, block.rows, &DataType::Float64);
                kept[1] = Some(decoded.unwrap());
            }
        }
    }

    fn check(&mut self, set: &Set, name: &str) {
        let version = self.codec.version();
        for (block, expected) in self.blocks.iter().zip(&set.blocks) {
            let times = self.codec.decode(version, &block.times, block.rows, &TIMES).unwrap();
            let values = self.codec.decode(version, &block.values, block.rows, &DataType::Float64).unwrap();
            let times = times.as_primitive::<TimestampMillisecondType>();
            assert_eq!(times.values().as_ref(), expected.times, "{name}: times of {}", set.name);
            let values = values.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits());
            assert!(
                values.eq(expected.values.iter().map(|value| value.to_bits())),
                "{name}: values of {}",
                set.name
            );
        }
    }
}
