//! How small the codec makes real series: every numeric column of the published data sets, and made ones. Sizes only; how fast
//! it goes is measured by the benches.
//!
//! A size is what `Codec::encode` appends for a block of times and a block of values, all headers included, against 8 bytes for
//! each time and value. Series that cannot meet a limit stand in `misses.rs`, by name and with a reason; one that stands there and
//! meets the limit fails as well, so that the list stays true. Every block that is measured is also decoded and compared.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod measure;
mod misses;
mod nulls;
#[path = "../rival/mod.rs"]
mod rival;
#[path = "../series/mod.rs"]
mod series;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use measure::{Sizes, median, ours, pcos, windows};
use misses::Miss;
use series::{Group, Series, SplitMix};

/// Points of a synthetic series.
const MADE: usize = 100_000;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![Trial::test("random_bits_stay_below_raw_and_2_percent", random_bits)];
    trials.extend(series::synthetic(MADE).into_iter().flat_map(of_series));
    match series::published() {
        Ok(all) => {
            trials.push(Trial::test("every_miss_names_a_series", every_miss_names_a_series));
            trials.push(Trial::test("median_ratio_of_sensors_and_servers_in_blocks_of_1024", median_ratio));
            trials.extend(all.into_iter().flat_map(of_series));
        }
        Err(why) => trials.push(absent("published_series", why)),
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn absent(name: &'static str, why: String) -> Trial {
    let kind = "absent:TSDS_TEST_DATA";
    Trial::test(name, move || Err(Failed::from(why))).with_kind(kind).with_ignored_flag(true)
}

/// What holds of one series.
fn of_series(series: Series) -> Vec<Trial> {
    let rows = Arc::new(series);
    let points = Arc::new(rows.points());
    let trial = |what: &str, series: &Arc<Series>, body: fn(&Series) -> Result<(), Failed>| {
        let series = series.clone();
        Trial::test(format!("{what}/{}", series.name), move || body(&series))
    };
    let mut trials = vec![
        trial("1000_points_take_15_percent_of_raw", &points, a_thousand_points),
        trial("8192_points_take_what_pco_needs_and_15_percent", &points, beside_pco),
    ];
    if clean_windows(&points).next().is_some() {
        trials.push(trial("1000_clean_decimals_take_8_percent_of_raw", &points, a_thousand_clean_decimals));
    }
    if !rows.valid.is_empty() {
        trials.push(trial("nulls_cost_no_more_than_a_bitmap", &rows, nulls::cost));
    }
    trials
}

fn a_thousand_points(series: &Series) -> Result<(), Failed> {
    small_enough(series, windows(series, 1000), 0.15, misses::OF_15_PERCENT)
}

fn a_thousand_clean_decimals(series: &Series) -> Result<(), Failed> {
    small_enough(series, clean_windows(series), 0.08, misses::OF_8_PERCENT)
}

/// Windows of a thousand values of which none has more than four decimals.
fn clean_windows(series: &Series) -> impl Iterator<Item = Series> + '_ {
    windows(series, 1000).filter(|window| window.has_at_most_decimals(4))
}

/// The first window, and half of all windows, take at most `limit` of their raw size; or the series is known to miss that.
fn small_enough(
    series: &Series,
    windows: impl Iterator<Item = Series>,
    limit: f64,
    known: &[Miss],
) -> Result<(), Failed> {
    let windows: Vec<Series> = windows.collect();
    let shares = |sizes: fn(&Series) -> Sizes| -> Vec<f64> {
        windows.iter().map(|window| sizes(window).share_of_raw()).collect()
    };
    let own = shares(ours);
    let (first, middle) = (own[0], median(&own));
    let meets = first <= limit && middle <= limit;
    let known = known.iter().find(|miss| miss.series == series.name);
    if meets && known.is_none() {
        return Ok(());
    }
    let floors = shares(measure::floor);
    let (floor_first, floor_middle) = (floors[0], median(&floors));
    let report = format!(
        "the first window takes {:.2} % of raw and the median of {} windows {:.2} %, where {:.0} % is the limit; the practical \
         floor is {:.2} % and {:.2} %",
        first * 100.0,
        own.len(),
        middle * 100.0,
        limit * 100.0,
        floor_first * 100.0,
        floor_middle * 100.0,
    );
    match known {
        Some(miss) if meets => Err(listed_in_vain(miss, &report)),
        Some(miss) if miss.reason.is_none() && floor_first.max(floor_middle) <= limit => {
            Err(format!("is listed as impossible, which it is not: {report}").into())
        }
        Some(_) => Ok(()),
        None => Err(report.into()),
    }
}

fn listed_in_vain(miss: &Miss, report: &str) -> Failed {
    let reason = miss.reason.unwrap_or("impossible");
    format!("is listed as a miss ({reason}) and meets the limit: {report}").into()
}

fn beside_pco(series: &Series) -> Result<(), Failed> {
    const LIMIT: f64 = 1.15;
    let blocks: Vec<Series> = windows(series, 8192).collect();
    let total = |sizes: fn(&Series) -> Sizes| blocks.iter().map(sizes).sum::<Sizes>();
    let (own, pco) = (total(ours), total(pcos));
    let times = own.total() as f64 / pco.total() as f64;
    let report = format!("{own:?} is {times:.3} x pco's {pco:?}");
    match misses::OF_PCO.iter().find(|miss| miss.series == series.name) {
        Some(miss) if times <= LIMIT => Err(listed_in_vain(miss, &report)),
        None if times > LIMIT => Err(report.into()),
        _ => Ok(()),
    }
}

/// Of the median series at least 12, and at most 10 % less than pco's.
fn median_ratio() -> Result<(), Failed> {
    let all = series::published()?;
    let wanted = all.iter().filter(|series| matches!(series.group, Group::Sensor | Group::Server));
    let (mut own, mut pco) = (Vec::new(), Vec::new());
    for series in wanted {
        let series = series.points();
        let ratio = |sizes: fn(&Series) -> Sizes| {
            1.0 / windows(&series, 1024).map(|block| sizes(&block)).sum::<Sizes>().share_of_raw()
        };
        own.push(ratio(ours));
        pco.push(ratio(pcos));
    }
    let (own, pco, series) = (median(&own), median(&pco), own.len());
    match own >= 12.0 && own >= 0.9 * pco {
        true => Ok(()),
        false => Err(format!("the median ratio of {series} series is {own:.2}, pco's is {pco:.2}").into()),
    }
}

/// Times and values of which no bit says anything about another.
fn random_bits() -> Result<(), Failed> {
    let mut rng = SplitMix::new(7);
    for rows in [1000, 1024, 8192, 65_536] {
        let mut times: Vec<i64> = (0..rows).map(|_| rng.bits() as i64).collect();
        times.sort_unstable();
        let values = (0..rows).map(|_| f64::from_bits(rng.bits())).collect();
        // What `ours` holds of every block is the point.
        ours(&Series { name: "random".into(), group: Group::Synthetic, times, values, valid: Vec::new() });
    }
    Ok(())
}

fn every_miss_names_a_series() -> Result<(), Failed> {
    let mut names: Vec<String> = series::published()?.into_iter().map(|series| series.name).collect();
    names.extend(series::synthetic(1).into_iter().map(|series| series.name));
    let lists = [misses::OF_15_PERCENT, misses::OF_8_PERCENT, misses::OF_PCO];
    let unknown: Vec<_> =
        lists.into_iter().flatten().filter(|miss| !names.iter().any(|name| name == miss.series)).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(format!("not a series: {unknown:?}").into()),
    }
}
