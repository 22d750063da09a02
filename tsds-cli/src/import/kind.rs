//! What a file holds, by its first and last bytes.

use std::path::Path;

use tsds_traits::{Error, Result};

use super::columnar::starts_stream;
use super::input::Input;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text with a column in each field.
    Csv,
    /// Parquet.
    Parquet,
    /// An Arrow IPC file, which is also Feather version 2.
    ArrowFile,
    /// An Arrow IPC stream.
    ArrowStream,
}

/// Endings that say what a file holds. Files with other ones are taken if they are named, but not out of directories.
const ENDINGS: [(&str, Option<Kind>); 10] = [
    ("csv", Some(Kind::Csv)),
    ("tsv", Some(Kind::Csv)),
    ("txt", Some(Kind::Csv)),
    ("parquet", Some(Kind::Parquet)),
    ("parq", Some(Kind::Parquet)),
    ("pq", Some(Kind::Parquet)),
    ("arrow", None),
    ("arrows", None),
    ("ipc", None),
    ("feather", None),
];

const PARQUET: &[u8] = b"PAR1";
const PARQUET_ENCRYPTED: &[u8] = b"PARE";
const ARROW: &[u8] = b"ARROW1";
const FEATHER_1: &[u8] = b"FEA1";

impl Kind {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
            Self::ArrowFile => "an Arrow file",
            Self::ArrowStream => "an Arrow stream",
        }
    }
}

/// Whether a file of a directory is taken, by its name.
pub(super) fn has_known_ending(name: &str) -> bool {
    ending(Path::new(name)).is_some()
}

/// What the ending of a name promises.
fn ending(path: &Path) -> Option<Option<Kind>> {
    let own = path.extension()?.to_str()?;
    ENDINGS.iter().find(|(ending, _)| own.eq_ignore_ascii_case(ending)).map(|(_, kind)| *kind)
}

/// Finds what a file holds. Blocking.
///
/// # Errors
///
/// What cannot be read; a file whose ending says that it is columnar, and whose bytes are not.
pub(crate) fn kind_of(input: &Input) -> Result<Kind> {
    let bytes = input.bytes()?;
    let (mut first, mut last) = ([0; 8], [0; 6]);
    let read = bytes.read_at(&mut first, 0).map_err(|error| input.unreadable(error))?;
    let first = first.get(..read).unwrap_or_default();
    if let Some(at) = bytes.len().checked_sub(last.len() as u64) {
        bytes.read_exact_at(&mut last, at).map_err(|error| input.unreadable(error))?;
    }
    let found = if first.starts_with(PARQUET) && last.ends_with(PARQUET) {
        Some(Kind::Parquet)
    } else if first.starts_with(ARROW) {
        Some(Kind::ArrowFile)
    } else if starts_stream(input, &bytes, first) {
        Some(Kind::ArrowStream)
    } else {
        None
    };
    if let Some(kind) = found {
        return Ok(kind);
    }
    let refused = |message: &'static str| Err(Error::unsupported(message).with("file", &input.name));
    if first.starts_with(PARQUET_ENCRYPTED) {
        return refused("an encrypted Parquet file cannot be read");
    }
    match ending(input.path()) {
        Some(Some(Kind::Parquet)) => refused("the file is no Parquet file, or is cut off"),
        Some(None) if first.starts_with(FEATHER_1) => {
            refused("Feather version 1 cannot be read; write the file again as version 2")
        }
        Some(None) => refused("the file is no Arrow file or stream, or is cut off"),
        _ => Ok(Kind::Csv),
    }
}
