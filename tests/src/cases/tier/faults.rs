//! Disks that fail, fill up and rot, and tiers that are full.

use std::io;

use bytes::Bytes;
use tsds_io::{Fault, Operation};
use tsds_traits::{ErrorKind, Put, SegmentHandle};

use super::bench::{
    TierBench, collect, ensure_absent, ensure_readable, listed, open, plain_scan, put, rows, scan,
    sensor_segments, store, store_all, stored_segment, with_tier,
};
use crate::case::{Case, Machine, cases};
use crate::data::segments::{Row, Segment};
use crate::fixture::TierFixture;
use crate::outcome::{ensure, ensure_eq, ensure_error, ensure_same_sequence};
use crate::{CaseResult, Failure};

pub(super) fn cases() -> Vec<Case<dyn TierFixture>> {
    cases![
        [claims Power, claims Disk] a_put_that_fails_at_any_operation_is_whole_or_absent,
        [claims Power, claims Disk] a_full_disk_refuses_a_put_with_no_space,
        [claims Power, claims Disk] a_failed_read_never_gives_wrong_rows,
        [claims Power, claims Disk] damaged_files_give_corrupt_or_the_right_rows,
        [claims Room] a_full_tier_refuses_with_no_space_and_keeps_what_it_has,
    ]
}

fn a_put_that_fails_at_any_operation_is_whole_or_absent(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(2, 40)?;
    let mut strikes = 0;
    for nth in 1..60 {
        let machine = bench.machine_number(nth);
        let (struck, handles) = machine.run(async {
            let tier = open(bench, &machine).await?;
            let first = segments[0].handle(&store(&tier, &segments[0]).await?.record);
            machine.sim.faults().inject(Fault::on_any_change(io::ErrorKind::Other).nth(nth));
            let result = put(&tier, &segments[1]).await;
            let struck = machine.sim.faults().struck() > 0;
            machine.sim.faults().clear();
            if result.is_err() && !listed(&tier).await?.contains(&segments[1].id()) {
                ensure_absent(&tier, &segments[1], b"").await?;
            }
            // What was there before is there still, and the tier goes on.
            let second = segments[1].handle(&store(&tier, &segments[1]).await?.record);
            let handles = vec![first, second];
            ensure_eq(
                &listed(&tier).await?.len(),
                &2,
                "segments after a put that failed and one that did not",
            )?;
            ensure_readable(&tier, &segments, &handles).await?;
            tier.close().await?;
            Ok((struck, handles))
        })?;
        if !struck {
            break;
        }
        strikes += 1;
        let machine = machine.crash();
        machine.run(async {
            let tier = open(bench, &machine).await?;
            let outcome = ensure_readable(&tier, &segments, &handles).await;
            outcome.map_err(|failure: Failure| failure.during(format!("operation {nth} of a put failed")))
        })?;
    }
    ensure(strikes > 0, || "a put of a durable tier changes nothing on the disk".into())
}

fn a_full_disk_refuses_a_put_with_no_space(bench: &TierBench) -> CaseResult {
    let machine = bench.machine();
    machine.run(async {
        let tier = open(bench, &machine).await?;
        let segments = sensor_segments(2, 200)?;
        let mut handles = store_all(&tier, &segments[..1]).await?;
        machine.sim.faults().set_capacity(Some(0));
        let refused = tier.put(std::sync::Arc::new(segments[1].source()?)).await;
        ensure_error(refused, ErrorKind::NoSpace, "put on a full disk")?;
        ensure_eq(&listed(&tier).await?, &vec![segments[0].id()], "list after a put on a full disk")?;
        ensure_readable(&tier, &segments[..1], &handles).await?;
        machine.sim.faults().set_capacity(None);
        handles.extend(store_all(&tier, &segments[1..]).await?);
        ensure_readable(&tier, &segments, &handles).await
    })
}

fn a_failed_read_never_gives_wrong_rows(bench: &TierBench) -> CaseResult {
    let segments = sensor_segments(2, 200)?;
    for nth in 1..12 {
        let machine = bench.machine_number(nth);
        let handles = machine.run(async { store_all(&open(bench, &machine).await?, &segments).await })?;
        let machine = machine.kill();
        machine.run(async {
            machine.sim.faults().inject(Fault::on(Operation::Read, io::ErrorKind::Other).nth(nth));
            let tier = match bench.fixture.open(machine.context()).await {
                Ok(tier) => tier,
                // It was that read which failed: the next one does not.
                Err(_) => open(bench, &machine).await?,
            };
            let request = plain_scan(&segments[0].schema, &handles);
            let (batches, error) = collect(&tier, request.clone()).await;
            ensure_prefix(&segments, &rows(&request, &batches)?, error.is_none())?;
            machine.sim.faults().clear();
            ensure_readable(&tier, &segments, &handles).await
        })?;
    }
    Ok(())
}

