//! What must hold for any bytes. The fuzz targets run it on what the fuzzer invents, `tests/corpus.rs` on what has been kept.
#![allow(dead_code, reason = "every target has its own entrance")]

mod by_layout;
mod forge;
mod observe;
mod round_trip;

use std::ops::RangeInclusive;

use tsds_codec_gorilla::{Block, GorillaDecoder, Isa, Kind, place};

#[allow(unused_imports, reason = "as above")]
pub use round_trip::round_trip;

/// Any bytes are a block, once they have a header with a checksum.
pub fn block(data: &[u8]) {
    let mut bytes = data.to_vec();
    forge::block(&mut bytes);
    check(&bytes);
}

/// Any bytes are a block of classic codes, in any number of lanes.
pub fn classic(data: &[u8]) {
    let mut bytes = data.to_vec();
    forge::classic(&mut bytes);
    check(&bytes);
}

/// Any bytes are frames of points: as they are, and with frames made whole and checksums made right.
pub fn points(data: &[u8]) {
    let mut forged = data.to_vec();
    forge::frames(&mut forged);
    for bytes in [data, &forged] {
        let one_by_one: Vec<_> = GorillaDecoder::new(bytes).with_isa(Isa::Portable).collect();
        let sound = one_by_one.iter().take_while(|point| point.is_ok()).count();
        assert!(one_by_one.len() <= sound + 1, "points follow damage");
        for isa in Isa::available() {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            let end = GorillaDecoder::new(bytes).with_isa(isa).read_all(&mut times, &mut values);
            assert_eq!(end.is_err(), sound < one_by_one.len(), "{isa}");
            assert_eq!((times.len(), values.len()), (sound, sound), "{isa}");
            for (point, (time, value)) in one_by_one.iter().flatten().zip(times.iter().zip(&values)) {
                assert_eq!((point.0, point.1.to_bits()), (*time, value.to_bits()), "{isa}");
            }
        }
    }
}

/// Every way to read a block says the same, on every instruction set.
fn check(bytes: &[u8]) {
    let portable = Block::parse_with(bytes, Isa::Portable);
    let vectors = Isa::available().into_iter().filter(|isa| *isa != Isa::Portable);
    let Ok(block) = portable else {
        vectors.for_each(|isa| {
            assert!(Block::parse_with(bytes, isa).is_err(), "{isa} reads what others refuse")
        });
        return;
    };
    let whole = observe::values(&block, 0..block.rows());
    let part = observe::part(bytes, block.rows());
    let ranges = ranges(bytes, &block, &whole);
    let seen = observe::everything(&block, part.clone(), &ranges);
    for isa in vectors {
        let block = Block::parse_with(bytes, isa).expect("others read it");
        assert_eq!(observe::everything(&block, part.clone(), &ranges), seen, "{isa}");
    }

    let (Ok(whole), Ok(validity)) = (whole, seen.validity) else { return };
    let is_valid = |row: usize| validity.as_ref().is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1);
    assert_eq!(seen.part.as_deref(), Ok(&whole[part]), "a part is not a part of the whole");
    let layout = by_layout::read(bytes, &block);
    assert_eq!(layout, Some(whole.clone()), "the layout does not say what decoding gives");
    // Values outside of a narrow type are nobody's, and compare as they please.
    if matches!(block.kind(), Kind::Int64 | Kind::UInt64 | Kind::Float64) {
        let found = seen.selected.expect("what decodes can be compared");
        for (row, lane) in whole.iter().enumerate() {
            let wanted = ranges.iter().any(|range| range.contains(&place(block.kind(), *lane)));
            assert_eq!(
                found[row / 64] >> (row % 64) & 1 == 1,
                wanted && is_valid(row),
                "row {row} of {ranges:?}"
            );
        }
    }
}

/// Ranges that end at values and beside them.
fn ranges(bytes: &[u8], block: &Block<'_>, values: &observe::Values) -> Vec<RangeInclusive<i64>> {
    let Ok(values) = values else { return vec![i64::MIN..=-1, 0..=1000] };
    let mut ends: Vec<i64> = bytes
        .rchunks(2)
        .take(1 + usize::from(bytes[bytes.len() - 1] % 24))
        .map(|pair| {
            let at = usize::from(u16::from_le_bytes([pair[0], *pair.last().unwrap_or(&0)]));
            let value = values.get(at.checked_rem(values.len()).unwrap_or(0)).copied().unwrap_or(0);
            place(block.kind(), value).saturating_add(i64::from(pair[0] % 3) - 1)
        })
        .collect();
    ends.sort_unstable();
    ends.dedup();
    ends.chunks_exact(2).map(|pair| pair[0]..=pair[1]).collect()
}
