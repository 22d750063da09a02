//! Both layouts, held against decoders that are as slow and as plain as the paper's text.

mod damage;
mod golden;
mod lanes;
mod naive;
mod places;
mod round_trip;
mod values;

use super::*;

/// What one type's codes are used through.
struct Api<V: 'static> {
    encode: fn(&[V], u32, &mut Vec<u8>),
    decode: fn(&[u8], u32, &mut [V], Isa) -> Result<()>,
    encoded_len: fn(&[V]) -> usize,
}

const TIMES: Api<i64> = Api { encode: encode_times, decode: decode_times, encoded_len: encoded_len_times };

const FLOATS64: Api<u64> =
    Api { encode: encode_floats64, decode: decode_floats64, encoded_len: encoded_len_floats64 };

const FLOATS32: Api<u32> =
    Api { encode: encode_floats32, decode: decode_floats32, encoded_len: encoded_len_floats32 };

impl<V: Copy + Default> Api<V> {
    fn encoded(&self, values: &[V], lanes_log2: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        (self.encode)(values, lanes_log2, &mut bytes);
        bytes
    }

    fn decoded(&self, bytes: &[u8], lanes_log2: u32, rows: usize, isa: Isa) -> Result<Vec<V>> {
        let mut values = vec![V::default(); rows];
        (self.decode)(bytes, lanes_log2, &mut values, isa)?;
        Ok(values)
    }
}

/// Layouts that so many rows can have.
fn layouts(rows: usize) -> impl Iterator<Item = u32> {
    [0, 3, 4, 5].into_iter().filter(move |&lanes_log2| lanes_log2 <= most_lanes_log2(rows))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
