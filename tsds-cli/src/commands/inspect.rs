//! `tsds stats`, `tsds tables`, `tsds verify`: what there is, and whether it is whole.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tsds_engine::{
    ColumnInfo, Database, ModeShare, ResidentStats, Stats, TableStats, TableStorage, TierStats, TiersStats,
    VerifyReport, WarmStats,
};

use super::closing;
use crate::arguments::Shown;
use crate::failure::{Failure, Result};
use crate::output::{Align, Output, Progress, TextTable, Unit, bytes, counted, seconds, thousands};
use crate::session::Session;

/// Shows what the database holds.
pub(super) async fn stats(session: &Session, shown: Shown) -> Result<()> {
    let database = session.open_existing().await?;
    let outcome = match whole_stats(&database).await {
        Ok(found) if shown.json => session.output.print_json(&found),
        Ok(found) => {
            let text = stats_text(&found.stats) + &storage_text(&found.storage);
            session.output.print(&text)
        }
        Err(error) => Err(error.into()),
    };
    closing(&database, outcome).await
}

/// What is held, and how it is stored.
#[derive(Serialize)]
struct WholeStats {
    #[serde(flatten)]
    stats: Stats,
    storage: Vec<TableStorage>,
}

async fn whole_stats(database: &Database) -> tsds_traits::Result<WholeStats> {
    Ok(WholeStats { stats: database.stats().await?, storage: database.storage_stats().await? })
}

/// Lists the tables.
pub(super) async fn tables(session: &Session, shown: Shown) -> Result<()> {
    let database = session.open_existing().await?;
    let outcome = match database.stats().await {
        Ok(stats) if shown.json => {
            session.output.print_json(&stats.tables.iter().map(table_json).collect::<Vec<_>>())
        }
        Ok(stats) => session.output.print(&tables_text(&stats.tables)),
        Err(error) => Err(error.into()),
    };
    closing(&database, outcome).await
}

/// Checks every checksum.
pub(super) async fn verify(session: &Session, shown: Shown) -> Result<()> {
    let database = session.open_existing().await?;
    let outcome = run_verify(session, &database, shown).await;
    closing(&database, outcome).await
}

async fn run_verify(session: &Session, database: &Database, shown: Shown) -> Result<()> {
    let mut progress = Progress::start(&session.output, session.clock(), "verifying", Unit::Rows, 0);
    let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = database.verify(|now_done, now_total| {
        done.store(now_done, Ordering::Relaxed);
        total.store(now_total, Ordering::Relaxed);
    });
    let state = || {
        let (done, total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        (done, format!("{} of {} files", thousands(done), thousands(total)))
    };
    let report = progress.watch(work, state).await?;
    let elapsed = progress.elapsed();
    drop(progress);
    if shown.json {
        session.output.print_json(&report)?;
    } else {
        session.output.print(&verify_text(&report, elapsed))?;
    }
    if report.damage.is_empty() {
        return Ok(());
    }
    Err(Failure::failed("the database is damaged")
        .value("places", report.damage.len())
        .hint("restore what is damaged from a copy, or give it up with `tsds repair --accept-loss`; the other data can be read"))
}

fn verify_text(report: &VerifyReport, elapsed: Duration) -> String {
    let mut text = format!(
        "read {}, {} and {}: {}, {} in {}\n",
        counted(report.segment_files, "segment file"),
        counted(report.cold_files, "cold file"),
        counted(report.log_files, "log file"),
        counted(report.rows, "row"),
        bytes(report.bytes),
        seconds(elapsed),
    );
    if report.damage.is_empty() {
        text.push_str("every checksum is right\n");
        return text;
    }
    let mut table =
        TextTable::new([("table", Align::Left), ("segment", Align::Left), ("problem", Align::Left)])
            .unlimited();
    for damage in &report.damage {
        let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        table.row([or_none(&damage.table), or_none(&damage.segment), damage.problem.clone()]);
    }
    text.push_str(&table.text());
    text
}

fn table_json(table: &TableStats) -> serde_json::Value {
    json!({
        "name": table.name,
        "rows": table.rows,
        "chunk_interval": table.chunk_interval,
        "columns": table.columns,
    })
}

fn tables_text(tables: &[TableStats]) -> String {
    if tables.is_empty() {
        return "no tables\n".into();
    }
    let mut text = String::new();
    for (index, table) in tables.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let interval = table.chunk_interval.as_deref().unwrap_or("not fixed yet");
        text.push_str(&format!(
            "{}: {}, chunk interval {interval}\n",
            table.name,
            counted(table.rows, "row")
        ));
        text.push_str(&columns_text(&table.columns));
    }
    text
}

