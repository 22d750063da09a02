//! How well the columns of segment files are encoded, by a sample of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;
use serde::Serialize;
use tsds_segment::SegmentFile;
use tsds_traits::{Error, ErrorKind, Result, TableSchema};

use crate::catalog::Home;
use crate::core::Core;
use crate::version::{SegmentEntry, TableVersion};

/// Of how many segment files of a table the index is read, at most.
const MAX_FILES: usize = 64;
/// How many blocks of a column are read, over all these files; one of each file at least.
const MAX_BLOCKS: usize = 64;

/// How the segment files of one table are encoded. Of a table with more than 64 files, 64 that lie evenly spread are looked
/// at, and of each column 64 blocks, evenly spread over these files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableStorage {
    /// The table's name.
    pub name: String,
    /// Its segment files.
    pub files: u64,
    /// Those that were looked at. Everything below is of these alone.
    pub sampled_files: u64,
    /// Files among them that could not be read; `tsds verify` says why.
    pub unreadable_files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their lengths, with headers, indexes and gaps.
    pub file_bytes: u64,
    /// What their rows take as Arrow arrays.
    pub plain_bytes: u64,
    /// The columns, in the order of the table.
    pub columns: Vec<ColumnStorage>,
}

/// How one column is encoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnStorage {
    /// Its name.
    pub name: String,
    /// The rows in files that have the column.
    pub rows: u64,
    /// What its blocks take in the files, its dictionaries included.
    pub bytes: u64,
    /// What its values take unencoded: their width for each row, an eighth of a byte for booleans, 4 bytes for text.
    pub raw_bytes: u64,
    /// `bytes` by `rows`; 0 without rows.
    pub bytes_per_row: f64,
    /// `bytes` by `raw_bytes`: 1 is as long as unencoded, 0.1 a tenth of it; 0 without rows.
    pub share_of_raw: f64,
    /// How its blocks are stored, the most frequent first.
    pub modes: Vec<ModeShare>,
}

/// How many of a column's rows are stored in one way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModeShare {
    /// The codec.
    pub codec: String,
    /// What the codec says of the blocks; absent where it says nothing.
    pub mode: Option<String>,
    /// The share of the rows in the blocks that were read, from 0 to 1.
    pub share: f64,
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Looks at the segment files of every table.
pub(crate) async fn storage_stats(core: &Arc<Core>) -> Result<Vec<TableStorage>> {
    // Holding the version keeps the mover from removing what is read.
    let version = core.version.load_full();
    let _pin = core.pin();
    let mut tables = Vec::with_capacity(version.names.len());
    for table in version.names.values().filter_map(|id| version.tables.get(id)) {
        tables.push(table_storage(core, table).await?);
    }
    Ok(tables)
}

async fn table_storage(core: &Arc<Core>, table: &Arc<TableVersion>) -> Result<TableStorage> {
    let files: Vec<&Arc<SegmentEntry>> =
        table.segments.iter().filter(|entry| entry.home == Home::File).collect();
    let sampled = files.len().min(MAX_FILES);
    let mut sample = Sample::new(&table.schema, MAX_BLOCKS.div_ceil(sampled.max(1)));
    let mut unreadable = 0;
    for index in spread(files.len(), sampled) {
        let Some(entry) = files.get(index) else { continue };
        let file = match table.schema_of(entry.meta.schema_version) {
            Ok(schema) => core.segments.open(&entry.meta, schema).await,
            Err(error) => Err(error),
        };
        let opened = match file {
            Ok(Some(file)) => {
                let mut with_file = sample.clone();
                core.blocking(move || with_file.add(&file).map(|()| with_file)).await
            }
            Ok(None) => Err(Error::corrupt("segment file is missing")),
            Err(error) => Err(error),
        };
        match opened {
            Ok(with_file) => sample = with_file,
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            Err(error) => {
                tracing::warn!(%error, segment = %entry.id(), "segment file is left out of the statistics");
                unreadable += 1;
            }
        }
    }
    Ok(TableStorage {
        name: table.record.name.clone(),
        files: files.len() as u64,
        sampled_files: sampled as u64,
        unreadable_files: unreadable,
        rows: sample.rows,
        file_bytes: sample.file_bytes,
        plain_bytes: sample.plain_bytes,
        columns: sample.columns(),
    })
}

