//! Which encoding each column gets, and the other properties of a file.

use std::collections::HashSet;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DECIMAL64_MAX_PRECISION, DataType};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{
    BloomFilterPosition, EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use parquet::schema::types::ColumnPath;
use tsds_traits::{Error, Result, SegmentMeta, TableSchema, integer_form, is_payload_type};

use crate::layout::file_schema;
use crate::settings::{PageCompression, ParquetSettings};

/// Rows per data page: the unit that readers skip by the page index. Eight bytes each fill what one checksum covers.
pub(crate) const PAGE_ROWS: usize = 8_192;
/// How often a bloom filter may say "perhaps" wrongly.
const BLOOM_FALSE_POSITIVES: f64 = 0.01;
/// Beyond this, numbers are too distinct for a dictionary: it costs time and saves nothing.
const NUMBER_DICTIONARY_BYTES: usize = 256 << 10;
/// So many rows at least tell whether values repeat.
const LEAST_SAMPLE: usize = 1_024;
/// Text may be longer, and gains more.
const TEXT_DICTIONARY_BYTES: usize = 1 << 20;
/// Bytes of text that a page or row group keeps as a bound.
const BOUND_BYTES: usize = 64;

/// Which columns hold numbers of which more than half occur once among the first rows. Those get no dictionary: it would be
/// full before it saved anything, and whoever reads one page would have to read it too.
pub(super) fn mostly_distinct(first: &RecordBatch) -> Vec<bool> {
    let distinct = |array: &ArrayRef| {
        // Timestamps never have a dictionary.
        let is_number = match array.data_type() {
            DataType::Timestamp(_, _) => false,
            other => other.is_numeric() || integer_form(other).is_some(),
        };
        if array.len() < LEAST_SAMPLE || !is_number {
            return false;
        }
        let data = array.to_data();
        let width = array.data_type().primitive_width().unwrap_or(1);
        let bytes = data.buffers().first().map_or(&[][..], |buffer| buffer.as_slice());
        let values = bytes.chunks_exact(width).skip(data.offset()).take(data.len());
        let different = values.collect::<HashSet<_>>().len();
        different > array.len() / 2
    };
    first.columns().iter().map(distinct).collect()
}

/// The properties with which the segment's file is written; `distinct` is [`mostly_distinct`].
pub(super) fn properties(
    meta: &SegmentMeta,
    schema: &TableSchema,
    settings: &ParquetSettings,
    key_values: Vec<KeyValue>,
    distinct: &[bool],
) -> Result<WriterProperties> {
    let leaves = leaves(schema)?;
    let compression = match settings.page_compression()? {
        PageCompression::None => Compression::UNCOMPRESSED,
        PageCompression::Snappy => Compression::SNAPPY,
        PageCompression::Lz4 => Compression::LZ4_RAW,
        PageCompression::Zstd(level) => {
            let level = ZstdLevel::try_new(level);
            Compression::ZSTD(level.map_err(|error| Error::invalid_input(error.to_string()))?)
        }
    };
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("tsds-cold-parquet {}", env!("CARGO_PKG_VERSION")))
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(compression)
        .set_max_row_group_row_count(Some(settings.row_group_rows))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        // Beside page index and footer, so that one read finds all that rules rows out.
        .set_bloom_filter_position(BloomFilterPosition::End)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_statistics_truncate_length(Some(BOUND_BYTES))
        .set_column_index_truncate_length(Some(BOUND_BYTES))
        .set_dictionary_enabled(false)
        .set_sorting_columns(Some(sorting_columns(schema, &leaves)))
        .set_key_value_metadata(Some(key_values));
    for (index, column) in schema.columns().iter().enumerate() {
        if is_payload_type(&column.data_type) {
            for leaf in leaves.iter().filter(|leaf| leaf.column == index) {
                builder = payload_properties(builder, leaf);
            }
            continue;
        }
        let path = ColumnPath::new(vec![column.name.clone()]);
        let Encodings { mut dictionary_bytes, other } = encodings(&column.data_type);
        if distinct.get(index) == Some(&true) {
            dictionary_bytes = None;
        }
        builder = builder
            .set_column_encoding(path.clone(), other)
            .set_column_dictionary_enabled(path.clone(), dictionary_bytes.is_some())
            .set_column_dictionary_page_size_limit(path.clone(), dictionary_bytes.unwrap_or_default());
        if schema.series_indices().contains(&index) && column.data_type != DataType::Boolean {
            let distinct = meta.series.clamp(1, settings.row_group_rows as u64);
            builder = builder
                .set_column_bloom_filter_enabled(path.clone(), true)
                .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_POSITIVES)
                .set_column_bloom_filter_max_ndv(path, distinct);
        }
    }
    Ok(builder.build())
}

