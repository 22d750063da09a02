use std::sync::{Arc, Mutex};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt8Array,
};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn batch() -> RecordBatch {
    let who: DictionaryArray<Int32Type> = [Some("a,b"), None, Some("say \"hi\"\n")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![0, 1_500_000, -1])), false),
        ("who", Arc::new(who), true),
        ("n", Arc::new(Int64Array::from(vec![Some(-5), None, Some(i64::MAX)])), true),
        ("x", Arc::new(Float64Array::from(vec![1.0, f64::NAN, 1e300])), true),
        ("y", Arc::new(Float32Array::from(vec![0.1, f32::NEG_INFINITY, -0.0])), true),
        ("ok", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), true),
        ("note", Arc::new(StringArray::from(vec![Some(""), None, Some("é ")])), true),
        ("u", Arc::new(UInt8Array::from(vec![1, 2, 255])), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn written(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
    let sink = Sink::default();
    let mut writer = writer(format, &batches[0].schema(), Box::new(sink.clone())).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    let bytes = sink.0.lock().unwrap();
    bytes.clone()
}

fn text(format: Format, batches: &[RecordBatch]) -> String {
    String::from_utf8(written(format, batches)).unwrap()
}

#[test]
fn csv_quotes_what_needs_it_and_tells_null_from_empty() {
    let expected = "time,who,n,x,y,ok,note,u\n\
                    1970-01-01T00:00:00Z,\"a,b\",-5,1.0,0.1,true,\"\",1\n\
                    1970-01-01T00:00:01.500Z,,,NaN,-inf,,,2\n\
                    1969-12-31T23:59:59.999999Z,\"say \"\"hi\"\"\n\",9223372036854775807,1e+300,-0.0,false,\"é \",255\n";
    assert_eq!(text(Format::Csv, &[batch()]), expected);
}

#[test]
fn json_lines_are_objects_with_every_column() {
    let text = text(Format::Json, &[batch()]);
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        rows[0],
        serde_json::json!({"time": "1970-01-01T00:00:00Z", "who": "a,b", "n": -5, "x": 1.0, "y": 0.1, "ok": true, "note": "", "u": 1})
    );
    assert_eq!(
        rows[1],
        serde_json::json!({"time": "1970-01-01T00:00:01.500Z", "who": null, "n": null, "x": "NaN", "y": "-inf", "ok": null, "note": null, "u": 2})
    );
    assert_eq!(rows[2]["who"], "say \"hi\"\n");
    assert_eq!(rows[2]["n"], serde_json::json!(i64::MAX));
    assert!(text.starts_with("{\"time\":\"1970-01-01T00:00:00Z\",\"who\":"), "{text}");
}

#[test]
fn an_arrow_stream_reads_back_the_same() {
    let bytes = written(Format::Arrow, &[batch(), batch()]);
    let reader = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    let read: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0].schema(), batch().schema());
    assert_eq!(text(Format::Csv, &read), text(Format::Csv, &[batch(), batch()]));
}

#[test]
fn a_table_aligns_numbers_and_shows_nulls() {
    let batch = batch().project(&[0, 1, 2]).unwrap();
    let expected = " time                        who                           n\n\
                    ─────────────────────────────────────────────────────────────\n \
                    1970-01-01 00:00:00         a,b                          -5\n \
                    1970-01-01 00:00:01.500     null                       null\n \
                    1969-12-31 23:59:59.999999  say \"hi\"\\n  9223372036854775807\n";
    assert_eq!(text(Format::Table, &[batch]), expected);
}

#[test]
fn a_long_table_is_one_table() {
    let numbers = |from: i64, to: i64| {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(from..to));
        RecordBatch::try_from_iter([("n", array)]).unwrap()
    };
    let lines: Vec<String> =
        text(Format::Table, &[numbers(0, 700), numbers(700, 2_500)]).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 2_502);
    assert_eq!(lines.iter().filter(|line| line.contains('─')).count(), 1);
    assert_eq!(lines[2_501].trim(), "2499");
}

#[test]
fn an_empty_result_shows_its_columns() {
    let empty = batch().slice(0, 0);
    assert_eq!(text(Format::Csv, std::slice::from_ref(&empty)), "time,who,n,x,y,ok,note,u\n");
    assert_eq!(text(Format::Json, std::slice::from_ref(&empty)), "");
    assert_eq!(text(Format::Table, &[empty]).lines().count(), 2);
}

#[test]
fn a_sliced_batch_shows_its_own_rows() {
    assert_eq!(
        text(Format::Csv, &[batch().slice(1, 1)]).lines().nth(1),
        Some("1970-01-01T00:00:01.500Z,,,NaN,-inf,,,2")
    );
}

/// A row of each kind: bytes, a list with a null, a struct, a map with a key twice.
fn payload() -> RecordBatch {
    use arrow_array::builder::{ListBuilder, MapBuilder, StringBuilder};
    use arrow_array::{BinaryArray, StructArray};
    let mut lists = ListBuilder::new(arrow_array::builder::Float64Builder::new());
    lists.values().append_slice(&[1.5, f64::NAN]);
    lists.values().append_null();
    lists.append(true);
    lists.append(false);
    let names = arrow_array::builder::MapFieldNames {
        entry: "entries".into(),
        key: "key".into(),
        value: "value".into(),
    };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for value in ["x,", "y"] {
        maps.keys().append_value("k\"");
        maps.values().append_value(value);
    }
    maps.append(true).unwrap();
    maps.append(true).unwrap();
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"\0\xff"[..]), None]));
    let field = Arc::new(arrow_schema::Field::new("raw", bytes.data_type().clone(), true));
    let columns: Vec<(&str, ArrayRef, bool)> = vec![
        ("list", Arc::new(lists.finish()), true),
        ("map", Arc::new(maps.finish()), true),
        ("struct", Arc::new(StructArray::from(vec![(field, Arc::clone(&bytes))])), true),
        ("bytes", bytes, true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[test]
fn payload_is_json_and_its_bytes_are_hexadecimal_digits() {
    let json = text(Format::Json, &[payload()]);
    let expected = "{\"list\":[1.5,\"NaN\",null],\"map\":[[\"k\\\"\",\"x,\"],[\"k\\\"\",\"y\"]],\"struct\":{\"raw\":\"00ff\"},\"bytes\":\"00ff\"}\n\
                    {\"list\":null,\"map\":[],\"struct\":{\"raw\":null},\"bytes\":null}\n";
    assert_eq!(json, expected);
    let csv = text(Format::Csv, &[payload().project(&[0, 2, 3]).unwrap()]);
    let expected = "list,struct,bytes\n\"[1.5,\"\"NaN\"\",null]\",\"{\"\"raw\"\":\"\"00ff\"\"}\",00ff\n\
                    ,\"{\"\"raw\"\":null}\",\n";
    assert_eq!(csv, expected);
    assert!(text(Format::Table, &[payload()]).contains("00ff"));
}

#[test]
fn parquet_and_arrow_files_hold_payload_as_it_is() {
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let shown = |batch: &RecordBatch| text(Format::Json, std::slice::from_ref(batch));
    let bytes = bytes::Bytes::from(written(Format::Parquet, &[payload()]));
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
    assert_eq!(shown(&reader.next().unwrap().unwrap()), shown(&payload()));
    let bytes = written(Format::Arrow, &[payload()]);
    let mut reader = arrow_ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    assert_eq!(shown(&reader.next().unwrap().unwrap()), shown(&payload()));
}
