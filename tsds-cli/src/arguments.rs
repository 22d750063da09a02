//! The command line.

mod alter;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use alter::Alter;

use crate::demo::Mode;
use crate::import::OnError;
use crate::result::Format;

/// Time series in three tiers: memory, device, Parquet.
#[derive(Debug, Parser)]
#[command(name = "tsds", version, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Data goes to stdout, words to stderr. Exit codes: 0 done, 1 failed, 2 wrong command line."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// The database's directory [default: storage.base_path, which is ./tsds_storage]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common options")]
    pub(crate) path: Option<PathBuf>,
    /// A JSON file with settings
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common options")]
    pub(crate) config: Option<PathBuf>,
    /// One setting, such as hot_tier.max_records=1000000; may be given several times
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE", value_parser = parse_setting, help_heading = "Common options")]
    pub(crate) settings: Vec<(String, String)>,
    /// Show no progress and no notes
    #[arg(long, short, global = true, help_heading = "Common options")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ingest made-up trades, let them move through the tiers, and time queries
    Demo(Demo),
    /// Import files (CSV, Parquet, Arrow) into a table
    Import(Import),
    /// Query a table
    Query(Query),
    /// Write a table, or a part of it, to a file or to many
    Export(Export),
    /// Change the columns of a table: wider types, other names, new columns; nothing that is stored is rewritten
    Alter(Alter),
    /// Show what the database holds
    Stats(Shown),
    /// List the tables and their columns
    Tables(Shown),
    /// Read everything that is stored and check every checksum
    Verify(Shown),
    /// Give up what is damaged, so that the rest can be used again
    Repair(Repair),
    /// List the plugins of this program, and which of them can run on this machine; touches no database
    Plugins(Shown),
    /// Show the settings; touches no database
    #[command(subcommand)]
    Config(Config),
    /// Keep the database open, and serve its metrics to Prometheus
    #[cfg(feature = "serve-metrics")]
    ServeMetrics(ServeMetrics),
    /// Measure; touches no database
    #[command(subcommand)]
    Bench(Bench),
    /// Check the plugins of this program against their contracts, on simulated machines; touches no database
    #[cfg(feature = "conformance")]
    Conformance(Conformance),
}

