//! A device with less memory than is configured, or in pieces: the newest segments are held, and nothing goes round in circles.

use tsds_engine::Database;
use tsds_engine::query::col;
use tsds_engine::traits::SegmentId;
use tsds_io::SimWorld;

use super::fake::{CUDA, device, registry};
use super::{assert_whole, filled, pause, settings, stats, write};

/// What a segment of an hour takes of the device.
async fn bytes_of_an_hour(machine: &SimWorld) -> u64 {
    let database = filled(machine, &registry(&[CUDA]), settings("cuda"), 0..20).await;
    assert_eq!(stats(&database).await.resident.segments, 1);
    device(CUDA, |device| device.held.values().map(|(bytes, _)| *bytes).max().unwrap())
}

fn room_for(hours: f64) -> u64 {
    let machine = SimWorld::new(9);
    let hour = machine.block_on(bytes_of_an_hour(&machine));
    (hour as f64 * hours) as u64
}

/// The last times of what is held, newest first, in hours.
fn held() -> Vec<i64> {
    let mut hours: Vec<i64> =
        device(CUDA, |device| device.held.values().map(|(_, time)| time / 3_600_000).collect());
    hours.sort_unstable_by_key(|hour| std::cmp::Reverse(*hour));
    hours
}

fn puts() -> usize {
    device(CUDA, |device| device.puts.len())
}

/// A segment for each of these hours, one after the other.
async fn write_hours(database: &Database, hours: impl IntoIterator<Item = i64>) {
    for hour in hours {
        write(database, hour * 60..hour * 60 + 20).await;
        database.flush().await.unwrap();
    }
}

fn ids(hours: std::ops::Range<i64>) -> Vec<i64> {
    hours.flat_map(|hour| hour * 60..hour * 60 + 20).collect()
}

/// A database on a device with room for so many hours, which says that it has room for `claimed`.
async fn small_device(machine: &SimWorld, hours: f64, claimed: u64) -> Database {
    let room = room_for(hours);
    let plugins = registry(&[CUDA]);
    device(CUDA, |device| {
        device.room = room;
        device.limit_bytes = Some(if claimed == 0 { room } else { claimed });
    });
    filled(machine, &plugins, settings("cuda"), 0..0).await
}

#[test]
fn the_newest_segments_win_on_a_device_that_is_smaller_than_configured() {
    for claimed in [0, 1 << 30] {
        let machine = SimWorld::new(8);
        machine.block_on(async {
            let database = small_device(&machine, 3.5, claimed).await;
            for newest in 0..12 {
                write_hours(&database, [newest]).await;
                let held = held();
                assert_eq!(held.first(), Some(&newest), "the newest is held: {held:?}");
                let consecutive = held.windows(2).all(|pair| pair[0] == pair[1] + 1);
                assert!(consecutive && held.len() <= 3, "the newest ones are held: {held:?}");
                assert!(newest < 2 || held.len() >= 2, "no more leave than must: {held:?}");
            }
            let now = stats(&database).await;
            assert_eq!(
                (now.tiers.warm.segments, now.tiers.cold.segments),
                (12, 0),
                "they stay in their files"
            );
            assert_eq!(now.resident.segments, held().len() as u64);
            assert_eq!(super::found(&database).await, ids(0..12));
        });
    }
}

#[test]
fn a_full_device_is_left_alone() {
    for claimed in [0, 1 << 30] {
        let machine = SimWorld::new(8);
        machine.block_on(async {
            let database = small_device(&machine, 3.5, claimed).await;
            write_hours(&database, 0..10).await;
            pause(&machine, 60).await;
            let (before, held_before) = (puts(), held());
            pause(&machine, 3600).await;
            assert_eq!((puts(), held()), (before, held_before), "nothing changes, so nothing is tried");
        });
    }
}

#[test]
fn each_segment_is_offered_a_few_times_at_most_while_others_come() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let database = small_device(&machine, 3.5, 1 << 30).await;
        for hour in 0..40 {
            write_hours(&database, [hour]).await;
            pause(&machine, 60).await;
        }
        let mut offers = std::collections::BTreeMap::<SegmentId, u32>::new();
        device(CUDA, |device| device.puts.clone())
            .into_iter()
            .for_each(|id| *offers.entry(id).or_default() += 1);
        assert_eq!(offers.len(), 40);
        assert!(
            offers.values().all(|offered| *offered <= 2),
            "once, and once more after making room: {offers:?}"
        );
    });
}

#[test]
fn rows_that_arrive_late_do_not_drive_out_newer_ones() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let database = small_device(&machine, 3.5, 1 << 30).await;
        write_hours(&database, 10..13).await;
        assert_eq!(held(), [12, 11, 10]);
        write_hours(&database, 0..5).await;
        pause(&machine, 60).await;
        assert_eq!(held(), [12, 11, 10]);
    });
}

