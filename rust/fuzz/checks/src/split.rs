//! Any text as Python source: an error that points into it, or parts that are the source.

use overlay_split::{Grammar, Split, SplitError, blank_statements, imported_elsewhere, may_declare, split};

use crate::budget;

/// Of Python 3.11, 3.12 and 3.14.
const GRAMMARS: [Grammar; 3] = [
    Grammar { nested_fstrings: false, tstrings: false },
    Grammar { nested_fstrings: true, tstrings: false },
    Grammar { nested_fstrings: true, tstrings: true },
];

pub fn check(bytes: &[u8]) {
    let declares = may_declare(bytes);
    let source = String::from_utf8_lossy(bytes);
    for grammar in GRAMMARS {
        match budget::within(bytes.len(), 200, || split(&source, grammar)) {
            Ok(None) => continue,
            Ok(Some(split)) => check_parts(&source, &split, grammar),
            Err(error) => check_error(&source, &error),
        }
        assert!(declares, "the quick look has missed it");
        assert!(may_declare(["\u{feff}", &source].concat().as_bytes()));
    }
}

/// Core, then declaration line and text of each overlay: nothing is lost, nothing is there twice.
fn check_parts(source: &str, split: &Split, grammar: Grammar) {
    assert!(!split.overlays.is_empty());
    assert_eq!((split.core.start, split.core.first_line), (0, 1));
    let mut at = split.core.end;
    for overlay in &split.overlays {
        let before = &source[at..overlay.declaration.start];
        assert!(before.chars().all(|blank| " \t\x0c".contains(blank)), "{before:?}");
        let newline = &source[overlay.declaration.end..overlay.text.start];
        assert!(["\n", "\r", "\r\n"].contains(&newline) || newline.is_empty() && overlay.text.start == source.len());
        assert_eq!(overlay.text.first_line, overlay.line + 1);
        assert_eq!(lines_before(source, overlay.declaration.start) + 1, overlay.line);
        at = overlay.text.end;
    }
    assert_eq!(at, source.len());
    check_eager(source, split, grammar);
    check_imports(source, split);
    assert!(
        split.ignored.is_sorted() && split.ignored.iter().all(|line| (1..=lines_before(source, at) + 1).contains(line))
    );
}

fn lines_before(source: &str, at: usize) -> u32 {
    let before = source[..at].replace("\r\n", "\n").replace('\r', "\n");
    before.matches('\n').count().try_into().unwrap()
}

/// The same module, eager, line for line.
fn check_eager(source: &str, split: &Split, grammar: Grammar) {
    let eager = blank_statements(source, split);
    assert_eq!(eager.len(), source.len());
    assert_eq!(lines_before(&eager, eager.len()), lines_before(source, source.len()));
    if let Ok(Some(rest)) = overlay_split::split(&eager, grammar) {
        assert!(!rest.has_statements);
    }
}

fn check_imports(source: &str, split: &Split) {
    assert!(split.imports.is_sorted_by_key(|name| name.start));
    let names: Vec<&str> = split.imports.iter().map(|name| &source[name.clone()]).collect();
    let elsewhere = budget::within(source.len() * split.overlays.len(), 200, || imported_elsewhere(source, split));
    assert_eq!(elsewhere.len(), split.overlays.len() + 1);
    assert!(elsewhere.iter().flatten().all(|name| names.contains(name)));
}

fn check_error(source: &str, error: &SplitError) {
    assert!(error.line >= 1 && error.column >= 1 && error.column < error.end_column, "{error:?}");
    assert!(error.end_column as usize <= error.text.chars().count() + 1, "{error:?}");
    let lines = source.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(lines.split('\n').nth(error.line as usize - 1), Some(&*error.text));
}
