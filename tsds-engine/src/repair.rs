//! Giving up what is damaged, so that the rest can be used again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tsds_traits::{Error, ErrorKind, OpenMode, Result, Sequence, TableId, Vfs, WalOpen, World};

use crate::catalog::{Edit, Home, TableRecord};
use crate::config::Settings;
use crate::core::Core;
use crate::open::{CATALOG, log_directory, take};
use crate::verify::verify_segment;
use crate::version::{SegmentEntry, TableVersion};

/// Where what was given up is kept.
const DIRECTORY: &str = "damaged";

/// What may be given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcceptLoss {
    /// Nothing: what is damaged is named.
    #[default]
    Nothing,
    /// What is damaged of the log, and segments; but not all there are in segment files, or in the cold tier: it is more likely
    /// then that settings name another place.
    Parts,
    /// Whatever is damaged.
    Everything,
}

/// What is damaged, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Whether what is named here was given up. If not, nothing was changed; and if the log is damaged, segments were not
    /// looked at.
    pub accepted: bool,
    /// What is wrong with the log, if it does not open.
    pub log_damage: Option<String>,
    /// Writes that the log has lost, as far as they were ever durable; known once they are given up.
    pub lost_sequences: Vec<LostSequences>,
    /// Rows that the log still had.
    pub kept_log_rows: u64,
    /// Segments that are damaged or missing.
    pub segments: Vec<LostSegment>,
    /// Files that were renamed or moved away, as they are called now.
    pub set_aside: Vec<String>,
}

/// Writes after one sequence, up to another and with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LostSequences {
    /// The last that is there.
    pub after: u64,
    /// The last that is lost.
    pub upto: u64,
}

/// A segment that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostSegment {
    /// The table.
    pub table: String,
    /// The segment's id.
    pub segment: String,
    /// `warm` for a segment file, `cold` for a cold file.
    pub tier: &'static str,
    /// Its rows.
    pub rows: u64,
    /// The first and the last time of its rows, in the unit of the time column.
    pub time_range: (i64, i64),
    /// What is wrong with it.
    pub problem: String,
}

impl RepairReport {
    /// Whether nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.log_damage.is_none() && self.segments.is_empty()
    }

    /// Rows of the segments that are lost.
    pub fn lost_rows(&self) -> u64 {
        self.segments.iter().map(|segment| segment.rows).sum()
    }
}

/// Judges the log, and has it repaired if that is accepted.
///
/// # Errors
///
/// `NotFound` if there is no database; `Locked`; `Corrupt` for a catalog that cannot be read; as for I/O.
pub(crate) async fn repair_log(
    world: &World,
    path: &Path,
    settings: &Settings,
    accept: AcceptLoss,
) -> Result<RepairReport> {
    settings.validate()?;
    let (within, path, log) = (world.clone(), path.to_path_buf(), log_directory(path, settings));
    let is_ours = settings.hot_tier.wal_enabled && settings.wal.backend == "tsds.wal.arrow";
    let job = move || {
        exists(&*within.vfs, &path)?;
        let (_lock, catalog, contents) = take(&within, &path)?;
        let mut report = RepairReport { accepted: accept != AcceptLoss::Nothing, ..RepairReport::default() };
        let Some(mut record) = contents.database.filter(|_| is_ours) else { return Ok(report) };
        let sequences = record.sequences();
        let open = WalOpen {
            database: record.database,
            floor: sequences.floor,
            known_durable: sequences.known_durable,
            next: sequences.next,
        };
        let found = tsds_hot::verify(&*within.vfs, &log, &open)?;
        let Some(damage) = found.damage else { return Ok(report) };
        report.log_damage = Some(format!(
            "{} is damaged at offset {}: the last whole write is {}, and {} was durable ({})",
            damage.file, damage.offset, damage.last_good, damage.durable, damage.evidence
        ));
        if !report.accepted {
            return Ok(report);
        }
        let last = match tsds_hot::repair(&within, &log, &open)? {
            Some(repaired) => {
                report.kept_log_rows = repaired.rows;
                report.set_aside = repaired.set_aside;
                let lost = repaired.lost.iter().map(|lost| LostSequences::new(lost.after, lost.upto));
                report.lost_sequences = lost.collect();
                repaired.last
            }
            // The log is whole: what the catalog knows of is not in it.
            None => damage.last_good,
        };
        if record.known_durable > last {
            let known = report.lost_sequences.last().map_or(last.0, |lost| lost.upto);
            if known < record.known_durable.0 {
                report.lost_sequences.push(LostSequences::new(Sequence(known), record.known_durable));
            }
            // Reopening would look for them. Their numbers stay reserved.
            record.known_durable = last;
            catalog.commit(&[Edit::SetDatabase(record)])?;
        }
        write_report(&within, &path, &report)?;
        Ok(report)
    };
    (*world.executor).blocking(job).await.map_err(|error| error.during("repair"))
}

