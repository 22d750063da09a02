//! Bytes that get as far as a checksum allows: what is said before it is made right, what comes after it is left alone.

use crc_fast::{CrcAlgorithm, Digest};

/// The most rows of a forged block, lest the fuzzer spends its time on long ones.
const MAX_ROWS: u32 = 4096;
const HEADER: usize = 16;
const CLASSIC: u8 = 5;
/// Int64, Float32 and Float64: what classic codes tell apart.
const CLASSIC_KINDS: [u8; 3] = [4, 9, 10];

/// Makes a block of bytes; a block stays what it is.
pub fn block(bytes: &mut Vec<u8>) {
    head(bytes);
    if !(1..=11).contains(&bytes[4]) {
        bytes[4] = 1 + bytes[4] % 11;
    }
    if bytes[5] > 6 {
        bytes[5] %= 7;
    }
    seal(bytes);
}

/// Makes a block of classic codes of bytes; such a block stays what it is.
pub fn classic(bytes: &mut Vec<u8>) {
    head(bytes);
    if !CLASSIC_KINDS.contains(&bytes[4]) {
        bytes[4] = CLASSIC_KINDS[usize::from(bytes[4]) % 3];
    }
    bytes[5] = CLASSIC;
    if bytes[6] > 6 {
        bytes[6] %= 7;
    }
    // Nulls are tried elsewhere.
    bytes[7] = 0;
    seal(bytes);
}

/// Makes frames of bytes: lengths within them, and in each a block of times and one of floats with as many rows.
pub fn frames(bytes: &mut [u8]) {
    let mut rest = bytes;
    while rest.len() >= 8 + 2 * HEADER {
        let (lengths, blocks) = std::mem::take(&mut rest).split_at_mut(8);
        let (times_len, values_len) = lengths.split_at_mut(4);
        let times = cut(times_len, blocks.len() - HEADER);
        let values = cut(values_len, blocks.len() - times);
        let (times, blocks) = blocks.split_at_mut(times);
        let (values, blocks) = blocks.split_at_mut(values);
        let rows = u32::from_le_bytes([times[8], times[9], times[10], times[11]]) % (MAX_ROWS + 1);
        for (block, kind) in [(times, 4), (values, 10)] {
            block[..4].copy_from_slice(b"TSG\x01");
            block[4] = kind;
            block[8..12].copy_from_slice(&rows.to_le_bytes());
            checksum(block);
        }
        rest = blocks;
    }
}

/// A length from [`HEADER`] to `most`, kept where it is one.
fn cut(len: &mut [u8], most: usize) -> usize {
    let asked = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
    let kept = if (HEADER..=most).contains(&asked) { asked } else { HEADER + asked % (most - HEADER + 1) };
    len.copy_from_slice(&(kept as u32).to_le_bytes());
    kept
}

fn head(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().max(HEADER), 0);
    bytes[..4].copy_from_slice(b"TSG\x01");
    let rows = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    let rows = if rows > MAX_ROWS { rows % (MAX_ROWS + 1) } else { rows };
    bytes[8..12].copy_from_slice(&rows.to_le_bytes());
}

fn seal(bytes: &mut [u8]) {
    bytes[7] &= 15;
    checksum(bytes);
}

fn checksum(bytes: &mut [u8]) {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&bytes[..12]);
    digest.update(&bytes[HEADER..]);
    let checksum = digest.finalize() as u32;
    bytes[12..HEADER].copy_from_slice(&checksum.to_le_bytes());
}