/// Fails unless these are the first rows of the segments, and all of them if the scan succeeded.
fn ensure_prefix(segments: &[Segment], came: &[(usize, Row)], succeeded: bool) -> CaseResult {
    let all: Vec<(usize, Row)> = segments
        .iter()
        .enumerate()
        .flat_map(|(position, segment)| segment.rows.iter().map(move |row| (position, row.clone())))
        .collect();
    ensure(!succeeded || came.len() == all.len(), || {
        format!("{} of {} rows came without an error", came.len(), all.len())
    })?;
    ensure_same_sequence(came, all.get(..came.len()).unwrap_or_default(), "rows")
}

/// A machine on which a tier has stored a segment, and its files with their lengths.
type Filled = (Machine, SegmentHandle, Vec<(String, u64)>);

fn filled(bench: &TierBench, segment: &Segment) -> CaseResult<Filled> {
    let machine = bench.machine();
    let record: Bytes = machine.run(async {
        let tier = open(bench, &machine).await?;
        let record = store(&tier, segment).await?.record;
        tier.close().await?;
        Ok(record)
    })?;
    let machine = machine.kill();
    let directory = machine.context().directory;
    let mut files = Vec::new();
    for name in machine.sim.list_files(&directory)? {
        let path = directory.join(name).display().to_string();
        let length = machine.sim.read_file(&path)?.len() as u64;
        files.push((path, length));
    }
    files.retain(|(_, length)| *length > 0);
    ensure(!files.is_empty(), || "a durable tier keeps no files".into())?;
    Ok((machine, segment.handle(&record), files))
}

fn damaged_files_give_corrupt_or_the_right_rows(bench: &TierBench) -> CaseResult {
    let segment = sensor_segments(1, 60)?.remove(0);
    let (machine, handle, files) = filled(bench, &segment)?;
    let total: u64 = files.iter().map(|(_, length)| length).sum();
    for number in 0..160u64 {
        // Spread over all bytes, in no period that a format could have.
        let at = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(bench.seed) % total;
        let mut offset = at;
        let mut hit = None;
        for (path, length) in &files {
            if offset < *length {
                hit = Some((path.clone(), offset));
                break;
            }
            offset -= length;
        }
        let Some((path, offset)) = hit else { continue };
        let flip = 1u8 << (number % 8);
        machine.sim.corrupt(&path, offset, flip)?;
        let outcome = machine.run(async {
            let tier = match bench.fixture.open(machine.context()).await {
                Ok(tier) => tier,
                Err(error) => return ensure_corrupt(&error),
            };
            let request = plain_scan(&segment.schema, std::slice::from_ref(&handle));
            let (batches, error) = collect(&tier, request.clone()).await;
            ensure_prefix(std::slice::from_ref(&segment), &rows(&request, &batches)?, error.is_none())?;
            error.as_ref().map_or(Ok(()), ensure_corrupt)?;
            tier.close().await?;
            Ok(())
        });
        outcome.map_err(|failure| failure.during(format!("byte {offset} of {path} xor {flip:#x}")))?;
        machine.sim.corrupt(&path, offset, flip)?;
    }
    // Healed, it reads as before.
    machine.run(async {
        let tier = open(bench, &machine).await?;
        let request = plain_scan(&segment.schema, std::slice::from_ref(&handle));
        ensure_prefix(std::slice::from_ref(&segment), &scan(&tier, &request).await?, true)
    })
}

/// A file that can no longer be told from one of something else may also look absent.
fn ensure_corrupt(error: &tsds_traits::Error) -> CaseResult {
    let expected = matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::NotFound);
    ensure(expected, || format!("a damaged file gives {error:?} and not Corrupt"))
}

fn a_full_tier_refuses_with_no_space_and_keeps_what_it_has(bench: &TierBench) -> CaseResult {
    with_tier(bench, async |tier| {
        let segments = sensor_segments(2_000, 600)?;
        let (mut handles, mut refused) = (Vec::new(), false);
        for segment in &segments {
            match tier.put(std::sync::Arc::new(segment.source()?)).await {
                Ok(Put::Stored(stored)) => handles.push(segment.handle(&stored.record)),
                Ok(Put::Declined(why)) => {
                    return Err(Failure::new(format!(
                        "a full tier must refuse with NoSpace, not decline: {why}"
                    )));
                }
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    refused = true;
                    break;
                }
                Err(error) => return Err(Failure::from(error).during("filling the tier")),
            }
        }
        let limit = tier.usage().limit_bytes;
        ensure(refused, || format!("{} segments fit into {limit:?} bytes", handles.len()))?;
        let held = &segments[..handles.len()];
        ensure(tier.usage().bytes <= limit.unwrap_or(u64::MAX), || {
            format!("the tier holds more than its limit: {}", tier.usage())
        })?;
        let ids: Vec<_> = held.iter().map(Segment::id).collect();
        ensure_eq(&listed(&tier).await?, &ids, "list of a full tier")?;
        ensure_readable(&tier, held, &handles).await?;
        // Room that is made is room.
        tier.remove(&handles.iter().map(stored_segment).collect::<Vec<_>>()).await?;
        let handles = store_all(&tier, &segments[..1]).await?;
        ensure_readable(&tier, &segments[..1], &handles).await
    })
}
