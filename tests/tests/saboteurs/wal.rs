//! Logs that are broken.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tsds_conformance::Suite;
use tsds_conformance::fixture::WalFixture;
use tsds_traits::{
    BuildContext, Durability, Presence, Result, Sequence, WalOpen, WalRecord, WalSink, WalUsage,
};

use crate::lying_disk::{self, Lie};
use crate::reference::wal::ReferenceWal;
use crate::saboteurs;

/// What is wrong with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sabotage {
    /// Nothing.
    None,
    TakesGaps,
    LosesTheBatchId,
    ReplaysBackwards,
    ReplaysTheLastRecordTwice,
    ReplaysWhatItAppends,
    IgnoresWhereReplayStarts,
    SaysDurableTooEarly,
    SyncsWhatIsNotThere,
    ForgetsAboveTheFloor,
    ClosesWithoutSync,
    StaysOpen,
    IgnoresWhatIsKnownDurable,
    SkipsRecordsOfUnknownKind,
    SyncsEveryAppend,
    LivesOnALyingDisk(Lie),
    GoesByAnotherId,
}

#[derive(Debug)]
struct Saboteur {
    inner: Arc<dyn WalSink>,
    sabotage: Sabotage,
    appended: Mutex<Vec<WalRecord>>,
    last: AtomicU64,
}

struct Fixture(Sabotage);

#[async_trait]
impl WalFixture for Fixture {
    fn id(&self) -> String {
        "saboteur.wal".into()
    }

    fn probe(&self) -> Presence {
        Presence::Present(String::new())
    }

    async fn open(&self, mut context: BuildContext, mut open: WalOpen) -> Result<Arc<dyn WalSink>> {
        let sabotage = self.0;
        if let Sabotage::LivesOnALyingDisk(lie) = sabotage {
            context.world = lying_disk::with(context.world, lie);
        }
        if sabotage == Sabotage::IgnoresWhatIsKnownDurable {
            open.known_durable = Sequence::ZERO;
        }
        let last = AtomicU64::new(open.next.0 - 1);
        let inner = ReferenceWal::open(context, open, Durability::Power).await?;
        Ok(Arc::new(Saboteur { inner, sabotage, appended: Mutex::default(), last }))
    }
}

#[async_trait]
impl WalSink for Saboteur {
    fn name(&self) -> &'static str {
        if self.sabotage == Sabotage::GoesByAnotherId { "tsds.other" } else { "saboteur.wal" }
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }

    async fn append(&self, mut record: WalRecord) -> Result<()> {
        match self.sabotage {
            // A log that takes what comes keeps the numbers that it counts itself.
            Sabotage::TakesGaps => record.sequence = Sequence(self.last.load(Ordering::SeqCst) + 1),
            Sabotage::LosesTheBatchId => record.client_batch_id = None,
            Sabotage::ReplaysWhatItAppends => self.appended.lock().unwrap().push(record.clone()),
            _ => {}
        }
        let sequence = record.sequence.0;
        self.inner.append(record).await?;
        self.last.store(sequence, Ordering::SeqCst);
        if self.sabotage == Sabotage::SyncsEveryAppend {
            self.inner.sync(Sequence(sequence)).await?;
        }
        Ok(())
    }

    async fn sync(&self, up_to: Sequence) -> Result<Sequence> {
        match self.sabotage {
            Sabotage::SyncsWhatIsNotThere => {
                let last = Sequence(self.last.load(Ordering::SeqCst));
                self.inner.sync(up_to.min(last)).await
            }
            _ => self.inner.sync(up_to).await,
        }
    }

    fn durable(&self) -> Sequence {
        match self.sabotage {
            Sabotage::SaysDurableTooEarly => Sequence(self.last.load(Ordering::SeqCst) + 1),
            _ => self.inner.durable(),
        }
    }

    fn replay(&self, after: Sequence) -> BoxStream<'static, Result<WalRecord>> {
        match self.sabotage {
            Sabotage::ReplaysBackwards => {
                let all = self.inner.replay(after).collect::<Vec<_>>();
                stream::once(all).flat_map(|all| stream::iter(all.into_iter().rev())).boxed()
            }
            Sabotage::ReplaysTheLastRecordTwice => {
                let all = self.inner.replay(after).collect::<Vec<_>>();
                let twice = |all: Vec<Result<WalRecord>>| {
                    let last = all.last().and_then(|last| last.as_ref().ok()).cloned();
                    stream::iter(all.into_iter().chain(last.map(Ok)))
                };
                stream::once(all).flat_map(twice).boxed()
            }
            Sabotage::ReplaysWhatItAppends => {
                let appended = self.appended.lock().unwrap().clone();
                self.inner.replay(after).chain(stream::iter(appended.into_iter().map(Ok))).boxed()
            }
            Sabotage::IgnoresWhereReplayStarts => self.inner.replay(Sequence::ZERO),
            Sabotage::SkipsRecordsOfUnknownKind => {
                let known = |record: &Result<WalRecord>| !matches!(record, Ok(record) if record.kind != tsds_traits::RecordKind::ROWS);
                self.inner.replay(after).filter(move |record| futures::future::ready(known(record))).boxed()
            }
            _ => self.inner.replay(after),
        }
    }

    async fn release(&self, up_to: Sequence) -> Result<()> {
        match self.sabotage {
            Sabotage::ForgetsAboveTheFloor => self.inner.release(Sequence(u64::MAX)).await,
            _ => self.inner.release(up_to).await,
        }
    }

    fn usage(&self) -> WalUsage {
        self.inner.usage()
    }

    async fn close(&self) -> Result<()> {
        match self.sabotage {
            Sabotage::StaysOpen | Sabotage::ClosesWithoutSync => Ok(()),
            _ => self.inner.close().await,
        }
    }
}

