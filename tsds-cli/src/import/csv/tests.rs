//! Both passes over real files.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType, TimestampNanosecondType};
use arrow_array::{Array, RecordBatch};
use tempfile::TempDir;
use tsds_io::RealVfs;
use tsds_traits::{OpenMode, Vfs};

use super::super::{
    Checked, Input, InputFiles, OnError, Plan, PlanOptions, ReadOptions, Rows, TimeFormat, files::InputFile,
};

struct Folder {
    dir: TempDir,
    vfs: Arc<dyn Vfs>,
    read: Arc<AtomicU64>,
    null: Option<String>,
    delimiter: u8,
    batch_rows: usize,
    on_error: OnError,
}

impl Folder {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            vfs: Arc::new(RealVfs::new()),
            read: Arc::default(),
            null: None,
            delimiter: b',',
            batch_rows: 1000,
            on_error: OnError::Stop,
        }
    }

    fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        self.vfs.open(&path, OpenMode::OpenOrCreate).unwrap().write_all_at(contents, 0).unwrap();
        path
    }

    fn import(&self, files: &[&[u8]], time: &str, series: &str) -> Result<(Vec<RecordBatch>, u64), String> {
        let list = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let options = PlanOptions {
            time: list(time),
            time_as: None,
            keep_parts: false,
            format: TimeFormat::Iso,
            series: list(series),
            columns: None,
        };
        let read_options = Arc::new(ReadOptions { delimiter: self.delimiter, null: self.null.clone() });
        let inputs: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(index, contents)| {
                let path = self.write(&format!("f{index}.csv"), contents);
                Input::open(&self.vfs, path, &self.read).unwrap()
            })
            .collect();
        let text = |error: tsds_traits::Error| {
            error.to_string().replace(&format!("{}/", self.dir.path().display()), "")
        };
        let files = InputFiles::open(inputs, &read_options, &options).map_err(text)?;
        let mut plan = Plan::for_new_table(&files.names, &options).map_err(text)?;
        let mut checked = Checked::new(plan.schema().fields().len());
        for file in &files.files {
            checked.merge(file.check(&plan, self.on_error).map_err(text)?);
        }
        if self.on_error == OnError::Stop
            && let Some(bad) = checked.bad.first()
        {
            return Err(bad.to_string().replace(&format!("{}/", self.dir.path().display()), ""));
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

    fn one(&self, contents: &str, time: &str, series: &str) -> Result<RecordBatch, String> {
        self.import(&[contents.as_bytes()], time, series).map(|(mut batches, _)| batches.remove(0))
    }
}

fn types(batch: &RecordBatch) -> Vec<String> {
    batch
        .schema()
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), tsds_traits::type_name(field.data_type())))
        .collect()
}

#[test]
fn types_nulls_and_series_are_found() {
    let folder = Folder { null: Some("NA".into()), ..Folder::new() };
    let text =
        "ts,n,x,ok,who,empty\n2024-01-01,1,1,true,a,\n2024-01-02,NA,2.5,false,,NA\n2024-01-03,3,,,b,\n";
    let batch = folder.one(text, "ts", "who").unwrap();
    let expected =
        ["ts timestamp[us]", "n int64", "x float64", "ok bool", "who dictionary<int32,utf8>", "empty utf8"];
    assert_eq!(types(&batch).len(), expected.len(), "{:?}", types(&batch));
    assert_eq!(batch.column(0).as_primitive::<TimestampMicrosecondType>().value(1), 1_704_153_600_000_000);
    let n = batch.column(1).as_primitive::<Int64Type>();
    assert!(n.is_null(1) && n.value(2) == 3);
    assert_eq!(batch.column(2).as_primitive::<Float64Type>().value(0), 1.0);
    assert_eq!(batch.column(4).null_count(), 1);
    assert_eq!(batch.column(5).null_count(), 3);
    assert!(!batch.schema().field(0).is_nullable() && batch.schema().field(1).is_nullable());
}

#[test]
fn types_are_decided_over_all_files() {
    let folder = Folder::new();
    let (batches, _) =
        folder.import(&[b"ts,v\n2024-01-01,1\n", b"v,ts\n2.5,2024-01-02\n"], "ts", "file").unwrap();
    for (batch, (file, value)) in batches.iter().zip([("f0", 1.0), ("f1", 2.5)]) {
        assert_eq!(batch.column(2).as_primitive::<Float64Type>().values(), &[value]);
        let files = arrow_cast::cast(batch.column(1), &arrow_schema::DataType::Utf8).unwrap();
        assert_eq!(files.as_string::<i32>().value(0), file);
    }
    assert_eq!(batches.len(), 2);
}

#[test]
fn quotes_line_ends_and_marks_are_understood() {
    let text = "\u{feff}\"ts\",\"a,b\"\r\n2024-01-01,\"one, \"\"two\"\"\nthree\"\r\n\r\n2024-01-02,four";
    let batch = Folder::new().one(text, "ts", "").unwrap();
    assert_eq!(batch.schema().field(1).name(), "a,b");
    let values: Vec<_> = batch.column(1).as_string::<i32>().iter().flatten().collect();
    assert_eq!(values, ["one, \"two\"\nthree", "four"]);
}

#[test]
fn another_delimiter_is_taken() {
    let folder = Folder { delimiter: b';', ..Folder::new() };
    let batch = folder.one("ts;x\n2024-01-01;1\n", "ts", "").unwrap();
    assert_eq!(batch.column(1).as_primitive::<Int64Type>().value(0), 1);
}

