//! The `tsds-pco` command: `tsds` with the codec in it.
#![cfg(feature = "command")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tsds_pco(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tsds-pco"));
    command.current_dir(directory).args(arguments).args(["--set", "warm_tier.file_codec=example.pco"]);
    command.output().unwrap()
}

#[test]
fn a_table_is_imported_and_queried_through_the_codec() {
    let directory = Directory(std::env::temp_dir().join(format!("tsds-pco-{}", std::process::id())));
    std::fs::create_dir_all(&directory.0).unwrap();
    let rows: String = (0..2_000).map(|n| format!("{},{}\n", 1_700_000_000 + n, n % 17)).collect();
    std::fs::write(directory.0.join("rows.csv"), format!("time,value\n{rows}")).unwrap();

    let imported =
        tsds_pco(&directory.0, &["import", "readings", "rows.csv", "--time", "time", "--time-format", "s"]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let asked =
        tsds_pco(&directory.0, &["query", "readings", "--agg", "count, max(value)", "--format", "csv"]);
    let answer = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success() && answer.contains("2000,16"), "{asked:?}");
}
