//! What `tsds alter` is told.

use arrow_schema::DataType;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Alter {
    /// The table
    pub(crate) table: String,
    /// Give a column a wider type, such as count=int64 or load=float64; may be given several times
    #[arg(long, value_name = "COL=TYPE", value_parser = parse_typed)]
    pub(crate) widen: Vec<Typed>,
    /// Give a column another name; may be given several times
    #[arg(long, value_name = "COL=NAME", value_parser = parse_renamed)]
    pub(crate) rename: Vec<Renamed>,
    /// Add a column, which is null in the rows that are there, such as room=utf8; may be given several times
    #[arg(long, value_name = "NAME=TYPE", value_parser = parse_typed)]
    pub(crate) add: Vec<Typed>,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

/// A column and a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
}

/// A column and its next name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renamed {
    pub(crate) name: String,
    pub(crate) to: String,
}

/// Types have no `=`, names may.
fn parse_typed(text: &str) -> Result<Typed, String> {
    let (name, data_type) = text.rsplit_once('=').ok_or("write it as COLUMN=TYPE, such as load=float64")?;
    let name = name.trim().to_owned();
    match tsds_traits::parse_type(data_type.trim()) {
        Ok(data_type) => Ok(Typed { name, data_type }),
        Err(_) => Err(format!(
            "there is no type {}; types are bool, int8 to int64, uint8 to uint64, float32, float64, utf8, \
             dictionary(int32,utf8), and timestamp(us) and the like",
            data_type.trim()
        )),
    }
}

fn parse_renamed(text: &str) -> Result<Renamed, String> {
    match text.split_once('=') {
        Some((name, to)) => Ok(Renamed { name: name.trim().to_owned(), to: to.trim().to_owned() }),
        None => Err("write it as COLUMN=NAME".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_and_its_type_are_told_apart() {
        let typed = |name: &str, data_type| Ok(Typed { name: name.into(), data_type });
        assert_eq!(parse_typed("load=float64"), typed("load", DataType::Float64));
        assert_eq!(parse_typed("a=b = int8"), typed("a=b", DataType::Int8));
        assert!(parse_typed("load").is_err());
        assert!(parse_typed("load=double").unwrap_err().contains("no type double"));
        assert_eq!(parse_renamed("a=b"), Ok(Renamed { name: "a".into(), to: "b".into() }));
        assert!(parse_renamed("a").is_err());
    }
}
