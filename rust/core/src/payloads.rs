//! The overlay file of a module that runs.

use std::sync::{Arc, OnceLock};

use overlay_file::bundle::Section;
use overlay_file::{FileError, Image};

/// A file that is open, or one in a bundle, which is opened when something is first read from it.
pub struct Payloads {
    image: OnceLock<Arc<Image>>,
    section: Option<Section>,
}

impl Payloads {
    /// The open file.
    pub fn image(&self) -> Result<&Arc<Image>, FileError> {
        match (self.image.get(), &self.section) {
            (None, Some(section)) => {
                let image = Arc::new(section.open()?);
                Ok(self.image.get_or_init(|| image))
            }
            (Some(image), _) => Ok(image),
            (None, None) => Err(FileError::Vanished),
        }
    }

    /// Gives back the pages that reading has mapped; a bundle's are given back all at once.
    pub fn release(&self) {
        if let (Some(image), None) = (self.image.get(), &self.section) {
            image.release();
        }
    }
}

impl From<Arc<Image>> for Payloads {
    fn from(image: Arc<Image>) -> Self {
        Self { image: OnceLock::from(image), section: None }
    }
}

impl From<Section> for Payloads {
    fn from(section: Section) -> Self {
        Self { image: OnceLock::new(), section: Some(section) }
    }
}
