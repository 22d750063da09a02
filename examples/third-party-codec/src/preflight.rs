//! A look at a pco chunk before pco reads it.
//!
//! A chunk says by itself how large pco's tables become: a dictionary has up to 2^25 entries, a window of lookbacks up to
//! 2^24, a table of states up to 2^14. A codec may not take memory because a byte says so, and so a chunk is refused whose
//! tables are larger than its values could ever have use for, or that has what [`crate::pages::compress`] never writes.
//!
//! The layout is the one that pco documents in its `format.md` for major version 4: bits from the lowest of each byte.

/// Tables may always have this many entries: some 20 KB.
const FREE: usize = 1_024;

const MAJOR_VERSION: u8 = 4;
const HEADER_BITS: usize = 16;

/// Checks the header and the chunk's metadata of `count` values of `width` bytes each.
pub(crate) fn check(packed: &[u8], width: usize, count: usize) -> Result<(), &'static str> {
    if packed.first() != Some(&MAJOR_VERSION) {
        return Err("block has values of an unknown version of pco");
    }
    read(packed, width * 8, count.saturating_mul(2).max(FREE))
        .unwrap_or(Err("block ends within its metadata"))
}

/// `None` where the bytes end too early.
fn read(packed: &[u8], width: usize, room: usize) -> Option<Result<(), &'static str>> {
    let mut bits = Bits { bytes: packed, at: HEADER_BITS };
    let mode = bits.take(4)?;
    match mode {
        CLASSIC => {}
        INT_MULT | FLOAT_MULT => bits.skip(width)?,
        FLOAT_QUANT => bits.skip(8)?,
        _ => return Some(Err("block has a mode that is never written")),
    }
    let mut tables = vec![width];
    match bits.take(4)? {
        NO_DELTA => {}
        CONSECUTIVE => bits.skip(3 + 1)?,
        LOOKBACK => {
            let window = 1_usize << (1 + bits.take(5)?);
            bits.skip(4 + 1)?;
            if window > room {
                return Some(Err("block looks back further than it has values"));
            }
            // Lookbacks are numbers of 32 bits, with a table of their own before the others.
            tables.insert(0, 32);
        }
        _ => return Some(Err("block has a delta encoding that is never written")),
    }
    if mode != CLASSIC {
        tables.push(width);
    }
    for width in tables {
        let (size_log, bins) = (bits.take(4)?, bits.take(15)?);
        if 1_usize << size_log > room || bins > room {
            return Some(Err("block has a table that is larger than its values"));
        }
        // Weight, lower bound, and how many bits an offset has.
        bits.skip(bins.checked_mul(size_log + width + width.ilog2() as usize + 1)?)?;
    }
    Some(Ok(()))
}

const CLASSIC: usize = 0;
const INT_MULT: usize = 1;
const FLOAT_MULT: usize = 2;
const FLOAT_QUANT: usize = 3;

const NO_DELTA: usize = 0;
const CONSECUTIVE: usize = 1;
const LOOKBACK: usize = 2;

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` bits, of which there are at most 16.
    fn take(&mut self, count: usize) -> Option<usize> {
        let from = self.at;
        self.skip(count)?;
        let bit = |at: usize| self.bytes.get(at / 8).map(|byte| usize::from(byte >> (at % 8) & 1));
        (from..self.at).enumerate().try_fold(0, |number, (place, at)| Some(number | bit(at)? << place))
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= self.bytes.len().saturating_mul(8))?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use pco::wrapped::FileCompressor;
    use pco::{ChunkConfig, DeltaSpec, ModeSpec};

    use super::*;

    fn packed(values: &[f64], mode: ModeSpec, delta: DeltaSpec) -> Vec<u8> {
        let config = ChunkConfig::default().with_mode_spec(mode).with_delta_spec(delta);
        let file = FileCompressor::default();
        let mut chunk = file.chunk_compressor(values, &config).unwrap();
        let bytes = chunk.write_meta(file.write_header(Vec::new()).unwrap()).unwrap();
        chunk.write_page(0, bytes).unwrap()
    }

    fn readings() -> Vec<f64> {
        (0..5_000).map(|n| f64::from(n * n % 911) * 0.1).collect()
    }

    #[test]
    fn what_pco_writes_by_itself_is_let_through() {
        let values = readings();
        for mode in
            [ModeSpec::Auto, ModeSpec::Classic, ModeSpec::TryFloatMult(0.1), ModeSpec::TryFloatQuant(30)]
        {
            for delta in
                [DeltaSpec::Auto, DeltaSpec::NoOp, DeltaSpec::TryConsecutive(3), DeltaSpec::TryLookback]
            {
                let bytes = packed(&values, mode.clone(), delta.clone());
                assert_eq!(check(&bytes, 8, values.len()), Ok(()), "{mode:?} {delta:?}");
            }
        }
    }

    #[test]
    fn a_dictionary_is_refused() {
        let bytes = packed(&readings(), ModeSpec::TryDict, DeltaSpec::NoOp);
        assert_eq!(check(&bytes, 8, 5_000), Err("block has a mode that is never written"));
    }

    #[test]
    fn a_window_beyond_the_values_is_refused() {
        let bytes = packed(&readings(), ModeSpec::Classic, DeltaSpec::TryLookback);
        assert_eq!(check(&bytes, 8, 5_000), Ok(()));
        assert_eq!(check(&bytes, 8, 10), Err("block looks back further than it has values"));
    }

    #[test]
    fn a_table_beyond_the_values_is_refused() {
        // Classic, no delta, and a table of 2^14 states and 2^14 bins.
        let bits = 14_u64 << 8 | 1 << (14 + 12);
        let bytes = [&[MAJOR_VERSION, 1][..], &bits.to_le_bytes(), &[0; 64]].concat();
        assert_eq!(check(&bytes, 8, 100), Err("block has a table that is larger than its values"));
        assert_eq!(check(&bytes, 8, 1 << 20), Err("block ends within its metadata"));
    }

    #[test]
    fn metadata_that_ends_is_refused_wherever_it_ends() {
        let bytes = packed(&readings(), ModeSpec::Classic, DeltaSpec::NoOp);
        assert!((0..12).all(|len| check(&bytes[..len], 8, 5_000).is_err()));
    }
}
