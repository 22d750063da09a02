//! The catalog's stored form, byte for byte: `golden_v2.txt` lists a catalog with every kind of record. Whoever changes it
//! changes the format, and with it [`FORMAT_VERSION`] and `docs/formats/catalog.md`.

use std::collections::BTreeMap;

use redb::{ReadableDatabase, ReadableTable, TableHandle};
use serde_json::json;
use tsds_io::SimWorld;
use tsds_traits::{
    ChunkRange, ColumnId, ColumnStats, DatabaseId, KeyDomain, SchemaRecord, SchemaVersion, SegmentMeta,
    SequenceInterval, Value,
};

use super::records::{segment_key, sequence_key, table_key};
use super::*;
use crate::batches::BatchId;

const GOLDEN: &str = include_str!("golden_v2.txt");
/// The same as version 1 wrote it, which had no batches.
const GOLDEN_1: &str = include_str!("golden_v1.txt");
const PATH: &str = "/catalog.redb";

/// A catalog with every kind of record, and every kind of home.
fn example() -> Contents {
    let schema = |version: u32, columns: serde_json::Value| {
        let record = json!({"table": 3, "version": version, "columns": columns, "time": 1, "series": [2]});
        serde_json::from_value::<SchemaRecord>(record).unwrap()
    };
    let time = json!({"id": 1, "name": "time", "type": "timestamp(us,UTC)", "nullable": false});
    let host = json!({"id": 2, "name": "host", "type": "dictionary(int32,utf8)", "nullable": true});
    let load = json!({"id": 4, "name": "lo\"ad", "type": "float64", "nullable": true});
    let first = schema(1, json!([time, host]));
    let second = schema(2, json!([time, host, load]));
    let meta = |id: SegmentId, after: u64, upto: u64| SegmentMeta {
        id,
        table: TableId(3),
        schema_version: SchemaVersion(2),
        chunk: ChunkRange { start: -86_400, end: 0 },
        key_domain: KeyDomain(0),
        interval: interval(after, upto),
        rows: 4,
        time_range: (-5, -1),
        series: 1,
        plain_bytes: 100,
        columns: vec![
            ColumnStats {
                column: ColumnId(1),
                null_count: 0,
                has_nan: false,
                min: Some(Value::Int(-5)),
                max: Some(Value::Int(-1)),
                exact: true,
            },
            ColumnStats {
                column: ColumnId(4),
                null_count: 4,
                has_nan: false,
                min: None,
                max: None,
                exact: false,
            },
        ],
    };
    let plugin = |id: &str, format_version| PluginRecord { id: id.into(), format_version };
    let table = |id: u32, name: &str, schemas: Vec<SchemaRecord>| TableRecord {
        id: TableId(id),
        name: name.into(),
        chunk_interval: None,
        schemas,
        next_column: 5,
        sealed_upto: Sequence::ZERO,
        deleted_rows: 0,
    };
    let moved = SegmentId { id: 258, generation: 1 };
    Contents {
        database: Some(DatabaseRecord {
            format: FORMAT_VERSION,
            database: DatabaseId(std::array::from_fn(|at| at as u8)),
            sequences_reserved: Sequence(1_048_577),
            segments_reserved: 4096,
            next_table: 300,
            wal_floor: Sequence(9),
            known_durable: Sequence(11),
            closed: false,
            plugins: [(LOG, plugin("tsds.wal.arrow", 1)), (COLD, plugin("tsds.cold.parquet", 1))]
                .map(|(name, plugin)| (name.to_owned(), plugin))
                .into(),
        }),
        tables: vec![
            TableRecord {
                chunk_interval: Some("1d".into()),
                sealed_upto: Sequence(9),
                deleted_rows: 2,
                ..table(3, "métrique", vec![first, second])
            },
            table(299, "empty", vec![SchemaRecord { table: TableId(299), ..schema(1, json!([time, host])) }]),
        ],
        seals: vec![
            (TableId(3), SealRecord { interval: interval(0, 4), rows: 6 }),
            (TableId(3), SealRecord { interval: interval(4, 9), rows: 4 }),
        ],
        batches: vec![(
            TableId(3),
            BatchRecord {
                sequence: Sequence(5),
                id: BatchId(std::array::from_fn(|at| 0xf0 + at as u8)),
                rows: 4,
            },
        )],
        segments: vec![
            SegmentRecord {
                meta: meta(SegmentId::new(1), 4, 9),
                home: Home::File,
                bytes: 1234,
                tier_record: vec![],
            },
            SegmentRecord {
                meta: meta(moved, 0, 4),
                home: Home::cold(),
                bytes: 567,
                tier_record: vec![0x00, 0xaf],
            },
        ],
        intents: vec![
            RemovalRecord::file(SegmentId::new(5)),
            RemovalRecord { segment: SegmentId::new(6), home: Home::cold(), tier_record: vec![] },
        ],
        garbage: vec![RemovalRecord { segment: SegmentId::new(2), home: Home::cold(), tier_record: vec![7] }],
    }
}

