use super::*;
use arrow_schema::DataType;
use tsds_traits::{Column, ColumnId, SchemaVersion, TableId};

fn options(time: &str, series: &str) -> PlanOptions {
    let list = |text: &str| text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    PlanOptions {
        time: list(time),
        time_as: None,
        keep_parts: false,
        format: TimeFormat::Iso,
        series: list(series),
        columns: None,
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn planned(files: &str, options: &PlanOptions) -> Result<Vec<String>> {
    let plan = Plan::for_new_table(&names(files), options)?;
    Ok(plan.columns.iter().map(|column| column.name.clone()).collect())
}

#[test]
fn a_single_time_column_stays_in_its_place() {
    assert_eq!(planned("a,ts,b", &options("ts", "")).unwrap(), ["a", "ts", "b"]);
    let renamed = PlanOptions { time_as: Some("time".into()), ..options("ts", "") };
    assert_eq!(planned("a,ts,b", &renamed).unwrap(), ["a", "time", "b"]);
}

#[test]
fn the_parts_of_a_time_become_one_column_in_front() {
    let parts = options("year,month,day,hour", "station");
    assert_eq!(planned("No,year,month,day,hour,x,station", &parts).unwrap(), ["time", "No", "x", "station"]);
    let kept = PlanOptions { keep_parts: true, time_as: Some("at".into()), ..parts };
    assert_eq!(
        planned("year,month,day,hour,station", &kept).unwrap(),
        ["at", "year", "month", "day", "hour", "station"]
    );
}

#[test]
fn parts_are_told_apart_by_name_or_else_by_order() {
    let record = ["7", "2", "2015"];
    let time = |files: &str, columns: &str| {
        let plan = Plan::for_new_table(&names(files), &options(columns, "")).unwrap();
        plan.time_of(|index| Ok(record[index]))
    };
    let expected = parse_iso("2015-02-07");
    assert_eq!(time("Day,Month,Year", "Day,Month,Year"), Ok(expected));
    assert_eq!(time("d,m,y", "y,m,d"), Ok(expected));
    assert_eq!(time("d,m,y", "d,m,y"), Err("7-2-2015 is no time".into()));
}

#[test]
fn a_date_and_a_time_of_day_are_joined() {
    let files = names("date,clock,x");
    let plan = Plan::for_new_table(&files, &options("date,clock", "")).unwrap();
    let record = ["2015-02-02", "14:19:00", "1"];
    assert_eq!(plan.time_of(|index| Ok(record[index])), Ok(parse_iso("2015-02-02 14:19:00")));
    assert_eq!(plan.time_name(), "time");
}

fn parse_iso(text: &str) -> i128 {
    TimeFormat::Iso.nanos(text).unwrap()
}

#[test]
fn the_file_is_a_column_when_it_is_a_series_and_no_column_has_its_name() {
    assert_eq!(planned("ts,value", &options("ts", "file")).unwrap(), ["ts", "file", "value"]);
    assert_eq!(planned("ts,value", &options("ts", "")).unwrap(), ["ts", "value"]);
    let plan = Plan::for_new_table(&names("ts,file"), &options("ts", "file")).unwrap();
    assert_eq!(plan.columns[1].origin, Origin::Field(1));
}

#[test]
fn unknown_and_clashing_names_are_refused() {
    let cases = [
        ("a,b", options("ts", ""), "the files have no such column option=--time column=ts columns=a,b"),
        ("ts,b", options("ts", "c"), "the files have no such column option=--series column=c columns=ts,b"),
        ("ts,b", options("ts", "ts"), "the files have no such column option=--series column=ts columns=ts,b"),
        (
            "y,m,d,time",
            options("y,m,d", ""),
            "the time column has the name of another column; give another --time-as name=time",
        ),
    ];
    for (files, options, message) in cases {
        assert_eq!(planned(files, &options).unwrap_err().to_string(), message);
    }
}

fn table() -> TableSchema {
    let column = |id, name: &str, data_type, nullable| Column {
        id: ColumnId(id),
        name: name.into(),
        data_type,
        nullable,
    };
    let columns = vec![
        column(1, "price", DataType::Float64, true),
        column(2, "ts", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        column(3, "file", DataType::Utf8, true),
    ];
    TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(2), &[ColumnId(3)]).unwrap()
}

#[test]
fn an_existing_table_decides_order_and_types() {
    let plan = Plan::for_table(&names("ts,price"), &options("ts", ""), &table(), &[]).unwrap();
    let columns: Vec<_> = plan.columns.iter().map(|column| (column.name.as_str(), column.origin)).collect();
    assert_eq!(columns, [("price", Origin::Field(1)), ("ts", Origin::Time), ("file", Origin::FileStem)]);
    assert_eq!(plan.schema().field(0).data_type(), &DataType::Float64);
    assert_eq!(plan.series(), ["file"]);
    assert!(Plan::for_table(&names("ts,price"), &options("ts", "file"), &table(), &[]).is_ok());
}

#[test]
fn columns_that_were_added_to_a_table_may_be_missing_and_others_may_not() {
    let plan = Plan::for_table(&names("ts"), &options("ts", ""), &table(), &["price".into()]).unwrap();
    let columns: Vec<_> = plan.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(columns, ["ts", "file"]);
    let error = Plan::for_table(&names("ts"), &options("ts", ""), &table(), &["other".into()]).unwrap_err();
    assert!(error.to_string().ends_with("only_in_table=price"), "{error}");
}

#[test]
fn a_table_with_other_columns_is_refused() {
    let cases = [
        (
            "ts,cost",
            options("ts", ""),
            "the table exists with other columns than the files only_in_table=price only_in_files=cost",
        ),
        (
            "t,price",
            options("t", ""),
            "the table exists with another time column; name it with --time-as table_has=ts files_have=t",
        ),
        (
            "ts,price",
            options("ts", "price"),
            "the table exists with other series columns table_has=file asked_for=price",
        ),
    ];
    for (files, options, message) in cases {
        assert_eq!(Plan::for_table(&names(files), &options, &table(), &[]).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_time_must_fit_the_unit_of_the_column() {
    assert_eq!(in_unit(1_500_000_000, TimeUnit::Millisecond), Ok(1_500));
    assert_eq!(in_unit(-1_000_000_000, TimeUnit::Second), Ok(-1));
    assert_eq!(
        in_unit(1, TimeUnit::Microsecond),
        Err("the time is finer than the column's unit, microseconds".into())
    );
    assert_eq!(
        in_unit(i128::from(i64::MAX) + 1, TimeUnit::Nanosecond),
        Err("the time is beyond what nanoseconds can hold".into())
    );
}