/// Segments are stably sorted by series columns, nulls first, then by time.
fn sorting_columns(schema: &TableSchema, leaves: &[Leaf]) -> Vec<SortingColumn> {
    let sorted =
        schema.series_indices().iter().chain([schema.time_index()].iter()).copied().collect::<Vec<_>>();
    sorted
        .into_iter()
        .filter_map(|index| {
            // Columns of the file are counted, of which a payload can be several.
            let leaf = leaves.iter().position(|leaf| leaf.column == index)?;
            Some(SortingColumn {
                column_idx: i32::try_from(leaf).ok()?,
                descending: false,
                nulls_first: true,
            })
        })
        .collect()
}

/// A column of the file.
struct Leaf {
    /// The position of the table's column that it is, or is part of.
    column: usize,
    path: ColumnPath,
    physical: Type,
}

/// The columns of the file in their order.
fn leaves(schema: &TableSchema) -> Result<Vec<Leaf>> {
    let converted = ArrowSchemaConverter::new().convert(&file_schema(schema));
    let converted = converted.map_err(|error| {
        Error::internal("table has no schema in parquet").with("cause", &error).with_source(error)
    })?;
    let leaves = converted.columns().iter().enumerate().map(|(index, leaf)| Leaf {
        column: converted.get_column_root_idx(index),
        path: leaf.path().clone(),
        physical: leaf.physical_type(),
    });
    Ok(leaves.collect())
}

/// The properties of a part of a payload. It has no statistics: nothing is ever asked of its values.
fn payload_properties(builder: WriterPropertiesBuilder, leaf: &Leaf) -> WriterPropertiesBuilder {
    let (dictionary_bytes, encoding) = match leaf.physical {
        // Such as the keys of maps, few and repeated.
        Type::BYTE_ARRAY => (Some(TEXT_DICTIONARY_BYTES), Encoding::PLAIN),
        Type::FLOAT | Type::DOUBLE => (None, Encoding::BYTE_STREAM_SPLIT),
        Type::INT32 | Type::INT64 => (None, Encoding::DELTA_BINARY_PACKED),
        _ => (None, Encoding::PLAIN),
    };
    builder
        .set_column_encoding(leaf.path.clone(), encoding)
        .set_column_dictionary_enabled(leaf.path.clone(), dictionary_bytes.is_some())
        .set_column_dictionary_page_size_limit(leaf.path.clone(), dictionary_bytes.unwrap_or_default())
        .set_column_statistics_enabled(leaf.path.clone(), EnabledStatistics::None)
}

/// How the values of a column are encoded.
struct Encodings {
    /// How large a dictionary may grow before the rest of the row group goes without; `None` for no dictionary.
    dictionary_bytes: Option<usize>,
    /// The encoding without a dictionary.
    other: Encoding,
}

/// The encodings of a type. The reasons and measurements are in ADR 6.
fn encodings(data_type: &DataType) -> Encodings {
    let (dictionary_bytes, other) = match data_type {
        DataType::Timestamp(_, _) => (None, Encoding::DELTA_BINARY_PACKED),
        DataType::Float32 | DataType::Float64 => (Some(NUMBER_DICTIONARY_BYTES), Encoding::BYTE_STREAM_SPLIT),
        // Beyond what 64 bits hold, Parquet has decimals as bytes.
        DataType::Decimal128(precision, _) if *precision > DECIMAL64_MAX_PRECISION => {
            (Some(NUMBER_DICTIONARY_BYTES), Encoding::PLAIN)
        }
        DataType::Boolean => (None, Encoding::PLAIN),
        DataType::Utf8 | DataType::Dictionary(_, _) => (Some(TEXT_DICTIONARY_BYTES), Encoding::PLAIN),
        _ => (Some(NUMBER_DICTIONARY_BYTES), Encoding::DELTA_BINARY_PACKED),
    };
    Encodings { dictionary_bytes, other }
}
