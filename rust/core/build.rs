fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    link_the_unwinder();
}

/// Into the module itself: loading `libgcc_s.so` for it would take a seventh of the time of `install()`.
fn link_the_unwinder() {
    let target = |part| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}
