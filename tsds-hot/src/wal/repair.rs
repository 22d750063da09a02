//! Opening a way out of damage that no copy can heal: what is readable is kept, what is not is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tsds_traits::{Result, Sequence, SequenceInterval, WalOpen, World};

use super::format::{FILE_RECOVERED, FILE_SALVAGED, FileHeader, MAX_BODY, PAGE};
use super::read::{Found, Part, RecordCursor, list, survey};
use super::write::{FileCopy, FilePool};

/// What [`repair`] kept and what is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairReport {
    /// Records above the floor that are kept.
    pub records: u64,
    /// Rows of those records.
    pub rows: u64,
    /// The last record that is kept; the floor if there is none.
    pub last: Sequence,
    /// Sequences, above the floor, that are lost as far as they were ever durable. Ascending.
    pub lost: Vec<SequenceInterval>,
    /// The files that were set aside, under their new names, for whoever wants to look at them.
    pub set_aside: Vec<String>,
}

/// Accepts the loss of what is damaged: copies every whole record above the floor into one new file, with which the log
/// opens again, and sets damaged files aside under the name `<file>.damaged`. `None` if the log opens as it is, apart
/// from what the catalog knows: then nothing is changed.
///
/// Blocking; the caller keeps everybody else out of the log. Cut short, it can be repeated. What
/// [`WalOpen::known_durable`] says is not repaired: the catalog has to learn of the loss.
///
/// # Errors
///
/// As for I/O; `NoSpace` if there is no room for the copy; as [`crate::verify`].
pub fn repair(world: &World, directory: &Path, open: &WalOpen) -> Result<Option<RepairReport>> {
    let open = WalOpen { known_durable: Sequence::ZERO, ..*open };
    let Some(damage) = survey(&*world.vfs, directory, &open)?.damage else { return Ok(None) };
    let listing = list(&*world.vfs, directory, &open)?;
    let files = files_in_order(listing.logs, &open);
    let mut pool =
        FilePool::new(world.vfs.clone(), directory.to_path_buf(), PAGE as u64, listing.next_number);
    let copy_to = pool.take_unfinished()?;
    let flags = FILE_RECOVERED | FILE_SALVAGED;
    let mut copy = FileCopy::new(&copy_to, &*world.random, open.database, (0, open.floor), flags, MAX_BODY)?;
    let mut salvage =
        Salvage { copy: &mut copy, floor: open.floor, last: open.floor, report: empty_report() };
    let mut damaged = Vec::new();
    let limits: Vec<Option<Sequence>> = files.iter().skip(1).map(limit).chain([None]).collect();
    for (file, limit) in files.iter().zip(limits) {
        if salvage.file(file, limit)? {
            damaged.push(file.path.clone());
        }
    }
    if salvage.last < damage.durable {
        let last = files.iter().rev().find(|file| file.header.is_some()).map(|file| file.path.clone());
        damaged.extend(last.filter(|path| !damaged.contains(path)));
    }
    salvage.note_loss(damage.durable);
    let mut report = salvage.report;
    report.last = copy.last().unwrap_or(open.floor);
    if copy.last().is_some() {
        copy.finish()?;
        pool.publish(&copy_to)?;
    } else {
        // Nothing is left to read: no file may stay that says otherwise.
        damaged = files.iter().map(|file| file.path.clone()).collect();
    }
    report.set_aside = set_aside(world, directory, &damaged)?;
    tracing::warn!(
        records = report.records,
        last_sequence = %report.last,
        lost = ?report.lost,
        "repaired the write-ahead log by accepting the loss of what was damaged"
    );
    Ok(Some(report))
}

fn empty_report() -> RepairReport {
    RepairReport { records: 0, rows: 0, last: Sequence::ZERO, lost: Vec::new(), set_aside: Vec::new() }
}

fn limit(next: &SalvagedFile) -> Option<Sequence> {
    next.header.as_ref().map(|header| header.predecessor_last)
}

