//! Both passes over columnar files.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int8Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float64Array, Int8Array, Int32Array, Int64Array,
    LargeBinaryArray, LargeListArray, LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
    StructArray, Time32SecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, GzipLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use tsds_io::SimWorld;
use tsds_traits::{OpenMode, TableSchema, type_name};

use super::super::{Checked, Input, InputFiles, OnError, Plan, PlanOptions, ReadOptions, Rows, TimeFormat};

pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(super) fn parquet(batches: &[RecordBatch], compression: Compression) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// In the second version of pages, without dictionaries.
pub(super) fn parquet_deltas(batches: &[RecordBatch], text: Encoding) -> Vec<u8> {
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::SNAPPY)
        .set_dictionary_enabled(false)
        .set_column_encoding("large".into(), text)
        .set_column_encoding("who".into(), text)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn ipc_options(compression: Option<CompressionType>) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(compression).unwrap()
}

pub(super) fn ipc_file(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = ipc_options(compression);
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

pub(super) fn ipc_stream(batches: &[RecordBatch], compression: Option<CompressionType>) -> Vec<u8> {
    let options = ipc_options(compression);
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// Every kind of file that these batches can be in.
pub(super) fn every_kind(batches: &[RecordBatch]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("plain.parquet", parquet(batches, Compression::UNCOMPRESSED)),
        ("snappy.parquet", parquet(batches, Compression::SNAPPY)),
        ("gzip.parquet", parquet(batches, Compression::GZIP(GzipLevel::default()))),
        ("lz4.parquet", parquet(batches, Compression::LZ4_RAW)),
        ("zstd.parquet", parquet(batches, Compression::ZSTD(Default::default()))),
        ("deltas.parquet", parquet_deltas(batches, Encoding::DELTA_LENGTH_BYTE_ARRAY)),
        ("prefixes.parquet", parquet_deltas(batches, Encoding::DELTA_BYTE_ARRAY)),
        ("plain.arrow", ipc_file(batches, None)),
        ("lz4.feather", ipc_file(batches, Some(CompressionType::LZ4_FRAME))),
        ("zstd.feather", ipc_file(batches, Some(CompressionType::ZSTD))),
        ("plain.arrows", ipc_stream(batches, None)),
        ("lz4.arrows", ipc_stream(batches, Some(CompressionType::LZ4_FRAME))),
    ]
}

pub(super) struct Folder {
    pub(super) options: PlanOptions,
    pub(super) null: Option<String>,
    pub(super) batch_rows: usize,
    pub(super) on_error: OnError,
}

pub(super) fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Folder {
    pub(super) fn new(time: &str, series: &str) -> Self {
        let options = PlanOptions {
            time: list(time),
            time_as: None,
            keep_parts: false,
            format: TimeFormat::Iso,
            series: list(series),
            columns: None,
        };
        Self { options, null: None, batch_rows: 1_000, on_error: OnError::Stop }
    }

    /// Reads files as for a table; the batches and how many rows were left out.
    pub(super) fn import(
        &self,
        files: &[(&str, Vec<u8>)],
        table: Option<&TableSchema>,
    ) -> Result<(Vec<RecordBatch>, u64), String> {
        let text = |error: tsds_traits::Error| error.to_string();
        let machine = SimWorld::new(1);
        let vfs = machine.world().vfs;
        let read = Arc::new(AtomicU64::new(0));
        let open = |(name, contents): &(&str, Vec<u8>)| {
            let file = vfs.open(name.as_ref(), OpenMode::CreateNew).unwrap();
            file.write_all_at(contents, 0).unwrap();
            Input::open(&vfs, name.into(), &read)
        };
        let inputs = files.iter().map(open).collect::<Result<Vec<_>, _>>().map_err(text)?;
        let read_options = Arc::new(ReadOptions { delimiter: b',', null: self.null.clone() });
        let files = InputFiles::open(inputs, &read_options, &self.options).map_err(text)?;
        let plan = match table {
            Some(table) => Plan::for_table(&files.names, &self.options, table, &[]),
            None => Plan::for_new_table(&files.names, &self.options),
        };
        let mut plan = plan.map_err(text)?;
        plan.assume(&files.types(&plan).map_err(text)?);
        let mut checked = Checked::new(plan.columns().len());
        for file in &files.files {
            checked.merge(file.check(&plan, self.on_error).map_err(text)?);
        }
        if let (OnError::Stop, Some(bad)) = (self.on_error, checked.bad.first()) {
            return Err(bad.to_string());
        }
        plan.resolve(&checked).map_err(text)?;
        let mut rows = Rows::new(files.files, Arc::new(plan), self.batch_rows, self.on_error);
        let (mut batches, mut skipped) = (Vec::new(), 0);
        loop {
            let chunk = rows.next_chunk().map_err(text)?;
            skipped += chunk.skipped;
            match chunk.batch {
                Some(batch) => batches.push(batch.rows),
                None => break,
            }
        }
        assert_eq!(checked.rows, batches.iter().map(|batch| batch.num_rows() as u64).sum::<u64>());
        assert_eq!(checked.bad_rows, skipped);
        Ok((batches, skipped))
    }

    fn one(&self, batch: &RecordBatch) -> Result<RecordBatch, String> {
        let file = ("a.arrow", ipc_file(std::slice::from_ref(batch), None));
        self.import(&[file], None).map(|(mut batches, _)| batches.remove(0))
    }
}

pub(super) fn types(batch: &RecordBatch) -> Vec<String> {
    let describe =
        |field: &Arc<arrow_schema::Field>| format!("{} {}", field.name(), type_name(field.data_type()));
    batch.schema().fields().iter().map(describe).collect()
}

pub(super) fn times(values: &[i64]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values.to_vec()))
}