fn interval(after: u64, upto: u64) -> SequenceInterval {
    SequenceInterval::new(Sequence(after), Sequence(upto))
}

/// What writes a catalog with these contents.
fn edits(contents: &Contents) -> Vec<Edit> {
    let database = contents.database.iter().cloned().map(Edit::SetDatabase);
    let tables = contents.tables.iter().cloned().map(Edit::PutTable);
    let seals = contents.seals.iter().cloned().map(|(table, seal)| Edit::PutSeal(table, seal));
    let segments = contents.segments.iter().cloned().map(Edit::PutSegment);
    let intents = contents.intents.iter().cloned().map(Edit::PutIntent);
    let garbage = contents.garbage.iter().cloned().map(Edit::PutGarbage);
    let batches = contents.batches.iter().cloned().map(|(table, batch)| Edit::PutBatch(table, batch));
    database.chain(tables).chain(seals).chain(batches).chain(segments).chain(intents).chain(garbage).collect()
}

fn open(machine: &SimWorld) -> Catalog {
    Catalog::open(&machine.world().vfs, Path::new(PATH)).unwrap()
}

/// A catalog with these contents.
fn written(contents: &Contents) -> (SimWorld, Catalog) {
    let machine = SimWorld::new(1);
    let catalog = open(&machine);
    catalog.commit(&edits(contents)).unwrap();
    (machine, catalog)
}

