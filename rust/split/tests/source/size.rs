//! Time and stack grow with the source and no faster: each of these would take minutes, or overflow, if they did.

use crate::{PYTHON_3_14, parts};
use overlay_split::{blank_statements, may_declare, split};

const LENGTH: usize = 200_000;

#[test]
fn a_hundred_thousand_lines_with_ten_thousand_declarations_are_split() {
    let function = "def f(a, b=3):\n    return f'{a!r} {b:>{a}}'\n\n\n# comment\nx = [1, 2]\n\n\n\n";
    let source = ["overlay lazy, f\n", function, "# overlay: 'x'\n", function].concat().repeat(5_000);
    let parts = parts(&source);
    assert_eq!(parts.overlays.len(), 10_000);
    assert_eq!(parts.overlays[9_999].line, 99_991);
    assert_eq!(blank_statements(&source, &parts).len(), source.len());
}

#[test]
fn long_repetitions_are_read_through() {
    let pieces = [
        "(",
        "f'{",
        "t\"{x:{",
        "'''",
        "\"",
        "\\\n",
        "\\",
        "\\N{",
        "{{",
        "\r",
        " ",
        "\t\x0c",
        "1_",
        "é",
        ":",
        "_",
        "f'{{' ",
        "@x\n",
        "overlay ",
        "overlay\n",
        "overlay;",
        "if x: overlay\n",
        "x = overlay \\\n",
        "overlay '''",
        "overlay a\n",
        "overlay a, ",
        "# overlay: (",
        "# overlay: a b\n",
        "# overlay: ((\n  ",
        "# overlay: 'a' ",
        "# overlay: 'a',",
        "# overlay: a\n",
    ];
    for piece in pieces {
        for lead in ["", "if x:\n", "# overlay: ", "f'", "f'{x:"] {
            let source = lead.to_owned() + &piece.repeat(LENGTH / piece.len());
            let _ = split(&source, PYTHON_3_14);
            let _ = may_declare(source.as_bytes());
        }
    }
}