fn suite(sabotage: Sabotage) -> Suite {
    Suite::new().wal(Fixture(sabotage))
}

saboteurs! { "wal", suite, twin Sabotage::None;
    takes_gaps: Sabotage::TakesGaps => a_gap_or_a_repetition_is_refused_and_changes_nothing,
    loses_the_batch_id: Sabotage::LosesTheBatchId => records_come_back_in_order_after_reopening,
    skips_records_of_unknown_kind: Sabotage::SkipsRecordsOfUnknownKind
        => records_come_back_in_order_after_reopening,
    replays_backwards: Sabotage::ReplaysBackwards => records_come_back_in_order_after_reopening,
    replays_the_last_record_twice: Sabotage::ReplaysTheLastRecordTwice
        => records_come_back_in_order_after_reopening,
    replays_what_it_appends: Sabotage::ReplaysWhatItAppends
        => records_appended_since_opening_are_not_replayed,
    ignores_where_replay_starts: Sabotage::IgnoresWhereReplayStarts
        => a_replay_starts_after_what_is_asked,
    says_durable_too_early: Sabotage::SaysDurableTooEarly
        => durable_never_goes_back_and_reaches_what_was_synced,
    syncs_what_is_not_there: Sabotage::SyncsWhatIsNotThere
        => sync_of_what_was_not_appended_is_invalid_input,
    forgets_above_the_floor: Sabotage::ForgetsAboveTheFloor => release_forgets_nothing_above,
    closes_without_sync: Sabotage::ClosesWithoutSync => closing_makes_everything_durable,
    stays_open: Sabotage::StaysOpen => after_closing_nothing_is_appended_or_synced,
    ignores_what_is_known_durable: Sabotage::IgnoresWhatIsKnownDurable
        => records_that_are_known_to_be_durable_and_missing_are_corruption,
    acknowledges_before_it_syncs: Sabotage::LivesOnALyingDisk(Lie::SyncsNothing)
        => what_was_synced_survives_a_power_cut,
    syncs_no_directory: Sabotage::LivesOnALyingDisk(Lie::SyncsNoDirectory)
        => a_power_cut_at_any_moment_leaves_a_prefix_with_all_that_was_synced,
    repeats_a_failed_sync: Sabotage::LivesOnALyingDisk(Lie::RepeatsFailedSyncs)
        => a_failed_sync_is_never_repeated,
    is_poisoned_by_a_full_disk: Sabotage::LivesOnALyingDisk(Lie::HidesFullDisk)
        => a_full_disk_refuses_and_does_not_poison,
    believes_what_it_reads: Sabotage::LivesOnALyingDisk(Lie::RepairsChecksums)
        => damage_to_what_is_known_durable_is_corruption_or_harmless,
    does_not_miss_what_was_cut: Sabotage::IgnoresWhatIsKnownDurable
        => files_that_are_cut_are_corruption_or_harmless,
    loses_records_now_and_then: Sabotage::LivesOnALyingDisk(Lie::SyncsNothing)
        => any_history_replays_what_was_durable,
    forgets_too_much_now_and_then: Sabotage::ForgetsAboveTheFloor
        => any_history_replays_what_was_durable,
    waits_for_the_disk: Sabotage::SyncsEveryAppend => appending_does_not_wait_for_the_disk,
    waiters_do_not_share: Sabotage::LivesOnALyingDisk(Lie::SyncsTooOften)
        => concurrent_syncs_share_the_disk,
    goes_by_another_id: Sabotage::GoesByAnotherId => it_goes_by_its_plugin_id,
}
