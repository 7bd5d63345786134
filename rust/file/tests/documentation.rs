//! `docs/format.md` says what the comments beside the code say.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn doc_lines(path: &str) -> Vec<String> {
    let source = read(path);
    let lines = source.lines().map(str::trim_start);
    let lines = lines.filter_map(|line| line.strip_prefix("//!").or(line.strip_prefix("///")));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn every_table_beside_the_code_stands_in_the_document() {
    let document = read("../../docs/format.md");
    let document: Vec<&str> = document.lines().collect();
    for source in ["src/trailer.rs", "src/directory/head.rs", "src/directory/record.rs", "src/bundle/mod.rs"] {
        let lines = doc_lines(source);
        let tables: Vec<&[String]> =
            lines.split(|line| !line.starts_with('|')).filter(|table| !table.is_empty()).collect();
        assert!(!tables.is_empty());
        for table in tables {
            assert!(document.windows(table.len()).any(|lines| lines == table), "{table:#?}");
        }
    }
}

#[test]
fn the_hashed_index_is_described_in_the_same_words() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let beside_the_code = words(&doc_lines("src/index.rs")[2..].join(" "));
    let until = beside_the_code.find("the first is 0.").unwrap();
    assert!(words(&read("../../docs/format.md")).contains(&beside_the_code[..until]));
}
