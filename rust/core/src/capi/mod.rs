//! Everything that talks to CPython below PyO3's safe surface. Each `unsafe` says why it holds.

pub mod builtins;
pub mod call;
pub mod capsule;
pub mod class;
pub mod code;
pub mod entry;
pub mod frame;
pub mod function;
pub mod interpreter;
pub mod method;
pub mod module_attributes;
#[cfg(Py_3_12)]
mod monitoring;
pub mod patterns;
pub mod pending_dict;
pub mod pending_module;
pub mod placeholder;
mod stack;
#[cfg(not(Py_3_12))]
mod stub;
mod types;
