//! Files that are cut off, damaged and forged: an error that names the file, or rows; never a panic.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::tests::{Folder, batch, every_kind, ipc_file, parquet, sample, times};

/// Reads a file, and says whether it gave rows.
fn reads(folder: &Folder, name: &str, bytes: Vec<u8>) -> bool {
    match folder.import(&[(name, bytes)], None) {
        Ok(_) => true,
        Err(error) => {
            // A flipped bit in the name of a column makes another column of it.
            let named = error.contains(name) || error.starts_with("the files have no such column");
            assert!(named, "the error does not name the file: {error}");
            false
        }
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_an_error_or_gives_rows() {
    let folder = Folder::new("ts", "who");
    for (name, bytes) in every_kind(&[sample()]) {
        let read = (0..bytes.len()).filter(|len| reads(&folder, name, bytes[..*len].to_vec())).count();
        // A stream may end after each message, and its mark of the end may be missing.
        let allowed = if name.ends_with("arrows") { 16 } else { 0 };
        assert!(read <= allowed, "{name}: {read} of {} lengths", bytes.len());
    }
}

#[test]
fn a_file_with_flipped_bits_is_an_error_or_gives_rows() {
    let folder = Folder::new("ts", "who");
    let mut state: u64 = 0x5eed;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (name, bytes) in every_kind(&[sample(), sample()]) {
        let (mut good, mut refused) = (0, 0);
        for _ in 0..1_000 {
            let mut forged = bytes.clone();
            for _ in 0..1 + next(3) {
                let at = next(forged.len());
                forged[at] ^= 1 << next(8);
            }
            if reads(&folder, name, forged) { good += 1 } else { refused += 1 }
        }
        assert!(refused > 20 && good > 5, "{name}: refused {refused}, read {good}");
    }
}

/// Finds where some bytes are, which must occur once.
fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    let mut places = bytes.windows(wanted.len()).enumerate().filter(|(_, window)| *window == wanted);
    let (at, _) = places.next().expect("the bytes are there");
    assert!(places.next().is_none(), "the bytes are there once");
    at
}

#[test]
fn a_buffer_that_would_unpack_to_too_much_is_refused_before_it_is() {
    let values = Int64Array::from(vec![7; 12_345]);
    let rows = batch(vec![("ts", times(&[1; 12_345])), ("x", Arc::new(values))]);
    let folder = Folder::new("ts", "");
    for compression in [arrow_ipc::CompressionType::ZSTD, arrow_ipc::CompressionType::LZ4_FRAME] {
        let bytes = ipc_file(std::slice::from_ref(&rows), Some(compression));
        let unpacked = (12_345_u64 * 8).to_le_bytes();
        let at = bytes.windows(8).position(|window| window == unpacked).unwrap();
        for says in [1 << 40, u64::from(u32::MAX) * 8, i64::MAX as u64] {
            let mut forged = bytes.clone();
            forged[at..at + 8].copy_from_slice(&says.to_le_bytes());
            let error = folder.import(&[("a.arrow", forged)], None).unwrap_err();
            assert!(error.contains("which is too much for one batch"), "{error}");
        }
    }
}

#[test]
fn a_length_beyond_the_end_of_the_file_is_refused_before_it_is_allocated() {
    let folder = Folder::new("ts", "");
    let mut stream = vec![0xff; 4];
    stream.extend_from_slice(&i32::MAX.to_le_bytes());
    stream.extend_from_slice(&[0; 64]);
    let error = folder.import(&[("a.arrows", stream)], None).unwrap_err();
    assert!(error.starts_with("the file is no Arrow file or stream, or is cut off"), "{error}");
    let mut file = ipc_file(&[sample()], None);
    let len = file.len();
    file[len - 10..len - 6].copy_from_slice(&i32::MAX.to_le_bytes());
    let error = folder.import(&[("a.arrow", file)], None).unwrap_err();
    assert!(error.contains("the footer is longer than the file"), "{error}");
}

#[test]
fn a_batch_that_claims_other_rows_than_it_has_is_refused() {
    let rows: RecordBatch = batch(vec![("ts", times(&[1; 4_321]))]);
    let bytes = ipc_file(&[rows], None);
    // The number of rows stands in the batch and in its only column.
    let places: Vec<_> = bytes
        .windows(8)
        .enumerate()
        .filter(|(_, window)| *window == 4_321_u64.to_le_bytes())
        .map(|(at, _)| at)
        .collect();
    assert!(places.len() >= 2);
    let mut forged = bytes.clone();
    for at in places {
        forged[at..at + 8].copy_from_slice(&(1_u64 << 50).to_le_bytes());
    }
    let error = Folder::new("ts", "").import(&[("a.arrow", forged)], None).unwrap_err();
    assert!(error.contains("the file is damaged"), "{error}");
}

#[test]
fn text_that_is_no_utf_8_is_refused() {
    let rows = || batch(vec![("ts", times(&[1])), ("s", Arc::new(StringArray::from(vec!["needle-needle"])))]);
    let folder = Folder::new("ts", "");
    let mut arrow = ipc_file(&[rows()], None);
    let at = find(&arrow, b"needle-needle");
    arrow[at] = 0xff;
    let error = folder.import(&[("a.arrow", arrow)], None).unwrap_err();
    assert!(error.contains("the file is damaged"), "{error}");
    let mut parquet = parquet(&[rows()], Compression::UNCOMPRESSED);
    let places: Vec<_> =
        (0..parquet.len()).filter(|at| parquet[*at..].starts_with(b"needle-needle")).collect();
    places.into_iter().for_each(|at| parquet[at] = 0xff);
    let error = folder.import(&[("a.parquet", parquet)], None).unwrap_err();
    assert!(error.contains("the file is damaged"), "{error}");
}

/// A Parquet file with this footer and nothing else.
fn with_footer(footer: &[u8]) -> Vec<u8> {
    [b"PAR1", footer, &u32::try_from(footer.len()).unwrap().to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn a_footer_that_would_exhaust_stack_or_memory_is_refused() {
    // Columns in each other, each with one child: version, and a list of structs with name and number of children.
    let mut deep = vec![0x15, 2, 0x19, 0xfc, 0xc0, 0x84, 0x3d];
    deep.extend([0x48, 1, b'a', 0x15, 2, 0].repeat(1_000_000));
    deep.push(0);
    // As many row groups as can be said.
    let groups = [0x15, 2, 0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x07, 0, 0, 0];
    let folder = Folder::new("ts", "");
    for (footer, why) in
        [(&deep[..], "the footer has columns too deep in each other"), (&groups, "a header ends too early")]
    {
        let error = folder.import(&[("a.parquet", with_footer(footer))], None).unwrap_err();
        assert!(error.ends_with(why) || error.contains(why), "{error}");
    }
    let mut long = with_footer(&[0; 8]);
    let at = long.len() - 8;
    long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let error = folder.import(&[("a.parquet", long)], None).unwrap_err();
    assert!(error.contains("the length of the footer cannot be"), "{error}");
}

#[test]
fn a_page_that_says_it_unpacks_to_too_much_is_refused_before_it_is() {
    let rows = batch(vec![("ts", times(&[1; 3_000]))]);
    let bytes = parquet(&[rows], Compression::SNAPPY);
    // The first header: its type, and how long the page is unpacked, as a zigzag number of at most five bytes.
    assert_eq!(bytes[4], 0x15);
    assert_eq!(bytes[6], 0x15);
    let end = 7 + bytes[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let mut forged = bytes[..7].to_vec();
    forged.extend([0xfe, 0xff, 0xff, 0xff, 0x0f]);
    forged.extend(&bytes[end..]);
    let error = Folder::new("ts", "").import(&[("a.parquet", forged)], None).unwrap_err();
    assert!(error.contains("a page would unpack to more than 1 GiB"), "{error}");
}

#[test]
fn gzip_that_unpacks_to_more_than_its_page_says_is_refused() {
    use std::io::Write;
    // What cannot be packed, so that it does not take long: how much a page of this length could be is what counts.
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    packer.write_all(&vec![0x5a; 3 << 19]).unwrap();
    let bomb = packer.finish().unwrap();
    assert!(bomb.len() > 1 << 20, "{}", bomb.len());
    let rows = batch(vec![("ts", times(&[1; 3_000]))]);
    // One column chunk of one page, and the footer.
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(Default::default()))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    let bytes = writer.into_inner().unwrap();
    // The bomb behind the header of a page that says it unpacks to three bytes.
    let page = [
        &[0x15, 0, 0x15, 6, 0x15][..],
        &zigzag(bomb.len() as u64),
        &[0x2c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0],
        &bomb,
    ]
    .concat();
    let footer_len = u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let tail = &bytes[bytes.len() - 8 - footer_len..];
    // The chunk starts at byte 4 as before, and ends somewhere in the bomb: so its length must grow, too.
    let said = zigzag((bytes.len() - 12 - footer_len) as u64);
    let at = tail
        .windows(said.len())
        .position(|window| window == said)
        .expect("the footer names the chunk's length");
    let footer = [&tail[..at], &zigzag(page.len() as u64), &tail[at + said.len()..tail.len() - 8]].concat();
    let len = u32::try_from(footer.len()).unwrap().to_le_bytes();
    let forged = [b"PAR1", &page[..], &footer, &len, b"PAR1"].concat();
    let error = Folder::new("ts", "").import(&[("a.parquet", forged)], None).unwrap_err();
    assert!(error.contains("a page unpacks to another length than it says"), "{error}");
}

/// A number as Thrift writes it.
fn zigzag(number: u64) -> Vec<u8> {
    let mut number = number << 1;
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