/// The columns of a table, one a line.
pub(super) fn columns_text(columns: &[ColumnInfo]) -> String {
    let mut table = TextTable::new([
        ("column", Align::Left),
        ("type", Align::Left),
        ("role", Align::Left),
        ("null", Align::Left),
    ]);
    for column in columns {
        table.row([
            column.name.as_str(),
            &column.data_type,
            column.role,
            if column.nullable { "yes" } else { "no" },
        ]);
    }
    table.text()
}

fn stats_text(stats: &Stats) -> String {
    let mut tiers = TextTable::new([
        ("table", Align::Left),
        ("tier", Align::Left),
        ("rows", Align::Right),
        ("bytes", Align::Right),
        ("segments", Align::Right),
    ]);
    for table in &stats.tables {
        for (tier, name) in by_name(&table.tiers) {
            tiers.row([
                table.name.clone(),
                name.to_owned(),
                thousands(tier.rows),
                bytes(tier.bytes),
                thousands(tier.segments),
            ]);
        }
    }
    for (tier, name) in by_name(&stats.tiers) {
        tiers.row([
            "all".to_owned(),
            name.to_owned(),
            thousands(tier.rows),
            bytes(tier.bytes),
            thousands(tier.segments),
        ]);
    }
    let mut text = tiers.text();
    text.push_str(&warm_text(&stats.resident, &stats.warm));
    text.push_str(&format!(
        "log: {} in {}, durable up to sequence {}\n",
        bytes(stats.wal.bytes),
        counted(stats.wal.files, "file"),
        stats.wal.durable
    ));
    if let Some(age) = stats.oldest_pin_seconds {
        text.push_str(&format!(
            "oldest snapshot or query: held for {}\n",
            seconds(Duration::from_secs_f64(age.clamp(0.0, 1e9)))
        ));
    }
    if let Some(refusal) = &stats.config.refusal {
        text.push_str(&format!("the changed configuration is not in effect: {refusal}\n"));
    }
    if !stats.config.needs_reopening.is_empty() {
        let keys = stats.config.needs_reopening.join(", ");
        text.push_str(&format!("in effect when the database is opened again: {keys}\n"));
    }
    let recovery = &stats.recovery;
    if recovery.unclean {
        text.push_str(&format!(
            "opened after an unclean stop: {} from the log, {} of torn tail cut off\n",
            counted(recovery.replayed_rows, "row"),
            bytes(recovery.torn_bytes),
        ));
    }
    text
}

/// Who answers for segment files, what it holds, and what else was tried or happened.
fn warm_text(resident: &ResidentStats, warm: &WarmStats) -> String {
    let limit = resident.limit_bytes.map(|limit| format!(" of {}", bytes(limit))).unwrap_or_default();
    let device = resident.device.as_ref().map(|device| format!(" on {device}")).unwrap_or_default();
    let mut text = format!(
        "\nwarm backend: {}{device}, {} with {} resident, {}{limit}\n",
        resident.backend,
        counted(resident.segments, "segment"),
        counted(resident.rows, "row"),
        bytes(resident.bytes),
    );
    let passed_over: Vec<String> =
        warm.passed_over.iter().map(|passed| format!("{} ({})", passed.backend, passed.reason)).collect();
    if !passed_over.is_empty() {
        text.push_str(&format!("not taken: {}\n", passed_over.join(", ")));
    }
    for declined in &warm.declined {
        let segments = counted(declined.segments, "segment");
        text.push_str(&format!("left to files: {segments} ({})\n", declined.reason));
    }
    if warm.losses > 0 {
        let now = if warm.lost { "lost now, segment files are read instead; " } else { "" };
        text.push_str(&format!(
            "device of {}: {now}lost {}, built anew {}; last: {}\n",
            warm.backend,
            counted(warm.losses, "time"),
            counted(warm.rebuilds, "time"),
            warm.last_loss.as_deref().unwrap_or("unknown"),
        ));
    }
    if let Some(failure) = &warm.rebuild_failure {
        text.push_str(&format!("building it anew failed: {failure}\n"));
    }
    text
}

/// How the columns of segment files are encoded, table by table.
fn storage_text(tables: &[TableStorage]) -> String {
    let mut text = String::new();
    for table in tables.iter().filter(|table| table.files > 0) {
        let of = match table.sampled_files {
            sampled if sampled < table.files => {
                format!("{} of {}", thousands(sampled), counted(table.files, "segment file"))
            }
            _ => counted(table.files, "segment file"),
        };
        let unreadable = match table.unreadable_files {
            0 => String::new(),
            files => format!(", {} unreadable", thousands(files)),
        };
        text.push_str(&format!(
            "\n{}, in {of}{unreadable}: {} B a row, {} of plain arrays\n",
            table.name,
            per(table.file_bytes, table.rows),
            percent(share(table.file_bytes, table.plain_bytes)),
        ));
        let mut columns = TextTable::new([
            ("column", Align::Left),
            ("B a row", Align::Right),
            ("of raw", Align::Right),
            ("stored as", Align::Left),
        ])
        .unlimited();
        for column in &table.columns {
            columns.row([
                column.name.as_str(),
                &format!("{:.2}", column.bytes_per_row),
                &percent(column.share_of_raw),
                &modes_text(&column.modes),
            ]);
        }
        text.push_str(&columns.text());
    }
    text
}

