//! What the engine logs: on stderr, and in rolling files if `storage.logs_path` says where.

mod files;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};
use tsds_engine::config::Settings;
use tsds_traits::World;

use crate::arguments::Common;
use crate::output::Output;
use crate::settings::database_path;
use files::RollingFiles;

/// From which level on is logged; can be changed.
#[derive(Clone, Debug)]
pub(crate) struct LogLevel(reload::Handle<LevelFilter, Registry>);

impl LogLevel {
    /// Logs as the settings say from now on.
    pub(crate) fn set(&self, settings: &Settings) {
        // If somebody else's subscriber is there, this is not ours to change.
        let _ = self.0.reload(level(settings));
    }
}

/// Starts to log. If the program has a subscriber of its own, that one stays.
pub(crate) fn start(settings: &Settings, common: &Common, output: &Output, world: &World) -> LogLevel {
    let (filter, handle) = reload::Layer::new(level(settings));
    let to_stderr = {
        let output = output.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).event_format(Plain { dated: None });
        layer.with_writer(move || Words(output.clone()))
    };
    let to_files = settings.storage.logs_path.as_ref().map(|logs| {
        let directory: PathBuf = database_path(common, settings).join(logs);
        let files = Arc::new(RollingFiles::new(world, directory));
        let dated = Plain { dated: Some(Arc::clone(&world.clock)) };
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).event_format(dated);
        layer.with_writer(move || files::Line(Arc::clone(&files)))
    });
    // Somebody else's subscriber was there first.
    let _ = tracing_subscriber::registry().with(filter).with(to_stderr).with(to_files).try_init();
    LogLevel(handle)
}

/// What is asked for under `debug` is logged as information.
fn level(settings: &Settings) -> LevelFilter {
    let level = match settings.logging.level.as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::WARN,
    };
    let debug = &settings.debug;
    if debug.enabled && (debug.print_query_plans || debug.print_tier_stats) {
        level.max(LevelFilter::INFO)
    } else {
        level
    }
}

/// Writes to stderr without tearing a progress bar.
struct Words(Output);

impl Write for Words {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.words(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `warning: message key=value`, with the time in front where it is dated.
struct Plain {
    dated: Option<Arc<dyn tsds_traits::Clock>>,
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if let Some(clock) = &self.dated {
            let time = chrono::DateTime::from_timestamp_nanos(clock.wall_nanos());
            write!(writer, "{} ", time.format("%Y-%m-%dT%H:%M:%S%.3fZ"))?;
        }
        let word = match *event.metadata().level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        };
        write!(writer, "{word}: ")?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_settings() {
        let mut settings = Settings::default();
        assert_eq!(level(&settings), LevelFilter::WARN);
        settings.logging.level = "trace".into();
        assert_eq!(level(&settings), LevelFilter::TRACE);
        settings.logging.level = "off".into();
        assert_eq!(level(&settings), LevelFilter::OFF);
        settings.debug.print_query_plans = true;
        assert_eq!(level(&settings), LevelFilter::OFF);
        settings.debug.enabled = true;
        assert_eq!(level(&settings), LevelFilter::INFO);
    }
}