fn texts(array: &dyn Array) -> Vec<Option<String>> {
    let array = arrow_cast::cast(array, &arrow_schema::DataType::Utf8).unwrap();
    array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect()
}

pub(super) fn sample() -> RecordBatch {
    let mut codes = StringDictionaryBuilder::<Int8Type>::new();
    ["x", "y", "x"].iter().for_each(|text| codes.append_value(text));
    batch(vec![
        ("ts", times(&[-1, 0, 1_000_000])),
        ("n", Arc::new(Int32Array::from(vec![Some(1), None, Some(-3)]))),
        ("x", Arc::new(Float64Array::from(vec![f64::NAN, -0.0, 1.5]))),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]))),
        ("large", Arc::new(LargeStringArray::from(vec![Some("é"), None, Some("")]))),
        ("who", Arc::new(codes.finish())),
    ])
}

#[test]
fn every_kind_of_file_gives_the_same_rows() {
    let folder = Folder::new("ts", "who");
    let expected =
        ["ts timestamp(us)", "n int32", "x float64", "ok bool", "large utf8", "who dictionary(int32,utf8)"];
    for (name, bytes) in every_kind(&[sample(), sample()]) {
        let (batches, _) =
            folder.import(&[(name, bytes)], None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(batches.len(), 1, "{name}");
        let batch = &batches[0];
        assert_eq!(types(batch), expected, "{name}");
        assert_eq!(
            batch.column(0).as_primitive::<TimestampMicrosecondType>().values(),
            &[-1, 0, 1_000_000, -1, 0, 1_000_000]
        );
        assert_eq!(
            texts(batch.column(4)),
            [Some("é"), None, Some(""), Some("é"), None, Some("")].map(|text| text.map(str::to_owned)),
            "{name}"
        );
        assert_eq!(texts(batch.column(5))[3..], ["x", "y", "x"].map(|text| Some(text.to_owned())), "{name}");
        let whole = arrow_select::concat::concat_batches(&sample().schema(), &[sample(), sample()]).unwrap();
        for column in [1, 2, 3] {
            assert_eq!(
                format!("{:?}", batch.column(column)),
                format!("{:?}", whole.column(column)),
                "{name}"
            );
        }
    }
}

#[test]
fn a_view_is_text_and_a_column_without_values_is_text() {
    let views = StringViewArray::from(vec![Some("short"), Some("longer than twelve bytes"), None]);
    let rows =
        batch(vec![("ts", times(&[1, 2, 3])), ("v", Arc::new(views)), ("none", Arc::new(NullArray::new(3)))]);
    let read = Folder::new("ts", "").one(&rows).unwrap();
    assert_eq!(types(&read)[1..], ["v utf8", "none utf8"]);
    assert_eq!(texts(read.column(1))[1].as_deref(), Some("longer than twelve bytes"));
    assert_eq!(read.column(2).null_count(), 3);
}

#[test]
fn times_come_from_numbers_text_parts_and_dates() {
    let noon = 1_706_702_400;
    type Columns = Vec<(&'static str, ArrayRef)>;
    let cases: Vec<(&str, &str, Columns)> = vec![
        ("t", "s", vec![("t", Arc::new(Int64Array::from(vec![noon])))]),
        ("t", "ms", vec![("t", Arc::new(Float64Array::from(vec![1_706_702_400_000.0])))]),
        ("t", "%Y%m%d%H", vec![("t", Arc::new(Int64Array::from(vec![2024013112])))]),
        ("t", "iso", vec![("t", Arc::new(StringArray::from(vec!["2024-01-31T12:00:00Z"])))]),
        (
            "d,c",
            "iso",
            vec![
                ("d", Arc::new(StringArray::from(vec!["2024-01-31"]))),
                ("c", Arc::new(StringArray::from(vec!["12:00:00"]))),
            ],
        ),
        (
            "d,c",
            "iso",
            vec![
                ("d", Arc::new(Date32Array::from(vec![19_753]))),
                ("c", Arc::new(Time32SecondArray::from(vec![43_200]))),
            ],
        ),
        (
            "year,month,day,hour",
            "iso",
            vec![
                ("year", Arc::new(Int64Array::from(vec![2024]))),
                ("month", Arc::new(Int8Array::from(vec![1]))),
                ("day", Arc::new(Float64Array::from(vec![31.0]))),
                ("hour", Arc::new(StringArray::from(vec!["12"]))),
            ],
        ),
    ];
    for (time, format, columns) in cases {
        let mut folder = Folder::new(time, "");
        folder.options.format = TimeFormat::parse(format).unwrap();
        folder.options.time_as = Some("at".into());
        let read = folder.one(&batch(columns)).unwrap_or_else(|error| panic!("{time} {format}: {error}"));
        assert_eq!(types(&read), ["at timestamp(us)"], "{time} {format}");
        assert_eq!(
            read.column(0).as_primitive::<TimestampMicrosecondType>().value(0),
            noon * 1_000_000,
            "{time} {format}"
        );
    }
}

#[test]
fn a_time_of_the_file_stays_as_it_is() {
    let zoned: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![5]).with_timezone("Europe/Berlin"));
    let read = Folder::new("ts", "").one(&batch(vec![("ts", zoned)])).unwrap();
    assert_eq!(types(&read), ["ts timestamp(ms,Europe/Berlin)"]);
    assert!(!read.schema().field(0).is_nullable());
}

