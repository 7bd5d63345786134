//! Text inside strings never counts.

use crate::{PYTHON_3_11, PYTHON_3_12, PYTHON_3_14, PYTHONS, declares_nothing, id, name, texts};
use overlay_split::Grammar;

const DECLARATIONS: [&str; 3] = ["\noverlay foo\n", "\n# overlay: foo\n", "\n  overlay foo\n"];

fn declared(source: &str, grammar: Grammar) -> Option<usize> {
    let parts = overlay_split::split(source, grammar).expect("no error");
    parts.map(|parts| parts.overlays.len())
}

/// The source is the whole of a module to `grammar`, and the declaration behind it is seen.
fn ends_where_it_should(source: &str, grammar: Grammar) {
    assert_eq!(declared(source, grammar), None, "{source}");
    assert_eq!(declared(&format!("{source}\noverlay x\n"), grammar), Some(1), "{source}");
    assert_eq!(declared(&format!("{source}\n# overlay: x\n"), grammar), Some(1), "{source}");
}

#[test]
fn declarations_in_a_string_of_any_kind_are_text() {
    for prefix in ["", "r", "b", "u", "f", "rb", "Br", "fr", "RF", "t", "rT"] {
        for declaration in DECLARATIONS {
            for quotes in ["'''", "\"\"\""] {
                let source = format!("x = {prefix}{quotes}{declaration}{quotes}");
                for grammar in PYTHONS {
                    ends_where_it_should(&source, grammar);
                }
            }
            for quote in ["'", "\""] {
                let escaped = declaration.replace('\n', "\\\n");
                for grammar in PYTHONS {
                    ends_where_it_should(&format!("x = {prefix}{quote}{escaped}{quote}"), grammar);
                }
            }
        }
    }
}

#[test]
fn quotes_of_the_other_kind_and_escaped_ones_close_nothing() {
    let sources = [
        r#"'"'"#,
        r#""'""#,
        r"'\''",
        r"r'\''",
        r"'\\'",
        r"'''\''''",
        r"'''''\''''",
        r#"'''"""'''"#,
        r#""""a"b""c\"""""#,
        "''",
        "''''''",
        "'' ''",
        "'\\\r\n'",
        "'\\\r'",
        "b'\\\n'",
        "'#'",
    ];
    for source in sources {
        for grammar in PYTHONS {
            ends_where_it_should(source, grammar);
        }
    }
}

#[test]
fn the_letters_before_a_quote_are_a_prefix_only_if_python_has_it() {
    for source in ["x = 1if'{'else 2", "x = y in'{'", "x = y or'''\noverlay a\n'''", "bur'{'", "ft'{'"] {
        for grammar in PYTHONS {
            ends_where_it_should(source, grammar);
        }
    }
    ends_where_it_should("t'{'", PYTHON_3_12);
    assert_eq!(declared("t'{'\noverlay a\n", PYTHON_3_14), None);
}

#[test]
fn fields_of_fstrings_nest_from_3_12_on() {
    let sources = [
        "f'{x['a']}'",
        "f'{f'{f'{x}'}'}'",
        "f'{x:{y}}'",
        "f'{x:{y:{z}}}'",
        "f'{x:{y}.{z}}{w}'",
        "f'{{'",
        "f'}}'",
        "f'{{{x}}}'",
        "f'{x!r:^{width}}'",
        "f'{x=}{y = !s}'",
        "f'{x:=3}'",
        "f'{(x:=3)}'",
        "f'{x!=y}'",
        "f'{x:#}'",
        "f'{x:\\{y}}'",
        "f'{a[\"b\":3]}'",
        "f'{ {1: 2}[1] }'",
        "f'{(lambda x: {x})}'",
        "f'{x\n}'",
        "f'{x # ' }\n}'",
        "f'{x # overlay: a\n# overlay: b\n}'",
        "f'{\noverlay foo\n}'",
        "f'{x:\n}'",
        "f'''{x:\noverlay foo\n}'''",
        "f'''{'''{'''}'''",
        "f'\\N{DIGIT ONE}'",
        "f'\\N{LATIN SMALL LETTER A}{x}'",
        "fr'\\N{x}'",
        "rf'\\{x}'",
        "f'\\{x}'",
        "f'\\\\{x}'",
        "f'\\'{x}'",
        "f'''{x}'{y}''{z}\\''''",
        "f'''\n# overlay: a\n{x}\n# overlay: b\n'''",
        "F'{x}' '{' f'{y}'",
        "[f'{x}', f'{y}']",
        r"f'{'\n'.join(x)}'",
    ];
    for source in sources {
        ends_where_it_should(source, PYTHON_3_12);
        ends_where_it_should(source, PYTHON_3_14);
        ends_where_it_should(&source.replace("f'", "t'"), PYTHON_3_14);
    }
}

#[test]
fn before_3_12_an_fstring_ends_at_its_first_quote() {
    ends_where_it_should("f'{x['", PYTHON_3_11);
    ends_where_it_should("f'{' f'}'", PYTHON_3_11);
    ends_where_it_should("f'''{x # '''", PYTHON_3_11);
}

#[test]
fn what_follows_a_string_on_its_line_is_not_the_start_of_a_line() {
    assert!(declares_nothing("'''\n'''# overlay: a\n"));
    assert!(declares_nothing("'''\n''' overlay\n"));
}

#[test]
fn declarations_around_strings_are_seen() {
    assert_eq!(
        texts("'''\noverlay a\n'''\noverlay b\n'''\n# overlay: c\n'''"),
        ["'''\noverlay a\n'''\n", "'''\n# overlay: c\n'''"]
    );
    assert_eq!(name("x = 'a' \\\n'b'\n# overlay: c"), id("c"));
}

#[test]
fn source_that_is_no_python_has_no_parts() {
    let sources = [
        "'",
        "\"",
        "'''",
        "'''a''",
        "'\n'",
        "(",
        "[",
        "{",
        ")",
        "]",
        "}",
        "(]",
        "[)",
        "x = (1, 2",
        "\\",
        "\\ ",
        "x \\y",
        "\0",
        "'\0'",
        "# \0",
    ];
    for source in sources {
        for declaration in ["overlay a\n", "# overlay: a\n"] {
            assert!(declares_nothing(&format!("{declaration}{source}")), "{source}");
        }
    }
    for source in ["f'{'", "f'}'", "f'{x:'", "f'{x'", "f'{(}'", "f'{x)}'", "f'\n{x}'", "f'''{x:'''", "t'{'"] {
        assert_eq!(declared(&format!("overlay a\n{source}\n"), PYTHON_3_14), None, "{source}");
    }
}
