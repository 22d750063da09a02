use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryArray, Decimal128Array, FixedSizeBinaryArray, FixedSizeListArray, Float64Array,
    Int64Array, ListArray, MapArray, StringArray, StructArray, new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use arrow_select::concat::concat;
use arrow_select::take::take;
use proptest::prelude::*;
use tsds_traits::{ErrorKind, is_payload_type, parse_type};

use super::{from_block, to_block};

fn list_of(items: ArrayRef, lengths: &[usize], valid: &[bool]) -> ArrayRef {
    let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().copied());
    Arc::new(ListArray::new(field, offsets, items, Some(NullBuffer::from(valid.to_vec()))))
}

/// Columns of six rows, with nulls, empty values, and values under nulls.
fn columns() -> Vec<ArrayRef> {
    let nan = |payload: u64| f64::from_bits(0x7ff0_0000_0000_0000 | payload);
    let floats = Float64Array::from(vec![Some(nan(1)), None, Some(-0.0), Some(nan(2)), Some(1.5), None]);
    let floats: ArrayRef = Arc::new(floats);
    let list = list_of(Arc::clone(&floats), &[2, 0, 1, 0, 3, 0], &[true, true, false, false, true, true]);
    let texts: ArrayRef =
        Arc::new(StringArray::from(vec![Some(""), None, Some("ä"), Some("long text"), Some("b"), Some("c")]));
    let text_list = list_of(Arc::clone(&texts), &[1, 1, 0, 4, 0, 0], &[true, true, true, false, true, false]);
    let ids: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(0), Some(1), Some(2), Some(3)]));
    let fields = Fields::from(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("list", list.data_type().clone(), true),
        Field::new("name", DataType::Utf8, true),
    ]);
    let valid = NullBuffer::from(vec![true, false, true, true, false, true]);
    let record: ArrayRef =
        Arc::new(StructArray::new(fields, vec![ids, Arc::clone(&list), Arc::clone(&texts)], Some(valid)));
    let fixed = |items: ArrayRef, size, valid: Option<NullBuffer>| -> ArrayRef {
        let field = Arc::new(Field::new_list_field(items.data_type().clone(), true));
        Arc::new(FixedSizeListArray::new(field, size, items, valid))
    };
    let twice = concat(&[&floats, &floats]).unwrap();
    let fixed_list = fixed(twice, 2, Some(NullBuffer::from(vec![true, true, false, true, true, false])));
    let records = fixed(concat(&[&record, &record]).unwrap(), 2, None);
    let entries = Fields::from(vec![
        Field::new("key", DataType::Utf8, false),
        Field::new("value", DataType::Float64, true),
    ]);
    let keys: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "", "b", "c", "d"]));
    let entry = StructArray::new(entries.clone(), vec![keys, floats], None);
    let map: ArrayRef = Arc::new(MapArray::new(
        Arc::new(Field::new("entries", DataType::Struct(entries), false)),
        OffsetBuffer::from_lengths([3, 0, 1, 0, 2, 0]),
        entry,
        Some(NullBuffer::from(vec![true, true, true, false, true, true])),
        false,
    ));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![
        Some(&b""[..]),
        None,
        Some(b"\0\xff"),
        Some(b"x"),
        None,
        Some(b"yz"),
    ]));
    let sixteen = [Some([7u8; 4]), None, Some([0; 4]), Some([255; 4]), None, Some([1; 4])];
    let sixteen: ArrayRef =
        Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(sixteen.into_iter(), 4).unwrap());
    let mut all = vec![list, text_list, record, fixed_list, records, map, bytes, sixteen];
    all.push(list_of(Arc::clone(&all[5]), &[1, 0, 3, 0, 2, 0], &[true; 6]));
    all
}

/// Equal by bits, but for what stands under nulls: floats compare as numbers in Arrow, and their text tells them apart.
fn assert_same(a: &ArrayRef, b: &ArrayRef) {
    assert_eq!(a.data_type(), b.data_type());
    assert_eq!(to_block(a).unwrap().to_data(), to_block(b).unwrap().to_data(), "{a:?} {b:?}");
    assert_eq!(a.logical_null_count(), b.logical_null_count());
}

#[test]
fn every_payload_reads_back_as_it_was() {
    for column in columns() {
        assert!(is_payload_type(column.data_type()), "{}", column.data_type());
        let block = to_block(&column).unwrap();
        let nulls = |array: &ArrayRef| array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
        assert_eq!(nulls(&block), nulls(&column));
        let back = from_block(block, column.data_type()).unwrap();
        assert_same(&column, &back);
        // Arrow's own equality, which does not look under nulls either, where no NaN is.
        let text = |array: &ArrayRef| format!("{array:?}").contains("NaN");
        if !text(&column) {
            assert_eq!(&column, &back);
        }
    }
}

#[test]
fn an_empty_list_a_null_and_a_list_of_a_null_are_three_values() {
    let mut builder = ListBuilder::new(StringBuilder::new());
    builder.append(true);
    builder.append(false);
    builder.values().append_null();
    builder.append(true);
    builder.values().append_value("");
    builder.append(true);
    let lists: ArrayRef = Arc::new(builder.finish());
    let block = to_block(&lists).unwrap();
    let back = from_block(block, lists.data_type()).unwrap();
    assert_eq!(&back, &lists);
    let lengths: Vec<_> = (0..4).map(|row| back.is_valid(row)).collect();
    assert_eq!(lengths, [true, false, true, true]);
}

