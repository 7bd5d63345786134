//! The overlay file: a `.pyc` that keeps code behind its module's own, each part where it can be
//! found alone.
//!
//! ```text
//! header | core | overlay payloads ... | directory | trailer
//! ```
//!
//! [`Writer`] writes one in one pass, [`Image`] reads it, [`Cache`] keeps the images of the files
//! last used. `docs/format.md` gives the format to the byte; each table in it also stands where the
//! code reads it: the trailer, the directory and its records. All numbers are little
//! endian, and nothing is padded.
//!
//! The way of the data, and the rooms on it:
//!
//! - a path becomes a regular, open file (`regular`), its bytes a [`Source`] (`source`, `mapped`);
//! - from the source come the trailer and the directory, checked whole (`trailer`, `directory`,
//!   `index`);
//! - these make an [`Image`], which hands out payloads whose checksums hold.
//!
//! A [`bundle`] holds the overlay files of many modules, found by their keys.

mod atomic;
pub mod bundle;
mod cache;
mod checksum;
mod directory;
mod error;
mod fields;
mod image;
mod index;
mod mapped;
pub mod marshal;
mod opening;
mod overlay;
mod regular;
mod source;
mod trailer;
mod writer;

pub use atomic::{write_atomic, write_atomic_with};
pub use cache::Cache;
pub use checksum::checksum as bundle_checksum;
pub use directory::{Entry, Needs};
pub use error::{FileError, Part};
pub use image::Image;
pub use mapped::Mapped;
pub use overlay::{Kind, Name, Overlay};
pub use source::{Memory, OnDisk, Source};
pub use writer::Writer;

/// Bytes of the PEP 552 header, which stands before the core as in any other `.pyc`.
pub const HEADER_LEN: usize = 16;
