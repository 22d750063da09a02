//! Strings of any bits, held against reading them code by code.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::classic::floats::{Floats32, Floats64};
use crate::classic::times::Times;

/// The values of so many rows read one by one, and how many bits they have; after the last byte there are zeros.
fn one_by_one<C: Code>(bytes: &[u8], rows: usize) -> (Vec<C::Value>, u64) {
    let padded: Vec<u8> = bytes.iter().copied().chain(vec![0; 16 * rows + AHEAD]).collect();
    let first = u64::from_be_bytes(*padded.first_chunk().unwrap()) >> (64 - C::VALUE_BITS);
    let mut known = Known { value: first, state: C::BEGIN };
    let mut string = BitString { bytes: &padded, position: C::VALUE_BITS.into() };
    let mut values = vec![C::value(first)];
    for _ in 1..rows {
        known = string.read_one::<C>(known).unwrap();
        values.push(C::value(known.value));
    }
    (values, string.position)
}

/// Decodes the bits that so many rows have, and then with rows and bytes that do not go together.
fn check<C: Serial<Value: PartialEq + std::fmt::Debug + Default>>(bytes: &[u8], rows: usize) {
    let (expected, bits) = one_by_one::<C>(bytes, rows);
    let mut whole = bytes.to_vec();
    whole.resize(bits.div_ceil(8) as usize, 0);
    if let Some(last) = whole.last_mut() {
        *last &= 0xffu8 << (bits.wrapping_neg() % 8);
    }
    let decoded = |bytes: &[u8], rows: usize| {
        let mut values = vec![C::Value::default(); rows];
        decode::<C>(bytes, &mut values).map(|()| values)
    };
    assert_eq!(decoded(&whole, rows), Ok(expected));
    assert!(decoded(&whole[..whole.len() - 1], rows).is_err());
    assert!(decoded(&[&whole[..], &[0]].concat(), rows).is_err());
    if bits % 8 != 0 {
        let at = whole.len() - 1;
        whole[at] |= 1;
        assert!(decoded(&whole, rows).is_err());
    }
    let (_, bits_of_more) = one_by_one::<C>(&whole, rows + 200);
    assert_eq!(decoded(&whole, rows + 200).is_ok(), bits_of_more <= whole.len() as u64 * 8);
}

/// Bytes of which some kinds are frequent, so that runs of zeros and codes of every kind meet.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let frequent = prop_oneof![Just(0u8), Just(0xff), Just(0b1010_1010), Just(0b1000_0000), any::<u8>()];
    (frequent, 0..=10u32).prop_flat_map(|(frequent, of_ten)| {
        let byte = prop_oneof![of_ten + 1 => Just(frequent), 11 - of_ten => any::<u8>()];
        vec(byte, 8..600)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_string_is_read_as_its_codes_say(bytes in bytes(), rows in 1..1500usize) {
        check::<Times>(&bytes, rows);
        check::<Floats64>(&bytes, rows);
        check::<Floats32>(&bytes, rows);
    }

    /// From a window of every length, codes of both kinds that come after it.
    #[test]
    fn windows_of_every_length_are_read(
        leading in 0..32u64, less in 0..64u64, codes in vec(any::<u64>(), 1..60), rows in 2..400usize
    ) {
        let window = 0b11 << 62 | leading << 57 | less << 51 | codes[0] >> 13;
        let bytes: Vec<u8> = [0, window].iter().chain(&codes).flat_map(|word| word.to_be_bytes()).collect();
        check::<Floats64>(&bytes, rows);
        check::<Floats32>(&bytes, rows);
    }
}
