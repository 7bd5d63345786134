#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use overlay_checks::index::{check, seal};

fuzz_target!(|bytes: &[u8]| check(bytes));

// Half of the inputs get their checksums mended, or nothing behind them would ever be reached.
fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(bytes, size, max_size);
    if seed & 1 == 0 {
        seal(&mut bytes[..size], seed >> 1);
    }
    size
});
