//! Forgetting files that hold nothing above the floor.

use std::path::PathBuf;

use tsds_traits::{Result, Sequence};

use super::shared::Shared;
use super::state::State;

/// Forgets every file whose records are all up to `up_to`, but for the one that is being written. Blocking.
///
/// One such file is kept to be written again. It stays under its name until then: after a crash the floor says that
/// nothing in it counts. The others are renamed, so that a half-done removal is recognised, and removed.
pub(crate) fn release(shared: &Shared, up_to: Sequence) -> Result<()> {
    let mut pool = shared.lock_pool();
    let unneeded = take_unneeded(&mut shared.lock(), up_to);
    let room = shared.settings.recycled_files.saturating_sub(pool.spares() + usize::from(pool.is_ready()));
    let may_recycle = unneeded.iter().filter(|file| !file.being_read).take(room).map(|file| &file.path);
    let kept: Vec<PathBuf> = may_recycle.cloned().collect();
    let gone: Vec<PathBuf> =
        unneeded.iter().map(|file| &file.path).filter(|path| !kept.contains(path)).cloned().collect();
    if let Err(error) = pool.remove(&gone) {
        shared.lock().unneeded.extend(unneeded.into_iter().map(|file| file.path));
        return Err(error);
    }
    for path in kept {
        pool.recycle(path);
    }
    Ok(())
}

struct Unneeded {
    path: PathBuf,
    /// Whether a replay still reads it: then its bytes must stay, if not its name.
    being_read: bool,
}

fn take_unneeded(state: &mut State, up_to: Sequence) -> Vec<Unneeded> {
    state.released = state.released.max(up_to);
    let (released, active) = (state.released, state.active);
    let mut paths = std::mem::take(&mut state.unneeded);
    state.live.retain(|file| {
        let needed = file.last > released || Some(file.number) == active;
        if !needed {
            paths.push(file.path.clone());
        }
        needed
    });
    let (recovered, forgotten): (Vec<_>, Vec<_>) =
        std::mem::take(&mut state.recovered).into_iter().partition(|file| file.last > released);
    state.recovered = recovered;
    let being_read = |path: &PathBuf| {
        forgotten.iter().any(|file| file.path == *path && std::sync::Arc::strong_count(file) > 1)
    };
    paths.into_iter().map(|path| Unneeded { being_read: being_read(&path), path }).collect()
}