impl LostSequences {
    fn new(after: Sequence, upto: Sequence) -> Self {
        Self { after: after.0, upto: upto.0 }
    }
}

/// To repair what is not there would make it.
fn exists(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let entries = match vfs.read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        entries => entries.map_err(|error| Error::from(error).with("path", path.display()))?,
    };
    if entries.iter().any(|entry| entry.name == CATALOG) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "there is no database to repair").with("path", path.display()))
}

/// Reads every segment, and gives up those that are damaged if that is accepted.
///
/// # Errors
///
/// Why a segment cannot be judged; as for I/O and the catalog.
pub(crate) async fn repair_segments(
    core: &Arc<Core>,
    accept: AcceptLoss,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
    report: &mut RepairReport,
) -> Result<()> {
    // Nothing moves meanwhile.
    let _quiet = core.mover.quiesce().await;
    let version = core.version.load_full();
    let total = version.tables.values().map(|table| table.segments.len() as u64).sum();
    let mut done = 0;
    let mut lost: Vec<(TableId, Vec<Arc<SegmentEntry>>)> = Vec::new();
    for (id, table) in &version.tables {
        let mut of_table = Vec::new();
        for entry in &table.segments {
            match verify_segment(core, table, entry).await {
                Ok(()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound) => {
                    report.segments.push(lost_segment(table, entry, &error));
                    of_table.push(Arc::clone(entry));
                }
                Err(error) => return Err(error.during("repair").with("segment", entry.id())),
            }
            done += 1;
            progress(done, total);
        }
        if !of_table.is_empty() {
            lost.push((*id, of_table));
        }
    }
    if accept == AcceptLoss::Nothing || lost.is_empty() {
        return Ok(());
    }
    if accept == AcceptLoss::Parts {
        let segments = || version.tables.values().flat_map(|table| &table.segments);
        check_some_are_left(segments, &lost)?;
    }
    for (_, entries) in &lost {
        set_aside(core, entries, report).await?;
    }
    let (world, path, written) = (core.world.clone(), core.path.clone(), report.clone());
    core.blocking(move || write_report(&world, &path, &written)).await?;
    for (table, entries) in lost {
        give_up(core, table, &entries).await?;
    }
    Ok(())
}

fn lost_segment(table: &TableVersion, entry: &SegmentEntry, error: &Error) -> LostSegment {
    LostSegment {
        table: table.record.name.clone(),
        segment: entry.id().to_string(),
        tier: if entry.home == Home::File { "warm" } else { "cold" },
        rows: entry.meta.rows,
        time_range: entry.meta.time_range,
        problem: error.to_string(),
    }
}

