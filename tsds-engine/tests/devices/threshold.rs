//! Parts of queries that are too small to ask a device for.

use tsds_engine::query::{Explain, col};
use tsds_io::SimWorld;

use super::fake::{CUDA, device, registry};
use super::{TABLE, assert_whole, filled, settings};

const ROWS: i64 = 240;

/// Explains a query for everything and one for the rows of one hour, and says how often the device was asked.
fn asked(of_tier: u64, configured: Option<u64>) -> ([Explain; 2], u32) {
    let plugins = registry(&[CUDA]);
    device(CUDA, |device| device.min_rows = of_tier);
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let mut settings = settings("cuda");
        settings.warm_tier.min_rows = configured;
        let database = filled(&machine, &plugins, settings, 0..ROWS).await;
        let table = database.table(TABLE).unwrap();
        let explained = [
            table.query().explain().await.unwrap(),
            table.query().filter(col("id").lt(60_i64)).explain().await.unwrap(),
        ];
        device(CUDA, |device| device.queries = 0);
        assert_whole(&database, 0..ROWS).await;
        let hour = table.query().filter(col("id").lt(60_i64)).collect().await.unwrap();
        assert_eq!(hour.iter().map(|batch| batch.num_rows()).sum::<usize>(), 60);
        (explained, device(CUDA, |device| device.queries))
    })
}

fn backends(explain: &Explain) -> Vec<&str> {
    explain.tiers.iter().filter_map(|tier| tier.backend).collect()
}

#[test]
fn a_part_with_few_rows_is_read_from_files_and_explain_says_so() {
    let ([all, hour], queries) = asked(200, None);
    assert_eq!((backends(&all), backends(&hour)), (vec![CUDA], vec!["tsds.warm.cpu"]));
    let few = "60 rows are fewer than 200: read by tsds.warm.cpu";
    assert_eq!(hour.tiers[0].reason.as_deref(), Some(few));
    assert!(hour.to_string().contains(&format!("({few})")), "{hour}");
    assert!(queries > 0, "the device is asked for everything");
}

#[test]
fn large_numbers_of_rows_are_written_with_commas() {
    let ([all, _], queries) = asked(1_200_000, None);
    assert_eq!(
        all.tiers[0].reason.as_deref(),
        Some("240 rows are fewer than 1,200,000: read by tsds.warm.cpu")
    );
    assert_eq!(queries, 0);
}

#[test]
fn a_tier_that_names_no_threshold_is_always_asked() {
    let ([all, hour], _) = asked(0, None);
    assert_eq!((backends(&all), backends(&hour)), (vec![CUDA], vec![CUDA]));
}

#[test]
fn the_setting_counts_more_than_what_the_tier_says() {
    let ([_, hour], _) = asked(200, Some(0));
    assert_eq!(backends(&hour), [CUDA]);
    let ([all, _], queries) = asked(0, Some(241));
    assert_eq!((backends(&all), queries), (vec!["tsds.warm.cpu"], 0));
}

#[test]
fn what_a_device_declines_is_read_from_files_and_stats_and_explain_say_why() {
    let plugins = registry(&[CUDA]);
    device(CUDA, |device| device.declines = Some("no kernel reads decimals".into()));
    let machine = SimWorld::new(5);
    machine.block_on(async {
        let database = filled(&machine, &plugins, settings("cuda"), 0..ROWS).await;
        let declined = database.stats().await.unwrap().warm.declined;
        let [only] = &declined[..] else { panic!("{declined:?}") };
        assert!(only.reason == "no kernel reads decimals" && only.segments > 1, "{only:?}");
        let table = database.table(TABLE).unwrap();
        let explained = table.query().explain().await.unwrap();
        let why = format!("{CUDA} declined {0} of {0} segments: no kernel reads decimals", only.segments);
        assert_eq!(explained.tiers[0].reason.as_ref(), Some(&why));
        assert!(explained.to_string().contains(&format!("({why})")), "{explained}");
        let analysis = table.query().analyze().await.unwrap();
        assert!(analysis.to_string().contains(&why), "{analysis}");
        assert_whole(&database, 0..ROWS).await;
        assert_eq!(device(CUDA, |device| device.queries), 0);
    });
}