#[test]
fn what_cannot_be_a_time_is_refused_before_any_row_is_read() {
    let cases: [(ArrayRef, &str, &str); 3] = [
        (
            Arc::new(Int64Array::from(vec![1])),
            "iso",
            "the time column holds numbers; say with --time-format s, ms, us or ns what they count column=t type=int64 file=a.arrow",
        ),
        (
            times(&[1]),
            "ms",
            "--time-format is for text and numbers, and the column holds times column=t type=timestamp(us) file=a.arrow",
        ),
        (
            Arc::new(BooleanArray::from(vec![true])),
            "iso",
            "no time can be made of such a column column=t type=bool file=a.arrow",
        ),
    ];
    for (array, format, message) in cases {
        let mut folder = Folder::new("t", "");
        folder.options.format = TimeFormat::parse(format).unwrap();
        assert_eq!(folder.one(&batch(vec![("t", array)])).unwrap_err(), message);
    }
}

#[test]
fn types_that_no_table_has_are_named_all_at_once_and_can_be_left_out() {
    // Fields whose names differ in case alone.
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let field = |name: &str| Arc::new(arrow_schema::Field::new(name, arrow_schema::DataType::Int64, false));
    let twins: ArrayRef =
        Arc::new(StructArray::from(vec![(field("a"), Arc::clone(&number)), (field("A"), number)]));
    let rows = batch(vec![
        ("ts", times(&[1, 2])),
        ("vast", Arc::clone(&twins)),
        ("x", Arc::new(Int64Array::from(vec![1, 2]))),
        ("large", Arc::clone(&twins)),
    ]);
    let mut folder = Folder::new("ts", "");
    let error = folder.one(&rows).unwrap_err();
    assert_eq!(
        error,
        format!(
            "tables cannot hold the types of some columns; name the columns to take with --columns \
             columns=vast ({0}), large ({0}) file=a.arrow",
            twins.data_type()
        )
    );
    folder.options.columns = Some(list("x"));
    for (name, bytes) in every_kind(&[rows]) {
        let (batches, _) =
            folder.import(&[(name, bytes)], None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(types(&batches[0]), ["ts timestamp(us)", "x int64"], "{name}");
    }
}

#[test]
fn payload_of_every_layout_becomes_one_type() {
    let items: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("é"), None, Some("")]));
    let element = Arc::new(arrow_schema::Field::new("element", items.data_type().clone(), true));
    let offsets = arrow_buffer::OffsetBuffer::from_lengths([2, 0, 1]);
    let nulls = arrow_buffer::NullBuffer::from(vec![true, false, true]);
    let lists: ArrayRef = Arc::new(LargeListArray::new(element, offsets, items, Some(nulls)));
    let rows = batch(vec![
        ("ts", times(&[1, 2, 3])),
        ("lists", lists),
        ("photo", Arc::new(BinaryArray::from(vec![Some(&b"a"[..]), None, Some(b"")]))),
        ("hash", Arc::new(LargeBinaryArray::from(vec![Some(&b"\0"[..]), Some(b"b"), None]))),
    ]);
    let folder = Folder::new("ts", "");
    for (name, bytes) in every_kind(&[rows]) {
        let (batches, _) =
            folder.import(&[(name, bytes)], None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            types(&batches[0]),
            ["ts timestamp(us)", "lists list(utf8)", "photo binary", "hash binary"],
            "{name}"
        );
        let list = batches[0].column(1).as_list::<i32>();
        let lengths: Vec<_> = list.iter().map(|list| list.map(|list| texts(&list))).collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(lengths, [Some(vec![text("é"), None]), None, Some(vec![text("")])], "{name}");
        let bytes: Vec<_> = batches[0].column(3).as_binary::<i32>().iter().collect();
        assert_eq!(bytes, [Some(&b"\0"[..]), Some(b"b"), None], "{name}");
    }
}

