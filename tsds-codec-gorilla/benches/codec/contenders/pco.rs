//! The crate pco at its default level.

use ::pco::wrapped::FileDecompressor;

use super::{Contender, Encoded, EncodedBlock, Output, Sizes, What, encode_blocks, sizes_of};
use crate::rival;
use crate::sets::Set;

pub struct Pco;

impl Contender for Pco {
    fn name(&self) -> String {
        "pco".into()
    }

    fn encode(&self, set: &Set) -> Box<dyn Encoded> {
        let auto = || ::pco::ModeSpec::Auto;
        let blocks = encode_blocks(
            &set.blocks,
            |times| rival::encode(times.values(), rival::LEVEL, auto()),
            |values| rival::encode(values.values(), rival::LEVEL, auto()),
        );
        Box::new(PcoBlocks { file: rival::file(), blocks })
    }
}

struct PcoBlocks {
    file: FileDecompressor,
    blocks: Vec<EncodedBlock<Vec<u8>>>,
}

impl Encoded for PcoBlocks {
    fn sizes(&self) -> Sizes {
        sizes_of(&self.blocks)
    }

    fn decode(&mut self, what: What, out: &mut Output) {
        for block in &self.blocks {
            let (times, values) = out.next(block.rows);
            if what.times() {
                rival::decode(&self.file, &block.times, times);
            }
            if what.values() {
                rival::decode(&self.file, &block.values, values);
            }
        }
    }
}