#[test]
fn only_older_segments_leave_although_newer_ones_were_not_read_for_longer() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let database = small_device(&machine, 3.5, 1 << 30).await;
        write_hours(&database, [1, 11, 12]).await;
        pause(&machine, 60).await;
        let oldest = database.table(super::TABLE).unwrap().query().filter(col("id").lt(120_i64));
        assert_eq!(oldest.collect().await.unwrap().iter().map(|batch| batch.num_rows()).sum::<usize>(), 20);
        write_hours(&database, [5]).await;
        assert_eq!(held(), [12, 11, 5]);
    });
}

#[test]
fn a_segment_that_never_fits_is_left_to_its_file_and_others_go_on() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let database = small_device(&machine, 0.5, 1 << 30).await;
        write_hours(&database, 0..4).await;
        pause(&machine, 3600).await;
        assert_eq!((held(), puts()), (vec![], 4), "each is offered once: nothing can leave for it");
        assert_eq!(super::found(&database).await, ids(0..4));
    });
}

#[test]
fn opening_fills_a_small_device_with_the_newest_segments() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let room = room_for(3.5);
        let database = filled(&machine, &registry(&[]), settings("cpu"), 0..0).await;
        write_hours(&database, 0..10).await;
        database.close().await.unwrap();
        let plugins = registry(&[CUDA]);
        device(CUDA, |device| device.room = room);
        let database = super::open(&machine, &plugins, settings("cuda")).await.unwrap();
        database.settle().await.unwrap();
        assert_eq!(held(), [9, 8, 7]);
        let before = puts();
        pause(&machine, 3600).await;
        assert_eq!(puts(), before);
        assert!(before <= 5, "{before} offers: one that does not fit speaks for those that are not smaller");
    });
}

#[test]
fn what_was_left_to_its_file_is_offered_again_when_others_move_on() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let room = room_for(3.5);
        let plugins = registry(&[CUDA]);
        device(CUDA, |device| device.room = room);
        let mut settings = settings("cuda");
        // Of five segments, all but the two that came last move on.
        settings.warm_tier.evictor = "test.evict.tight".into();
        let database = filled(&machine, &plugins, settings, 0..0).await;
        write_hours(&database, [10, 11, 12, 1, 2]).await;
        database.settle().await.unwrap();
        let now = stats(&database).await;
        assert_eq!((now.tiers.warm.segments, now.resident.segments), (2, 2), "{now:?}");
        assert_eq!(held(), [2, 1]);
    });
}

#[test]
fn a_segment_that_moves_on_while_it_is_stored_does_not_stay_on_the_device() {
    // The mover looks every five seconds: in one of these it does so while a segment that leaves is stored.
    for seconds in 0..5 {
        let machine = SimWorld::new(8);
        machine.block_on(async {
            let plugins = registry(&[CUDA]);
            device(CUDA, |device| device.put_seconds = 2);
            let mut settings = settings("cuda");
            settings.warm_tier.evictor = "test.evict.tight".into();
            let database = filled(&machine, &plugins, settings, 0..0).await;
            pause(&machine, seconds).await;
            // One memtable with rows of nine hours.
            let hours: Vec<_> = (0..9).flat_map(|hour| super::rows(hour * 60..hour * 60 + 2)).collect();
            let table = database.table(super::TABLE).unwrap();
            table.ingest(super::batch(&hours)).await.unwrap();
            database.flush().await.unwrap();
            pause(&machine, 60).await;
            let now = stats(&database).await;
            assert_eq!((now.tiers.warm.segments, now.resident.segments), (2, 2));
            assert_eq!(held(), [8, 7], "{seconds}");
        });
    }
}

#[test]
fn a_device_with_little_room_is_right_in_every_way_to_read() {
    let machine = SimWorld::new(8);
    machine.block_on(async {
        let room = room_for(3.5);
        let plugins = registry(&[CUDA]);
        device(CUDA, |device| device.room = room);
        let database = filled(&machine, &plugins, settings("cuda"), 0..600).await;
        assert_whole(&database, 0..600).await;
        let explain = database.table(super::TABLE).unwrap().query().explain().await.unwrap();
        let who: Vec<_> = explain.tiers.iter().map(|tier| (tier.backend, tier.reason.as_deref())).collect();
        assert!(who.contains(&(Some(CUDA), None)), "{who:?}");
        assert!(who.contains(&(Some("tsds.warm.cpu"), Some("not held by tsds.warm.cuda"))), "{who:?}");
    });
}
