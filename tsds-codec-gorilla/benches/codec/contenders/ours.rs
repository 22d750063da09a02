//! The codec `tsds.gorilla`.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;
use arrow_schema::{DataType, TimeUnit};
use tsds_codec_gorilla::{Block as Encoding, GorillaCodec, Isa, Mode};
use tsds_traits::{Codec, EncodeHints};

use super::{Contender, Encoded, EncodedBlock, Output, Sizes, What};
use crate::sets::Set;

const TIMES: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

/// Decodes into slices.
pub struct Ours {
    name: String,
    isa: Isa,
}

impl Ours {
    /// With the best instructions of the processor.
    pub fn best() -> Self {
        Self { name: "ours".into(), isa: Isa::best() }
    }

    /// With these instructions.
    pub fn with(isa: Isa) -> Self {
        Self { name: format!("ours, {isa}"), isa }
    }

    pub fn encode_blocks(&self, set: &Set) -> OurBlocks {
        OurBlocks { blocks: encode_blocks(set), isa: self.isa, times: Vec::new(), values: Vec::new() }
    }
}

impl Contender for Ours {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, set: &Set) -> Box<dyn Encoded> {
        Box::new(self.encode_blocks(set))
    }
}

/// Decodes into Arrow arrays, as the engine does, with the best instructions of the processor.
pub struct OursAsArrays;

impl Contender for OursAsArrays {
    fn name(&self) -> String {
        "ours, Arrow arrays".into()
    }

    fn encode(&self, set: &Set) -> Box<dyn Encoded> {
        Box::new(OurArrays { blocks: encode_blocks(set), kept: Vec::new(), at: 0 })
    }
}

fn encode_blocks(set: &Set) -> Vec<EncodedBlock<Buffer>> {
    let codec = GorillaCodec::new();
    let encode = |array: &dyn Array, sorted: bool| {
        let mut out = Vec::new();
        codec.encode(array, &EncodeHints::runs(&[0], sorted), &mut out).unwrap();
        Buffer::from(out)
    };
    super::encode_blocks(&set.blocks, |times| encode(times, true), |values| encode(values, false))
}

pub struct OurBlocks {
    blocks: Vec<EncodedBlock<Buffer>>,
    isa: Isa,
    /// Floats come as their bits: these stand in for the output.
    times: Vec<i64>,
    values: Vec<i64>,
}

impl OurBlocks {
    /// Rows and bytes of each block of values.
    pub fn values(&self) -> impl Iterator<Item = (usize, &Buffer)> {
        self.blocks.iter().map(|block| (block.rows, &block.values))
    }

    /// The modes of the blocks of values and the percentages of the rows that are in them, commonest first.
    pub fn modes(&self) -> String {
        let rows_in = |mode: Mode| {
            let blocks =
                self.blocks.iter().filter(|block| Encoding::parse(&block.values).unwrap().mode() == mode);
            blocks.map(|block| block.rows).sum::<usize>()
        };
        let mut modes: Vec<_> = Mode::ALL.into_iter().map(|mode| (mode, rows_in(mode))).collect();
        modes.retain(|(_, rows)| *rows > 0);
        modes.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        let all: usize = modes.iter().map(|(_, rows)| rows).sum();
        let text = modes.iter().map(|(mode, rows)| match rows * 100 / all {
            100 => mode.name().to_owned(),
            percent => format!("{} {percent} %", mode.name()),
        });
        text.collect::<Vec<_>>().join(", ")
    }
}

impl Encoded for OurBlocks {
    fn sizes(&self) -> Sizes {
        super::sizes_of(&self.blocks)
    }

    fn decode(&mut self, what: What, out: &mut Output) {
        if self.times.len() < out.rows() {
            (self.times, self.values) = (vec![1; out.rows()], vec![1; out.rows()]);
        }
        let mut at = 0;
        for block in &self.blocks {
            if at + block.rows > out.rows() {
                at = 0;
            }
            let decode = |bytes: &[u8], out: &mut [i64]| {
                let encoding = Encoding::parse_with(bytes, self.isa).unwrap();
                encoding.read_lanes(0..block.rows, &mut out[at..at + block.rows]).unwrap();
            };
            if what.times() {
                decode(&block.times, &mut self.times);
            }
            if what.values() {
                decode(&block.values, &mut self.values);
            }
            at += block.rows;
        }
    }

    fn check(&mut self, set: &Set, name: &str) {
        self.decode(What::Points, &mut Output::large(set.rows()));
        let times = set.blocks.iter().flat_map(|block| block.times().iter().copied());
        let values =
            set.blocks.iter().flat_map(|block| block.values().iter().map(|value| value.to_bits() as i64));
        assert!(self.times.iter().copied().eq(times), "{name}: times of {}", set.name);
        assert!(self.values.iter().copied().eq(values), "{name}: values of {}", set.name);
        (self.times, self.values) = (Vec::new(), Vec::new());
    }
}

struct OurArrays {
    blocks: Vec<EncodedBlock<Buffer>>,
    /// Arrays are kept until their place in the output is written again: the allocator then has to give the same room.
    kept: Vec<[Option<ArrayRef>; 2]>,
    at: usize,
}

impl Encoded for OurArrays {
    fn sizes(&self) -> Sizes {
        super::sizes_of(&self.blocks)
    }

    fn decode(&mut self, what: What, out: &mut Output) {
        let codec = GorillaCodec::new();
        for block in &self.blocks {
            self.at = if (self.at + 2) * block.rows > out.rows() { 0 } else { self.at + 1 };
            if self.kept.len() <= self.at {
                self.kept.resize(self.at + 1, [None, None]);
            }
            let kept = &mut self.kept[self.at];
            *kept = [None, None];
            let decode = |bytes: &Buffer, data_type: &DataType| {
                Some(codec.decode(codec.version(), bytes, block.rows, data_type).unwrap())
            };
            if what.times() {
                kept[0] = decode(&block.times, &TIMES);
            }
            if what.values() {
                kept[1] = decode(&block.values, &DataType::Float64);
            }
        }
    }

    fn check(&mut self, set: &Set, name: &str) {
        let codec = GorillaCodec::new();
        for (block, expected) in self.blocks.iter().zip(&set.blocks) {
            let decode = |bytes: &Buffer, data_type: &DataType| {
                codec.decode(codec.version(), bytes, block.rows, data_type).unwrap()
            };
            let times = decode(&block.times, &TIMES);
            let times = times.as_primitive::<TimestampMillisecondType>();
            assert_eq!(times.values().as_ref(), expected.times(), "{name}: times of {}", set.name);
            let values = decode(&block.values, &DataType::Float64);
            let values = values.as_primitive::<Float64Type>().values().iter().map(|value| value.to_bits());
            assert!(
                values.eq(expected.values().iter().map(|value| value.to_bits())),
                "{name}: values of {}",
                set.name
            );
        }
    }
}