/// `tsds.gorilla integers 80 %, raw 20 %`: a codec is named where it changes.
fn modes_text(modes: &[ModeShare]) -> String {
    let mut codec = "";
    let parts = modes.iter().map(|part| {
        let named = if part.codec == codec { None } else { Some(part.codec.as_str()) };
        codec = &part.codec;
        let share = percent(part.share);
        let words = named.into_iter().chain(part.mode.as_deref()).chain([share.as_str()]);
        words.collect::<Vec<_>>().join(" ")
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "-".into() } else { parts.join(", ") }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn per(bytes: u64, rows: u64) -> String {
    format!("{:.2}", share(bytes, rows))
}

fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// The tiers with their names, hot first.
pub(super) fn by_name(tiers: &TiersStats) -> [(TierStats, &'static str); 3] {
    [(tiers.hot, "hot"), (tiers.warm, "warm"), (tiers.cold, "cold")]
}

/// The tiers of one table, with a total.
pub(super) fn tiers_text(tiers: &TiersStats) -> String {
    let mut table = TextTable::new([
        ("tier", Align::Left),
        ("rows", Align::Right),
        ("bytes", Align::Right),
        ("segments", Align::Right),
    ]);
    let mut total = TierStats::default();
    for (tier, name) in by_name(tiers) {
        table.row([name.to_owned(), thousands(tier.rows), bytes(tier.bytes), thousands(tier.segments)]);
        total.rows += tier.rows;
        total.bytes += tier.bytes;
        total.segments += tier.segments;
    }
    table.row(["all".to_owned(), thousands(total.rows), bytes(total.bytes), thousands(total.segments)]);
    table.text()
}

/// Says something to people only.
pub(super) fn say(output: &Output, json: bool, text: &str) -> Result<()> {
    if json { Ok(()) } else { output.print(text) }
}

#[cfg(test)]
mod tests {
    use tsds_engine::{DeclinedSegments, PassedOver};

    use super::*;

    fn on_device() -> (ResidentStats, WarmStats) {
        let resident = ResidentStats {
            backend: "tsds.warm.wgpu",
            device: Some("GPU".into()),
            segments: 2,
            rows: 3000,
            bytes: 4096,
            limit_bytes: Some(8192),
            busy_seconds: None,
        };
        let passed_over =
            vec![PassedOver { backend: "tsds.warm.cuda", reason: "it cannot run here: no driver".into() }];
        let warm = WarmStats {
            configured: "auto".into(),
            backend: "tsds.warm.wgpu",
            device: Some("GPU".into()),
            passed_over,
            declined: vec![DeclinedSegments { reason: "decimals are read on the host".into(), segments: 3 }],
            min_rows: 0,
            lost: false,
            losses: 0,
            rebuilds: 0,
            last_loss: None,
            rebuild_failure: None,
        };
        (resident, warm)
    }

    #[test]
    fn the_warm_tier_is_shown_with_its_device_and_what_was_not_taken() {
        let (resident, warm) = on_device();
        assert_eq!(
            warm_text(&resident, &warm),
            "\nwarm backend: tsds.warm.wgpu on GPU, 2 segments with 3,000 rows resident, 4.00 KiB of 8.00 KiB\n\
             not taken: tsds.warm.cuda (it cannot run here: no driver)\n\
             left to files: 3 segments (decimals are read on the host)\n"
        );
    }

    #[test]
    fn a_lost_device_is_shown_with_what_happened_to_it() {
        let (resident, mut warm) = on_device();
        warm.passed_over.clear();
        (warm.losses, warm.rebuilds, warm.lost) = (2, 1, true);
        (warm.last_loss, warm.rebuild_failure) = (Some("the bus fell off".into()), Some("no driver".into()));
        let text = warm_text(&resident, &warm);
        assert!(
            text.ends_with(
                "\ndevice of tsds.warm.wgpu: lost now, segment files are read instead; lost 2 times, built anew \
                 1 time; last: the bus fell off\nbuilding it anew failed: no driver\n"
            ),
            "{text}"
        );
    }
}