/// A file that may hold records above the floor.
struct SalvagedFile {
    number: u64,
    path: PathBuf,
    found: Found,
    header: Option<FileHeader>,
}

/// The files to read, oldest first: the log's as far as headers name each other, and where one does not, the nearest
/// older one; and newer files without a header.
fn files_in_order(mut logs: BTreeMap<u64, Found>, open: &WalOpen) -> Vec<SalvagedFile> {
    let mut files = Vec::new();
    let mut below = Some(u64::MAX);
    while let Some(number) =
        below.and_then(|below| logs.range(..below).next_back()).map(|(number, _)| *number)
    {
        let Some(found) = logs.remove(&number) else { break };
        let header = found.header.clone();
        below = match &header {
            Some(header) if header.predecessor_last <= open.floor => None,
            // What lies between a file and its predecessor is superseded.
            Some(header) => Some(header.predecessor.saturating_add(1).min(number)),
            None => Some(number),
        };
        files.push(SalvagedFile { number, path: found.path.clone(), found, header });
    }
    files.reverse();
    files
}

struct Salvage<'a, 'b> {
    copy: &'a mut FileCopy<'b>,
    floor: Sequence,
    /// The last record seen, or known to be no loss.
    last: Sequence,
    report: RepairReport,
}

impl Salvage<'_, '_> {
    /// Takes over the records of a file up to `limit`. Returns whether the file is damaged.
    fn file(&mut self, file: &SalvagedFile, limit: Option<Sequence>) -> Result<bool> {
        let header = file.header.clone().unwrap_or(FileHeader {
            database: self.copy.database(),
            number: file.number,
            first: self.last.next(),
            predecessor: 0,
            predecessor_last: self.last,
            durable: Sequence::ZERO,
            flags: FILE_SALVAGED,
            salt: [0; 32],
        });
        if file.header.is_some() {
            self.note_loss(header.predecessor_last);
            // Sequences between two files that follow each other were never durable.
            self.last = self.last.max(Sequence(header.first.0.saturating_sub(1)));
        }
        let (lost_before, records_before) = (self.report.lost.len(), self.report.records);
        let limit = limit.unwrap_or(Sequence(u64::MAX));
        let mut records = RecordCursor::new(file.found.file.clone(), file.found.len, &header);
        loop {
            match records.next(Part::Above(self.last.max(self.floor)))? {
                Some(record) if record.sequence <= limit => {
                    self.note_loss(Sequence(record.sequence.0.saturating_sub(1)));
                    self.copy.push(&record)?;
                    self.last = record.sequence;
                    self.report.records += 1;
                    self.report.rows += u64::from(record.rows);
                }
                Some(_) => break,
                None if records.pass_over_damage()? => {}
                None => break,
            }
        }
        self.note_loss(header.durable);
        // Without a header and without records, a file is only prepared.
        let header_is_lost = file.header.is_none() && self.report.records > records_before;
        let end_is_lost = limit < Sequence(u64::MAX) && self.last < limit;
        Ok(header_is_lost || end_is_lost || self.report.lost.len() > lost_before)
    }

    /// Notes that everything after the last record up to `upto` is lost, as far as it is above the floor.
    fn note_loss(&mut self, upto: Sequence) {
        let after = self.last.max(self.floor);
        if upto <= after {
            return;
        }
        self.last = upto;
        match self.report.lost.last_mut().filter(|interval| interval.upto == after) {
            Some(interval) => interval.upto = upto,
            None => self.report.lost.push(SequenceInterval::new(after, upto)),
        }
    }
}

fn set_aside(world: &World, directory: &Path, damaged: &[PathBuf]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for path in damaged {
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        name.push(".damaged");
        world.vfs.rename(path, &directory.join(&name))?;
        names.push(name.to_string_lossy().into_owned());
    }
    world.vfs.sync_dir(directory)?;
    Ok(names)
}
