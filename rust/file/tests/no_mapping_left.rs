//! A process that has used up its mappings (`vm.max_map_count`) still reads overlay files. Alone in
//! its process.

mod common;

use common::{sample_of, write};
use overlay_file::{Image, Mapped};

const PAGE: usize = 4096;

/// Splits one mapping into as many as the kernel allows, by giving every second page another
/// protection.
fn use_up_all_mappings() -> bool {
    let pages = 1 << 21;
    // SAFETY: a new mapping that nothing else knows, of address space alone.
    let area = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        libc::mmap(std::ptr::null_mut(), pages * PAGE, libc::PROT_NONE, flags, -1, 0)
    };
    assert_ne!(area, libc::MAP_FAILED);
    (0..pages).step_by(2).any(|page| {
        let start = area.wrapping_byte_add(page * PAGE);
        // SAFETY: one page of the area mapped above, which nobody reads.
        unsafe { libc::mprotect(start, PAGE, libc::PROT_READ) != 0 }
    })
}

#[test]
fn a_file_that_cannot_be_mapped_is_read_into_memory() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("file");
    write(&path, &sample_of(50_000));
    let file = std::fs::File::open(&path).unwrap();
    if !use_up_all_mappings() {
        return eprintln!("not tested, this machine hardly limits mappings");
    }
    // One or two may be left: a split takes two at a time.
    let _last: Vec<Mapped> = std::iter::from_fn(|| Mapped::new(&file, 50_000).ok()).collect();
    Image::open(&path).unwrap().verify().unwrap();
}