fn table(x: arrow_schema::DataType, nullable: bool) -> TableSchema {
    use tsds_traits::{Column, ColumnId, SchemaVersion, TableId};
    let time = arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Millisecond, None);
    let column = |id, name: &str, data_type, nullable| Column {
        id: ColumnId(id),
        name: name.into(),
        data_type,
        nullable,
    };
    let columns = vec![column(1, "ts", time, false), column(2, "x", x, nullable)];
    TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[]).unwrap()
}

#[test]
fn a_value_that_does_not_fit_the_table_is_a_bad_row() {
    use arrow_schema::DataType::*;
    let ints = || -> ArrayRef { Arc::new(Int64Array::from(vec![Some(1), None, Some(300)])) };
    let cases: [(ArrayRef, arrow_schema::DataType, bool, Option<&str>); 8] = [
        (ints(), Int8, true, Some("a.arrow, row 3: column x: 300 does not fit int8")),
        (ints(), Int16, true, None),
        (ints(), Int16, false, Some("a.arrow, row 2: column x must not be null")),
        (ints(), Float32, true, None),
        (
            Arc::new(Float64Array::from(vec![1.0, 2.5, 3.0])),
            Int64,
            true,
            Some("a.arrow, row 2: column x: 2.5 does not fit int64"),
        ),
        (
            Arc::new(StringArray::from(vec!["1", "2", "3"])),
            Int64,
            true,
            Some(
                "the file has columns whose values do not go into those of the table columns=x (utf8 into int64) file=a.arrow",
            ),
        ),
        (
            ints(),
            Utf8,
            true,
            Some(
                "the file has columns whose values do not go into those of the table columns=x (int64 into utf8) file=a.arrow",
            ),
        ),
        (Arc::new(NullArray::new(3)), Boolean, true, None),
    ];
    for (array, x, nullable, expected) in cases {
        let rows = batch(vec![("ts", times(&[1_000, 2_000, 3_000])), ("x", array)]);
        let folder = Folder::new("ts", "");
        let read = folder.import(&[("a.arrow", ipc_file(&[rows], None))], Some(&table(x.clone(), nullable)));
        match expected {
            Some(message) => assert_eq!(read.unwrap_err(), message),
            None => assert_eq!(
                types(&read.unwrap().0[0]),
                ["ts timestamp(ms)".into(), format!("x {}", type_name(&x))]
            ),
        }
    }
    let zoned: ArrayRef =
        Arc::new(TimestampMillisecondArray::from(vec![2_000, 2_500]).with_timezone("Europe/Berlin"));
    let rows = batch(vec![("ts", times(&[1_000, 2_000])), ("x", zoned)]);
    let seconds = Timestamp(arrow_schema::TimeUnit::Second, None);
    let error =
        Folder::new("ts", "").import(&[("a.arrow", ipc_file(&[rows], None))], Some(&table(seconds, true)));
    assert_eq!(
        error.unwrap_err(),
        "a.arrow, row 2: column x: 1970-01-01T00:00:02.500 does not fit timestamp(s)"
    );
    let fine = batch(vec![("ts", times(&[1_000, 1_001])), ("x", Arc::new(Int64Array::from(vec![1, 2])))]);
    let file = [("a.arrow", ipc_file(&[fine], None))];
    let error = Folder::new("ts", "").import(&file, Some(&table(Int64, true))).unwrap_err();
    assert_eq!(error, "a.arrow, row 2: the time is finer than the column's unit, milliseconds");
}

