//! Files whose checksums are right and whose contents are not: what stands behind the checksums must hold alone.

use std::path::Path;

use futures::TryStreamExt;
use proptest::prelude::*;
use tsds_io::SimWorld;
use tsds_traits::{ColumnId, ColumnStats, ErrorKind, Result, SegmentId, SegmentSource, Value};

use crate::common::{self, Disk, Segment, codecs, plain_options, sample_rows, zstd_options};
use crate::format::{Checksum, Footer, HEADER_LEN, Header, TRAILER_LEN, Trailer, pack_footer, unpack_footer};
use crate::read::SegmentFile;

/// A file taken apart.
struct Parts {
    header: Header,
    blocks: Vec<u8>,
    footer: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let header = Header::decode(&bytes[..HEADER_LEN]).unwrap();
        let checksum = Checksum::new(header.database, header.segment);
        let trailer = bytes.last_chunk::<TRAILER_LEN>().unwrap();
        let trailer = Trailer::decode(trailer, &checksum, bytes.len() as u64).unwrap();
        let (offset, len) = (trailer.footer_offset as usize, trailer.footer_len as usize);
        let footer = unpack_footer(bytes[offset..offset + len].to_vec(), &trailer, &checksum).unwrap();
        Self { blocks: bytes[HEADER_LEN..offset].to_vec(), footer, header }
    }

    /// The file again, with checksums that fit.
    fn seal(&self) -> Vec<u8> {
        let checksum = Checksum::new(self.header.database, self.header.segment);
        let mut bytes = self.header.encode().unwrap();
        bytes.extend(&self.blocks);
        let (stored, trailer) = pack_footer(self.footer.clone(), bytes.len() as u64, &checksum).unwrap();
        bytes.extend(stored);
        bytes.extend(trailer.encode(&checksum));
        bytes
    }
}

fn read_everything(machine: &SimWorld, bytes: &[u8]) -> Result<()> {
    let path = Path::new("/forged.seg");
    machine.write_file(path, bytes).unwrap();
    let file = SegmentFile::open(&machine.world(), path, codecs(), common::DATABASE)?;
    // Each alone, so that an error in one hides nothing in the other.
    let read = machine.block_on(file.batches().try_collect::<Vec<_>>());
    let verified = file.verify();
    read.map(|_| ())?;
    verified.map(|_| ())
}

fn is_expected(error: ErrorKind) -> bool {
    // A forged codec name is unknown, a forged codec version unsupported.
    matches!(error, ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported)
}

fn parts(compressed: bool) -> Parts {
    let options = if compressed { zstd_options() } else { plain_options() };
    Parts::of(&Disk::with(&Segment::new(SegmentId::new(9), &sample_rows(3, 300)), &options).bytes())
}

#[test]
fn a_footer_reads_back() {
    let parts = parts(false);
    let offset = (HEADER_LEN + parts.blocks.len()) as u64;
    let footer = Footer::decode(&parts.footer, &parts.header, offset).unwrap();
    assert_eq!(footer.encode().unwrap(), parts.footer);
    assert_eq!(read_everything(&SimWorld::new(1), &parts.seal()).map_err(|error| error.kind()), Ok(()));
}

