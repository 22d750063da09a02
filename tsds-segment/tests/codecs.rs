//! The contract of `Codec`, held against the codecs of this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::sync::Arc;

use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampNanosecondType, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Int64Array, PrimitiveArray, StringArray,
    UInt64Array, new_empty_array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use tsds_segment::{PlainCodec, PlainView, ZstdCodec};
use tsds_traits::{Codec, EncodeHints, Error, ErrorKind, KeySet, key_of_f32, key_of_f64, key_of_i64};

fn codecs() -> [Arc<dyn Codec>; 2] {
    [Arc::new(PlainCodec::new()), Arc::new(ZstdCodec::new())]
}

fn encode(codec: &dyn Codec, array: &dyn Array) -> Vec<u8> {
    let mut out = Vec::new();
    codec.encode(array, &EncodeHints::default(), &mut out).unwrap();
    out
}

fn decode(codec: &dyn Codec, bytes: &[u8], rows: usize, data_type: &DataType) -> Result<ArrayRef, Error> {
    codec.decode(1, &Buffer::from_slice_ref(bytes), rows, data_type)
}

fn raw_numbers<T: ArrowPrimitiveType>(
    raw: Vec<(u64, bool)>,
    native: impl Fn(u64) -> T::Native,
) -> PrimitiveArray<T> {
    let valid = NullBuffer::from_iter(raw.iter().map(|(_, valid)| *valid));
    let nulls = Some(valid).filter(|nulls| nulls.null_count() > 0);
    // What stands under a null is whatever came, as in arrays that kernels computed.
    PrimitiveArray::new(raw.iter().map(|(raw, _)| native(*raw)).collect(), nulls)
}

/// Arrays of every type that blocks hold, with nulls, sliced anywhere.
fn array() -> impl Strategy<Value = ArrayRef> {
    let number = prop_oneof![
        any::<u64>(),
        0u64..4,
        Just(u64::MAX),
        Just(1 << 63),
        Just((-0.0f64).to_bits()),
        Just(f64::NAN.to_bits() | 0xbeef),
        Just(u64::from((-0.0f32).to_bits())),
    ];
    let raw = prop::collection::vec((number, prop_oneof![9 => Just(true), 1 => any::<bool>()]), 0..200);
    let bytes = prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..200);
    let numbers = (0..13, raw).prop_map(|(data_type, raw)| -> ArrayRef {
        match data_type {
            0 => Arc::new(raw_numbers::<Int8Type>(raw, |raw| raw as i8)),
            1 => Arc::new(raw_numbers::<Int16Type>(raw, |raw| raw as i16)),
            2 => Arc::new(raw_numbers::<Int32Type>(raw, |raw| raw as i32)),
            3 => Arc::new(raw_numbers::<Int64Type>(raw, |raw| raw as i64)),
            4 => Arc::new(raw_numbers::<UInt8Type>(raw, |raw| raw as u8)),
            5 => Arc::new(raw_numbers::<UInt16Type>(raw, |raw| raw as u16)),
            6 => Arc::new(raw_numbers::<UInt32Type>(raw, |raw| raw as u32)),
            7 => Arc::new(raw_numbers::<UInt64Type>(raw, |raw| raw)),
            8 => Arc::new(raw_numbers::<Float32Type>(raw, |raw| f32::from_bits(raw as u32))),
            9 => Arc::new(raw_numbers::<Float64Type>(raw, f64::from_bits)),
            10 => Arc::new(raw_numbers::<TimestampNanosecondType>(raw, |raw| raw as i64)),
            11 => Arc::new(
                raw_numbers::<TimestampNanosecondType>(raw, |raw| raw as i64).with_timezone("Europe/Berlin"),
            ),
            _ => Arc::new(
                raw.iter().map(|(raw, valid)| valid.then_some(raw % 2 == 1)).collect::<BooleanArray>(),
            ),
        }
    });
    let bytes = bytes.prop_map(|bytes| Arc::new(bytes.into_iter().collect::<BinaryArray>()) as ArrayRef);
    (prop_oneof![6 => numbers, 1 => bytes], any::<prop::sample::Index>(), any::<prop::sample::Index>())
        .prop_map(|(array, start, end)| {
            let (start, end) = (start.index(array.len() + 1), end.index(array.len() + 1));
            array.slice(start.min(end), start.abs_diff(end))
        })
}

/// The same logical array in fresh memory, from offset 0, with zeros under its nulls.
fn rebuilt(array: &ArrayRef) -> ArrayRef {
    let order: arrow_array::UInt32Array =
        (0..array.len() as u32).map(|row| array.is_valid(row as usize).then_some(row)).collect();
    arrow_select::take::take(array, &order, None).unwrap()
}

