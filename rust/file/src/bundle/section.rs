//! The overlay file of one module in a bundle.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::Bundle;
use crate::source::{Source, within};
use crate::{FileError, Image};

/// An overlay file in a bundle, as a source of bytes.
#[derive(Clone)]
pub struct Section {
    pub bundle: Arc<Bundle>,
    pub range: Range<u64>,
    /// What its trailer must have: the bundle may have been overwritten since.
    pub checksum: u64,
}

impl Section {
    /// The overlay file, opened.
    pub fn open(&self) -> Result<Image, FileError> {
        let image = Image::from_source(Box::new(self.clone()))?;
        match image.checksum() == self.checksum {
            true => Ok(image),
            false => Err(FileError::Vanished),
        }
    }
}

impl Source for Section {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError> {
        within(self, offset, len)?;
        self.bundle.read(self.range.start + offset, len)
    }
}