#[test]
fn a_header_one_short_names_the_row_numbers() {
    let batch = Folder::new().one("\"date\",\"x\"\n\"140\",\"2015-02-02 14:19:00\",1\n", "date", "").unwrap();
    assert_eq!(batch.column(0).as_primitive::<Int64Type>().value(0), 140);
    assert_eq!(batch.schema().field(0).name(), "row");
}

#[test]
fn finer_digits_make_nanoseconds() {
    let batch = Folder::new().one("ts\n2024-01-01 00:00:00.000000001\n1970-01-01\n", "ts", "").unwrap();
    assert_eq!(batch.column(0).as_primitive::<TimestampNanosecondType>().value(1), 0);
    let error = Folder::new().one("ts\n2024-01-01 00:00:00.000000001\n1500-01-01\n", "ts", "").unwrap_err();
    assert!(error.starts_with("some times are finer than microseconds"), "{error}");
}

#[test]
fn a_bad_row_is_named_by_file_and_line() {
    let cases = [
        ("ts,x\n2024-01-01,1\n\"2024-01-02\",\"a\nb\"\n2024-01-03\n", "f0.csv:5: expected 2 fields, found 1"),
        (
            "ts,x\n2024-01-01,1\n\nnoon,2\n",
            "f0.csv:4: 'noon' is no time in ISO 8601; give its form as --time-format",
        ),
        ("ts,x\n,1\n", "f0.csv:2: the time is missing"),
        ("ts,x\r\n2024-01-01,1\r\n\r\n\r\n,1\r\n", "f0.csv:5: the time is missing"),
        ("ts,x\r\n2024-01-01,1\r\n,1", "f0.csv:3: the time is missing"),
        ("ts,x\n2024-01-01,1,2,3\n", "f0.csv:2: expected 2 fields, found 4"),
    ];
    for (text, message) in cases {
        assert_eq!(Folder::new().one(text, "ts", "").unwrap_err(), message, "{text}");
    }
    let error =
        Folder::new().import(&[b"ts,x\n2024-01-01,1\n", b"ts,x\n2024-01-01,\xff\n"], "ts", "").unwrap_err();
    assert_eq!(error, "f1.csv:2: field 2 is not UTF-8");
}

#[test]
fn bad_rows_are_left_out_on_request_and_do_not_decide_types() {
    let folder = Folder { on_error: OnError::Skip, ..Folder::new() };
    let text = "ts,x\n2024-01-01,1\nnoon,abc\n2024-01-02\n2024-01-03,3\n";
    let (batches, skipped) = folder.import(&[text.as_bytes()], "ts", "").unwrap();
    assert_eq!(skipped, 2);
    assert_eq!(batches[0].column(1).as_primitive::<Int64Type>().values(), &[1, 3]);
}

#[test]
fn the_lines_of_all_bad_rows_are_found() {
    let folder = Folder::new();
    let path = folder.write("bad.csv", b"ts,x\nnoon,1\n2024-01-01,\"a\nb\"\n\nnoon,2\nnoon,3\n");
    let read_options = Arc::new(ReadOptions { delimiter: b',', null: None });
    let input = Input::open(&folder.vfs, path, &folder.read).unwrap();
    let options = PlanOptions {
        time: vec!["ts".into()],
        time_as: None,
        keep_parts: false,
        format: TimeFormat::Iso,
        series: vec![],
        columns: None,
    };
    let files = InputFiles::open(vec![input], &read_options, &options).unwrap();
    let plan = Plan::for_new_table(&files.names, &options).unwrap();
    let [file @ InputFile::Csv(..)] = files.files.as_slice() else { panic!("{files:?}") };
    let checked = file.check(&plan, OnError::Skip).unwrap();
    assert_eq!(
        checked.bad.iter().map(|bad| bad.place).collect::<Vec<_>>(),
        [2, 6, 7].map(super::super::Place::Line)
    );
    assert_eq!((checked.rows, checked.bad_rows), (1, 3));
}

#[test]
fn batches_have_the_size_asked_for() {
    let folder = Folder { batch_rows: 2, ..Folder::new() };
    let (batches, _) =
        folder.import(&[b"ts\n2024-01-01\n2024-01-02\n2024-01-03\n", b"ts\n2024-01-04\n"], "ts", "").unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(),
        [2, 1, 1],
        "none has rows of two files"
    );
}

#[test]
fn files_without_rows_and_without_lines_are_told_apart() {
    let (batches, _) = Folder::new().import(&[b"ts,x\n"], "ts", "").unwrap();
    assert!(batches.is_empty());
    let error = Folder::new().import(&[b""], "ts", "").unwrap_err();
    assert_eq!(error, "file is empty; its first line must name the columns file=f0.csv");
}

#[test]
fn every_byte_read_is_counted() {
    let folder = Folder::new();
    let text = "ts\n2024-01-01\n";
    folder.one(text, "ts", "").unwrap();
    // Eight at its beginning and six at its end to see what it is; then once for the header, and once in each pass.
    assert_eq!(folder.read.load(Ordering::Relaxed), 8 + 6 + 3 * text.len() as u64);
}

#[test]
fn a_quote_that_is_never_closed_does_not_eat_the_memory() {
    let folder = Folder::new();
    let mut text = b"ts,x\n2024-01-01,\"".to_vec();
    text.resize(70 << 20, b'x');
    let error = folder.import(&[&text], "ts", "").unwrap_err();
    assert!(error.contains("a row takes more than 64 MiB") && error.contains("f0.csv"), "{error}");
}
