//! Files that know whether they are whole.

use tsds_traits::{Error, Result};

fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Puts a checksum before the bytes.
pub fn sealed(bytes: Vec<u8>) -> Vec<u8> {
    [&checksum(&bytes).to_le_bytes()[..], &bytes].concat()
}

/// The bytes behind their checksum.
pub fn checked(bytes: &[u8]) -> Result<&[u8]> {
    match bytes.split_first_chunk::<8>() {
        Some((sum, bytes)) if u64::from_le_bytes(*sum) == checksum(bytes) => Ok(bytes),
        _ => Err(Error::corrupt("checksum does not match")),
    }
}
