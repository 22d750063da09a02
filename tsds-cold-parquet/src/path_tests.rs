use super::*;
use proptest::prelude::*;

const DAY: i64 = SECONDS_PER_DAY;
/// 2013-03-01T00:00:00Z.
const MARCH_2013: i64 = 1_362_096_000;

fn directories(start: i64, end: i64) -> String {
    let levels = date_levels(ChunkRange { start, end });
    levels.into_iter().map(|level| level.directory(true)).collect::<Vec<_>>().join("/")
}

#[test]
fn a_day_has_three_levels() {
    assert_eq!(directories(MARCH_2013, MARCH_2013 + DAY), "year=2013/month=03/day=01");
}

#[test]
fn an_hour_lies_in_the_directory_of_its_day() {
    let eleven_pm = MARCH_2013 + 23 * 3_600;
    assert_eq!(directories(eleven_pm, eleven_pm + 3_600), "year=2013/month=03/day=01");
}

#[test]
fn a_calendar_month_has_two_levels_and_a_year_one() {
    assert_eq!(directories(MARCH_2013, MARCH_2013 + 31 * DAY), "year=2013/month=03");
    let january = MARCH_2013 - 59 * DAY;
    assert_eq!(directories(january, january + 365 * DAY), "year=2013");
    let april = MARCH_2013 + 31 * DAY;
    assert_eq!(directories(april, april + (30 + 31 + 30) * DAY), "year=2013", "a quarter");
}

#[test]
fn what_can_straddle_a_level_does_not_get_it() {
    assert_eq!(directories(MARCH_2013, MARCH_2013 + 7 * DAY), "", "a week");
    assert_eq!(directories(MARCH_2013, MARCH_2013 + 7 * 3_600), "", "seven hours do not divide a day");
    let january = MARCH_2013 - 59 * DAY;
    assert_eq!(directories(january, january + (365 + 365) * DAY), "", "two years");
    assert_eq!(
        directories(MARCH_2013, MARCH_2013 + (31 + 30 + 31) * DAY),
        "",
        "a quarter that begins in March"
    );
    let november = MARCH_2013 + (31 + 30 + 31 + 30 + 31 + 31 + 30 + 31) * DAY;
    assert_eq!(
        directories(november, november + (30 + 31 + 31) * DAY),
        "",
        "a quarter over the turn of the year"
    );
}

#[test]
fn chunks_before_1970_lie_in_their_own_year() {
    assert_eq!(directories(-DAY, 0), "year=1969/month=12/day=31");
    assert_eq!(directories(-1, 0), "year=1969/month=12/day=31");
    assert_eq!(directories(-31 * DAY, 0), "year=1969/month=12");
    assert_eq!(directories(-365 * DAY, 0), "year=1969");
    assert_eq!(directories(-62_135_596_800, -62_135_596_800 + DAY), "year=0001/month=01/day=01");
}

#[test]
fn the_last_and_the_first_representable_chunks_do_not_overflow() {
    assert_eq!(directories(253_402_300_800 - DAY, 253_402_300_800), "year=9999/month=12/day=31");
    assert_eq!(directories(i64::MIN, i64::MAX), "");
    assert_eq!(directories(i64::MIN, i64::MIN + DAY), "");
    assert_eq!(directories(i64::MAX - DAY, i64::MAX), "");
    assert_eq!(directories(253_402_300_800, 253_402_300_800 + DAY), "");
    assert_eq!(directories(5, 5), "");
}

#[test]
fn leap_days_are_days() {
    let leap = 951_782_400; // 2000-02-29
    assert_eq!(directories(leap, leap + DAY), "year=2000/month=02/day=29");
    assert_eq!(directories(leap + DAY, leap + 2 * DAY), "year=2000/month=03/day=01");
}

#[test]
fn without_hive_the_names_hold_no_equals_sign() {
    let levels = date_levels(ChunkRange { start: MARCH_2013, end: MARCH_2013 + DAY });
    let names: Vec<_> = levels.into_iter().map(|level| level.directory(false)).collect();
    assert_eq!(names, ["y2013", "m03", "d01"]);
}

#[test]
fn a_segment_is_found_by_its_path() {
    let id = SegmentId { id: 0x1f, generation: 3 };
    let path = Path::from(format!("7/year=2013/month=03/day=01/{id}.parquet"));
    assert_eq!(segment_at(&path), Some((TableId(7), id)));
    for other in ["7/year=2013/x.parquet", "000000000000001f-00000003.parquet", "7/000000000000001f-00000003"]
    {
        assert_eq!(segment_at(&Path::from(other)), None, "{other}");
    }
}

#[test]
fn a_column_named_like_a_level_is_refused_in_any_case() {
    use arrow_schema::{DataType, TimeUnit};
    use tsds_traits::{Column, ColumnId, SchemaVersion};
    let schema = |name: &str| {
        let column = |id, name: &str, data_type| Column {
            id: ColumnId(id),
            name: name.into(),
            data_type,
            nullable: false,
        };
        let columns = vec![
            column(1, "time", DataType::Timestamp(TimeUnit::Second, None)),
            column(2, name, DataType::Utf8),
        ];
        TableSchema::new(TableId(1), SchemaVersion(1), columns, ColumnId(1), &[]).unwrap()
    };
    for name in ["year", "Month", "DAY"] {
        let error = check_column_names(&schema(name)).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(check_column_names(&schema("yearly")).is_ok());
}

proptest! {
    #[test]
    fn every_level_holds_for_the_first_and_the_last_second(
        start in -62_135_596_800i64..253_402_300_000,
        length in prop_oneof![Just(3_600i64), Just(86_400), 1..200_000i64],
    ) {
        let start = start - start.rem_euclid(length);
        let levels = date_levels(ChunkRange { start, end: start + length });
        if let (false, Some(first), Some(last)) =
            (levels.is_empty(), Date::of(start), Date::of(start + length - 1))
        {
            prop_assert_eq!((first.year, first.month, first.day), (last.year, last.month, last.day));
        }
    }

    #[test]
    fn dates_count_up_day_by_day(day in -719_162i64..2_932_896) {
        let (today, tomorrow) = (Date::of(day * DAY).unwrap(), Date::of((day + 1) * DAY).unwrap());
        let next_day = tomorrow.day == today.day + 1 && tomorrow.months() == today.months();
        let next_month = tomorrow.day == 1 && tomorrow.months() == today.months() + 1 && today.day >= 28;
        prop_assert!(next_day || next_month);
    }
}
