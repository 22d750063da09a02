//! Formats are frozen: the blocks that the fixture brings mean today what they always meant.

use arrow_buffer::Buffer;
use tsds_traits::{Codec, EncodeHints, ErrorKind};

use super::{CodecBench, encode, ensure_cells};
use crate::CaseResult;
use crate::case::{Case, cases};
use crate::data::arrays::Cell;
use crate::data::blocks::Block;
use crate::data::frozen::{FrozenBlock, Meaning};
use crate::fixture::CodecFixture;
use crate::outcome::{ensure, ensure_error};

pub(super) fn cases() -> Vec<Case<dyn CodecFixture>> {
    cases![
        [claims FrozenBlocks] frozen_blocks_keep_their_values_and_their_bytes,
        [claims ForgedBlocks] blocks_that_the_format_rules_out_are_corrupt,
    ]
}

fn frozen_blocks_keep_their_values_and_their_bytes(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for frozen in bench.fixture.frozen_blocks() {
        let kept = match &frozen.meaning {
            Meaning::Written(cells) => {
                keeps_values(&*codec, &frozen, cells).and_then(|()| keeps_bytes(&*codec, &frozen, cells))
            }
            Meaning::Read(cells) => keeps_values(&*codec, &frozen, cells),
            Meaning::Corrupt => Ok(()),
        };
        kept.map_err(|failure| failure.during(frozen.name))?;
    }
    Ok(())
}

fn keeps_values(codec: &dyn Codec, frozen: &FrozenBlock, cells: &[Option<Cell>]) -> CaseResult {
    let (bytes, data_type) = (Buffer::from(frozen.bytes.clone()), &frozen.data_type);
    let decoded = codec.decode(frozen.version, &bytes, frozen.rows, data_type)?;
    ensure_cells(&decoded, data_type, cells, "the decoded block")?;
    let half = frozen.rows / 2..frozen.rows;
    let decoded = codec.decode_range(frozen.version, &bytes, frozen.rows, half.clone(), data_type)?;
    ensure_cells(&decoded, data_type, cells.get(half).unwrap_or_default(), "the decoded range")
}

fn keeps_bytes(codec: &dyn Codec, frozen: &FrozenBlock, cells: &[Option<Cell>]) -> CaseResult {
    ensure(frozen.version == codec.version(), || {
        format!("a block of version {} cannot be what version {} writes", frozen.version, codec.version())
    })?;
    let block = Block::new(&frozen.data_type, cells.to_vec());
    let bytes = encode(codec, &block, &EncodeHints::default())?;
    ensure(bytes.as_slice() == frozen.bytes, || {
        format!(
            "the bytes of version {} have changed: {:02x?} were {:02x?}",
            frozen.version, bytes, frozen.bytes
        )
    })
}

fn blocks_that_the_format_rules_out_are_corrupt(bench: &CodecBench) -> CaseResult {
    let codec = bench.fixture.open()?;
    for forged in bench.fixture.frozen_blocks() {
        if forged.meaning != Meaning::Corrupt {
            continue;
        }
        let (bytes, rows) = (Buffer::from(forged.bytes), forged.rows);
        let decoded = codec.decode(forged.version, &bytes, rows, &forged.data_type);
        ensure_error(decoded, ErrorKind::Corrupt, forged.name)?;
        let decoded = codec.decode_range(forged.version, &bytes, rows, 0..rows.min(1), &forged.data_type);
        ensure_error(decoded, ErrorKind::Corrupt, &format!("a range of {}", forged.name))?;
    }
    Ok(())
}
