//! The one checksum of the format.

/// XXH3-64 without a seed.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(bytes)
}
