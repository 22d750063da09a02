//! Sizes of one block.

use std::iter::Sum;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMillisecondType};
use arrow_array::{Array, Float64Array, TimestampMillisecondArray};
use arrow_buffer::Buffer;
use tsds_codec_gorilla::GorillaCodec;
use tsds_traits::{Codec, EncodeHints};

use crate::rival;
use crate::series::Series;

/// Bytes of a block of times and a block of values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    pub rows: usize,
    pub times: usize,
    pub values: usize,
}

impl Sizes {
    pub fn total(self) -> usize {
        self.times + self.values
    }

    pub fn share_of_raw(self) -> f64 {
        self.total() as f64 / (self.rows * 16) as f64
    }
}

impl Sum for Sizes {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), |sum, next| Self {
            rows: sum.rows + next.rows,
            times: sum.times + next.times,
            values: sum.values + next.values,
        })
    }
}

/// The disjoint windows of `rows` points, without a last one that is short unless it is the only one.
pub fn windows(series: &Series, rows: usize) -> impl Iterator<Item = Series> + '_ {
    let windows = (series.times.len() / rows).max(1);
    (0..windows).map(move |window| {
        let range = window * rows..((window + 1) * rows).min(series.times.len());
        Series {
            name: series.name.clone(),
            group: series.group,
            times: series.times[range.clone()].to_vec(),
            values: series.values[range.clone()].to_vec(),
            valid: series.valid.get(range).map(<[bool]>::to_vec).unwrap_or_default(),
        }
    })
}

/// The upper median.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What the codec makes of a block, which comes back as it was and is never more than 2 % above raw.
pub fn ours(block: &Series) -> Sizes {
    let times = TimestampMillisecondArray::from(block.times.clone());
    let values = match block.valid.is_empty() {
        true => Float64Array::from(block.values.clone()),
        false => {
            block.values.iter().zip(&block.valid).map(|(value, valid)| valid.then_some(*value)).collect()
        }
    };
    let times_decoded = encode(&times, true);
    let values_decoded = encode(&values, false);
    assert_eq!(times_decoded.1.as_primitive::<TimestampMillisecondType>(), &times, "{}", block.name);
    let bits = |array: &Float64Array| array.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
    let decoded = values_decoded.1.as_primitive::<Float64Type>();
    assert_eq!(bits(decoded), bits(&values), "{}", block.name);
    Sizes { rows: block.times.len(), times: times_decoded.0, values: values_decoded.0 }
}

/// The encoded length, and what was decoded.
fn encode(array: &dyn Array, sorted: bool) -> (usize, arrow_array::ArrayRef) {
    let codec = GorillaCodec::new();
    let mut out = Vec::new();
    codec.encode(array, &EncodeHints::runs(&[0], sorted), &mut out).unwrap();
    let length = out.len();
    let nulls = if array.null_count() > 0 { array.len().div_ceil(8) } else { 0 };
    let raw = array.len() * 8 + nulls;
    assert!(length * 100 <= raw * 102, "{length} bytes are more than raw, {raw}, and 2 %");
    assert!(codec.max_encoded_len(array).unwrap() >= length);
    let decoded = codec.decode(codec.version(), &Buffer::from(out), array.len(), array.data_type()).unwrap();
    (length, decoded)
}

/// What pco makes of a block at its default level.
pub fn pcos(block: &Series) -> Sizes {
    pco_at(block, rival::LEVEL)
}

/// An estimate of how small a block can be by known means: what pco makes of it at its highest level. Entropy estimators that
/// are no codecs leave out the cost of saying which symbols there are, which is most of it in a block of a thousand.
pub fn floor(block: &Series) -> Sizes {
    pco_at(block, rival::HIGHEST_LEVEL)
}

fn pco_at(block: &Series, level: usize) -> Sizes {
    Sizes {
        rows: block.times.len(),
        times: rival::smallest(&block.times, level).len(),
        values: rival::smallest(&block.values, level).len(),
    }
}
