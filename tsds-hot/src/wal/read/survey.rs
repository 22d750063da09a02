//! What the files of a log hold together, and whether what is missing can be a torn tail. Reads, and changes nothing.
//!
//! The rule: with L the last good sequence, damage after L is corruption if anything that survives proves that a record
//! after L was durable. Four things can: what a later frame or a mark states as durable, the header of the next file
//! (and, for a recovered file, its own), and what the catalog knows. Else it is a torn tail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tsds_traits::{Error, OpenMode, Result, Sequence, Vfs, VfsFile, WalOpen};

use super::frames::FrameCursor;
use super::records::{Part, RecordCursor};
use super::resync::{Leftovers, leftovers};
use crate::wal::format::{FileHeader, FileName, HeaderState, PAGE, Role, Seed, round_up};

/// A file that holds records above the floor.
#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) header: FileHeader,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    /// Bytes of the file that may be read.
    pub(crate) len: u64,
    /// The last record that counts; those after it were refused when they were written.
    pub(crate) last: Sequence,
    /// Where what is good ends.
    pub(crate) end: u64,
    /// Whether a mark at the end says that the file was left whole, and all of its records count.
    pub(crate) closed: bool,
}

impl LogFile {
    /// The bytes that records take up.
    pub(crate) fn record_bytes(&self) -> u64 {
        round_up(self.end, PAGE).saturating_sub(PAGE as u64)
    }

    /// The records from the first on; the caller stops after [`LogFile::last`].
    pub(crate) fn records(&self) -> RecordCursor {
        RecordCursor::new(self.file.clone(), self.len, &self.header)
    }
}

/// Damage that is no torn tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The damaged or missing file.
    pub(crate) file: String,
    /// Where in it what is good ends.
    pub(crate) offset: u64,
    /// The last good record before the damage.
    pub(crate) last_good: Sequence,
    /// The sequence that is known to have been durable.
    pub(crate) durable: Sequence,
    /// How that is known.
    pub(crate) evidence: String,
}

impl Damage {
    pub(crate) fn into_error(self) -> Error {
        Error::corrupt("durable records of the write-ahead log are damaged or missing; restore them, or accept the loss by repair")
            .with("file", self.file)
            .with("offset", self.offset)
            .with("last_good_sequence", self.last_good)
            .with("durable_sequence", self.durable)
            .with("evidence", self.evidence)
    }
}

/// What one file holds, for reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSurvey {
    pub(crate) name: FileName,
    pub(crate) len: u64,
    pub(crate) header: Option<FileHeader>,
    pub(crate) frames: u64,
    pub(crate) records: u64,
    pub(crate) rows: u64,
    pub(crate) last: Sequence,
    pub(crate) good_end: u64,
}

/// What a directory holds.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The files with records above the floor, in order.
    pub(crate) live: Vec<LogFile>,
    /// Files of the log that nothing needs any more.
    pub(crate) unneeded: Vec<PathBuf>,
    /// Whether files are still there that the newest file, a recovered one, replaces: recovery was cut short, and nobody
    /// knows whether the newest file's name is durable.
    pub(crate) replaced_remain: bool,
    /// Everything up to here survived, or is durable elsewhere.
    pub(crate) last: Sequence,
    /// A number above that of every file there is.
    pub(crate) next_number: u64,
    /// Bytes of the torn tail.
    pub(crate) torn_bytes: u64,
    /// Where the torn tail begins.
    pub(crate) torn_at: Option<(String, u64)>,
    /// The first damage that is no torn tail.
    pub(crate) damage: Option<Damage>,
    /// Every file that was read.
    pub(crate) files: Vec<FileSurvey>,
}

/// A file of the log, as it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn VfsFile>,
    pub(crate) len: u64,
    pub(crate) header: Option<FileHeader>,
}

/// The files of a log.
#[derive(Debug)]
pub(crate) struct Listing {
    /// By number.
    pub(crate) logs: BTreeMap<u64, Found>,
    /// Those that are no part of the log.
    pub(crate) others: Vec<PathBuf>,
    /// A number above that of every file there is.
    pub(crate) next_number: u64,
}