/// Damaged bytes may decode, but never to something that cannot be used.
fn decodes_or_is_corrupt(
    codec: &dyn Codec,
    bytes: &[u8],
    rows: usize,
    data_type: &DataType,
) -> Result<(), TestCaseError> {
    match decode(codec, bytes, rows, data_type) {
        Ok(array) => {
            prop_assert_eq!((array.len(), array.data_type()), (rows, data_type));
            array.to_data().validate_full().unwrap();
        }
        Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error),
    }
    Ok(())
}

#[test]
fn a_few_compressed_bytes_cannot_claim_gigabytes() {
    let codec = ZstdCodec::new();
    for (array, data_type) in [
        (Arc::new(Int64Array::from(vec![5; 1_000])) as ArrayRef, DataType::Int64),
        (Arc::new(BinaryArray::from_iter_values(vec![b"same"; 1_000])), DataType::Binary),
    ] {
        let mut block = encode(&codec, &array);
        assert_eq!(block[4], 1, "compressed");
        let rows = u32::MAX as usize;
        // What a plain block of so many rows takes: the rows make the length possible, the frame does not.
        let plain_len = match data_type {
            DataType::Int64 => 64 + rows * 8,
            _ => 64 + (rows + 1) * 4 + 4_000,
        };
        block[8..16].copy_from_slice(&(plain_len as u64).to_le_bytes());
        let error = decode(&codec, &block, rows, &data_type).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("its frame cannot have"), "{error}");
    }
}

#[test]
fn what_compresses_best_still_decodes() {
    let codec = ZstdCodec::new();
    for rows in [1, 1_000, 16_384, 1 << 20] {
        let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; rows]));
        let bytes = encode(&codec, &zeros);
        assert_eq!(&decode(&codec, &bytes, rows, &DataType::Int64).unwrap(), &zeros);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn decoding_gives_the_array_back(array in array()) {
        for codec in codecs() {
            let bytes = encode(&*codec, &array);
            prop_assert!(bytes.len() <= codec.max_encoded_len(&array).unwrap());
            let decoded = decode(&*codec, &bytes, array.len(), array.data_type()).unwrap();
            prop_assert_eq!(decoded.data_type(), array.data_type());
            prop_assert_eq!(&decoded, &array);
        }
    }

    #[test]
    fn the_bytes_depend_on_the_logical_array_alone(array in array()) {
        for codec in codecs() {
            prop_assert_eq!(encode(&*codec, &array), encode(&*codec, &rebuilt(&array)));
        }
    }

    #[test]
    fn encoding_appends(array in array(), before in prop::collection::vec(any::<u8>(), 0..70)) {
        for codec in codecs() {
            let mut out = before.clone();
            codec.encode(&array, &EncodeHints::default(), &mut out).unwrap();
            prop_assert_eq!(&out[..before.len()], &before[..]);
            prop_assert_eq!(&out[before.len()..], encode(&*codec, &array));
        }
    }

    #[test]
    fn a_decoded_range_is_the_decoded_array_sliced(array in array(), a: prop::sample::Index, b: prop::sample::Index) {
        let (a, b) = (a.index(array.len() + 1), b.index(array.len() + 1));
        for codec in codecs() {
            let bytes = Buffer::from(encode(&*codec, &array));
            let range = a.min(b)..a.max(b);
            let part = codec.decode_range(1, &bytes, array.len(), range.clone(), array.data_type()).unwrap();
            prop_assert_eq!(&part, &array.slice(range.start, range.len()));
        }
    }

    #[test]
    fn blocks_decode_wherever_they_lie_in_memory(array in array(), offset in 0usize..20) {
        for codec in codecs() {
            let mut moved = vec![0; offset];
            moved.extend(encode(&*codec, &array));
            let bytes = Buffer::from(moved).slice(offset);
            let decoded = codec.decode(1, &bytes, array.len(), array.data_type()).unwrap();
            prop_assert_eq!(&decoded, &array);
        }
    }

    #[test]
    fn a_damaged_block_decodes_or_is_corrupt(
        array in array(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
        cut: prop::sample::Index,
        extra in prop::collection::vec(any::<u8>(), 0..3),
        rows in prop_oneof![3 => Just(None), 1 => prop::option::of(0usize..500), 1 => Just(Some(usize::MAX))],
    ) {
        for codec in codecs() {
            let bytes = encode(&*codec, &array);
            let rows = rows.unwrap_or(array.len());
            let mut flipped = bytes.clone();
            for (at, xor) in &flips {
                flipped[at.index(bytes.len())] ^= xor;
            }
            flipped.extend(&extra);
            decodes_or_is_corrupt(&*codec, &flipped, rows, array.data_type())?;
            decodes_or_is_corrupt(&*codec, &bytes[..cut.index(bytes.len())], rows, array.data_type())?;
            for data_type in [DataType::Int64, DataType::Boolean, DataType::Binary] {
                decodes_or_is_corrupt(&*codec, &bytes, rows, &data_type)?;
            }
        }
    }

    #[test]
    fn the_filter_keeps_the_rows_whose_key_is_in_the_set(
        array in array(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u64..3), 0..7),
        far in prop::collection::vec((any::<u64>(), any::<u64>()), 0..3),
    ) {
        let Some(keys) = keys_of(&array) else { return Ok(()) };
        // Ranges between keys that occur, so that something is at every border.
        let near = picks.iter().filter(|_| !keys.is_empty()).map(|(a, b, more)| {
            let (a, b) = (keys[a.index(keys.len())].unwrap_or(5), keys[b.index(keys.len())].unwrap_or(9));
            a.min(b)..=a.max(b).saturating_add(*more)
        });
        let set = KeySet::from_ranges(near.chain(far.iter().map(|(a, b)| *a..=*b)));
        let codec = PlainCodec::new();
        let bytes = Buffer::from(encode(&codec, &array));
        let found = codec.filter(1, &bytes, array.len(), array.data_type(), &set).unwrap();
        let expected: BooleanBuffer = keys.iter().map(|key| key.is_some_and(|key| set.contains(key))).collect();
        prop_assert_eq!(found, expected);
    }
}

