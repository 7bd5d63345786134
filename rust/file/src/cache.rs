//! The images of the overlay files last used, so that one file is opened and checked once.

use std::fs::Metadata;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use crate::opening::{Fingerprint, Opening};
use crate::{FileError, Image};

/// The images of the files with overlays that were used last. An image that is put out lives on in
/// every `Arc` of it.
pub struct Cache(Mutex<LruCache<Fingerprint, Arc<Image>>>);

impl Cache {
    pub fn new(capacity: NonZeroUsize) -> Cache {
        Cache(Mutex::new(LruCache::new(capacity)))
    }

    /// The image of the file that `path` names now, never of one that stood there before; and what
    /// the file system knows of that file. Files without overlays are not kept: they are read once
    /// and done with.
    pub fn open(&self, path: &Path) -> Result<(Arc<Image>, Metadata), FileError> {
        let opening = Opening::start(path)?;
        let (fingerprint, metadata) = (opening.fingerprint(), opening.metadata().clone());
        if let Some(image) = self.0.lock().get(&fingerprint) {
            return Ok((image.clone(), metadata));
        }
        let image = Arc::new(opening.finish()?);
        if image.len() > 1 {
            // What is put out is dropped, and unmapped, only after the lock.
            let _put_out = self.0.lock().push(fingerprint, image.clone());
        }
        Ok((image, metadata))
    }

    /// Forgets all images.
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}
