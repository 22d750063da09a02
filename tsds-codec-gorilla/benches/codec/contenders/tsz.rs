//! The crate tsz 0.1.4: Gorilla bit by bit. Its times are unsigned and their first step has 14 bits, so that it is given whole
//! seconds; what is finer is lost. It interleaves times and values and does not decode one without the other.

use ::tsz::stream::{BufferedReader, BufferedWriter};
use ::tsz::{DataPoint, Decode, Encode, StdDecoder, StdEncoder};

use super::{Contender, Encoded, Output, Sizes, What};
use crate::sets::Set;

pub struct Tsz;

impl Contender for Tsz {
    fn name(&self) -> String {
        "tsz".into()
    }

    fn has_columns(&self) -> bool {
        false
    }

    fn encode(&self, set: &Set) -> Box<dyn Encoded> {
        let blocks = set.blocks.iter().map(|block| {
            let second = |time: &i64| time.div_euclid(1000) as u64;
            let mut encoder = StdEncoder::new(second(&block.times()[0]), BufferedWriter::new());
            for (time, value) in block.times().iter().zip(block.values()) {
                encoder.encode(DataPoint::new(second(time), *value));
            }
            (block.rows(), encoder.close())
        });
        Box::new(TszBlocks(blocks.collect()))
    }
}

struct TszBlocks(Vec<(usize, Box<[u8]>)>);

impl Encoded for TszBlocks {
    fn sizes(&self) -> Sizes {
        Sizes::Together(self.0.iter().map(|(_, bytes)| bytes.len()).sum())
    }

    fn decode(&mut self, _: What, out: &mut Output) {
        for (rows, bytes) in &self.0 {
            let (times, values) = out.next(*rows);
            // The reader takes its bytes; copying them is a hundredth of the work.
            let mut decoder = StdDecoder::new(BufferedReader::new(bytes.clone()));
            for (time, value) in times.iter_mut().zip(values) {
                let point = decoder.next().unwrap();
                (*time, *value) = (point.get_time() as i64, point.get_value());
            }
        }
    }

    fn times_as_kept(&self, times: Vec<i64>) -> Vec<i64> {
        times.into_iter().map(|time| time.div_euclid(1000)).collect()
    }
}
