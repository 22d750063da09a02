//! Opening: judging what is there, and copying what an unclean stop left in doubt.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tsds_traits::{Error, ErrorKind, OpenMode, Result, WalOpen, World};

use super::format::{FILE_RECOVERED, FILE_SALVAGED, FileHeader};
use super::read::{LogFile, Part, Survey, survey};
use super::settings::WalSettings;
use super::shared::Shared;
use super::state::State;
use super::write::{FileCopy, FilePool, LiveFile, PreparedFile, Writer};

/// Bytes that are written over themselves at once.
const COPY_BYTES: usize = 1 << 20;

/// Opens the log. Blocking. Returns its parts and the bytes of the torn tail.
pub(crate) fn open_blocking(
    settings: WalSettings,
    world: World,
    directory: PathBuf,
    open: WalOpen,
) -> Result<(Shared, u64)> {
    let mut found = survey(&*world.vfs, &directory, &open)?;
    if let Some(damage) = found.damage.take() {
        return Err(damage.into_error());
    }
    if open.next <= found.last {
        return Err(Error::corrupt("the write-ahead log holds sequences that the catalog has not given out")
            .with("last_sequence", found.last)
            .with("next_sequence", open.next));
    }
    // Up to here nothing is changed.
    world.vfs.create_dir_all(&directory)?;
    if let Some((file, offset)) = &found.torn_at {
        tracing::warn!(
            %file,
            offset,
            bytes = found.torn_bytes,
            last_sequence = %found.last,
            "cut the torn tail of the write-ahead log"
        );
    }
    let mut pool = FilePool::new(world.vfs.clone(), directory, settings.file_bytes, found.next_number);
    // Files that hold nothing are the first choice for the copy: with a full disk there is no other.
    for path in std::mem::take(&mut found.unneeded) {
        pool.recycle(path);
    }
    copy_last_file(&world, &settings, &mut pool, &mut found, &open)?;
    trim(&mut pool, &settings);
    let torn_bytes = found.torn_bytes;
    Ok((assemble(settings, world, pool, found, &open), torn_bytes))
}

/// Copies the records of the last file to a new one, unless a mark at its end says that it was left whole: what was
/// written last may be in the page cache and not on the disk, and what was cut must not come back. Earlier files need no
/// copy, since the next file was begun only after all of them was durable.
///
/// The copy has another name until it is whole and durable. Cut short at any point, the next open starts over from what
/// was there before, or finds the copy and ignores what it replaces.
fn copy_last_file(
    world: &World,
    settings: &WalSettings,
    pool: &mut FilePool,
    found: &mut Survey,
    open: &WalOpen,
) -> Result<()> {
    let in_doubt = |file: &mut LogFile| !file.closed || found.replaced_remain;
    let Some(old) = found.live.pop_if(in_doubt) else { return Ok(()) };
    match copied(world, settings, pool, &old, open) {
        Ok(copy) => {
            found.live.push(copy);
            pool.recycle(old.path);
            pool.set_spares_aside()
        }
        Err(error) if error.kind() == ErrorKind::NoSpace => {
            tracing::warn!(%error, file = %old.path.display(), "no space to copy surviving records; written again in place");
            write_again(world, &old)?;
            found.live.push(old);
            Ok(())
        }
        Err(error) => Err(error.during("copy surviving records")),
    }
}

fn copied(
    world: &World,
    settings: &WalSettings,
    pool: &mut FilePool,
    old: &LogFile,
    open: &WalOpen,
) -> Result<LogFile> {
    let prepared = pool.take_unfinished()?;
    match copy_records(world, settings, old, &prepared, open) {
        Ok((header, end)) => {
            let path = pool.publish(&prepared)?;
            Ok(LogFile { header, path, len: end, file: prepared.file, last: old.last, end, closed: true })
        }
        Err(error) => {
            pool.recycle(prepared.path);
            Err(error)
        }
    }
}

/// Returns the header and the end of the copy, which is durable but not yet under its name.
fn copy_records(
    world: &World,
    settings: &WalSettings,
    old: &LogFile,
    to: &PreparedFile,
    open: &WalOpen,
) -> Result<(FileHeader, u64)> {
    let predecessor = (old.header.predecessor, old.header.predecessor_last);
    let flags = FILE_RECOVERED | (old.header.flags & FILE_SALVAGED);
    let mut copy =
        FileCopy::new(to, &*world.random, open.database, predecessor, flags, settings.frame_bytes)?;
    let mut records = old.records();
    while copy.last() != Some(old.last) {
        let record = records.next(Part::Above(open.floor))?.ok_or_else(|| {
            Error::corrupt("a write-ahead log file changed while it was read")
                .with("file", old.path.display())
                .with("offset", records.good_end())
        })?;
        copy.push(&record)?;
    }
    copy.finish()
}

/// With a full disk: writes what the file holds over itself, byte for byte, and syncs it. That takes no space, and a crash
/// in between leaves the same bytes, written or not.
fn write_again(world: &World, old: &LogFile) -> Result<()> {
    let file = world.vfs.open(&old.path, OpenMode::ReadWrite)?;
    let mut bytes = vec![0; COPY_BYTES];
    let mut at = 0;
    while at < old.end.min(old.len) {
        let count = (old.end.min(old.len) - at).min(COPY_BYTES as u64) as usize;
        let chunk = bytes.get_mut(..count).unwrap_or_default();
        file.read_exact_at(chunk, at)?;
        file.write_all_at(chunk, at)?;
        at += count as u64;
    }
    file.sync_all()?;
    Ok(())
}

/// Removes files beyond those that are kept to be written again. Nothing depends on it.
fn trim(pool: &mut FilePool, settings: &WalSettings) {
    let surplus = pool.surplus(settings.recycled_files);
    if let Err(error) = pool.remove(&surplus) {
        tracing::debug!(%error, "cannot remove write-ahead log files that nothing needs");
        surplus.into_iter().for_each(|path| pool.recycle(path));
    }
}

fn assemble(settings: WalSettings, world: World, pool: FilePool, found: Survey, open: &WalOpen) -> Shared {
    let tail = (found.live.last().map_or(0, |file| file.header.number), found.last);
    let mut state = State::new(found.last, open.next, open.floor);
    state.live = found.live.iter().map(live_file).collect();
    state.recovered = found.live.into_iter().map(Arc::new).collect();
    let pool = Arc::new(Mutex::new(pool));
    let writer = Writer::new(open.database, world.random.clone(), pool.clone(), &settings, tail);
    Shared::new(world, settings, state, writer, pool)
}

fn live_file(file: &LogFile) -> LiveFile {
    LiveFile {
        number: file.header.number,
        path: file.path.clone(),
        last: file.last,
        record_bytes: file.record_bytes(),
    }
}