#[test]
fn every_cut_of_a_footer_is_corrupt() {
    let parts = parts(false);
    let offset = (HEADER_LEN + parts.blocks.len()) as u64;
    for len in 0..parts.footer.len() {
        let error = Footer::decode(&parts.footer[..len], &parts.header, offset).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{len}");
    }
    let longer = [&parts.footer[..], &[0]].concat();
    assert_eq!(Footer::decode(&longer, &parts.header, offset).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn forged_counts_allocate_nothing() {
    let parts = parts(false);
    let offset = (HEADER_LEN + parts.blocks.len()) as u64;
    for at in 0..parts.footer.len() - 4 {
        for forged in [u32::MAX, i32::MAX as u32, 1 << 24] {
            let mut footer = parts.footer.clone();
            footer[at..at + 4].copy_from_slice(&forged.to_le_bytes());
            if let Err(error) = Footer::decode(&footer, &parts.header, offset) {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{at}");
            }
        }
    }
}

#[test]
fn a_dictionary_of_more_values_than_the_segment_has_rows_is_refused() {
    let parts = parts(true);
    let offset = (HEADER_LEN + parts.blocks.len()) as u64;
    let footer = Footer::decode(&parts.footer, &parts.header, offset).unwrap();
    let with_values = |rows: u32| {
        let mut footer = footer.clone();
        footer.columns.iter_mut().filter_map(|column| column.dictionary.as_mut()).for_each(|d| d.rows = rows);
        Footer::decode(&footer.encode().unwrap(), &parts.header, offset)
    };
    assert!(footer.columns.iter().any(|column| column.dictionary.is_some()));
    let rows = u32::try_from(footer.meta.rows).unwrap();
    assert!(with_values(rows).is_ok(), "that the values are there is for the block to say");
    for forged in [rows + 1, u32::MAX] {
        let error = with_values(forged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(&format!("values={forged}")), "{error}");
    }
}

/// The file with a footer that says something else.
fn with_footer(parts: &Parts, change: impl FnOnce(&mut Footer)) -> Result<()> {
    let offset = (HEADER_LEN + parts.blocks.len()) as u64;
    let mut footer = Footer::decode(&parts.footer, &parts.header, offset).unwrap();
    change(&mut footer);
    let forged = Parts {
        header: parts.header.clone(),
        blocks: parts.blocks.clone(),
        footer: footer.encode().unwrap(),
    };
    read_everything(&SimWorld::new(1), &forged.seal())
}

/// The statistics of a column's blocks, and those of the segment.
fn statistics(footer: &mut Footer, column: ColumnId) -> impl Iterator<Item = &mut ColumnStats> {
    let at = footer.schema.index_of(column).unwrap();
    let meta = std::sync::Arc::make_mut(&mut footer.meta);
    let blocks = footer.columns[at].blocks.iter_mut().map(|block| &mut block.stats);
    blocks.chain(meta.columns.iter_mut().filter(move |stats| stats.column == column))
}

/// What is changed, how, and in which column.
type Change = (&'static str, fn(&mut ColumnStats), ColumnId);

#[test]
fn a_writer_may_cut_bounds_elsewhere_or_leave_them_out() {
    let parts = parts(false);
    let text = |text: &str| Some(Value::Text(text.into()));
    let changes: [Change; 4] = [
        ("no bounds", |stats| (stats.min, stats.max) = (None, None), common::NOTE),
        ("no lower bound", |stats| stats.min = None, common::COUNT),
        ("bounds of no width", |stats| stats.exact = false, common::SMALL),
        (
            "bounds far away",
            |stats| {
                (stats.min, stats.max, stats.exact) =
                    (Some(Value::UInt(0)), Some(Value::UInt(u64::MAX)), false)
            },
            common::COUNT,
        ),
    ];
    for (what, change, column) in changes {
        let read = with_footer(&parts, |footer| statistics(footer, column).for_each(change));
        assert_eq!(read.map_err(|error| error.to_string()), Ok(()), "{what}");
    }
    let read = with_footer(&parts, |footer| {
        let wide = |stats: &mut ColumnStats| {
            (stats.min, stats.max, stats.exact) = (text(""), text("\u{10ffff}"), false)
        };
        statistics(footer, common::NOTE).for_each(wide);
    });
    assert_eq!(read.map_err(|error| error.to_string()), Ok(()), "text cut to nothing");
}

#[test]
fn statistics_that_do_not_hold_are_found_out() {
    let parts = parts(false);
    let changes: [Change; 4] = [
        ("a bound that does not occur", |stats| stats.max = Some(Value::UInt(u64::MAX - 1)), common::COUNT),
        (
            "a bound that a value exceeds",
            |stats| (stats.max, stats.exact) = (Some(Value::Int(1)), false),
            common::SMALL,
        ),
        ("a null that is none", |stats| stats.null_count = 1, common::COUNT),
        ("a NaN that is none", |stats| stats.has_nan = !stats.has_nan, common::VALUE),
    ];
    for (what, change, column) in changes {
        let read = with_footer(&parts, |footer| statistics(footer, column).for_each(change));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{what}");
    }
}

#[test]
fn a_series_index_that_is_not_that_of_the_rows_is_found_out() {
    let parts = parts(false);
    // Three series of 300 rows.
    for starts in [[0, 299, 600], [0, 301, 600], [0, 300, 601], [0, 1, 2]] {
        let error = with_footer(&parts, |footer| footer.series_starts = starts.into()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{starts:?}");
    }
}

#[test]
fn a_later_version_with_a_longer_header_is_unsupported() {
    let mut bytes = parts(false).seal();
    bytes.splice(HEADER_LEN..HEADER_LEN, vec![0xa5; HEADER_LEN]);
    bytes[8] = 2;
    bytes[16..20].copy_from_slice(&8_192u32.to_le_bytes());
    let crc = crc_fast::crc32_iscsi(&bytes[..8_188]).to_le_bytes();
    bytes[8_188..8_192].copy_from_slice(&crc);
    let error = read_everything(&SimWorld::new(1), &bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("version=2 supported=1"), "{error}");
}

#[test]
fn an_encrypted_file_is_refused_by_kind() {
    let mut parts = parts(false);
    parts.header.cipher_suite = 1;
    let error = read_everything(&SimWorld::new(1), &parts.seal()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
    parts.header.cipher_suite = 0;
    parts.header.salt = [1; 32];
    let error = read_everything(&SimWorld::new(1), &parts.seal()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn header_and_footer_must_name_the_same_segment() {
    let good = parts(false);
    for change in [
        (|header: &mut Header| header.segment.generation = 1) as fn(&mut Header),
        |header| header.table.0 = 99,
        |header| header.key_domain.0 = 99,
        |header| header.chunk.end += 1,
    ] {
        let mut header = good.header.clone();
        change(&mut header);
        let parts = Parts { header, blocks: good.blocks.clone(), footer: good.footer.clone() };
        let error = read_everything(&SimWorld::new(1), &parts.seal()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn forged_footers_never_panic(
        compressed: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut parts = parts(compressed);
        for (at, value) in changes {
            let len = parts.footer.len();
            parts.footer[at.index(len)] = value;
        }
        if let Err(error) = read_everything(&SimWorld::new(1), &parts.seal()) {
            prop_assert!(is_expected(error.kind()), "{}", error);
        }
    }

    #[test]
    fn forged_blocks_never_panic(
        compressed: bool,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut parts = parts(compressed);
        for (at, value) in changes {
            let len = parts.blocks.len();
            parts.blocks[at.index(len)] = value;
        }
        let offset = (HEADER_LEN + parts.blocks.len()) as u64;
        let mut footer = Footer::decode(&parts.footer, &parts.header, offset).unwrap();
        let checksum = Checksum::new(parts.header.database, parts.header.segment);
        for column in &mut footer.columns {
            for entry in column.dictionary.iter_mut().chain(&mut column.blocks) {
                let start = entry.offset as usize - HEADER_LEN;
                entry.crc = checksum.of(entry.offset, &parts.blocks[start..start + entry.len as usize]);
            }
        }
        parts.footer = footer.encode().unwrap();
        if let Err(error) = read_everything(&SimWorld::new(1), &parts.seal()) {
            prop_assert!(is_expected(error.kind()), "{}", error);
        }
    }
}
