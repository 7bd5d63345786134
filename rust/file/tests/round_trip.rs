//! What was written is what is read.

mod common;

use common::{HEADER, named, read, sample};
use overlay_file::{FileError, Kind, Name, Overlay, Writer};

#[test]
fn the_core_starts_right_behind_the_header() {
    let mut writer = Writer::new(Vec::new(), HEADER, b"core code", &[], 0).unwrap();
    writer.overlay(&named(b"k", b"m", b"payload")).unwrap();
    let bytes = writer.finish("cpython-313", 0).unwrap();
    assert!(bytes.starts_with(&HEADER));
    assert!(bytes[16..].starts_with(b"core codepayload"));
}

#[test]
fn the_reader_gives_back_what_the_writer_was_given() {
    let bytes = sample();
    let image = read(&bytes).unwrap();
    assert_eq!(image.header(), &HEADER);
    assert_eq!(image.identity(), "cpython-313");
    assert_eq!(image.flags(), 2);
    assert_eq!(image.file_len(), bytes.len() as u64);
    assert_eq!(image.len(), 4);

    let core = image.entry(0).unwrap();
    assert_eq!((core.offset, core.length), (16, 40));
    assert_eq!((core.kind, core.name, core.flags), (None, None, 7));
    assert_eq!(core.needs.collect::<Vec<_>>(), [2]);

    let code = image.entry(1).unwrap();
    assert_eq!((code.kind, code.flags), (Some(Kind::Code), 0xF1A6));
    assert_eq!(code.needs.len(), 2);
    assert_eq!(code.needs.collect::<Vec<_>>(), [2, 3]);
    let name = Name { key: b"lazy-area", marshalled: b"marshalled lazy area" };
    assert_eq!(code.name, Some(name));

    let body = image.entry(3).unwrap();
    assert_eq!((body.kind, body.name), (Some(Kind::Body), None));
    assert_eq!(image.find(b"lazy-area"), Some(1));
    assert_eq!(image.find(b"answer"), Some(2));
    assert_eq!(image.find(b"marshalled answer"), None);
    assert_eq!(*image.payload(2).unwrap(), bytes[96..136]);
    image.verify().unwrap();
}

#[test]
fn a_file_without_overlays_has_just_the_core() {
    let writer = Writer::new(Vec::new(), HEADER, b"core code", &[], 0).unwrap();
    let image = read(&writer.finish("", 0).unwrap()).unwrap();
    assert_eq!(image.len(), 1);
    assert_eq!(image.find(b""), None);
    assert_eq!(*image.payload(0).unwrap(), *b"core code");
    image.verify().unwrap();
}

#[test]
fn an_empty_name_is_a_name() {
    let mut writer = Writer::new(Vec::new(), HEADER, b"", &[], 0).unwrap();
    writer.overlay(&named(b"", b"", b"")).unwrap();
    let image = read(&writer.finish("", 0).unwrap()).unwrap();
    assert_eq!(image.find(b""), Some(1));
    assert!(image.entry(1).unwrap().name.is_some());
    image.verify().unwrap();
}

#[test]
fn there_is_no_entry_behind_the_last() {
    let image = read(&sample()).unwrap();
    assert!(image.entry(4).is_none());
    assert!(image.entry(u32::MAX).is_none());
    assert!(matches!(image.payload(4), Err(FileError::NoSuchEntry(4))));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert!((0..20).all(|_| sample() == sample()));
}

#[test]
fn a_second_overlay_of_the_same_name_is_refused_and_leaves_no_trace() {
    let mut writer = Writer::new(Vec::new(), HEADER, b"core", &[], 0).unwrap();
    writer.overlay(&named(b"key", b"one", b"first")).unwrap();
    let again = writer.overlay(&named(b"key", b"two", b"second"));
    assert!(matches!(again, Err(FileError::DuplicateName)));
    let image = read(&writer.finish("", 0).unwrap()).unwrap();
    assert_eq!(image.len(), 2);
    assert_eq!(*image.payload(1).unwrap(), *b"first");
}

#[test]
fn a_need_that_leads_to_no_overlay_is_refused() {
    for need in [0, 2, u32::MAX] {
        let mut writer = Writer::new(Vec::new(), HEADER, b"core", &[], 0).unwrap();
        let overlay = Overlay { needs: &[1, need], ..named(b"key", b"name", b"payload") };
        writer.overlay(&overlay).unwrap();
        match writer.finish("", 0) {
            Err(FileError::BadNeed { entry: 1, needs }) => assert_eq!(needs, need),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_writer_that_is_refused_by_the_disk_says_so() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let refused = Writer::new(Full, HEADER, b"core", &[], 0);
    assert!(matches!(refused.err(), Some(FileError::Io(_))));
}
