//! Codecs that are broken.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array};
use arrow_buffer::{BooleanBuffer, Buffer};
use arrow_schema::DataType;
use tsds_conformance::Suite;
use tsds_conformance::data::arrays::Cell;
use tsds_conformance::data::frozen::FrozenBlock;
use tsds_conformance::fixture::CodecFixture;
use tsds_traits::{Codec, CodecCapabilities, EncodeHints, Error, KeySet, Presence, Result, TypeSet};

use crate::reference::codec::ReferenceCodec;
use crate::saboteurs;

/// What is wrong with a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    /// Nothing.
    None,
    CanonicalisesNan,
    DropsTheLastRow,
    LosesTheZone,
    WritesTheOffset,
    ClearsTheOutput,
    PromisesTooLittle,
    BelievesSortedHints,
    TakesRangesByTheEnd,
    AnswersAnyRange,
    PanicsOnDamage,
    CallsDamageInternal,
    TakesAnyRowsForGranted,
    ReadsAnyVersion,
    EncodesAnything,
    KeepsNulls,
    FiltersUnasked,
    AllocatesWhatTheBytesSay,
    ChangesItsBytes,
    ReadsWhatNobodyWrote,
    TakesForeignTypes,
    GoesByAnotherId,
}

#[derive(Debug)]
struct Saboteur {
    inner: ReferenceCodec,
    capabilities: CodecCapabilities,
    sabotage: Sabotage,
}

struct Fixture(Sabotage);

impl CodecFixture for Fixture {
    fn id(&self) -> String {
        "saboteur.codec".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    fn open(&self) -> Result<Arc<dyn Codec>> {
        let types = match self.0 {
            Sabotage::EncodesAnything => TypeSet::NONE.with_floats(),
            _ => TypeSet::ALL,
        };
        let capabilities = CodecCapabilities::new(types);
        let capabilities =
            if self.0 == Sabotage::FiltersUnasked { capabilities } else { capabilities.with_filter() };
        Ok(Arc::new(Saboteur { inner: ReferenceCodec::new(TypeSet::ALL), capabilities, sabotage: self.0 }))
    }

    fn frozen_blocks(&self) -> Vec<FrozenBlock> {
        let seven = vec![1, 7, 0, 0, 0, 0, 0, 0, 0];
        let forged = [&seven[..], &[0]].concat();
        vec![
            FrozenBlock::written("seven", 1, DataType::Int64, vec![Some(Cell::Bits(7))], seven),
            FrozenBlock::corrupt("seven and a byte", 1, DataType::Int64, 1, forged),
        ]
    }
}

impl Codec for Saboteur {
    fn id(&self) -> &'static str {
        if self.sabotage == Sabotage::GoesByAnotherId { "tsds.other" } else { "saboteur.codec" }
    }

    fn version(&self) -> u16 {
        1
    }

    fn capabilities(&self) -> &CodecCapabilities {
        &self.capabilities
    }

    fn max_encoded_len(&self, array: &dyn Array) -> Option<usize> {
        if self.sabotage == Sabotage::TakesForeignTypes && array.data_type() == &DataType::LargeBinary {
            return Some(0);
        }
        let length = self.inner.max_encoded_len(array)?;
        Some(match self.sabotage {
            Sabotage::PromisesTooLittle => length / 2,
            Sabotage::WritesTheOffset => length + 8,
            _ => length,
        })
    }

    fn encode(&self, array: &dyn Array, hints: &EncodeHints<'_>, out: &mut Vec<u8>) -> Result<()> {
        match self.sabotage {
            Sabotage::ClearsTheOutput => out.clear(),
            Sabotage::TakesForeignTypes if array.data_type() == &DataType::LargeBinary => return Ok(()),
            Sabotage::EncodesAnything if !self.capabilities.types.contains(array.data_type()) => {
                return Ok(());
            }
            Sabotage::BelievesSortedHints if hints.sorted && array.len() > 1 => {
                // The first value stands for all of them.
                let first = array.slice(0, 1);
                return (0..array.len()).try_for_each(|_| self.inner.encode(&first, hints, out));
            }
            _ => {}
        }
        let start = out.len();
        self.inner.encode(array, hints, out)?;
        if self.sabotage == Sabotage::ChangesItsBytes {
            out[start..].iter_mut().for_each(|byte| *byte ^= 0x10);
        }
        if self.sabotage == Sabotage::WritesTheOffset {
            let offset = array.offset() as u64;
            out.extend(offset.to_le_bytes());
        }
        Ok(())
    }