#[test]
fn bad_rows_are_left_out_on_request() {
    let ts: ArrayRef =
        Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(i64::MAX), Some(4)]));
    let rows = batch(vec![("ts", ts), ("x", Arc::new(Int64Array::from(vec![1, 2, 3, 4])))]);
    let folder = Folder { on_error: OnError::Skip, ..Folder::new("ts", "") };
    for (name, bytes) in every_kind(&[rows]) {
        let (batches, skipped) = folder.import(&[(name, bytes)], None).unwrap();
        assert_eq!(skipped, 2, "{name}");
        assert_eq!(batches[0].column(1).as_primitive::<Int64Type>().values(), &[1, 4], "{name}");
    }
}

#[test]
fn several_files_get_types_that_hold_all_values() {
    let file = |array: ArrayRef| ipc_file(&[batch(vec![("ts", times(&[1])), ("x", array)])], None);
    let folder = Folder::new("ts", "file");
    let files = [
        ("a.arrow", file(Arc::new(Int8Array::from(vec![7])))),
        ("b.arrow", file(Arc::new(NullArray::new(1)))),
        ("c.arrow", file(Arc::new(Float64Array::from(vec![0.5])))),
    ];
    let (batches, _) = folder.import(&files, None).unwrap();
    assert_eq!(types(&batches[0]), ["ts timestamp(us)", "file dictionary(int32,utf8)", "x float64"]);
    assert_eq!(batches.len(), 3, "none has rows of two files");
    assert_eq!(texts(batches[2].column(1)), [Some("c".to_owned())]);
    let clash = [files[0].clone(), ("t.arrow", file(Arc::new(StringArray::from(vec!["a"]))))];
    assert_eq!(
        folder.import(&clash, None).unwrap_err(),
        "the files have types that do not go together column=x type=int8 file=a.arrow other_type=utf8 other_file=t.arrow"
    );
}