/// Indices below `len`, `wanted` of them or all, evenly spread.
fn spread(len: usize, wanted: usize) -> impl Iterator<Item = usize> {
    let wanted = wanted.min(len);
    (0..wanted).map(move |index| index * len / wanted)
}

/// What was found in the files so far.
#[derive(Clone)]
struct Sample {
    schema: Arc<TableSchema>,
    blocks_of_file: usize,
    rows: u64,
    file_bytes: u64,
    plain_bytes: u64,
    /// One for each column of the schema.
    columns: Vec<ColumnSample>,
}

#[derive(Clone, Default)]
struct ColumnSample {
    rows: u64,
    bytes: u64,
    raw_bytes: u64,
    /// Rows by codec and mode.
    modes: BTreeMap<(Arc<str>, Option<String>), u64>,
}

impl Sample {
    fn new(schema: &Arc<TableSchema>, blocks_of_file: usize) -> Self {
        let columns = vec![ColumnSample::default(); schema.columns().len()];
        Self { schema: Arc::clone(schema), blocks_of_file, rows: 0, file_bytes: 0, plain_bytes: 0, columns }
    }

    /// Adds a file. Blocking.
    fn add(&mut self, file: &SegmentFile) -> Result<()> {
        self.rows += file.meta().rows;
        self.file_bytes += file.file_bytes();
        self.plain_bytes += file.meta().plain_bytes;
        for (column, sample) in self.schema.columns().iter().zip(&mut self.columns) {
            // Files of an earlier schema version lack columns that were added later.
            let Some(stored) = file.schema().column(column.id) else { continue };
            sample.rows += file.meta().rows;
            // In a narrower type, if it was widened since.
            sample.raw_bytes += raw_bytes(&stored.data_type, file.meta().rows);
            sample.bytes += file.column_bytes(column.id)?;
            for block in spread(file.block_count(), self.blocks_of_file) {
                let described = file.describe_block(column.id, block)?;
                *sample.modes.entry((described.codec, described.mode)).or_default() +=
                    u64::from(described.rows);
            }
        }
        Ok(())
    }

    fn columns(&self) -> Vec<ColumnStorage> {
        let columns = self.schema.columns().iter().zip(&self.columns).map(|(column, sample)| {
            let all: u64 = sample.modes.values().sum();
            let mut modes: Vec<_> = sample.modes.iter().collect();
            // Stable: where there are as many, in the order of their names.
            modes.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
            let share = |((codec, mode), rows): (&(Arc<str>, Option<String>), &u64)| ModeShare {
                codec: codec.to_string(),
                mode: mode.clone(),
                share: ratio(*rows, all),
            };
            ColumnStorage {
                name: column.name.clone(),
                rows: sample.rows,
                bytes: sample.bytes,
                raw_bytes: sample.raw_bytes,
                bytes_per_row: ratio(sample.bytes, sample.rows),
                share_of_raw: ratio(sample.bytes, sample.raw_bytes),
                modes: modes.into_iter().map(share).collect(),
            }
        });
        columns.collect()
    }
}

fn raw_bytes(data_type: &DataType, rows: u64) -> u64 {
    match data_type {
        DataType::Boolean => rows.div_ceil(8),
        other => rows.saturating_mul(other.primitive_width().unwrap_or(4) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_everything_and_names_nothing_twice() {
        assert_eq!(spread(3, 64).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(spread(10, 3).collect::<Vec<_>>(), [0, 3, 6]);
        assert_eq!(spread(0, 3).count(), 0);
        let many: Vec<_> = spread(1_000, 64).collect();
        assert!(many.len() == 64 && many.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
