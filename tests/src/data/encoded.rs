//! Generated rows as a segment file holds them: cut into blocks, text by dictionary or plain.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::DataType;
use tsds_traits::{
    BlockLayout, Codec, Column, ColumnId, ColumnStats, EncodeHints, EncodedBlock, EncodedColumn, Error,
    Result, TableSchema, TypeSet, Value, ValueClass,
};

use super::CellCodec;
use super::arrays::{self, Cell, Layout, cell_of};
use super::segments::{Row, stats_of};

/// How rows are cut and encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// The rows of a block; the last one may have fewer.
    pub block_rows: usize,
    /// Text as codes of a dictionary, else plain.
    pub dictionaries: bool,
}

/// Rows that are given as blocks.
#[derive(Clone, Debug)]
pub(super) struct EncodedRows {
    pub(super) schema: Arc<TableSchema>,
    pub(super) rows: Arc<Vec<Row>>,
    pub(super) encoding: Encoding,
}

impl EncodedRows {
    fn index(&self, column: ColumnId) -> Result<usize> {
        self.schema
            .index_of(column)
            .ok_or_else(|| Error::invalid_input("segment lacks the column").with("column", column))
    }

    /// How a column is cut into blocks.
    pub(super) fn layout(&self, column: ColumnId) -> Result<Vec<BlockLayout>> {
        let index = self.index(column)?;
        Ok(self.ranges().map(|range| self.layout_of(index, self.block_type(index), range)).collect())
    }

    /// The blocks of a column that hold rows of `wanted`.
    pub(super) fn column(&self, column: ColumnId, wanted: &Range<u64>) -> Result<EncodedColumn> {
        let index = self.index(column)?;
        let dictionary = self.dictionary(index);
        let blocks = self
            .ranges()
            .filter(|range| (range.start as u64) < wanted.end && (range.end as u64) > wanted.start)
            .map(|range| {
                let cells = self.cells(index, range.clone(), dictionary.as_deref());
                let layout = self.layout_of(index, self.block_type(index), range);
                encode(layout, &cells)
            })
            .collect::<Result<Vec<_>>>()?;
        let dictionary = dictionary.map(|values| {
            let layout = BlockLayout {
                rows: values.len() as u32,
                run_starts: Arc::new([]),
                ..self.layout_of(index, DataType::Binary, 0..self.rows.len())
            };
            let cells: Vec<Option<Cell>> = values.into_iter().map(|value| Some(Cell::Bytes(value))).collect();
            encode(layout, &cells)
        });
        Ok(EncodedColumn { dictionary: dictionary.transpose()?, blocks })
    }

    fn ranges(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let rows = self.rows.len();
        let step = self.encoding.block_rows.max(1);
        (0..rows).step_by(step).map(move |start| start..rows.min(start + step))
    }

    fn definition(&self, index: usize) -> &Column {
        &self.schema.columns()[index]
    }

    fn is_text(&self, index: usize) -> bool {
        ValueClass::of(&self.definition(index).data_type) == Some(ValueClass::Text)
    }

    fn block_type(&self, index: usize) -> DataType {
        match (self.is_text(index), self.encoding.dictionaries) {
            (false, _) => self.definition(index).data_type.clone(),
            (true, false) => DataType::Binary,
            (true, true) => DataType::UInt32,
        }
    }

    /// The sorted distinct values of a text column that is stored as codes.
    fn dictionary(&self, index: usize) -> Option<Vec<Vec<u8>>> {
        if !self.is_text(index) || !self.encoding.dictionaries {
            return None;
        }
        let text = |row: &Row| match &row[index] {
            Some(Value::Text(text)) => Some(text.clone().into_bytes()),
            _ => None,
        };
        let distinct: BTreeSet<Vec<u8>> = self.rows.iter().filter_map(text).collect();
        Some(distinct.into_iter().collect())
    }

