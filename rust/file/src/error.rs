//! What can be wrong with an overlay file.

use std::fmt;
use std::io;

/// Why a file was not read or not written. `Display` gives one plain line, without the path.
#[derive(Debug)]
pub enum FileError {
    /// The operating system refused.
    Io(io::Error),
    /// The path names a directory, a FIFO, a device: anything but a regular file.
    NotRegular,
    /// Too few bytes for a header and a trailer.
    TooShort { length: u64 },
    /// The last bytes are not those of an overlay file.
    BadMagic,
    /// The last bytes are not those of a bundle.
    NoBundle,
    /// A version of the format that this reader does not know.
    UnknownVersion(u16),
    /// The file is not as long as it was when it was written.
    Length { found: u64, written: u64 },
    /// The bytes of a part are not those that were written.
    Checksum(Part),
    /// A length or an offset that leads out of its part, or into another one.
    Bounds(&'static str),
    /// A field with a value that the format does not give it.
    Value(&'static str),
    /// The file became shorter, or its disk went away, while it was in use.
    Vanished,
    /// There is no entry with this number.
    NoSuchEntry(u32),
    /// Two overlays of one file have the same name.
    DuplicateName,
    /// An entry needs one that is no overlay of the file.
    BadNeed { entry: u32, needs: u32 },
    /// More than the format can hold.
    TooLarge(&'static str),
    /// There is no memory left for what is to be read.
    Memory,
    /// Bytes that `marshal` did not write.
    Marshal { offset: usize },
}

/// A part of the file that has a checksum of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Header,
    Payload(u32),
    Directory,
    Trailer,
}

impl FileError {
    /// Whether it is the memory that is at fault, and not the file.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Memory => true,
            Self::Io(error) => error.kind() == io::ErrorKind::OutOfMemory,
            _ => false,
        }
    }

    /// Whether the bytes are at fault: another look would find the same.
    pub fn is_damage(&self) -> bool {
        !matches!(self, Self::Memory | Self::Io(_) | Self::Vanished)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotRegular => write!(f, "not a regular file"),
            Self::TooShort { length } => write!(f, "too short for an overlay file: {length} bytes"),
            Self::BadMagic => write!(f, "not an overlay file, or cut off"),
            Self::NoBundle => write!(f, "not a bundle, or cut off"),
            Self::UnknownVersion(version) => write!(f, "unknown format version {version}"),
            Self::Length { found, written } => {
                write!(f, "{found} bytes long, but {written} were written")
            }
            Self::Checksum(part) => write!(f, "wrong checksum of the {part}"),
            Self::Bounds(what) => write!(f, "the {what} lies outside its place"),
            Self::Value(what) => write!(f, "impossible {what}"),
            Self::Vanished => write!(f, "the file became shorter or unreadable while it was in use"),
            Self::NoSuchEntry(number) => write!(f, "no entry {number}"),
            Self::DuplicateName => write!(f, "two overlays have the same name"),
            Self::BadNeed { entry, needs } => {
                write!(f, "entry {entry} needs {needs}, which is no overlay")
            }
            Self::TooLarge(what) => write!(f, "too large: {what}"),
            Self::Memory => write!(f, "not enough memory"),
            Self::Marshal { offset } => write!(f, "no marshal data at byte {offset}"),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => write!(f, "header"),
            Self::Payload(0) => write!(f, "core"),
            Self::Payload(number) => write!(f, "payload of entry {number}"),
            Self::Directory => write!(f, "directory"),
            Self::Trailer => write!(f, "trailer"),
        }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        // What is read has been measured before: an early end means that the file was cut since.
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Vanished,
            _ => Self::Io(error),
        }
    }
}