/// Reads the log in `directory`, which may be missing.
///
/// # Errors
///
/// As for I/O; `Corrupt` if a file belongs to another database; `Unsupported` for a later format. Damage to records is
/// no error here but reported in [`Survey::damage`].
pub(crate) fn survey(vfs: &dyn Vfs, directory: &Path, open: &WalOpen) -> Result<Survey> {
    let Listing { logs: mut found, others, next_number } = list(vfs, directory, open)?;
    let mut survey = Survey {
        live: Vec::new(),
        unneeded: others,
        replaced_remain: false,
        last: Sequence::ZERO,
        next_number,
        torn_bytes: 0,
        torn_at: None,
        damage: None,
        files: Vec::new(),
    };
    let newest = found.iter().rev().find(|(_, file)| file.header.is_some()).map(|(number, _)| *number);

    let chain = follow_back(&mut found, newest, open.floor, &mut survey);
    survey.last = chain.first().map_or(Sequence::ZERO, |first| first.1.predecessor_last);
    let mut tail = None;
    let limits: Vec<Option<FileHeader>> =
        chain.iter().skip(1).map(|next| Some(next.1.clone())).chain([None]).collect();
    for ((file, header), next) in chain.into_iter().zip(limits) {
        let (file, leftovers) = read_file(file, header, next.as_ref(), &mut survey)?;
        tail = leftovers.map(|leftovers| (file_name(&file.path), file.end, leftovers));
        survey.live.push(file);
    }
    judge_tail(tail, newest, found, open, &mut survey)?;
    survey.live.retain(|file| {
        let needed = file.last > open.floor && file.last >= file.header.first;
        if !needed {
            survey.unneeded.push(file.path.clone());
        }
        needed
    });
    Ok(survey)
}

/// Finds the files of the log in `directory`, which may be missing.
pub(crate) fn list(vfs: &dyn Vfs, directory: &Path, open: &WalOpen) -> Result<Listing> {
    let entries = match vfs.read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(Error::from(error).with("directory", directory.display())),
    };
    let mut listing = Listing { logs: BTreeMap::new(), others: Vec::new(), next_number: 1 };
    for entry in entries {
        let Some(name) = FileName::parse(&entry.name).filter(|_| !entry.is_dir) else { continue };
        listing.next_number = listing.next_number.max(name.number.saturating_add(1));
        let path = directory.join(&entry.name);
        match name.role {
            Role::Log => {
                let file = look(vfs, &path, name.number, open).map_err(|e| e.with("file", &entry.name))?;
                listing.logs.insert(name.number, file);
            }
            Role::Unfinished | Role::Removed => listing.others.push(path),
            // Stays for whoever set it aside; only its number is taken.
            Role::SetAside => {}
        }
    }
    Ok(listing)
}

fn look(vfs: &dyn Vfs, path: &Path, number: u64, open: &WalOpen) -> Result<Found> {
    let file = vfs.open(path, OpenMode::Read)?;
    // After a failed sync the page cache shows what never reached the disk. This is a hint; a system that cannot follow
    // it must not keep the database from opening.
    if let Err(error) = file.drop_cache() {
        tracing::debug!(file = %path.display(), %error, "cannot drop the cache of a write-ahead log file");
    }
    let len = file.len()?;
    let mut page = vec![0; PAGE];
    let header = if len < PAGE as u64 {
        None
    } else {
        file.read_exact_at(&mut page, 0)?;
        match FileHeader::parse(&page, open.database, number)? {
            HeaderState::Valid(header) => Some(header),
            HeaderState::Missing => None,
        }
    };
    Ok(Found { path: path.to_path_buf(), file, len, header })
}

/// The files from the newest back to the one that follows the floor, in order. Takes them, and what they supersede, out
/// of `found`; what stays there is newer than all of them and has no header.
fn follow_back(
    found: &mut BTreeMap<u64, Found>,
    newest: Option<u64>,
    floor: Sequence,
    survey: &mut Survey,
) -> Vec<(Found, FileHeader)> {
    let mut chain = Vec::new();
    let mut next = newest;
    while let Some(number) = next.take() {
        let Some(file) = found.remove(&number) else { break };
        let Some(header) = file.header.clone() else { break };
        if header.predecessor_last > floor {
            let usable = header.predecessor < number
                && found.get(&header.predecessor).is_some_and(|file| file.header.is_some());
            if usable {
                next = Some(header.predecessor);
            } else if survey.damage.is_none() {
                survey.damage = Some(Damage {
                    file: FileName::log(header.predecessor).text(),
                    offset: 0,
                    last_good: floor,
                    durable: header.predecessor_last,
                    evidence: format!("header of {}", FileName::log(number).text()),
                });
            }
        }
        chain.push((file, header));
    }
    let superseded: Vec<u64> = found.keys().copied().filter(|number| Some(*number) < newest).collect();
    if let Some((_, header)) = chain.first().filter(|(_, header)| header.is_recovered()) {
        survey.replaced_remain = superseded.iter().any(|number| *number > header.predecessor);
    }
    survey.unneeded.extend(superseded.iter().filter_map(|number| found.remove(number)).map(|file| file.path));
    chain.reverse();
    chain
}

