//! A sandbox that forbids `process_vm_readv` does not keep overlay files from being read.
#![cfg(target_os = "linux")]

mod common;

use common::{good_payloads, payloads, sample_of, write};
use overlay_file::Image;

/// Makes `process_vm_readv` fail for the calling thread, as the rules of some containers do.
fn forbid_process_vm_readv() {
    let rule = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let refusal = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    let mut rules = [
        rule(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        rule(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_process_vm_readv as u32, 1),
        rule(libc::BPF_RET | libc::BPF_K, refusal, 0),
        rule(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog { len: rules.len() as u16, filter: rules.as_mut_ptr() };
    // SAFETY: only this thread loses rights; the program and its rules outlive the calls.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) == 0
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_mapped_file_is_read_through_proc_where_process_vm_readv_is_forbidden() {
    let folder = tempfile::TempDir::new().unwrap();
    let (path, bytes) = (folder.path().join("file"), sample_of(50_000));
    write(&path, &bytes);
    let image = Image::open(&path).unwrap();
    let read = std::thread::spawn(move || {
        forbid_process_vm_readv();
        payloads(&image)
    });
    let read: Vec<_> = read.join().unwrap().into_iter().map(Result::unwrap).collect();
    assert!(read == good_payloads(&bytes));
}
