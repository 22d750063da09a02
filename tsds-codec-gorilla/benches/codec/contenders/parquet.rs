//! Parquet's own encodings through the crate's column writer and reader, without the way through Arrow: the whole set as two
//! required columns of one row group, as a file would have it.

use std::sync::Arc;

use ::parquet::basic::{Compression, Encoding, Repetition, Type as Physical, ZstdLevel};
use ::parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use ::parquet::data_type::{DataType, DoubleType, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnPath, Type};
use bytes::Bytes;

use super::{Contender, Encoded, Output, Sizes, What};
use crate::sets::{BLOCK, Set};

#[derive(Clone, Copy, Debug)]
pub enum Parquet {
    /// Dictionaries, as the writer does by itself, with Zstandard 3.
    Dictionary,
    /// DELTA_BINARY_PACKED times and BYTE_STREAM_SPLIT values, with Zstandard 3.
    Split,
}

impl Parquet {
    fn properties(self) -> WriterProperties {
        let zstd = Compression::ZSTD(ZstdLevel::try_new(3).unwrap());
        let properties = WriterProperties::builder().set_compression(zstd);
        match self {
            Self::Dictionary => properties.build(),
            Self::Split => properties
                .set_dictionary_enabled(false)
                .set_column_encoding(ColumnPath::from("time"), Encoding::DELTA_BINARY_PACKED)
                .set_column_encoding(ColumnPath::from("value"), Encoding::BYTE_STREAM_SPLIT)
                .build(),
        }
    }
}

impl Contender for Parquet {
    fn name(&self) -> String {
        match self {
            Self::Dictionary => "Parquet dictionary + zstd".into(),
            Self::Split => "Parquet delta, split + zstd".into(),
        }
    }

    fn in_blocks(&self) -> bool {
        false
    }

    fn encode(&self, set: &Set) -> Box<dyn Encoded> {
        let column = |name, physical| {
            let column = Type::primitive_type_builder(name, physical);
            Arc::new(column.with_repetition(Repetition::REQUIRED).build().unwrap())
        };
        let columns = vec![column("time", Physical::INT64), column("value", Physical::DOUBLE)];
        let schema = Arc::new(Type::group_type_builder("points").with_fields(columns).build().unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(self.properties())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        for block in &set.blocks {
            column.typed::<Int64Type>().write_batch(block.times(), None, None).unwrap();
        }
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        for block in &set.blocks {
            column.typed::<DoubleType>().write_batch(block.values(), None, None).unwrap();
        }
        column.close().unwrap();
        group.close().unwrap();
        let file = SerializedFileReader::new(Bytes::from(writer.into_inner().unwrap())).unwrap();
        Box::new(ParquetFile { file, rows: set.rows(), times: Vec::new(), values: Vec::new() })
    }
}

struct ParquetFile {
    file: SerializedFileReader<Bytes>,
    rows: usize,
    /// The reader appends to vectors: these stand in for the output.
    times: Vec<i64>,
    values: Vec<f64>,
}

impl Encoded for ParquetFile {
    /// Column chunks with their page headers, without the footer and the indexes.
    fn sizes(&self) -> Sizes {
        let group = self.file.metadata().row_group(0);
        let size = |column: usize| group.column(column).compressed_size() as usize;
        Sizes::Columns { times: size(0), values: size(1) }
    }

    fn decode(&mut self, what: What, out: &mut Output) {
        let group = self.file.get_row_group(0).unwrap();
        let room = out.rows();
        if what.times() {
            let column = get_typed_column_reader::<Int64Type>(group.get_column_reader(0).unwrap());
            read(column, self.rows, room, &mut self.times);
        }
        if what.values() {
            let column = get_typed_column_reader::<DoubleType>(group.get_column_reader(1).unwrap());
            read(column, self.rows, room, &mut self.values);
        }
    }

    fn check(&mut self, set: &Set, name: &str) {
        self.decode(What::Points, &mut Output::large(set.rows()));
        let times: Vec<i64> = set.blocks.iter().flat_map(|block| block.times().to_vec()).collect();
        let values = set.blocks.iter().flat_map(|block| block.values().iter().map(|value| value.to_bits()));
        assert_eq!(self.times, times, "{name}: times of {}", set.name);
        assert!(self.values.iter().map(|value| value.to_bits()).eq(values), "{name}: values of {}", set.name);
        (self.times, self.values) = (Vec::new(), Vec::new());
    }
}

/// Reads `rows` block by block into a vector that holds `room`, from its start again when it is full.
fn read<T: DataType>(mut column: ColumnReaderImpl<T>, rows: usize, room: usize, out: &mut Vec<T::T>) {
    if out.capacity() < room {
        out.reserve_exact(room);
    }
    let mut left = rows;
    while left > 0 {
        let block = left.min(BLOCK);
        if out.len() + block > room {
            out.clear();
        }
        let (records, _, _) = column.read_records(block, None, None, out).unwrap();
        assert_eq!(records, block);
        left -= block;
    }
}
