//! Checkpoints of transparency-dev/formats, whose parser is laxer than C2SP: it takes roots of any
//! length and empty extension lines. Cases that are marked lax are refused here.

use jurat_log::{Checkpoint, NoteText};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    desc: String,
    input: String,
    want_err: bool,
    lax: bool,
}

fn accepts(text: &str) -> bool {
    NoteText::new(text)
        .is_ok_and(|text| Checkpoint::parse(&text).is_ok_and(|parsed| parsed.to_text() == text))
}

#[test]
fn every_case_has_the_strict_verdict() {
    let vectors: Vectors = super::read("checkpoint_parse.json");
    assert_eq!(vectors.cases.len(), 12);
    // The same cases with a root of 32 bytes in the place of theirs show what else matters.
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    let mut accepted = 0;
    for Case { desc, input, want_err, lax } in vectors.cases {
        assert!(!accepts(&input), "{desc}");
        assert!(lax != want_err, "{desc}: either refused by all or by the strict only");
        let input = input
            .replace("YmFuYW5hcw==", root)
            .replace("dGhlIHZpZXcgZnJvbSB0aGUgdHJlZSB0b3BzIGlzIGdyZWF0IQ==", root);
        let empty_lines = input.ends_with("\n\n");
        assert_eq!(accepts(&input), !want_err && !empty_lines, "{desc}");
        accepted += usize::from(accepts(&input));
    }
    assert_eq!(accepted, 4);
}