    fn cells(&self, index: usize, range: Range<usize>, dictionary: Option<&[Vec<u8>]>) -> Vec<Option<Cell>> {
        let cell = |row: &Row| {
            let cell = cell_of(row[index].as_ref()?);
            match (dictionary, &cell) {
                (Some(values), Cell::Bytes(bytes)) => {
                    values.binary_search(bytes).ok().map(|code| Cell::Bits(code as u64))
                }
                _ => Some(cell),
            }
        };
        self.rows[range].iter().map(cell).collect()
    }

    fn layout_of(&self, index: usize, data_type: DataType, range: Range<usize>) -> BlockLayout {
        let rows = &self.rows[range.clone()];
        let stats: ColumnStats = stats_of(&self.schema, rows, index);
        BlockLayout {
            codec: CellCodec::ID.into(),
            version: 1,
            data_type,
            first_row: range.start as u64,
            rows: rows.len() as u32,
            run_starts: self.run_starts(rows),
            stats,
        }
    }

    /// Where series begin among these rows.
    fn run_starts(&self, rows: &[Row]) -> Arc<[u32]> {
        let same_series = |a: &Row, b: &Row| self.schema.series_indices().iter().all(|at| a[*at] == b[*at]);
        let begins = |at: &usize| *at == 0 || !same_series(&rows[*at - 1], &rows[*at]);
        (0..rows.len()).filter(begins).map(|at| at as u32).collect()
    }
}

fn encode(layout: BlockLayout, cells: &[Option<Cell>]) -> Result<EncodedBlock> {
    let generator = |failure| Error::internal("a block could not be generated").with("failure", failure);
    let array = arrays::build(&layout.data_type, cells, Layout::COMPACT).map_err(generator)?;
    let mut bytes = Vec::new();
    let hints = EncodeHints::runs(&layout.run_starts, false);
    CellCodec::new(TypeSet::ALL).encode(&array, &hints, &mut bytes)?;
    Ok(EncodedBlock { layout, bytes: bytes.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{schemas, segments};
    use crate::outcome::ensure_eq;
    use proptest::prelude::*;
    use tsds_traits::SegmentSource;

    #[test]
    fn blocks_hold_the_rows_of_the_batches() {
        let strategy = schemas::any_schema().prop_flat_map(|schema| segments::segments(&schema, 1, 100));
        crate::property::for_all(9, 40, &strategy, |segments| {
            let encoding = Encoding { block_rows: 7, dictionaries: true };
            for segment in segments {
                let segment = segment.with_encoding(Some(encoding));
                let source = segment.source()?;
                for (index, column) in segment.schema.columns().iter().enumerate() {
                    let blocks = source.blocks(column.id, 0..segment.meta.rows);
                    let whole = tsds_io::SimWorld::new(0).block_on(blocks)?;
                    let whole = whole.ok_or_else(|| crate::Failure::new("no blocks"))?;
                    let codec = CellCodec::new(TypeSet::ALL);
                    let decode = |block: &EncodedBlock| -> crate::CaseResult<Vec<Option<Cell>>> {
                        let (rows, data_type) = (block.layout.rows as usize, &block.layout.data_type);
                        arrays::read(&codec.decode(1, &block.bytes, rows, data_type)?)
                    };
                    let dictionary = whole.dictionary.as_ref().map(&decode).transpose()?;
                    let mut cells = Vec::new();
                    for block in &whole.blocks {
                        ensure_eq(&block.layout.first_row, &(cells.len() as u64), "first row of a block")?;
                        cells.extend(decode(block)?);
                    }
                    if let Some(dictionary) = dictionary {
                        let value = |cell: Option<Cell>| match cell? {
                            Cell::Bits(code) => dictionary[code as usize].clone(),
                            bytes => Some(bytes),
                        };
                        cells = cells.into_iter().map(value).collect();
                    }
                    let expected: Vec<_> =
                        segment.rows.iter().map(|row| row[index].as_ref().map(cell_of)).collect();
                    ensure_eq(&cells, &expected, "cells of a column")?;
                }
            }
            Ok(())
        })
        .unwrap();
    }
}
