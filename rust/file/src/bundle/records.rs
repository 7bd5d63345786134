//! The keys and values of a bundle.
//!
//! Folders and sources are named by a *root* (its number in the settings) and the path below it, so that they are found
//! wherever the root is. Numbers are little endian; a text is its length in 4 bytes, then UTF-8.
//!
//! | key | value |
//! | --- | --- |
//! | `f`, root, path | a folder: its time, and the hashes of the names in it, in order |
//! | `m`, root, path of the folder, 0, name | a module: its source's time and size, its name, where its core is; or of an extension module that it is one |
//! | `g`, number in 4 bytes | a group: the cores of modules that are imported one after the other, as one marshalled tuple |
//! | `c`, any | what a source text compiles to |

use crate::checksum::checksum;
use crate::fields::Fields;
use crate::{FileError, Image, Kind, Memory};

/// What a record is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    pub fn folder(root: u8, path: &str) -> Key {
        Key([b"f", &[root][..], path.as_bytes()].concat())
    }

    /// `name` is a module's own, without the packages it lies in.
    pub fn module(root: u8, folder: &str, name: &str) -> Key {
        Key([b"m", &[root][..], folder.as_bytes(), b"\0", name.as_bytes()].concat())
    }

    /// The cores of modules that are imported one after the other.
    pub fn group(number: u32) -> Key {
        Key([b"g", &number.to_le_bytes()[..]].concat())
    }

    pub fn compiled(what: &[u8]) -> Key {
        Key([b"c", what].concat())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What goes for the whole bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The interpreter that the code is for, for instance `cpython-313`.
    pub identity: String,
    /// Its version.
    pub python: String,
    /// The magic number of its cache files.
    pub magic: [u8; 4],
    /// `-O`, `-OO`.
    pub optimize: u8,
    /// Whether folders and sources are looked at before a module is taken from the bundle.
    pub checks: bool,
    /// Whether there are compiled sources.
    pub has_compiled: bool,
    /// The flags of the overlay files: the level.
    pub flags: u32,
    /// The names of the roots.
    pub roots: Vec<String>,
}

/// When a file or folder was last changed: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// 1980-01-02. Who sets the times of files for the sake of reproducible archives sets them to something before it.
const FIRST_TRUE_TIME: i64 = 315_619_200;

impl Stamp {
    /// Whether the time says anything of the content.
    pub fn tells(self) -> bool {
        self.seconds >= FIRST_TRUE_TIME
    }

    /// Whether this is still the time. Archives and images keep whole seconds only.
    pub fn is_still(self, now: Stamp) -> bool {
        self.seconds == now.seconds && (self.nanoseconds == now.nanoseconds || now.nanoseconds == 0)
    }
}

/// A folder that modules were searched in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub stamp: Stamp,
    /// Of what stands before the first dot of each name in the folder: in order.
    names: Vec<u32>,
}

impl Folder {
    pub fn new<'a>(stamp: Stamp, names: impl IntoIterator<Item = &'a str>) -> Folder {
        let stem = |name: &'a str| name.split_once('.').map_or(name, |(stem, _)| stem);
        let mut names: Vec<u32> = names.into_iter().map(|name| hash_of(stem(name))).collect();
        names.sort_unstable();
        names.dedup();
        Folder { stamp, names }
    }

    /// Whether a module of this name may be in the folder: "no" is certain.
    pub fn may_have(&self, name: &str) -> bool {
        self.names.binary_search(&hash_of(name)).is_ok()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = encode_stamp(self.stamp);
        bytes.extend(self.names.iter().flat_map(|name| name.to_le_bytes()));
        bytes
    }

    pub fn decode(value: &[u8]) -> Result<Folder, FileError> {
        let mut fields = Fields(value);
        let stamp = decode_stamp(&mut fields).ok_or(FileError::Bounds("folder"))?;
        let mut names = Vec::with_capacity(fields.0.len() / 4);
        while let Some(name) = fields.u32() {
            names.push(name);
        }
        match fields.0.is_empty() && names.is_sorted() {
            true => Ok(Folder { stamp, names }),
            false => Err(FileError::Bounds("folder")),
        }
    }
}

fn hash_of(name: &str) -> u32 {
    checksum(name.as_bytes()) as u32
}

