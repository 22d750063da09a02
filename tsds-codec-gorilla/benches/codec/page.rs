//! Renewing the tables of a page of documentation in place.
#![allow(clippy::disallowed_methods, reason = "writes a file of the repository")]

use std::fs;
use std::path::Path;

use crate::table::Table;

/// Puts each table of a page, whose path begins at the workspace, between `<!-- begin <name> -->` and `<!-- end <name> -->`. What has
/// no such place is not written.
pub fn replace(path: &Path, tables: &[Table]) {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path);
    let mut page = fs::read_to_string(&path).unwrap();
    for table in tables {
        let (begin, end) =
            (format!("<!-- begin {} -->\n", table.name), format!("<!-- end {} -->\n", table.name));
        let place = page.find(&begin).map(|at| at + begin.len()).zip(page.find(&end));
        match place {
            Some((from, to)) if from <= to => {
                page.replace_range(from..to, &format!("\n{}\n", table.markdown()))
            }
            _ => eprintln!("{} has no place for {}", path.display(), table.name),
        }
    }
    fs::write(&path, page).unwrap();
}
