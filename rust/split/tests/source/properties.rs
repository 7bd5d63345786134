use crate::{PYTHONS, parts};
use overlay_split::{Split, blank_statements, may_declare};
use proptest::prelude::*;

/// Text made of what the lexer cares about.
fn python_like() -> impl Strategy<Value = String> {
    let pieces = [
        "overlay",
        "overlay a",
        "\noverlay a\n",
        "\n# overlay: a\n",
        "# overlay: ",
        "overlay:",
        "a",
        "é",
        "if",
        "else",
        "1",
        "0x",
        "1e5",
        ".",
        ",",
        ";",
        ":",
        "'",
        "\"",
        "'''",
        "\"\"\"",
        "f'",
        "t\"",
        "rb'",
        "{",
        "}",
        "{{",
        "}}",
        "(",
        ")",
        "[",
        "]",
        "\\",
        "\n",
        "\r",
        "\r\n",
        "\\\n",
        "\x0c",
        "\t",
        " ",
        "    ",
        "#",
        "\\N{",
        "!r",
        "=",
        "@",
        "\0",
    ];
    let piece = prop_oneof![20 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => ".{0,3}"];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The lines of a module that lexes, of which some declare.
fn module() -> impl Strategy<Value = String> {
    let lines = [
        "x = 1",
        "overlay a",
        "overlay lazy, 'b'  # c",
        "# overlay: a",
        "# overlay: (1, -2)",
        "# overlay: a b",
        "f('''",
        "''')",
        "def f():\n    pass",
        "\x0c",
        "",
        "# é",
        "x = (1,\n overlay)",
    ];
    let line = (prop::sample::select(lines.to_vec()), prop::sample::select(vec!["\n", "\r", "\r\n"]));
    prop::collection::vec(line, 0..20)
        .prop_map(|lines| lines.into_iter().map(|(line, newline)| format!("{line}{newline}")).collect())
}

/// Core, then declaration line and text of each overlay: nothing is lost, nothing is there twice.
fn assert_partition(source: &str, split: &Split) {
    let mut at = split.core.end;
    assert_eq!(split.core.start, 0);
    for overlay in &split.overlays {
        let before = &source[at..overlay.declaration.start];
        assert!(before.chars().all(|blank| " \t\x0c".contains(blank)), "{before:?} of {source:?}");
        let newline = &source[overlay.declaration.end..overlay.text.start];
        assert!(["\n", "\r", "\r\n", ""].contains(&newline), "{newline:?} of {source:?}");
        assert!(!newline.is_empty() || overlay.text.start == source.len());
        assert_eq!(overlay.text.first_line, overlay.line + 1);
        assert_eq!(lines_before(source, overlay.declaration.start) + 1, overlay.line);
        at = overlay.text.end;
    }
    assert_eq!(at, source.len());
}

fn lines_before(source: &str, at: usize) -> u32 {
    let before = source[..at].replace("\r\n", "\n").replace('\r', "\n");
    before.matches('\n').count().try_into().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic(source in any::<String>()) {
        for grammar in PYTHONS {
            let _ = overlay_split::split(&source, grammar);
        }
    }

    #[test]
    fn the_parts_and_the_declaration_lines_are_the_source(source in prop_oneof![python_like(), module()]) {
        for grammar in PYTHONS {
            if let Ok(Some(split)) = overlay_split::split(&source, grammar) {
                assert_partition(&source, &split);
                let eager = blank_statements(&source, &split);
                prop_assert_eq!(eager.len(), source.len());
                prop_assert_eq!(lines_before(&eager, eager.len()), lines_before(&source, source.len()));
            }
        }
    }

    #[test]
    fn an_error_points_into_its_line(source in python_like()) {
        for grammar in PYTHONS {
            if let Err(error) = overlay_split::split(&source, grammar) {
                prop_assert!(error.column < error.end_column, "{:?}", error);
                prop_assert!(error.end_column as usize <= error.text.chars().count() + 1, "{:?}", error);
                prop_assert!(source.contains(&error.text));
            }
        }
    }

    #[test]
    fn the_quick_look_misses_nothing(source in prop_oneof![python_like(), module()]) {
        for grammar in PYTHONS {
            if overlay_split::split(&source, grammar) != Ok(None) {
                prop_assert!(may_declare(source.as_bytes()));
                let marked = ["\u{feff}", &source].concat();
                prop_assert!(may_declare(marked.as_bytes()));
            }
        }
    }

    #[test]
    fn a_source_within_a_string_declares_nothing(source in prop_oneof![python_like(), module()]) {
        let source = source.replace(['\\', '{', '}'], " ");
        for quotes in ["'''", "\"\"\""] {
            let text = source.replace(quotes, "").replace(&quotes[..1], "");
            for prefix in ["", "r", "b", "f"] {
                for grammar in PYTHONS {
                    let wrapped = format!("{prefix}{quotes}{text}{quotes}\n");
                    prop_assert_eq!(overlay_split::split(&wrapped, grammar), Ok(None));
                }
            }
        }
    }

    #[test]
    fn splitting_a_part_again_finds_nothing(source in module()) {
        if let Ok(Some(split)) = overlay_split::split(&source, PYTHONS[0]) {
            for part in split.overlays.iter().map(|overlay| overlay.text).chain([split.core]) {
                prop_assert_eq!(overlay_split::split(&source[part.start..part.end], PYTHONS[0]), Ok(None));
            }
        }
    }
}

#[test]
fn the_partition_of_a_known_source_holds() {
    let source = "a\n\x0coverlay b\r\nc\r# overlay: d";
    assert_partition(source, &parts(source));
}