/// A module in a bundle. The record's rest is its overlay file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    pub is_package: bool,
    /// Whether it has overlays with names.
    pub has_names: bool,
    /// Whether function bodies were taken out of it.
    pub has_bodies: bool,
    /// Whether its file is a symbolic link.
    pub is_link: bool,
    pub stamp: Stamp,
    pub size: u64,
    /// Of the whole overlay file, by way of its trailer.
    pub checksum: u64,
    /// Where its core is: the number of the group, which of the cores there, and the checksum of the group's value: the
    /// bundle may be overwritten between the two reads.
    pub core: (u32, u32, u64),
    /// The bytes of its core, by itself.
    pub core_length: u32,
    /// What follows the name of an extension module in that of its file; empty for others.
    pub suffix: String,
    /// The name by which it was imported.
    pub name: String,
}

impl Module {
    /// The module of an overlay file, as far as that tells, and its core.
    pub fn of(file: &[u8]) -> Result<(Module, Vec<u8>), FileError> {
        let image = Image::from_source(Box::new(Memory(file.to_vec())))?;
        let last = image.entry(image.len() - 1);
        let core = image.payload(0)?.into_owned();
        let module = Module {
            core_length: u32::try_from(core.len()).map_err(|_| FileError::TooLarge("core"))?,
            has_names: image.has_names(),
            has_bodies: last.is_some_and(|last| last.kind == Some(Kind::Body)),
            checksum: image.checksum(),
            ..Module::default()
        };
        Ok((module, core))
    }

    pub fn encode(&self) -> Vec<u8> {
        let flags = [self.is_package, self.has_names, self.has_bodies, self.is_link];
        let mut bytes = vec![(0..).zip(flags).map(|(bit, flag)| u8::from(flag) << bit).sum()];
        bytes.extend(encode_stamp(self.stamp));
        bytes.extend(self.size.to_le_bytes());
        bytes.extend(self.checksum.to_le_bytes());
        bytes.extend(self.core.0.to_le_bytes());
        bytes.extend(self.core.1.to_le_bytes());
        bytes.extend(self.core.2.to_le_bytes());
        bytes.extend(self.core_length.to_le_bytes());
        encode_text(&self.suffix, &mut bytes);
        encode_text(&self.name, &mut bytes);
        bytes
    }

    pub fn decode(value: &[u8]) -> Result<Module, FileError> {
        let mut fields = Fields(value);
        let module = Module::decode_fields(&mut fields).filter(|_| fields.0.is_empty());
        module.ok_or(FileError::Bounds("module"))
    }

    fn decode_fields(fields: &mut Fields<'_>) -> Option<Module> {
        let flags = fields.u8()?;
        Some(Module {
            is_package: flags & 1 != 0,
            has_names: flags & 2 != 0,
            has_bodies: flags & 4 != 0,
            is_link: flags & 8 != 0,
            stamp: decode_stamp(fields)?,
            size: fields.u64()?,
            checksum: fields.u64()?,
            core: (fields.u32()?, fields.u32()?, fields.u64()?),
            core_length: fields.u32()?,
            suffix: decode_text(fields)?,
            name: decode_text(fields)?,
        })
    }
}

impl Settings {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.magic);
        bytes.extend([self.optimize, self.checks.into(), self.has_compiled.into()]);
        bytes.extend(self.flags.to_le_bytes());
        for text in [&self.identity, &self.python].into_iter().chain(&self.roots) {
            encode_text(text, &mut bytes);
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Settings, FileError> {
        Settings::decode_fields(&mut Fields(bytes)).ok_or(FileError::Bounds("settings"))
    }

    fn decode_fields(fields: &mut Fields<'_>) -> Option<Settings> {
        let mut settings = Settings {
            magic: fields.array()?,
            optimize: fields.u8()?,
            checks: fields.u8()? != 0,
            has_compiled: fields.u8()? != 0,
            flags: fields.u32()?,
            identity: decode_text(fields)?,
            python: decode_text(fields)?,
            roots: Vec::new(),
        };
        while !fields.0.is_empty() {
            settings.roots.push(decode_text(fields)?);
        }
        Some(settings)
    }
}

fn encode_stamp(stamp: Stamp) -> Vec<u8> {
    [&stamp.seconds.to_le_bytes()[..], &stamp.nanoseconds.to_le_bytes()].concat()
}

fn decode_stamp(fields: &mut Fields<'_>) -> Option<Stamp> {
    Some(Stamp { seconds: fields.array().map(i64::from_le_bytes)?, nanoseconds: fields.u32()? })
}

fn encode_text(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn decode_text(fields: &mut Fields<'_>) -> Option<String> {
    let length = fields.u32()? as usize;
    String::from_utf8(fields.bytes(length)?.to_vec()).ok()
}
