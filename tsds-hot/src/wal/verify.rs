//! A look at a log that changes nothing.

use std::path::Path;

use tsds_traits::{Result, Sequence, Vfs, WalOpen};

use super::read::survey;

/// What [`verify`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyReport {
    /// The files that were read, oldest first; those that nothing needs are left out.
    pub files: Vec<FileReport>,
    /// Everything up to here is whole, or below the floor.
    pub last: Sequence,
    /// Bytes behind the last good record that are no more than a torn tail, which the next open cuts.
    pub torn_bytes: u64,
    /// Where the torn tail begins: the file's name and the offset.
    pub torn_at: Option<(String, u64)>,
    /// The first damage because of which the log does not open.
    pub damage: Option<WalDamage>,
}

/// What one file of a log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The file's name.
    pub name: String,
    /// The file's length in bytes, with what is only prepared.
    pub len: u64,
    /// Whether the file has a valid header. A file that is only prepared has none.
    pub has_header: bool,
    /// Whether the file is a copy that recovery made.
    pub is_recovered: bool,
    /// The sequence of the first record, if the file has a header.
    pub first: Option<Sequence>,
    /// The sequence of the last whole record, or of the last before the file.
    pub last: Sequence,
    /// Whole frames, marks included.
    pub frames: u64,
    /// Whole records.
    pub records: u64,
    /// Rows of the whole records.
    pub rows: u64,
    /// The offset where what is good ends.
    pub good_end: u64,
}

/// Damage that cannot be a torn tail, since something proves that more was durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalDamage {
    /// The damaged or missing file.
    pub file: String,
    /// The offset in it where what is good ends.
    pub offset: u64,
    /// The last good sequence before the damage.
    pub last_good: Sequence,
    /// A sequence that is known to have been durable.
    pub durable: Sequence,
    /// How that is known.
    pub evidence: String,
}

/// Reads every file of the log in `directory`, checks every checksum, and judges what is missing as opening would.
/// Blocking; call it from a blocking job. Nothing is written.
///
/// # Errors
///
/// As for I/O; `Corrupt` if a file belongs to another database; `Unsupported` for a later format. Damaged records are in
/// the report.
pub fn verify(vfs: &dyn Vfs, directory: &Path, open: &WalOpen) -> Result<VerifyReport> {
    let found = survey(vfs, directory, open)?;
    let files = found.files.iter().map(|file| FileReport {
        name: file.name.text(),
        len: file.len,
        has_header: file.header.is_some(),
        is_recovered: file.header.as_ref().is_some_and(super::format::FileHeader::is_recovered),
        first: file.header.as_ref().map(|header| header.first),
        last: file.last,
        frames: file.frames,
        records: file.records,
        rows: file.rows,
        good_end: file.good_end,
    });
    Ok(VerifyReport {
        files: files.collect(),
        last: found.last,
        torn_bytes: found.torn_bytes,
        torn_at: found.torn_at,
        damage: found.damage.map(|damage| WalDamage {
            file: damage.file,
            offset: damage.offset,
            last_good: damage.last_good,
            durable: damage.durable,
            evidence: damage.evidence,
        }),
    })
}