/// The key of every row, by the definition of keys; `None` for binaries.
fn keys_of(array: &ArrayRef) -> Option<Vec<Option<u64>>> {
    use arrow_array::cast::AsArray;
    fn keys<T: ArrowPrimitiveType>(array: &ArrayRef, key: impl Fn(T::Native) -> u64) -> Vec<Option<u64>> {
        array.as_primitive::<T>().iter().map(|value| value.map(&key)).collect()
    }
    Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().iter().map(|value| value.map(u64::from)).collect(),
        DataType::Int8 => keys::<Int8Type>(array, |v| key_of_i64(v.into())),
        DataType::Int16 => keys::<Int16Type>(array, |v| key_of_i64(v.into())),
        DataType::Int32 => keys::<Int32Type>(array, |v| key_of_i64(v.into())),
        DataType::Int64 => keys::<Int64Type>(array, key_of_i64),
        DataType::UInt8 => keys::<UInt8Type>(array, u64::from),
        DataType::UInt16 => keys::<UInt16Type>(array, u64::from),
        DataType::UInt32 => keys::<UInt32Type>(array, u64::from),
        DataType::UInt64 => keys::<UInt64Type>(array, |v| v),
        DataType::Float32 => keys::<Float32Type>(array, |v| key_of_f32(v).into()),
        DataType::Float64 => keys::<Float64Type>(array, key_of_f64),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => keys::<TimestampNanosecondType>(array, key_of_i64),
        _ => return None,
    })
}

fn samples() -> Vec<ArrayRef> {
    vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(i64::MIN), Some(-1)])),
        Arc::new((0..70).map(|row| (row % 9 != 0).then_some(row % 2 == 0)).collect::<BooleanArray>()),
        Arc::new(BinaryArray::from(vec![Some(&b"abc"[..]), None, Some(b""), Some(&[b'z'; 40])])),
        Arc::new(UInt64Array::from(vec![7; 300])),
    ]
}

#[test]
fn every_cut_and_every_flipped_bit_decodes_or_is_corrupt() {
    for (codec, array) in
        codecs().iter().flat_map(|codec| samples().into_iter().map(move |array| (codec, array)))
    {
        let bytes = encode(&**codec, &array);
        for len in 0..bytes.len() {
            let error = decode(&**codec, &bytes[..len], array.len(), array.data_type()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{} length {len}", codec.id());
        }
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            decodes_or_is_corrupt(&**codec, &damaged, array.len(), array.data_type()).unwrap();
        }
    }
}

