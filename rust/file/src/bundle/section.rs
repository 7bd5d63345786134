//! The overlay file of one module in a bundle: its start is in the module's record, the rest elsewhere.

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
    /// Where in the bundle its header and core lie.
    pub head: Range<u64>,
    /// Where all that follows them lies.
    pub rest: Range<u64>,
    /// What its trailer must have: the bundle may have been overwritten since.
    pub checksum: u64,
}

impl Section {
    fn head_len(&self) -> u64 {
        self.head.end - self.head.start
    }

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
        self.head_len() + (self.rest.end - self.rest.start)
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError> {
        within(self, offset, len)?;
        match self.head_len().checked_sub(offset) {
            None | Some(0) => self.bundle.read(self.rest.start + offset - self.head_len(), len),
            Some(left) if left >= len as u64 => self.bundle.read(self.head.start + offset, len),
            Some(left) => {
                let first = self.bundle.read(self.head.start + offset, left as usize)?;
                let second = self.bundle.read(self.rest.start, len - left as usize)?;
                Ok(Cow::Owned([first, second].concat()))
            }
        }
    }
}
