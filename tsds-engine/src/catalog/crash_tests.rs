//! Commits on machines whose power fails.

use std::io;
use std::path::Path;

use tsds_io::{Fault, SimWorld};

use super::*;

const PATH: &str = "/catalog.redb";

fn open(machine: &SimWorld) -> Result<Catalog> {
    Catalog::open(&machine.world().vfs, Path::new(PATH))
}

/// `count` notes, from `first` on; enough of them make the file grow.
fn notes(first: u64, count: u64) -> Vec<Edit> {
    let plugins = [(COLD.to_owned(), PluginRecord { id: "test".into(), format_version: 1 })];
    let record = DatabaseRecord {
        format: FORMAT_VERSION,
        database: tsds_traits::DatabaseId([1; 16]),
        sequences_reserved: Sequence(first + count),
        segments_reserved: 0,
        next_table: 1,
        wal_floor: Sequence::ZERO,
        known_durable: Sequence::ZERO,
        closed: false,
        plugins: plugins.into(),
    };
    let note = |id| Edit::PutGarbage(RemovalRecord::file(SegmentId::new(id)));
    [Edit::SetDatabase(record)].into_iter().chain((first..first + count).map(note)).collect()
}

#[test]
fn a_commit_that_is_cut_short_anywhere_is_whole_or_absent() {
    let operations = {
        let machine = SimWorld::new(0);
        let catalog = open(&machine).unwrap();
        catalog.commit(&notes(0, 10)).unwrap();
        let before = machine.operations();
        catalog.commit(&notes(10, 1_000)).unwrap();
        machine.operations() - before
    };
    let mut outcomes = [0, 0];
    for (cut, seed) in (1..=operations).flat_map(|cut| (0..8).map(move |seed| (cut, seed))) {
        let machine = SimWorld::new(seed);
        machine.run_until_power_cut(async {
            let catalog = open(&machine).unwrap();
            catalog.commit(&notes(0, 10)).unwrap();
            machine.faults().crash_at_operation(machine.operations() + cut);
            let _ = catalog.commit(&notes(10, 1_000));
        });
        let machine = machine.crash();
        let contents = open(&machine).and_then(|catalog| catalog.load());
        let contents = contents.unwrap_or_else(|error| panic!("operation {cut} seed {seed}: {error:?}"));
        let reserved = contents.database.map(|record| record.sequences_reserved.0);
        assert!(
            matches!((contents.garbage.len(), reserved), (10, Some(10)) | (1_010, Some(1_010))),
            "operation {cut} seed {seed}: {} notes, {reserved:?}",
            contents.garbage.len()
        );
        outcomes[usize::from(contents.garbage.len() > 10)] += 1;
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn a_commit_that_lacks_space_anywhere_says_what_became_of_it() {
    // One value is set twice: only what was set last is there afterwards.
    let edits = || [notes(5, 1), notes(10, 1_000)].concat();
    let operations = {
        let machine = SimWorld::new(0);
        let catalog = open(&machine).unwrap();
        catalog.commit(&notes(0, 10)).unwrap();
        let before = machine.operations();
        catalog.commit(&edits()).unwrap();
        machine.operations() - before
    };
    let mut outcomes = [0; 3];
    for (nth, seed, lasting) in (1..=operations)
        .flat_map(|nth| (0..6).flat_map(move |seed| [false, true].map(|lasting| (nth, seed, lasting))))
    {
        let context = format!("operation {nth} seed {seed} lasting {lasting}");
        let machine = SimWorld::new(seed);
        let catalog = open(&machine).unwrap();
        catalog.commit(&notes(0, 10)).unwrap();
        let fault = Fault::on_any_change(io::ErrorKind::StorageFull).nth(nth);
        machine.faults().inject(if lasting { fault.sticky() } else { fault });
        let outcome = catalog.commit(&edits());
        machine.faults().clear();
        let expected = match outcome.map_err(|error| error.kind()) {
            Ok(()) => Some(1_010),
            Err(ErrorKind::NoSpace) => Some(10),
            // The engine stops, and opening tells.
            Err(ErrorKind::NotDurable) => None,
            Err(other) => panic!("{context}: {other:?}"),
        };
        outcomes[expected.map_or(2, |count| usize::from(count > 10))] += 1;
        if let Some(expected) = expected {
            assert_eq!(catalog.load().unwrap().garbage.len(), expected, "{context}");
        }
        let machine = machine.crash();
        let found = open(&machine).unwrap().load().unwrap().garbage.len();
        assert!(
            [10, 1_010].contains(&found) && expected.is_none_or(|expected| expected == found),
            "{context}: {found}"
        );
    }
    assert!(outcomes[0] > 0 && outcomes[2] > 0, "{outcomes:?}");
}

#[test]
fn a_length_between_pages_is_a_growth_that_was_cut_short() {
    let machine = SimWorld::new(0);
    let catalog = open(&machine).unwrap();
    catalog.commit(&notes(0, 10)).unwrap();
    // Not closed: what a kill leaves.
    let bytes = machine.read_file(PATH).unwrap();
    for more in [512, 4_096, 5_120] {
        let machine = SimWorld::new(0);
        machine.write_file(PATH, &[&bytes[..], &vec![0; more]].concat()).unwrap();
        let catalog = open(&machine).unwrap();
        assert_eq!(catalog.load().unwrap().garbage.len(), 10, "{more} bytes more");
        catalog.commit(&notes(10, 1_000)).unwrap();
        catalog.close().unwrap();
        assert_eq!(open(&machine).unwrap().load().unwrap().garbage.len(), 1_010, "{more} bytes more");
    }
}
