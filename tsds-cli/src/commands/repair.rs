//! `tsds repair`: gives up what is damaged.

use std::sync::atomic::{AtomicU64, Ordering};

use tsds_engine::{AcceptLoss, RepairReport};

use crate::arguments::{Accept, Repair};
use crate::failure::{Failure, Result};
use crate::output::{Align, Progress, TextTable, Unit, counted, thousands};
use crate::session::Session;

/// Names what is damaged, and gives it up if that is accepted.
pub(super) async fn run(session: &Session, arguments: Repair) -> Result<()> {
    let accept = match arguments.accept_loss {
        None => AcceptLoss::Nothing,
        Some(Accept::Parts) => AcceptLoss::Parts,
        Some(Accept::Everything) => AcceptLoss::Everything,
    };
    let mut progress = Progress::start(&session.output, session.clock(), "checking", Unit::Rows, 0);
    let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
    let work = session.builder()?.repair(accept, |now_done, now_total| {
        done.store(now_done, Ordering::Relaxed);
        total.store(now_total, Ordering::Relaxed);
    });
    let state = || {
        let (done, total) = (done.load(Ordering::Relaxed), total.load(Ordering::Relaxed));
        (done, format!("{} of {} segments", thousands(done), thousands(total)))
    };
    let report = progress.watch(work, state).await?;
    drop(progress);
    match arguments.json {
        true => session.output.print_json(&report)?,
        false => session.output.print(&text(&report))?,
    }
    if report.is_whole() || report.accepted {
        return Ok(());
    }
    Err(Failure::failed("the database is damaged, and nothing was changed")
        .hint("put back from a copy what is damaged, or give it up with --accept-loss"))
}

fn text(report: &RepairReport) -> String {
    if report.is_whole() {
        return "nothing is damaged\n".into();
    }
    let mut text = String::new();
    if let Some(damage) = &report.log_damage {
        text.push_str(&format!("log: {damage}\n"));
        if report.accepted {
            text.push_str(&format!("log: kept {}\n", counted(report.kept_log_rows, "row")));
        } else {
            text.push_str("segments are checked once the log is repaired\n");
        }
    }
    for lost in &report.lost_sequences {
        let writes = counted(lost.upto.saturating_sub(lost.after), "write");
        text.push_str(&format!("lost: {writes}, after sequence {} up to {}\n", lost.after, lost.upto));
    }
    if !report.segments.is_empty() {
        let word = if report.accepted { "lost" } else { "damaged" };
        let rows = counted(report.lost_rows(), "row");
        text.push_str(&format!("{word}: {}, {rows}\n", counted(report.segments.len() as u64, "segment")));
        let mut table = TextTable::new([
            ("table", Align::Left),
            ("segment", Align::Left),
            ("tier", Align::Left),
            ("rows", Align::Right),
            ("problem", Align::Left),
        ])
        .unlimited();
        for lost in &report.segments {
            table.row([&lost.table, &lost.segment, lost.tier, &thousands(lost.rows), &lost.problem]);
        }
        text.push_str(&table.text());
    }
    for name in &report.set_aside {
        text.push_str(&format!("set aside: {name}\n"));
    }
    text
}