#[test]
fn every_flipped_bit_of_a_plain_header_is_corrupt() {
    for array in samples() {
        let codec = PlainCodec::new();
        let bytes = encode(&codec, &array);
        for bit in 0..64 * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&codec, &damaged, array.len(), array.data_type()).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn empty_arrays_are_arrays() {
    for codec in codecs() {
        for data_type in [DataType::Int64, DataType::Boolean, DataType::Binary] {
            let empty = new_empty_array(&data_type);
            let bytes = encode(&*codec, &empty);
            assert_eq!(&decode(&*codec, &bytes, 0, &data_type).unwrap(), &empty);
        }
    }
}

#[test]
fn what_a_block_cannot_hold_is_unsupported_and_appends_nothing() {
    let text = StringArray::from(vec!["a"]);
    for codec in codecs() {
        assert_eq!(codec.max_encoded_len(&text), None);
        let mut out = vec![1];
        let error = codec.encode(&text, &EncodeHints::default(), &mut out).unwrap_err();
        assert_eq!((error.kind(), error.plugin(), out), (ErrorKind::Unsupported, Some(codec.id()), vec![1]));
        assert!(!codec.capabilities().types.contains(&DataType::Utf8));
        let bytes = encode(&*codec, &Int64Array::from(vec![1]));
        assert_eq!(decode(&*codec, &bytes, 1, &DataType::Utf8).unwrap_err().kind(), ErrorKind::Unsupported);
        let later = codec.decode(2, &Buffer::from(bytes), 1, &DataType::Int64).unwrap_err();
        assert_eq!(later.kind(), ErrorKind::Unsupported);
    }
}

#[test]
fn a_range_outside_the_rows_is_invalid() {
    for codec in codecs() {
        let bytes = Buffer::from(encode(&*codec, &Int64Array::from(vec![1, 2])));
        #[expect(clippy::reversed_empty_ranges, reason = "what is to be refused")]
        for range in [0..3, 2..1, 3..3] {
            let error = codec.decode_range(1, &bytes, 2, range, &DataType::Int64).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }
}

#[test]
fn filtering_bytes_or_with_a_codec_that_does_not_filter_is_unsupported() {
    let zstd = ZstdCodec::new();
    let bytes = Buffer::from(encode(&zstd, &Int64Array::from(vec![1])));
    let error = zstd.filter(1, &bytes, 1, &DataType::Int64, &KeySet::full()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let plain = PlainCodec::new();
    let bytes = Buffer::from(encode(&plain, &BinaryArray::from(vec![&b"a"[..]])));
    let error = plain.filter(1, &bytes, 1, &DataType::Binary, &KeySet::full()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_block_that_claims_to_expand_without_bound_is_corrupt_before_it_is_allocated() {
    let codec = ZstdCodec::new();
    for array in samples() {
        let bytes = encode(&codec, &array);
        for claimed in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 33] {
            let mut forged = bytes.clone();
            forged[8..16].copy_from_slice(&claimed.to_le_bytes());
            let error = decode(&codec, &forged, array.len(), array.data_type()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}

#[test]
fn bytes_that_compress_beyond_the_stated_expansion_are_stored_as_they_are() {
    let codec = ZstdCodec::new();
    let zeros = BinaryArray::from(vec![&vec![0u8; 1 << 20][..]]);
    let bytes = encode(&codec, &zeros);
    assert!(bytes.len() > 1 << 20);
    assert_eq!(*decode(&codec, &bytes, 1, &DataType::Binary).unwrap(), zeros);
    // Offsets are bounded by the rows and not by the expansion.
    let empty = BinaryArray::from(vec![&b""[..]; 100_000]);
    assert!(encode(&codec, &empty).len() < 1_000);
}

#[test]
fn decoding_plain_values_shares_their_memory() {
    use arrow_array::cast::AsArray;
    let codec = PlainCodec::new();
    let bytes = Buffer::from_slice_ref(encode(&codec, &Int64Array::from(vec![Some(1), None, Some(3)])));
    let decoded = codec.decode(1, &bytes, 3, &DataType::Int64).unwrap();
    let values = decoded.as_primitive::<Int64Type>().values().inner().as_ptr();
    assert!(bytes.as_ptr_range().contains(&values));
}

#[test]
fn a_plain_view_shows_the_parts_of_a_block() {
    let codec = PlainCodec::new();
    let array = BinaryArray::from(vec![Some(&b"ab"[..]), None, Some(b"c")]);
    let bytes = Buffer::from(encode(&codec, &array));
    let view = PlainView::parse(1, &bytes, 3, &DataType::Binary).unwrap();
    assert_eq!((view.null_count, view.values.as_slice()), (1, &b"abc"[..]));
    assert_eq!(view.validity.unwrap().as_slice(), [0b101]);
    let offsets: Vec<u8> = [0i32, 2, 2, 3].iter().flat_map(|offset| offset.to_le_bytes()).collect();
    assert_eq!(view.offsets.unwrap().as_slice(), offsets);
}

#[test]
fn offsets_that_descend_or_leave_the_values_are_corrupt() {
    let codec = PlainCodec::new();
    let good = encode(&codec, &BinaryArray::from(vec![&b"ab"[..], b"c"]));
    for offsets in [[0i32, 3, 2], [0, 2, 4], [1, 2, 3], [0, -1, 3], [0, i32::MAX, 3], [0, 1, 2]] {
        let mut forged = good.clone();
        for (index, offset) in offsets.iter().enumerate() {
            forged[64 + index * 4..68 + index * 4].copy_from_slice(&offset.to_le_bytes());
        }
        let error = decode(&codec, &forged, 2, &DataType::Binary).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{offsets:?}");
    }
}
