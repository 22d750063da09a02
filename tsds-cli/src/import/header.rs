//! The names of a file's columns: which column is where.

use std::collections::HashSet;

use csv::ByteRecord;
use tsds_traits::{Error, Result};

/// What a first column without a name is called.
const ROW_NUMBER: &str = "row";

/// Where one file has the columns of all files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// How many columns the file has.
    width: usize,
    /// For each common column, its position in this file.
    positions: Vec<usize>,
}

impl Header {
    /// Lays a file's own names over the common ones: the same names, as far as they are wanted, in any order.
    pub(super) fn new(common: &[String], own: &[String], wants: impl Fn(&str) -> bool) -> Result<Self> {
        let missing: Vec<_> = common.iter().filter(|name| !own.contains(name)).map(String::as_str).collect();
        let extra: Vec<_> =
            own.iter().filter(|name| !common.contains(name) && wants(name)).map(String::as_str).collect();
        if !missing.is_empty() || !extra.is_empty() {
            let mut error = Error::invalid_input("file has other columns than the first file");
            if !missing.is_empty() {
                error = error.with("missing", missing.join(","));
            }
            if !extra.is_empty() {
                error = error.with("extra", extra.join(","));
            }
            return Err(error);
        }
        let positions = common.iter().filter_map(|name| own.iter().position(|other| other == name)).collect();
        Ok(Self { width: own.len(), positions })
    }

    /// How many fields a row has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The position in this file of the common column `index`.
    pub(super) fn position(&self, index: usize) -> usize {
        self.positions.get(index).copied().unwrap_or(usize::MAX)
    }
}

/// The names of a file's columns. If its first row has one field more than its first line, the first column is a row
/// number without a name.
pub(super) fn name_columns(first: &ByteRecord, fields: Option<usize>) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(first.len() + 1);
    if fields == Some(first.len() + 1) {
        names.push(ROW_NUMBER.to_owned());
    }
    for (index, name) in first.iter().enumerate() {
        let name = std::str::from_utf8(name)
            .map_err(|_| Error::invalid_input("a column name is not UTF-8").with("column", index + 1))?
            .trim();
        match (name, index) {
            ("", 0) => names.push(ROW_NUMBER.to_owned()),
            ("", _) => return Err(Error::invalid_input("a column has no name").with("column", index + 1)),
            (name, _) => names.push(name.to_owned()),
        }
    }
    distinct(&names)?;
    Ok(names)
}

/// Refuses names of which one occurs twice.
pub(super) fn distinct(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(Error::invalid_input("a column name occurs twice").with("column", twice)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(first: &[&str], fields: usize) -> Result<Vec<String>> {
        name_columns(&ByteRecord::from(first), Some(fields))
    }

    #[test]
    fn a_header_one_short_gets_a_row_number_in_front() {
        assert_eq!(names(&["a", "b"], 3).unwrap(), ["row", "a", "b"]);
        assert_eq!(names(&["a", "b"], 2).unwrap(), ["a", "b"]);
        assert_eq!(names(&["", "b"], 2).unwrap(), ["row", "b"]);
    }

    #[test]
    fn names_are_trimmed_and_must_be_distinct() {
        assert_eq!(names(&[" a ", "b"], 2).unwrap(), ["a", "b"]);
        assert_eq!(names(&["a", "a "], 2).unwrap_err().to_string(), "a column name occurs twice column=a");
        assert_eq!(names(&["a", ""], 2).unwrap_err().to_string(), "a column has no name column=2");
        assert_eq!(names(&["row"], 2).unwrap_err().to_string(), "a column name occurs twice column=row");
    }

    #[test]
    fn files_may_order_their_columns_differently() {
        let common: Vec<String> = ["a", "b", "c"].map(Into::into).into();
        let header = Header::new(&common, &["c", "a", "b"].map(Into::into), |_| true).unwrap();
        assert_eq!([0, 1, 2].map(|index| header.position(index)), [1, 2, 0]);
        let error = Header::new(&common, &["a", "x"].map(Into::into), |_| true).unwrap_err();
        assert_eq!(error.to_string(), "file has other columns than the first file missing=b,c extra=x");
    }

    #[test]
    fn columns_that_nobody_wants_may_differ() {
        let common: Vec<String> = ["a", "b"].map(Into::into).into();
        let own = ["x", "b", "a"].map(Into::into);
        let header = Header::new(&common, &own, |name| name != "x").unwrap();
        assert_eq!(([0, 1].map(|index| header.position(index)), header.width()), ([2, 1], 3));
    }
}