#[cfg(feature = "conformance")]
#[derive(Debug, Args)]
pub(crate) struct Conformance {
    /// Check only this plugin, by its id
    #[arg(long, value_name = "ID")]
    pub(crate) backend: Option<String>,
    /// Compare the answers of this tier with those of --backend instead, with random tables and queries, to the bit
    #[arg(long, value_name = "ID", requires = "backend")]
    pub(crate) against: Option<String>,
    /// How many generated inputs every property is tried with [default: 24], or are compared [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) cases: Option<u32>,
    /// Compare for so long, or until --cases are done
    #[arg(long, value_name = "T", requires = "against", value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(crate) seconds: Option<u64>,
    /// Fail if one of these is absent, as the variable TSDS_REQUIRE does; else what is absent is only ignored
    #[arg(long, value_name = "ID,...", value_parser = parse_list)]
    pub(crate) require: Option<List>,
    /// The seed of everything that is generated, decimal or 0x and hexadecimal; the same seed gives the same inputs
    #[arg(long, value_name = "S", value_parser = parse_seed)]
    pub(crate) seed: Option<u64>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// How much may be given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accept {
    /// Single files.
    Parts,
    /// A whole tier.
    Everything,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Repair {
    /// Give up what is named without this option; with =everything also if that is all a tier has
    #[arg(long, value_name = "everything", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "parts", hide_possible_values = true)]
    pub(crate) accept_loss: Option<Accept>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print the settings in force, as a file for --config
    Show(ConfigShow),
    /// Print the JSON schema of the file for --config, for editors that complete and check
    Schema,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ConfigShow {
    /// Show where each value comes from
    #[arg(long)]
    pub(crate) origins: bool,
    /// Print one JSON document, also with --origins
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(feature = "serve-metrics")]
#[derive(Debug, Args)]
pub(crate) struct ServeMetrics {
    /// Where to listen; every path answers
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9187")]
    pub(crate) listen: std::net::SocketAddr,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Measure what a tier on a device does in which time, beside tsds.warm.cpu on the same made-up trades
    Device(BenchDevice),
}

#[derive(Debug, Args)]
pub(crate) struct BenchDevice {
    /// The tier, by its id, such as tsds.warm.wgpu
    #[arg(long, value_name = "ID")]
    pub(crate) backend: String,
    /// The tier's settings as JSON, such as '{"adapter": "H100", "max_memory_mb": 4096}'
    #[arg(long = "settings", value_name = "JSON", value_parser = parse_json)]
    pub(crate) tier_settings: Option<serde_json::Value>,
    /// How many rows the tier holds while it is measured, one number after the other
    #[arg(long, value_name = "N,...", default_value = "10k,100k,1M,10M", value_parser = parse_sizes)]
    pub(crate) rows: Sizes,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// Numbers of rows, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes(pub(crate) Vec<u64>);

fn parse_sizes(text: &str) -> Result<Sizes, String> {
    let mut sizes = text.split(',').map(|size| parse_count(size.trim())).collect::<Result<Vec<u64>, _>>()?;
    sizes.sort_unstable();
    sizes.dedup();
    match (sizes.first(), sizes.last()) {
        (Some(0) | None, _) => Err("measure at least 1 row".into()),
        (_, Some(10_000_000_001..)) => Err("measure at most 10G rows".into()),
        _ => Ok(Sizes(sizes)),
    }
}

fn parse_json(text: &str) -> Result<serde_json::Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ serde_json::Value::Object(_)) => Ok(value),
        Ok(_) => Err("write an object, such as {\"adapter\": \"H100\"}".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// How to show something.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Shown {
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// How many rows to ingest, such as 5000000, 5_000_000 or 5M
    #[arg(value_parser = parse_count)]
    pub(crate) rows: u64,
    /// Which columns: 4 or 8
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mode: Mode,
    /// How many rows are durable before the next are written
    #[arg(long, value_name = "ROWS", default_value = "10000", value_parser = parse_batch)]
    pub(crate) batch_size: usize,
    /// Time no queries
    #[arg(long)]
    pub(crate) no_queries: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The table, which is created if there is none
    pub(crate) table: String,
    /// CSV, Parquet or Arrow files (feather, streams) with the same columns; a directory stands for the files in it
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) files: Vec<PathBuf>,
    /// The time column; or several that make it: date,time or year,month,day,hour,minute,second from the front
    #[arg(long, value_name = "COL,...", value_parser = parse_list)]
    pub(crate) time: List,
    /// What the time column of the table is called [default: the column's own name, or time for several]
    #[arg(long, value_name = "NAME")]
    pub(crate) time_as: Option<String>,
    /// Keep the columns that several columns of --time make up
    #[arg(long)]
    pub(crate) keep_parts: bool,
    /// How times are written: s, ms, us or ns since 1970, or a pattern such as '%d.%m.%Y %H:%M' [default: ISO 8601]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) time_format: Option<String>,
    /// The series columns, in sorting order; `file` stands for the file's name without ending
    #[arg(long, value_name = "COL,...", value_parser = parse_list)]
    pub(crate) series: Option<List>,
    /// Take only these columns, besides those of --time and --series
    #[arg(long, value_name = "COL,...", value_parser = parse_list)]
    pub(crate) columns: Option<List>,
    /// Which text stands for null; in CSV an empty field does, too
    #[arg(long, value_name = "TEXT")]
    pub(crate) null: Option<String>,
    /// What stands between fields of CSV; write \t for a tab
    #[arg(long, value_name = "CHAR", default_value = ",", value_parser = parse_delimiter)]
    pub(crate) delimiter: u8,
    /// What to do about rows that cannot be taken
    #[arg(long, value_enum, default_value_t)]
    pub(crate) on_error: OnError,
    /// How many rows are written at a time
    #[arg(long, value_name = "ROWS", default_value = "50000", value_parser = parse_batch)]
    pub(crate) batch_size: usize,
    /// Write all rows anew, also those that an earlier run of the same import wrote
    #[arg(long)]
    pub(crate) again: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Query {
    /// The table
    pub(crate) table: String,
    /// Keep the rows for which this is true, such as "price > 10 AND symbol IN ('AMD', 'F')"
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Show these columns, in this order
    #[arg(long, value_name = "COL,...", value_parser = parse_list, conflicts_with_all = ["agg", "every", "by"])]
    pub(crate) columns: Option<List>,
    /// Group by time buckets of this width, such as 1m, 15m, 1h, 1d, 1mo or 1y
    #[arg(long, value_name = "WIDTH", requires = "agg")]
    pub(crate) every: Option<String>,
    /// Group by these columns
    #[arg(long, value_name = "COL,...", value_parser = parse_list, requires = "agg")]
    pub(crate) by: Option<List>,
    /// Compute these, such as 'count, sum(volume), min(price)'
    #[arg(long, value_name = "CALL,...")]
    pub(crate) agg: Option<String>,
    /// Sort by these columns, such as time,price:desc
    #[arg(long, value_name = "COL[:desc],...")]
    pub(crate) sort: Option<String>,
    /// Show at most this many rows
    #[arg(long, value_name = "ROWS", value_parser = parse_count)]
    pub(crate) limit: Option<u64>,
    /// How to show them [default: as the ending of --output says, else table]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Write to this file instead of stdout
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Say what the query would read, and run nothing; with =analyze run it, show no row, and say what it read
    #[arg(long, value_name = "analyze", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "plan", hide_possible_values = true, conflicts_with_all = ["timing", "repeat"])]
    pub(crate) explain: Option<Explain>,
    /// Print how long it took as JSON on stderr
    #[arg(long)]
    pub(crate) timing: bool,
    /// Run the query so many times and show the last result
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
}

/// How much is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Explain {
    /// What would be read.
    Plan,
    /// Also what was.
    Analyze,
}

impl Query {
    /// How the result is written.
    pub(crate) fn format(&self) -> Format {
        self.format.or_else(|| Format::of_ending(self.output.as_deref()?)).unwrap_or_default()
    }
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The table
    pub(crate) table: String,
    /// The file to write; with --split-rows the directory to write files into
    pub(crate) target: PathBuf,
    /// How to write it [default: as the ending of the target says; with --split-rows parquet]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Keep the rows for which this is true, such as "price > 10 AND symbol IN ('AMD', 'F')"
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<String>,
    /// Write these columns, in this order
    #[arg(long, value_name = "COL,...", value_parser = parse_list)]
    pub(crate) columns: Option<List>,
    /// Sort by these columns, such as time,price:desc
    #[arg(long, value_name = "COL[:desc],...")]
    pub(crate) sort: Option<String>,
    /// Write files of so many rows: part-00000.parquet and so on
    #[arg(long, value_name = "ROWS", value_parser = parse_part)]
    pub(crate) split_rows: Option<u64>,
    /// Replace what is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

impl Export {
    /// The rows to write, as a query for them.
    pub(crate) fn query(&self) -> Query {
        Query {
            table: self.table.clone(),
            filter: self.filter.clone(),
            columns: self.columns.clone(),
            every: None,
            by: None,
            agg: None,
            sort: self.sort.clone(),
            limit: None,
            format: None,
            output: None,
            explain: None,
            timing: false,
            repeat: 1,
        }
    }
}

fn parse_part(text: &str) -> Result<u64, String> {
    match parse_count(text)? {
        0 => Err("a file has at least 1 row".into()),
        rows => Ok(rows),
    }
}

/// A list of names. A type of its own, since clap takes a `Vec` for an option that is given several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct List(pub(crate) Vec<String>);

fn parse_list(text: &str) -> Result<List, String> {
    crate::names::parse_names(text).map(List)
}

fn parse_setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if key.contains('.') => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write it as section.key=value".into()),
    }
}