/// Puts raw entries into a catalog: table, key, value.
fn put_raw(catalog: &Catalog, entries: &[(&str, &[u8], Vec<u8>)]) {
    let put = |database: &redb::Database| {
        let write = database.begin_write().unwrap();
        for (table, key, value) in entries {
            let definition: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(table);
            write.open_table(definition).unwrap().insert(*key, value.as_slice()).unwrap();
        }
        write.commit().unwrap();
        Ok(())
    };
    catalog.with(put).unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// One line per entry: table, key, the five bytes before the body, body.
fn listing(catalog: &Catalog) -> String {
    let list = |database: &redb::Database| {
        let read = database.begin_read().unwrap();
        let mut names: Vec<String> = read.list_tables().unwrap().map(|table| table.name().into()).collect();
        names.sort_by_key(|name| ALL_TABLES.iter().position(|known| known == name));
        let mut text = String::new();
        for name in names {
            let definition: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(&name);
            for entry in read.open_table(definition).unwrap().iter().unwrap() {
                let (key, value) = entry.unwrap();
                let (envelope, body) = value.value().split_at(5);
                let body = std::str::from_utf8(body).unwrap();
                text += &format!("{name} {} {} {body}\n", hex(key.value()), hex(envelope));
            }
        }
        Ok(text)
    };
    catalog.with(list).unwrap()
}

#[test]
fn what_is_written_is_frozen() {
    let (_machine, catalog) = written(&example());
    assert_eq!(listing(&catalog), GOLDEN);
}

/// What is read of a listing.
fn read(listing: &str) -> Contents {
    let machine = SimWorld::new(1);
    let catalog = open(&machine);
    for line in listing.lines() {
        let [table, key, envelope, body] = line.splitn(4, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        put_raw(&catalog, &[(table, &unhex(key), [&unhex(envelope), body.as_bytes()].concat())]);
    }
    catalog.load().unwrap()
}

#[test]
fn what_was_written_reads() {
    assert_eq!(read(GOLDEN), example());
}

#[test]
fn what_version_1_wrote_reads() {
    let mut expected = Contents { batches: vec![], ..example() };
    if let Some(database) = &mut expected.database {
        database.format = 1;
    }
    assert_eq!(read(GOLDEN_1), expected);
}

#[test]
fn numbers_in_keys_sort_as_numbers() {
    assert!(table_key(TableId(255)) < table_key(TableId(256)));
    assert!(sequence_key(TableId(1), Sequence(u64::MAX)) < sequence_key(TableId(2), Sequence(0)));
    assert!(segment_key(SegmentId::new(255)) < segment_key(SegmentId { id: 255, generation: 1 }));
    assert!(segment_key(SegmentId { id: 255, generation: 9 }) < segment_key(SegmentId::new(256)));
}

#[test]
fn a_later_version_is_named_and_no_damage() {
    let (_machine, catalog) = written(&example());
    let record = json!({"format": 3, "database": "written otherwise", "holds": []});
    let later = envelope::encode("database", DATABASE_KEY, &record).unwrap();
    put_raw(
        &catalog,
        &[
            ("database", DATABASE_KEY, later),
            ("holds", b"?", vec![]),
            ("tables", b"?", b"otherwise".to_vec()),
        ],
    );
    let error = catalog.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("format=3 supported=2 file=/catalog.redb"), "{error}");
}

#[test]
fn unknown_keys_and_tables_within_a_version_are_damage() {
    let refused = |table: &str, key: &[u8], value: Vec<u8>| {
        let (_machine, catalog) = written(&example());
        put_raw(&catalog, &[(table, key, value)]);
        let error = catalog.load().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        error.to_string()
    };
    assert!(refused("holds", b"", vec![]).contains("table=holds"));
    let record = json!({"interval": {"after": 9, "upto": 10}, "rows": 1, "hold": true});
    let key = sequence_key(TableId(3), Sequence(10));
    let seal = envelope::encode("seals", &key, &record).unwrap();
    assert!(refused("seals", &key, seal).contains("hold"));
    let stray = envelope::encode("database", b"other", &example().database).unwrap();
    assert!(refused("database", b"other", stray).contains("another key"));
}

#[test]
fn a_catalog_that_contradicts_itself_is_corrupt() {
    type Change = fn(&mut Contents);
    let changes: [(&str, Change); 11] = [
        ("no database record", |contents| contents.database = None),
        ("a table beyond the numbers", |contents| contents.tables[0].id = TableId(300)),
        ("a table beyond the numbers", |contents| contents.tables[0].sealed_upto = Sequence(1_048_578)),
        ("a batch whose rows are in no segment", |contents| contents.batches[0].1.sequence = Sequence(10)),
        ("a batch whose rows are in no segment", |contents| contents.batches[0].0 = TableId(299)),
        ("a segment beyond the numbers", |contents| contents.segments[0].meta.id.id = 4097),
        ("does not have segment=0000000000000006-00000000 tier=archive", |contents| {
            contents.intents[1].home = Home::Tier("archive".into());
        }),
        ("does not have segment=0000000000000102-00000001 tier=wal", |contents| {
            contents.segments[1].home = Home::Tier(LOG.into());
        }),
        ("no schema", |contents| contents.tables[0].schemas.clear()),
        ("a column beyond the numbers", |contents| contents.tables[0].next_column = 4),
        ("out of order", |contents| contents.tables[0].schemas.swap(0, 1)),
    ];
    for (expected, change) in changes {
        let mut contents = example();
        change(&mut contents);
        for table in &mut contents.tables {
            table.schemas.iter_mut().for_each(|schema| schema.table = table.id);
        }
        let (_machine, catalog) = written(&contents);
        let error = catalog.load().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_tier_is_found_by_its_name_whatever_its_plugin() {
    let mut contents = example();
    let Some(database) = &mut contents.database else { panic!("example has one") };
    let fast: BTreeMap<_, _> =
        [("fast".to_owned(), PluginRecord { id: "tsds.cold.parquet".into(), format_version: 1 })].into();
    database.plugins.extend(fast);
    contents.segments[1].home = Home::Tier("fast".into());
    let (_machine, catalog) = written(&contents);
    assert_eq!(catalog.load().unwrap(), contents);
}