#[test]
fn what_stands_under_nulls_and_around_a_slice_does_not_show() {
    for column in columns() {
        let indices = Int64Array::from(vec![4, 1, 0]);
        let taken = take(&column, &indices, None).unwrap();
        let sliced = concat(&[&column.slice(4, 1), &column.slice(1, 1), &column.slice(0, 1)]).unwrap();
        assert_same(&taken, &sliced);
        let one = to_block(&column.slice(2, 3)).unwrap();
        let other = to_block(&column).unwrap().slice(2, 3);
        assert_eq!(one.to_data(), other.to_data());
    }
}

#[test]
fn no_rows_and_only_nulls_read_back() {
    for column in columns() {
        for rows in [0, 3] {
            let nulls = new_null_array(column.data_type(), rows);
            let back = from_block(to_block(&nulls).unwrap(), column.data_type()).unwrap();
            assert_eq!((back.len(), back.null_count()), (rows, rows), "{}", column.data_type());
        }
    }
}

#[test]
fn the_bytes_of_values_are_frozen() {
    let record = |name: &str, array: ArrayRef| {
        assert_eq!(array.data_type(), &parse_type(name).unwrap());
        let block = to_block(&array).unwrap();
        let bytes = block.as_any().downcast_ref::<BinaryArray>().unwrap().value(0).to_vec();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let columns = columns();
    // Two items, a bitmap of which the second is null, a NaN and what stands for the null.
    let list = "020101010000000000f07f0000000000000000";
    assert_eq!(record("list(float64)", columns[0].slice(0, 1)), list);
    // All three fields are there: a number, the list, a text of length 0.
    let fields = format!("070000000000000080{list}00");
    assert_eq!(record("struct(id:int64,list:list(float64),name:utf8)", columns[2].slice(0, 1)), fields);
    assert_eq!(
        record("fixed_size_list(float64,2)", columns[3].slice(0, 1)),
        list.strip_prefix("02").unwrap()
    );
    let map = "03016101610001050100000000".to_owned() + "00f07f" + "0000000000000000" + "0000000000000080";
    assert_eq!(record("map(utf8,float64)", columns[5].slice(0, 1)), map);
    assert_eq!(record("binary", columns[6].slice(2, 1)), "00ff");
    assert_eq!(record("fixed_size_binary(4)", columns[7].slice(0, 1)), "07070707");
    // A long list: the length in two bytes.
    let many: ArrayRef = Arc::new(arrow_array::BooleanArray::from(vec![true; 200]));
    let long = record("list(bool)", list_of(many, &[200], &[true]));
    assert_eq!(long, format!("c80100{}", "01".repeat(200)));
}

#[test]
fn damaged_values_are_corrupt() {
    let read = |name: &str, bytes: &[u8]| {
        let block: ArrayRef = Arc::new(BinaryArray::from(vec![bytes]));
        from_block(block, &parse_type(name).unwrap()).map_err(|error| error.kind())
    };
    for (name, bytes) in [
        ("fixed_size_binary(4)", &b"abc"[..]),
        ("fixed_size_binary(4)", b"abcde"),
        ("list(int8)", b""),
        ("list(int8)", b"\x01"),
        ("list(int8)", b"\x80\x00"),
        ("list(int8)", b"\xff\xff\xff\xff\x07\x00"),
        ("list(int8)", b"\xff\xff\xff\xff\xff\xff"),
        ("list(int8)", b"\x01\x02\x00"),
        ("list(int8)", b"\x01\x01\x02\x00"),
        ("list(int8)", b"\x00\x00"),
        ("list(bool)", b"\x01\x00\x02"),
        ("list(utf8)", b"\x01\x00\x01\xff"),
        ("struct(a:int8)", b"\x03\x00"),
        ("map(utf8,int8)", b"\x01\x01"),
        ("list(decimal128(1,0))", b"\x01\x00\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ] {
        assert_eq!(read(name, bytes).unwrap_err(), ErrorKind::Corrupt, "{name} {bytes:?}");
    }
    assert!(read("list(int8)", b"\x01\x01\x00\x07").is_ok());
}

#[test]
fn a_decimal_inside_keeps_its_digits() {
    let decimals =
        Decimal128Array::from(vec![Some(-9), None, Some(9)]).with_precision_and_scale(1, 0).unwrap();
    let lists = list_of(Arc::new(decimals), &[3], &[true]);
    let back = from_block(to_block(&lists).unwrap(), lists.data_type()).unwrap();
    assert_eq!(&back, &lists);
}

proptest! {
    #[test]
    fn any_bytes_are_values_or_corrupt(column in 0..9usize, rows in prop::collection::vec(prop::collection::vec(
        prop_oneof![0..3u8, any::<u8>()], 0..40), 1..4)) {
        let data_type = columns()[column].data_type().clone();
        let block: ArrayRef = Arc::new(BinaryArray::from_iter_values(&rows));
        match from_block(block, &data_type) {
            Ok(array) => prop_assert_eq!(array.len(), rows.len()),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Corrupt),
        }
    }

    #[test]
    fn changed_values_are_values_or_corrupt(column in 0..9usize, at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let array = &columns()[column];
        let block = to_block(array).unwrap();
        let mut rows: Vec<Vec<u8>> =
            block.as_any().downcast_ref::<BinaryArray>().unwrap().iter().map(|row| row.unwrap_or_default().to_vec()).collect();
        let row = rows.iter().position(|row| !row.is_empty()).unwrap_or_default();
        if let Some(row) = rows.get_mut(row).filter(|row| !row.is_empty()) {
            let at = at.index(row.len());
            row[at] = to;
        }
        let block: ArrayRef = Arc::new(BinaryArray::from_iter_values(&rows));
        if let Err(error) = from_block(block, array.data_type()) {
            prop_assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
}