/// That not one file of a tier can be read says more about the settings than about the files.
fn check_some_are_left<'a, I: Iterator<Item = &'a Arc<SegmentEntry>>>(
    all: impl Fn() -> I,
    lost: &[(TableId, Vec<Arc<SegmentEntry>>)],
) -> Result<()> {
    let lost = || lost.iter().flat_map(|(_, entries)| entries);
    let is_file = |entry: &&Arc<SegmentEntry>| entry.home == Home::File;
    let is_cold = |entry: &&Arc<SegmentEntry>| entry.home != Home::File;
    for (tier, all, lost) in [
        ("warm", all().filter(is_file).count(), lost().filter(is_file).count()),
        ("cold", all().filter(is_cold).count(), lost().filter(is_cold).count()),
    ] {
        if lost > 0 && lost == all {
            return Err(Error::new(
                ErrorKind::Conflict,
                "not one segment of a tier can be read, and none was given up: check the paths in the settings; if the tier \
                 is gone, accept the loss of everything",
            )
            .with("tier", tier)
            .with("segments", all));
        }
    }
    Ok(())
}

/// Moves segment files away: one that the catalog does not name keeps a database from opening. Before it is taken out of the
/// catalog: a file that is missing can be repaired, one too many cannot.
async fn set_aside(core: &Arc<Core>, entries: &[Arc<SegmentEntry>], report: &mut RepairReport) -> Result<()> {
    let files = entries.iter().filter(|entry| entry.home == Home::File);
    let paths: Vec<PathBuf> = files.map(|entry| core.segments.path(entry.id())).collect();
    let (vfs, directory) = (Arc::clone(&core.world.vfs), core.path.join(DIRECTORY));
    let job = move || {
        let mut names = Vec::new();
        vfs.create_dir_all(&directory)?;
        for path in &paths {
            let name = path.file_name().unwrap_or_default();
            match vfs.rename(path, &directory.join(name)) {
                // It is what is missing.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                renamed => renamed?,
            }
            names.push(Path::new(DIRECTORY).join(name).display().to_string());
        }
        for changed in paths.first().and_then(|path| path.parent()).into_iter().chain([&*directory]) {
            vfs.sync_dir(changed)?;
        }
        Ok(names)
    };
    report.set_aside.extend(core.blocking(job).await?);
    Ok(())
}

/// Takes segments out of the catalog, and out of what queries see.
async fn give_up(core: &Arc<Core>, id: TableId, entries: &[Arc<SegmentEntry>]) -> Result<()> {
    let _records = core.records.lock().await;
    let table = core.table(id)?;
    let rows: u64 = entries.iter().map(|entry| entry.meta.rows).sum();
    let record = TableRecord {
        deleted_rows: table.record.deleted_rows.saturating_add(rows),
        ..TableRecord::clone(&table.record)
    };
    let mut edits: Vec<Edit> = entries.iter().map(|entry| Edit::RemoveSegment(entry.id())).collect();
    edits.push(Edit::PutTable(record.clone()));
    core.commit(edits, |_| {}).await?;
    core.install_table(id, |next| {
        next.segments.retain(|entry| entries.iter().all(|lost| lost.id() != entry.id()));
        next.record = Arc::new(record);
    })?;
    tracing::warn!(table = %table.record.name, segments = entries.len(), rows, "damaged segments were given up");
    Ok(())
}

/// Writes the report beside what was set aside, for whoever asks later.
fn write_report(world: &World, path: &Path, report: &RepairReport) -> Result<()> {
    let directory = path.join(DIRECTORY);
    world.vfs.create_dir_all(&directory)?;
    let text = serde_json::to_vec_pretty(report)
        .map_err(|error| Error::internal("a report cannot be written").with("cause", error))?;
    let name = format!("repair-{}.json", world.clock.wall_nanos());
    let file = world.vfs.open(&directory.join(name), OpenMode::OpenOrCreate)?;
    file.write_all_at(&text, 0)?;
    file.sync_all()?;
    world.vfs.sync_dir(&directory)?;
    world.vfs.sync_dir(path)?;
    Ok(())
}
