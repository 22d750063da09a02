//! Files that rot.

use futures::StreamExt;
use tsds_traits::{ErrorKind, Sequence};

use super::bench::{WalBench, append_durably, first, open, record, reopened, replayed};
use crate::CaseResult;
use crate::case::{Case, Machine, cases};
use crate::fixture::WalFixture;
use crate::outcome::ensure;

pub(super) fn cases() -> Vec<Case<dyn WalFixture>> {
    cases![
        [claims Power] damage_to_what_is_known_durable_is_corruption_or_harmless,
        [claims Power] files_that_are_cut_are_corruption_or_harmless,
    ]
}

/// The last record of the log that is damaged.
const LAST: u64 = 30;

/// Opens a log whose files may be damaged: every record is there, or `Corrupt` says that one is not.
async fn ensure_whole_or_corrupt(bench: &WalBench, machine: &Machine) -> CaseResult {
    let known = reopened(0, LAST, LAST + 1);
    let corrupt = |error: &tsds_traits::Error| {
        ensure(error.kind() == ErrorKind::Corrupt, || format!("damage gives {error:?} and not Corrupt"))
    };
    let sink = match bench.fixture.open(machine.context(), known).await {
        Ok(sink) => sink,
        Err(error) => return corrupt(&error),
    };
    let mut replay = sink.replay(Sequence(0));
    let mut next = 1;
    while let Some(item) = replay.next().await {
        match item {
            Ok(found) => {
                ensure(replayed(found) == replayed(record(next)), || {
                    format!("record {next} is replayed as something else")
                })?;
                next += 1;
            }
            Err(error) => return corrupt(&error),
        }
    }
    ensure(next == LAST + 1, || {
        format!("{} of {LAST} durable records are replayed without an error", next - 1)
    })
}

/// A log of durable records, closed or not, on a machine of its own; with the path and length of each file.
fn written(bench: &WalBench, closed: bool) -> CaseResult<(Machine, Vec<(String, u64)>)> {
    let machine = bench.machine();
    machine.run(async {
        let sink = open(bench, &machine, first()).await?;
        append_durably(&*sink, 1..=LAST / 2).await?;
        append_durably(&*sink, LAST / 2 + 1..=LAST).await?;
        if closed { Ok(sink.close().await?) } else { Ok(()) }
    })?;
    let machine = machine.kill();
    let directory = machine.context().directory;
    let mut files = Vec::new();
    for name in machine.sim.list_files(&directory)? {
        let path = directory.join(name).display().to_string();
        let contents = machine.sim.read_file(&path)?;
        // What is reserved ahead is zeros: damage there says little.
        let used = contents.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        files.push((path, used));
    }
    files.retain(|(_, used)| *used > 0);
    ensure(!files.is_empty(), || "a durable log keeps no files".into())?;
    Ok((machine, files))
}

fn damage_to_what_is_known_durable_is_corruption_or_harmless(bench: &WalBench) -> CaseResult {
    for number in 0..120u64 {
        // Recovery changes files: every damage gets a machine of its own.
        let (machine, files) = written(bench, number.is_multiple_of(2))?;
        let total: u64 = files.iter().map(|(_, used)| used).sum();
        let mut offset = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(bench.seed) % total;
        for (path, used) in &files {
            if offset < *used {
                let flip = 1u8 << (number % 8);
                machine.sim.corrupt(path, offset, flip)?;
                machine
                    .run(ensure_whole_or_corrupt(bench, &machine))
                    .map_err(|failure| failure.during(format!("byte {offset} of {path} xor {flip:#x}")))?;
                break;
            }
            offset -= used;
        }
    }
    Ok(())
}

fn files_that_are_cut_are_corruption_or_harmless(bench: &WalBench) -> CaseResult {
    let (_, files) = written(bench, true)?;
    for (index, (path, used)) in files.iter().enumerate() {
        for part in 0..8 {
            let (machine, _) = written(bench, true)?;
            machine.sim.truncate(path, used * part / 8)?;
            machine
                .run(ensure_whole_or_corrupt(bench, &machine))
                .map_err(|failure| failure.during(format!("file {index}, {path}, cut to {part}/8")))?;
        }
        let (machine, _) = written(bench, true)?;
        machine.sim.remove_file(path)?;
        machine
            .run(ensure_whole_or_corrupt(bench, &machine))
            .map_err(|failure| failure.during(format!("file {index}, {path}, removed")))?;
    }
    Ok(())
}
