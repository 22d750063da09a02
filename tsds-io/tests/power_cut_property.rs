//! Random programs against naive models: what is synced is always there, the rest is what POSIX allows, and a reader sees
//! plain files whatever happens below.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use tsds_io::{DirectoryOrder, Fault, Operation, SimWorld, Survival};
use tsds_traits::{OpenMode, VfsFile};

const SECTOR: usize = 512;
/// How many power cuts are tried after each program.
const VARIANTS: u64 = 6;

#[derive(Clone, Debug)]
enum Step {
    Write { offset: usize, len: usize },
    SetLen(usize),
    Allocate(usize),
    Sync,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..12_000_usize, 1..5000_usize).prop_map(|(offset, len)| Step::Write { offset, len }),
        2 => (0..14_000_usize).prop_map(Step::SetLen),
        1 => (0..14_000_usize).prop_map(Step::Allocate),
        3 => Just(Step::Sync),
        1 => Just(Step::Kill),
    ];
    vec(step, 1..24)
}

/// One file: what a reader sees, and everything that a power cut may leave of each sector.
#[derive(Default)]
struct Model {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Each state that the file has had since the last sync, in order.
    since: Vec<Vec<u8>>,
}

impl Model {
    fn change(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        change(&mut self.now);
        self.since.push(self.now.clone());
    }

    fn sync(&mut self) {
        self.synced = self.now.clone();
        self.since.clear();
    }

    fn check(&self, left: &[u8]) {
        let states = || std::iter::once(&self.synced).chain(&self.since);
        let (shortest, longest) =
            (states().map(Vec::len).min().unwrap(), states().map(Vec::len).max().unwrap());
        assert!(
            (shortest..=longest).contains(&left.len()),
            "length {} of {shortest}..={longest}",
            left.len()
        );
        for start in (0..left.len()).step_by(SECTOR) {
            let sector = &left[start..left.len().min(start + SECTOR)];
            // Past what every state has, space may have been given to the file without its bytes.
            if start >= shortest {
                continue;
            }
            let known = shortest.min(start + sector.len()) - start;
            let found = states().any(|state| state[start..start + known] == sector[..known]);
            assert!(found, "sector at {start} was never like this");
        }
        if self.since.is_empty() {
            assert!(left == self.synced);
        }
    }
}

fn open(machine: &SimWorld) -> Arc<dyn VfsFile> {
    machine.world().vfs.open(Path::new("/file"), OpenMode::ReadWrite).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn contents_after_a_power_cut_are_the_synced_ones_or_newer_sector_by_sector(seed: u64, steps in steps()) {
        let mut machine = SimWorld::new(seed);
        machine.write_file("/file", b"").unwrap();
        let mut file = open(&machine);
        let mut model = Model::default();
        for (fill, step) in steps.into_iter().enumerate() {
            let fill = fill as u8 + 1;
            match step {
                Step::Write { offset, len } => {
                    file.write_all_at(&vec![fill; len], offset as u64).unwrap();
                    model.change(|now| {
                        now.resize(now.len().max(offset + len), 0);
                        now[offset..offset + len].fill(fill);
                    });
                }
                Step::SetLen(len) => {
                    file.set_len(len as u64).unwrap();
                    model.change(|now| now.resize(len, 0));
                }
                Step::Allocate(len) => {
                    file.allocate(len as u64).unwrap();
                    model.change(|now| now.resize(now.len().max(len), 0));
                }
                Step::Sync => {
                    file.sync_data().unwrap();
                    model.sync();
                }
                Step::Kill => {
                    machine = machine.kill();
                    file = open(&machine);
                }
            }
            assert_eq!(machine.read_file("/file").unwrap(), model.now);
        }
        let after = |survival, variant| machine.possible_crash(survival, variant).read_file("/file").unwrap();
        for variant in 0..VARIANTS {
            model.check(&after(Survival::Random, variant));
        }
        assert_eq!(after(Survival::Nothing, 0), model.synced);
        assert_eq!(after(Survival::Everything, 0), model.now);
        // What a power cut left is durable: another one changes nothing.
        let once = machine.crash();
        let left = once.read_file("/file").unwrap();
        assert_eq!(once.possible_crash(Survival::Random, 0).read_file("/file").unwrap(), left);
        open(&once).set_len(20_000).unwrap();
        assert!(once.read_file("/file").unwrap()[left.len()..].iter().all(|byte| *byte == 0));
    }
}

#[derive(Clone, Debug)]
enum NameStep {
    Create(usize),
    Remove(usize),
    Rename(usize, usize),
    SyncDir(usize),
}

/// Three names in each of two directories.
const PLACES: [&str; 6] = ["/x/a", "/x/b", "/x/c", "/y/a", "/y/b", "/y/c"];
const DIRECTORIES: [&str; 2] = ["/x", "/y"];

fn name_steps() -> impl Strategy<Value = Vec<NameStep>> {
    let place = || 0..PLACES.len();
    let step = prop_oneof![
        4 => place().prop_map(NameStep::Create),
        2 => place().prop_map(NameStep::Remove),
        4 => (place(), place()).prop_map(|(from, to)| NameStep::Rename(from, to)),
        1 => (0..2_usize).prop_map(NameStep::SyncDir),
    ];
    vec(step, 1..30)
}

/// The values of all names, as the numbers of the files that they name.
type Names = BTreeMap<usize, u32>;