#[test]
fn null_text_is_null_and_empty_text_is_not() {
    let rows =
        batch(vec![("ts", times(&[1, 2, 3])), ("s", Arc::new(StringArray::from(vec!["NA", "", " NA"])))]);
    let folder = Folder { null: Some("NA".into()), ..Folder::new("ts", "") };
    assert_eq!(texts(folder.one(&rows).unwrap().column(1)), [None, Some(String::new()), None]);
}

#[test]
fn batches_are_cut_by_rows_whatever_the_file_holds_together() {
    let small = || batch(vec![("ts", times(&[1, 2, 3]))]);
    let folder = Folder { batch_rows: 4, ..Folder::new("ts", "") };
    for (name, bytes) in every_kind(&[small(), small(), small()]) {
        let (batches, _) = folder.import(&[(name, bytes)], None).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [4, 4, 1], "{name}");
    }
}

#[test]
fn dictionaries_that_change_from_batch_to_batch_are_followed() {
    let coded = |values: &[&str]| -> RecordBatch {
        let codes: arrow_array::DictionaryArray<Int8Type> = values.iter().copied().collect();
        batch(vec![("ts", times(&vec![1; values.len()])), ("who", Arc::new(codes))])
    };
    let bytes = ipc_stream(&[coded(&["a", "b"]), coded(&["c"]), coded(&["b", "d"])], None);
    let (batches, _) = Folder::new("ts", "who").import(&[("a.arrows", bytes)], None).unwrap();
    assert_eq!(texts(batches[0].column(1)), ["a", "b", "c", "b", "d"].map(|text| Some(text.to_owned())));
}

#[test]
fn files_of_two_kinds_are_named() {
    let folder = Folder::new("ts", "");
    let parquet = ("a.parquet", parquet(&[sample()], Compression::SNAPPY));
    let error = folder.import(&[parquet, ("b.csv", b"ts\n2024-01-01\n".to_vec())], None).unwrap_err();
    assert_eq!(error, "files of one import must be of one kind Parquet=a.parquet CSV=b.csv");
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_refused() {
    let folder = Folder::new("ts", "");
    let mut cut = parquet(&[sample()], Compression::SNAPPY);
    cut.truncate(cut.len() - 1);
    let cases = [
        ("a.parquet", cut, "the file is no Parquet file, or is cut off file=a.parquet"),
        ("a.parquet", b"PAR1PARE".to_vec(), "the file is no Parquet file, or is cut off file=a.parquet"),
        ("a.bin", b"PARE....PARE".to_vec(), "an encrypted Parquet file cannot be read file=a.bin"),
        (
            "a.feather",
            b"FEA1....FEA1".to_vec(),
            "Feather version 1 cannot be read; write the file again as version 2 file=a.feather",
        ),
        ("a.arrow", b"ts,x\n".to_vec(), "the file is no Arrow file or stream, or is cut off file=a.arrow"),
    ];
    for (name, bytes, message) in cases {
        assert_eq!(folder.import(&[(name, bytes)], None).unwrap_err(), message);
    }
}
