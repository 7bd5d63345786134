//! For any input whatever.

mod common;

use common::{good_payloads, payloads, read, reseal, sample};
use overlay_file::{Image, Kind, Name, Overlay, Writer, marshal};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Bytes = Vec<u8>;

#[derive(Clone, Debug)]
struct Written {
    kind: Kind,
    name: Option<(Bytes, Bytes)>,
    payload: Bytes,
    needs: Vec<u32>,
    flags: u32,
}

prop_compose! {
    fn overlay(name: Option<(Bytes, Bytes)>)(
        kind in prop_oneof![Just(Kind::Code), Just(Kind::Constant), Just(Kind::Body)],
        payload in vec(any::<u8>(), 0..50),
        needs in vec(any::<u32>(), 0..4),
        flags: u32,
    ) -> Written {
        Written { kind, name: name.clone(), payload, needs, flags }
    }
}

/// Overlays with and without names; needs that lead to overlays.
fn overlays() -> impl Strategy<Value = Vec<Written>> {
    let names = btree_map(vec(any::<u8>(), 0..8), vec(any::<u8>(), 0..8), 0..40);
    let all = (names, 0..10usize).prop_flat_map(|(names, unnamed)| {
        let names = names.into_iter().map(Some).chain(vec![None; unnamed]);
        names.map(overlay).collect::<Vec<_>>()
    });
    all.prop_shuffle().prop_map(|mut all| {
        let count = all.len() as u32;
        for need in all.iter_mut().flat_map(|overlay| &mut overlay.needs) {
            *need = 1 + *need % count;
        }
        all
    })
}

fn written(header: [u8; 16], core: &[u8], overlays: &[Written]) -> Bytes {
    let mut writer = Writer::new(Vec::new(), header, core, &[], 0).unwrap();
    for overlay in overlays {
        let name = overlay.name.as_ref();
        let overlay = Overlay {
            kind: overlay.kind,
            name: name.map(|(key, marshalled)| Name { key, marshalled }),
            payload: &overlay.payload,
            needs: &overlay.needs,
            flags: overlay.flags,
        };
        writer.overlay(&overlay).unwrap();
    }
    writer.finish("any", 0).unwrap()
}

fn assert_same(image: &Image, number: u32, overlay: &Written) {
    let entry = image.entry(number).unwrap();
    assert_eq!(entry.kind, Some(overlay.kind));
    assert_eq!(entry.flags, overlay.flags);
    assert_eq!(entry.needs.collect::<Vec<_>>(), overlay.needs);
    assert_eq!(*image.payload(number).unwrap(), overlay.payload);
    let name = entry.name.map(|name| (name.key.to_vec(), name.marshalled.to_vec()));
    assert_eq!(name, overlay.name);
    if let Some((key, _)) = &overlay.name {
        assert_eq!(image.find(key), Some(number));
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        header: [u8; 16],
        core in vec(any::<u8>(), 0..50),
        overlays in overlays(),
        other in vec(any::<u8>(), 9..12),
    ) {
        let bytes = written(header, &core, &overlays);
        prop_assert_eq!(&bytes, &written(header, &core, &overlays));
        let image = read(&bytes).unwrap();
        image.verify().unwrap();
        prop_assert_eq!(image.header(), &header);
        prop_assert_eq!(&*image.payload(0).unwrap(), &core);
        prop_assert_eq!(image.len() as usize, overlays.len() + 1);
        prop_assert_eq!(image.find(&other), None);
        for (number, overlay) in (1..).zip(&overlays) {
            assert_same(&image, number, overlay);
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes).is_err());
    }

    #[test]
    fn random_bytes_behind_true_checksums_never_panic(
        garbage in vec(any::<u8>(), 1..200),
        at: prop::sample::Index,
    ) {
        let mut bytes = sample();
        let directory = common::directory(&bytes);
        let start = at.index(bytes.len() - 58);
        for (byte, garbage) in bytes[start..].iter_mut().zip(&garbage) {
            *byte = *garbage;
        }
        let magic = bytes.len() - 10;
        bytes[magic..].copy_from_slice(&sample()[magic..]);
        reseal(&mut bytes, directory);
        if let Ok(image) = read(&bytes) {
            payloads(&image);
            let _ = image.verify();
        }
    }

    #[test]
    fn a_changed_file_is_refused_or_gives_the_same_payloads(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let good = sample();
        let mut bytes = good.clone();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(image) = read(&bytes) {
            for (payload, good) in payloads(&image).into_iter().zip(good_payloads(&good)) {
                prop_assert!(payload.is_err() || payload.unwrap() == good);
            }
            prop_assert_eq!(image.verify().is_ok(), bytes == good);
        }
    }

    #[test]
    fn marshal_data_of_random_bytes_never_panics(bytes in vec(any::<u8>(), 0..100)) {
        let _ = marshal::canonical(&bytes);
    }

    #[test]
    fn marshal_data_of_likely_bytes_never_panics(
        bytes in "[0NFT.iglfxysutaAzZ(\\)\\[{<>:rc\u{0}\u{1}\u{2}]{0,40}",
    ) {
        if let Ok(once) = marshal::canonical(bytes.as_bytes()) {
            prop_assert_eq!(marshal::canonical(&once).unwrap(), once);
        }
    }
}