/// Verifies the records of one file. What is left behind them is returned only for the last file.
fn read_file(
    found: Found,
    header: FileHeader,
    next: Option<&FileHeader>,
    survey: &mut Survey,
) -> Result<(LogFile, Option<Leftovers>)> {
    let mut cursor = RecordCursor::new(found.file.clone(), found.len, &header);
    let (mut records, mut rows) = (0, 0);
    let limit = next.map_or(Sequence(u64::MAX), |next| next.predecessor_last);
    let (mut last, mut end) = (cursor.last(), cursor.good_end());
    while let Some(record) = cursor.next(Part::Checked).map_err(|e| e.with("file", file_name(&found.path)))? {
        if record.sequence <= limit {
            records += 1;
            rows += u64::from(record.rows);
            (last, end) = (record.sequence, cursor.good_end());
        }
    }
    if next.is_none() {
        end = cursor.good_end();
    }
    survey.last = last;
    survey.files.push(FileSurvey {
        name: FileName::log(header.number),
        len: found.len,
        header: Some(header.clone()),
        frames: cursor.frame_count(),
        records,
        rows,
        last,
        good_end: cursor.good_end(),
    });
    let proof = match next {
        Some(next) => (next.predecessor_last, format!("header of {}", FileName::log(next.number).text())),
        None => (header.durable, "header of the file itself".to_string()),
    };
    if proof.0 > last && survey.damage.is_none() {
        survey.damage = Some(Damage {
            file: file_name(&found.path),
            offset: cursor.good_end(),
            last_good: last,
            durable: proof.0,
            evidence: proof.1,
        });
    }
    let leftovers = match next {
        None if !cursor.closed() => Some(cursor.leftovers()?),
        _ => None,
    };
    let closed = cursor.closed() && cursor.last() == last;
    let file = LogFile { header, path: found.path, file: found.file, len: found.len, last, end, closed };
    Ok((file, leftovers))
}

/// Decides what everything behind the last good record is. `newer` are files without a header, newer than all others.
fn judge_tail(
    tail: Option<(String, u64, Leftovers)>,
    newest: Option<u64>,
    newer: BTreeMap<u64, Found>,
    open: &WalOpen,
    survey: &mut Survey,
) -> Result<()> {
    let mut tails: Vec<_> = tail.into_iter().collect();
    for (number, file) in newer {
        debug_assert!(Some(number) > newest);
        let seed = Seed::new(open.database, number);
        let mut cursor = FrameCursor::new(file.file.clone(), file.len, number, seed, 0);
        let found = leftovers(&mut cursor, 0).map_err(|e| e.with("file", file_name(&file.path)))?;
        survey.files.push(FileSurvey {
            name: FileName::log(number),
            len: file.len,
            header: None,
            frames: 0,
            records: 0,
            rows: 0,
            last: survey.last,
            good_end: 0,
        });
        tails.push((file_name(&file.path), 0, found));
        survey.unneeded.push(file.path);
    }
    let last = survey.last;
    for (file, offset, found) in tails {
        if let Some((stated, at)) = found.stated.filter(|(stated, _)| *stated > last.max(open.floor)) {
            survey.damage.get_or_insert_with(|| Damage {
                file: file.clone(),
                offset,
                last_good: last,
                durable: stated,
                evidence: format!("frame at offset {at} of {file}"),
            });
        }
        if found.end > offset {
            survey.torn_bytes += found.end - offset;
            survey.torn_at.get_or_insert((file, offset));
        }
    }
    survey.last = last.max(open.floor);
    if open.known_durable > survey.last {
        let (file, offset) = match survey.live.last() {
            Some(file) => (file_name(&file.path), file.end),
            None => ("none".to_string(), 0),
        };
        survey.damage.get_or_insert_with(|| Damage {
            file,
            offset,
            last_good: last,
            durable: open.known_durable,
            evidence: "catalog".to_string(),
        });
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
