//! What a writer is given: an overlay, its kind and its name.

/// What the payload of an overlay is for. Its number is the byte in the file; 0 is the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Code to run in the module's namespace.
    Code = 1,
    /// A constant to hand out.
    Constant = 2,
    /// The code of one function.
    Body = 3,
}

impl Kind {
    /// The kind that a byte in the file stands for; `None` for every byte that is not a kind of
    /// overlay.
    pub(crate) fn from_byte(byte: u8) -> Option<Kind> {
        [Kind::Code, Kind::Constant, Kind::Body].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The name of an overlay, twice: both are bytes that the file layer does not interpret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Two names are the same exactly when their keys are.
    pub key: &'a [u8],
    /// The name as `marshal` wrote it.
    pub marshalled: &'a [u8],
}

/// One overlay to be written.
#[derive(Clone, Copy, Debug)]
pub struct Overlay<'a> {
    pub kind: Kind,
    /// `None` for what is found by its number alone, as bodies are.
    pub name: Option<Name<'a>>,
    pub payload: &'a [u8],
    /// Numbers of the overlays that must be loaded with this one; they may come later in the file.
    pub needs: &'a [u32],
    /// Opaque to the file layer.
    pub flags: u32,
}
