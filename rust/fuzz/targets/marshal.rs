#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use overlay_checks::marshal::{check, mutate};

fuzz_target!(|bytes: &[u8]| check(bytes));

// Half of the changes are of whole objects.
fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    match mutate(&bytes[..size], seed >> 1).filter(|changed| seed & 1 == 0 && changed.len() <= max_size) {
        Some(changed) => {
            bytes[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        None => fuzzer_mutate(bytes, size, max_size),
    }
});
