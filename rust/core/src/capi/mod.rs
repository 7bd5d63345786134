//! Everything that talks to CPython below PyO3's safe surface. Each `unsafe` says why it holds.

pub mod call;
pub mod capsule;
pub mod code;
pub mod interpreter;
pub mod method;
pub mod module_attributes;
pub mod pending_dict;
pub mod pending_module;
mod types;
