//! The hashed index: a minimal perfect hash over the names, so that any look-up costs one probe.
//!
//! With `n` names, `b = ceil(n / 4)` buckets and the directory's seed:
//!
//! - `hash = XXH3-64(key, seed)`;
//! - `bucket = (hash * b) >> 64`, the product taken in 128 bits;
//! - `mixed` = the output of SplitMix64 number `displacement[bucket]`, counted from 0, of a
//!   generator with state `hash`;
//! - `slot = (mixed * n) >> 64`.
//!
//! Every name's slot is its own, and its name record stands there. The writer chooses the
//! displacements: larger buckets first, each the smallest number that puts all names of the bucket
//! into free slots. Where there is none (two keys may have the same hash), it starts again with the
//! next seed; the first is 0.

use xxhash_rust::xxh3::xxh3_64_with_seed;

const NAMES_PER_BUCKET: usize = 4;
/// Seeds tried before giving up. That any fails but the first is already next to impossible.
const SEEDS: u64 = 64;
const FREE: u32 = u32::MAX;

pub(crate) fn hash(key: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(key, seed)
}

pub(crate) fn bucket_count(names: usize) -> usize {
    names.div_ceil(NAMES_PER_BUCKET)
}

pub(crate) fn bucket(hash: u64, names: usize) -> usize {
    scale(hash, bucket_count(names))
}

pub(crate) fn slot(hash: u64, displacement: u32, names: usize) -> usize {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let steps = u64::from(displacement) + 1;
    let state = hash.wrapping_add(steps.wrapping_mul(GOLDEN));
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    scale(state ^ (state >> 31), names)
}

/// A number below `limit`, in proportion to where `value` stands among all 64-bit numbers.
fn scale(value: u64, limit: usize) -> usize {
    ((u128::from(value) * limit as u128) >> 64) as usize
}

/// A seed and the displacements that give every key a slot of its own.
pub(crate) struct Index {
    pub seed: u64,
    pub hashes: Vec<u64>,
    pub displacements: Vec<u32>,
    /// For each slot, which of the keys has it.
    pub slots: Vec<u32>,
}

impl Index {
    /// The index over `keys`, all different and fewer than `u32::MAX`.
    pub fn build(keys: &[&[u8]]) -> Option<Index> {
        (0..SEEDS).find_map(|seed| Index::try_seed(keys, seed))
    }

    fn try_seed(keys: &[&[u8]], seed: u64) -> Option<Index> {
        let hashes: Vec<u64> = keys.iter().map(|key| hash(key, seed)).collect();
        let mut index =
            Index { seed, displacements: vec![0; bucket_count(keys.len())], slots: vec![FREE; keys.len()], hashes };
        let buckets = index.buckets();
        let mut largest_first: Vec<usize> = (0..buckets.len()).collect();
        largest_first.sort_by_key(|bucket| std::cmp::Reverse(buckets[*bucket].len()));
        for bucket in largest_first {
            index.displacements[bucket] = index.place(&buckets[bucket])?;
        }
        Some(index)
    }

    fn buckets(&self) -> Vec<Vec<u32>> {
        let mut buckets = vec![Vec::new(); self.displacements.len()];
        for (key, hash) in (0..).zip(&self.hashes) {
            buckets[bucket(*hash, self.slots.len())].push(key);
        }
        buckets
    }

    /// Takes slots for the keys of one bucket; the displacement that leads to them.
    fn place(&mut self, keys: &[u32]) -> Option<u32> {
        // A lone last key needs about as many tries as there are slots, hardly ever 64 times that.
        let tries = u32::try_from(self.slots.len() * 64 + 1024).unwrap_or(u32::MAX);
        (0..tries).find(|displacement| self.try_place(keys, *displacement))
    }

    fn try_place(&mut self, keys: &[u32], displacement: u32) -> bool {
        let names = self.slots.len();
        for (placed, key) in keys.iter().enumerate() {
            let wanted = slot(self.hashes[*key as usize], displacement, names);
            if self.slots[wanted] != FREE {
                for key in &keys[..placed] {
                    self.slots[slot(self.hashes[*key as usize], displacement, names)] = FREE;
                }
                return false;
            }
            self.slots[wanted] = *key;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: u32) -> Vec<Vec<u8>> {
        (0..count).map(|n| n.to_le_bytes().to_vec()).collect()
    }

    #[test]
    fn every_key_has_a_slot_of_its_own() {
        for count in [0, 1, 2, 3, 4, 5, 7, 8, 9, 100, 1000, 10_000] {
            let keys = numbered(count);
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let index = Index::build(&keys).unwrap();
            for (number, key) in (0..).zip(&keys) {
                let hash = hash(key, index.seed);
                let displacement = index.displacements[bucket(hash, keys.len())];
                assert_eq!(index.slots[slot(hash, displacement, keys.len())], number);
            }
        }
    }

    #[test]
    fn equal_hashes_end_the_search_instead_of_running_for_ever() {
        assert!(Index::build(&[b"same", b"same"]).is_none());
    }
}