/// A number of rows, with `_` between digits and k, M or G behind if that reads better.
fn parse_count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K', 'M', 'G']) {
        Some(digits) if text.ends_with(['k', 'K']) => (digits, 1_000),
        Some(digits) if text.ends_with('M') => (digits, 1_000_000),
        Some(digits) => (digits, 1_000_000_000),
        None => (text, 1),
    };
    let bad = || "write a whole number, such as 5000000, 5_000_000 or 5M".to_owned();
    let number: u64 = digits.replace('_', "").parse().map_err(|_| bad())?;
    number.checked_mul(factor).ok_or_else(|| "the number is too large".to_owned())
}

#[cfg(feature = "conformance")]
fn parse_seed(text: &str) -> Result<u64, String> {
    tsds_conformance::parse_number(text).map_err(|failure| failure.to_string())
}

fn parse_batch(text: &str) -> Result<usize, String> {
    match parse_count(text)? {
        0 => Err("a batch has at least 1 row".into()),
        rows if rows > 10_000_000 => Err("a batch has at most 10,000,000 rows".into()),
        rows => usize::try_from(rows).map_err(|_| "the number is too large".to_owned()),
    }
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        _ => Err("a delimiter is one ASCII character".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn counts_are_read_as_people_write_them() {
        let cases = [
            ("0", 0),
            ("5000", 5_000),
            ("5_000_000", 5_000_000),
            ("2k", 2_000),
            ("3M", 3_000_000),
            ("1G", 1_000_000_000),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_count(text), Ok(expected), "{text}");
        }
        for text in ["", "M", "-1", "1.5", "99999999999999999999", "99999999999999G"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
        assert!(parse_batch("0").is_err() && parse_batch("20M").is_err() && parse_batch("1").is_ok());
    }

    #[test]
    fn a_setting_has_a_section_a_key_and_a_value() {
        assert_eq!(parse_setting("a.b=c=d"), Ok(("a.b".into(), "c=d".into())));
        assert!(parse_setting("a.b").is_err() && parse_setting("a=b").is_err());
    }

    #[test]
    fn sizes_are_measured_in_ascending_order_and_once() {
        assert_eq!(parse_sizes("1M,10k, 1_000_000"), Ok(Sizes(vec![10_000, 1_000_000])));
        for text in ["", "0", "1,x", "20G"] {
            assert!(parse_sizes(text).is_err(), "{text}");
        }
        assert!(parse_json("{\"a\": 1}").is_ok() && parse_json("1").is_err() && parse_json("{").is_err());
    }

    #[test]
    fn a_delimiter_is_one_character() {
        assert_eq!((parse_delimiter(";"), parse_delimiter("\\t")), (Ok(b';'), Ok(b'\t')));
        assert!(
            parse_delimiter("\"").is_err() && parse_delimiter("ab").is_err() && parse_delimiter("é").is_err()
        );
    }

    #[test]
    fn common_options_stand_before_or_after_the_command() {
        for line in ["tsds --path x stats --json", "tsds stats --json --path x"] {
            let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
            assert_eq!(arguments.common.path, Some(PathBuf::from("x")));
            assert!(matches!(arguments.command, Command::Stats(Shown { json: true })));
        }
    }

    #[test]
    fn options_that_exclude_each_other_are_refused() {
        for line in [
            "tsds query t --columns a --agg count",
            "tsds query t --every 1h",
            "tsds query t --explain --timing",
            "tsds query t --repeat 0",
            "tsds demo 10 --batch-size 0",
            "tsds import t --time a",
            "tsds import t f.csv",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