fn names_of(machine: &SimWorld) -> Names {
    let number = |place: &str| {
        let bytes = machine.read_file(place).ok()?;
        Some(u32::from_le_bytes(bytes.try_into().unwrap()))
    };
    PLACES.iter().enumerate().filter_map(|(index, place)| Some((index, number(place)?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn each_name_after_a_power_cut_has_a_value_it_had_since_its_sync(seed: u64, steps in name_steps()) {
        let machine = SimWorld::new(seed);
        let vfs = machine.world().vfs;
        for directory in DIRECTORIES {
            vfs.create_dir_all(Path::new(directory)).unwrap();
        }
        let mut now = Names::new();
        // Per name, the values it has had since the last sync of its directory.
        let mut possible: Vec<BTreeSet<Option<u32>>> = vec![BTreeSet::from([None]); PLACES.len()];
        // Files whose name is durable, and which were never removed or replaced since.
        let mut safe: BTreeSet<u32> = BTreeSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            let number = number as u32;
            match step {
                NameStep::Create(place) => {
                    let created = vfs.open(Path::new(PLACES[place]), OpenMode::CreateNew);
                    assert_eq!(created.is_ok(), !now.contains_key(&place));
                    if let Ok(file) = created {
                        file.write_all_at(&number.to_le_bytes(), 0).unwrap();
                        file.sync_all().unwrap();
                        now.insert(place, number);
                    }
                }
                NameStep::Remove(place) => {
                    let removed = vfs.remove_file(Path::new(PLACES[place]));
                    assert_eq!(removed.is_ok(), now.contains_key(&place));
                    now.remove(&place).map(|gone| safe.remove(&gone));
                }
                NameStep::Rename(from, to) => {
                    let renamed = vfs.rename(Path::new(PLACES[from]), Path::new(PLACES[to]));
                    assert_eq!(renamed.is_ok(), now.contains_key(&from));
                    if let Some(moved) = now.remove(&from) {
                        let replaced = now.insert(to, moved);
                        replaced.map(|gone| safe.remove(&gone));
                    }
                }
                NameStep::SyncDir(directory) => {
                    vfs.sync_dir(Path::new(DIRECTORIES[directory])).unwrap();
                    for (place, values) in possible.iter_mut().enumerate().skip(directory * 3).take(3) {
                        values.clear();
                        safe.extend(now.get(&place));
                    }
                }
            }
            for (place, values) in possible.iter_mut().enumerate() {
                values.insert(now.get(&place).copied());
            }
            assert_eq!(names_of(&machine), now);
        }
        let check = |left: &Names| {
            for (place, values) in possible.iter().enumerate() {
                assert!(values.contains(&left.get(&place).copied()), "{}: {left:?}", PLACES[place]);
            }
            let mut numbers: Vec<&u32> = left.values().collect();
            numbers.sort();
            assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "a file under two names: {left:?}");
            assert!(safe.iter().all(|number| numbers.contains(&number)), "{safe:?} in {left:?}");
        };
        for order in [DirectoryOrder::Journal, DirectoryOrder::AnySubset] {
            machine.faults().set_directory_order(order);
            for variant in 0..VARIANTS {
                let left = names_of(&machine.possible_crash(Survival::Random, variant));
                check(&left);
            }
        }
        check(&names_of(&machine.possible_crash(Survival::Nothing, 0)));
        assert_eq!(names_of(&machine.possible_crash(Survival::Everything, 0)), now);
        machine.faults().set_directory_order(DirectoryOrder::Journal);
        for directory in DIRECTORIES {
            vfs.sync_dir(Path::new(directory)).unwrap();
        }
        assert_eq!(names_of(&machine.crash_with(Survival::Nothing)), now);
    }
}

#[derive(Clone, Debug)]
enum SyncStep {
    Change(Step),
    FailedSync,
    DropCache,
}

fn sync_steps() -> impl Strategy<Value = Vec<SyncStep>> {
    let step = prop_oneof![
        6 => steps().prop_map(|steps| SyncStep::Change(steps.into_iter().next().unwrap_or(Step::Sync))),
        2 => Just(SyncStep::FailedSync),
        1 => Just(SyncStep::DropCache),
    ];
    vec(step, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn after_a_sync_that_worked_the_dropped_cache_shows_what_a_power_cut_leaves(
        seed: u64,
        steps in sync_steps(),
    ) {
        let mut machine = SimWorld::new(seed);
        machine.write_file("/file", &[99; 6000]).unwrap();
        let mut file = open(&machine);
        for (fill, step) in steps.into_iter().enumerate() {
            match step {
                SyncStep::Change(Step::Write { offset, len }) => {
                    file.write_all_at(&vec![fill as u8 + 1; len], offset as u64).unwrap();
                }
                SyncStep::Change(Step::SetLen(len)) => file.set_len(len as u64).unwrap(),
                SyncStep::Change(Step::Allocate(len)) => file.allocate(len as u64).unwrap(),
                SyncStep::Change(Step::Sync) => file.sync_data().unwrap(),
                SyncStep::Change(Step::Kill) => {
                    machine = machine.kill();
                    file = open(&machine);
                }
                SyncStep::FailedSync => {
                    machine.faults().inject(Fault::on(Operation::Sync, ErrorKind::Other));
                    file.sync_data().unwrap_err();
                }
                SyncStep::DropCache => file.drop_cache().unwrap(),
            }
        }
        file.sync_data().unwrap();
        let len = file.len().unwrap() as usize;
        file.drop_cache().unwrap();
        let shown = machine.read_file("/file").unwrap();
        assert_eq!(shown.len(), len);
        for survival in [Survival::Nothing, Survival::Everything, Survival::Random] {
            assert_eq!(machine.possible_crash(survival, 0).read_file("/file").unwrap(), shown);
        }
        // Neither does what was cut come back when the file grows again.
        file.set_len(len as u64 + 5000).unwrap();
        assert!(machine.read_file("/file").unwrap()[len..].iter().all(|byte| *byte == 0));
    }
}
