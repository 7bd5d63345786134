//! What must hold for any bytes whatever, one module for each way in. A `check` panics where it does not hold.
//!
//! libFuzzer calls them from `../targets`, and `tests/corpus.rs` on the inputs that were kept.

mod budget;
pub mod bundle;
pub mod index;
pub mod marshal;
mod objects;
pub mod reader;
pub mod round_trip;
mod sealing;
pub mod split;