    fn decode(&self, version: u16, bytes: &Buffer, rows: usize, data_type: &DataType) -> Result<ArrayRef> {
        let version = if self.sabotage == Sabotage::ReadsAnyVersion { 1 } else { version };
        let bytes = match self.sabotage {
            Sabotage::WritesTheOffset => bytes.slice_with_length(0, bytes.len().saturating_sub(8)),
            Sabotage::ChangesItsBytes => bytes.iter().map(|byte| byte ^ 0x10).collect::<Vec<u8>>().into(),
            Sabotage::ReadsWhatNobodyWrote if bytes.len() == 9 * rows + 1 => {
                bytes.slice_with_length(0, 9 * rows)
            }
            _ => bytes.clone(),
        };
        let decoded = self.inner.decode(version, &bytes, rows, data_type);
        match (self.sabotage, decoded) {
            (Sabotage::AllocatesWhatTheBytesSay, Err(error)) => {
                let length = bytes.get(..4).map_or(0, |four| usize::from(four[3]) << 16);
                drop(std::hint::black_box(Vec::<u8>::with_capacity(length)));
                Err(error)
            }
            (Sabotage::PanicsOnDamage, Err(error)) if error.kind() == tsds_traits::ErrorKind::Corrupt => {
                panic!("index out of bounds")
            }
            (Sabotage::CallsDamageInternal, Err(error))
                if error.kind() == tsds_traits::ErrorKind::Corrupt =>
            {
                Err(Error::internal("arrow operation failed"))
            }
            (Sabotage::TakesAnyRowsForGranted, Err(_)) if self.capabilities.types.contains(data_type) => {
                Ok(arrow_array::new_null_array(data_type, 1))
            }
            (Sabotage::DropsTheLastRow, Ok(array)) => Ok(array.slice(0, array.len().saturating_sub(1))),
            (Sabotage::CanonicalisesNan, Ok(array)) => Ok(canonical(&array)),
            (Sabotage::LosesTheZone, Ok(array)) => match data_type {
                DataType::Timestamp(unit, Some(_)) => {
                    self.inner.decode(version, &bytes, rows, &DataType::Timestamp(*unit, None))
                }
                _ => Ok(array),
            },
            (_, decoded) => decoded,
        }
    }

    fn decode_range(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        range: Range<usize>,
        data_type: &DataType,
    ) -> Result<ArrayRef> {
        let outside = range.end > rows || range.start > range.end;
        match self.sabotage {
            Sabotage::AnswersAnyRange if outside => self.decode(version, bytes, rows, data_type),
            Sabotage::TakesRangesByTheEnd if range.end < rows => {
                self.inner.decode_range(version, bytes, rows, range.start + 1..range.end + 1, data_type)
            }
            _ if outside => Err(Error::invalid_input("range is outside of the block")),
            _ => Ok(self.decode(version, bytes, rows, data_type)?.slice(range.start, range.len())),
        }
    }

    fn filter(
        &self,
        version: u16,
        bytes: &Buffer,
        rows: usize,
        data_type: &DataType,
        keys: &KeySet,
    ) -> Result<BooleanBuffer> {
        let kept = self.inner.filter(version, bytes, rows, data_type, keys)?;
        if self.sabotage != Sabotage::KeepsNulls {
            return Ok(kept);
        }
        let array = self.decode(version, bytes, rows, data_type)?;
        Ok((0..rows).map(|row| kept.value(row) || array.is_null(row)).collect())
    }
}

fn canonical(array: &ArrayRef) -> ArrayRef {
    match array.as_any().downcast_ref::<Float64Array>() {
        Some(floats) => Arc::new(floats.unary::<_, arrow_array::types::Float64Type>(|value| {
            if value.is_nan() { f64::NAN } else { value }
        })),
        None => array.clone(),
    }
}

fn suite(sabotage: Sabotage) -> Suite {
    Suite::new().codec(Fixture(sabotage))
}

saboteurs! { "codec", suite, twin Sabotage::None;
    canonicalises_nan: Sabotage::CanonicalisesNan => floats_come_back_bit_for_bit,
    drops_the_last_row: Sabotage::DropsTheLastRow => booleans_come_back_bit_for_bit,
    loses_the_zone: Sabotage::LosesTheZone => timestamps_come_back_bit_for_bit,
    writes_the_offset: Sabotage::WritesTheOffset
        => the_same_values_give_the_same_bytes_in_every_layout,
    clears_the_output: Sabotage::ClearsTheOutput => integers_come_back_bit_for_bit,
    promises_too_little: Sabotage::PromisesTooLittle => bytes_come_back_bit_for_bit,
    believes_sorted_hints: Sabotage::BelievesSortedHints => hints_do_not_change_the_values,
    takes_ranges_by_the_end: Sabotage::TakesRangesByTheEnd
        => a_decoded_range_is_a_slice_of_the_whole,
    answers_any_range: Sabotage::AnswersAnyRange => a_range_outside_of_the_block_is_invalid_input,
    panics_on_damage: Sabotage::PanicsOnDamage => truncated_bytes_are_corrupt_or_decode,
    calls_damage_internal: Sabotage::CallsDamageInternal => flipped_bits_are_corrupt_or_decode,
    gives_any_number_of_rows: Sabotage::TakesAnyRowsForGranted
        => another_number_of_rows_is_corrupt_or_decodes,
    reads_any_version: Sabotage::ReadsAnyVersion
        => a_version_that_was_never_written_is_unsupported,
    encodes_anything: Sabotage::EncodesAnything => types_that_are_not_claimed_are_unsupported,
    filter_keeps_nulls: Sabotage::KeepsNulls
        => a_filter_keeps_the_rows_whose_keys_are_in_the_set,
    allocates_what_the_bytes_say: Sabotage::AllocatesWhatTheBytesSay
        => damaged_bytes_take_no_more_memory_than_the_rows_need,
    changes_its_bytes: Sabotage::ChangesItsBytes => frozen_blocks_keep_their_values_and_their_bytes,
    reads_what_nobody_wrote: Sabotage::ReadsWhatNobodyWrote
        => blocks_that_the_format_rules_out_are_corrupt,
    takes_foreign_types: Sabotage::TakesForeignTypes => types_that_are_not_claimed_are_unsupported,
    filters_unasked: Sabotage::FiltersUnasked => a_filter_that_is_not_claimed_is_unsupported,
    goes_by_another_id: Sabotage::GoesByAnotherId => it_goes_by_its_plugin_id,
}
