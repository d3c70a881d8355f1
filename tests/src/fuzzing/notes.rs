//! Notes, the checkpoints in them, and the policies that judge them.

use jurat_crypto::Digest;
use jurat_log::{
    BatchStamp, Checkpoint, Cosignature, Note, NoteSignature, NoteText, Policy, SubjectRoot, TreeSize,
};

use super::{Seed, fixtures, seed};

fn sample() -> Note {
    fixtures::note(TreeSize::new(7).expect("a size"), Digest::of(b"root"))
}

pub(super) fn note(input: &[u8]) -> Option<()> {
    let mut note = Note::parse(input).ok()?;
    assert_eq!(note.to_string().as_bytes(), input);
    for line in note.signatures() {
        if let Some(cosignature) = Cosignature::from_bytes(line.bytes()) {
            let time = cosignature.time().value().to_be_bytes();
            assert_eq!([&time[..], &cosignature.signature().to_bytes()].concat(), line.bytes());
        }
    }
    // Nobody but the members can make a line that holds, and theirs are known.
    let keys: Vec<_> =
        fixtures::genesis().members().iter().flat_map(|member| [&member.log, &member.cosign]).collect();
    if let Ok(verified) = note.verify(keys) {
        assert!(!verified.is_empty());
        assert!(is_signed_by_fixtures(note.text()), "forged: {note}");
    }
    let lines = note.signatures().to_vec();
    for line in lines {
        note.add(line).expect("a line that is there already is not added again");
    }
    assert_eq!(note.to_string().as_bytes(), input);
    Some(())
}

pub(super) fn note_seeds() -> Vec<Seed> {
    let note = sample();
    let one = Note::new(note.text().clone(), note.signatures()[0].clone());
    vec![seed("council", note.to_string()), seed("one", one.to_string())]
}

/// Signature lines as a witness answers them, and a single one.
pub(super) fn signature_lines(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    let line = text.parse::<NoteSignature>().map(|line| assert_eq!(line.to_string(), text));
    let lines = NoteSignature::parse_lines(text).map(|lines| {
        let written: String = lines.iter().map(|line| format!("{line}\n")).collect();
        assert_eq!(written, text);
    });
    line.ok().or(lines.ok())
}

pub(super) fn signature_lines_seeds() -> Vec<Seed> {
    let note = sample();
    let lines: String = note.signatures().iter().map(|line| format!("{line}\n")).collect();
    vec![seed("one", note.signatures()[1].to_string()), seed("five", lines)]
}

/// Whether a text is one that the fixtures signed.
pub(super) fn is_signed_by_fixtures(text: &NoteText) -> bool {
    let receipt = Note::parse(fixtures::receipt().checkpoint().as_bytes()).expect("the fixture is a note");
    text == sample().text() || text == receipt.text()
}

pub(super) fn checkpoint(input: &[u8]) -> Option<()> {
    let text = NoteText::new(str::from_utf8(input).ok()?).ok()?;
    let checkpoint = Checkpoint::parse(&text).ok()?;
    assert_eq!(checkpoint.to_text(), text);
    if let Ok(Some(stamp)) = BatchStamp::of(&checkpoint) {
        let (origin, size, root) = (checkpoint.origin().clone(), checkpoint.size(), *checkpoint.root());
        let subjects = SubjectRoot::of(&checkpoint).unwrap_or(SubjectRoot::EMPTY);
        let stamped = Checkpoint::stamped(origin, size, root, stamp, &subjects);
        assert_eq!(BatchStamp::of(&stamped), Ok(Some(stamp)));
        assert_eq!(SubjectRoot::of(&stamped), Ok(subjects));
    }
    Some(())
}

pub(super) fn checkpoint_seeds() -> Vec<Seed> {
    let plain = Checkpoint::new(fixtures::origin(), TreeSize::EMPTY, Digest::of(b""));
    let extended = plain.clone().with_extension("extension line").expect("an extension");
    vec![
        seed("stamped", sample().text().as_str()),
        seed("plain", plain.to_text().as_str()),
        seed("extended", extended.to_text().as_str()),
    ]
}

pub(super) fn policy(input: &[u8]) -> Option<()> {
    let policy = Policy::parse(input).ok()?;
    let written = policy.to_bytes();
    let again = Policy::parse(&written).expect("what was written can be read");
    assert_eq!(again, policy);
    assert_eq!(again.to_bytes(), written);
    assert!(policy.fewest_cosignatures() <= policy.witnesses().len());
    let _ = policy.council_weakness();
    if let Ok(endorsement) = policy.check(&sample()) {
        assert!(endorsement.cosigners.len() >= policy.fewest_cosignatures());
    }
    Some(())
}

pub(super) fn policy_seeds() -> Vec<Seed> {
    let members = fixtures::genesis().members();
    let witness = |i: usize| format!("witness w{i} {} https://w{i}.example/\n", members[i].cosign);
    let nested = format!(
        "log {} https://log.example/\n{}{}{}\ngroup g any w0 w1\n\ngroup h all g w2\nquorum h\n",
        members[0].log,
        witness(0),
        witness(1),
        witness(2),
    );
    vec![
        seed("council", fixtures::policy().to_bytes()),
        seed("nested", nested),
        seed("none", format!("log {}\nquorum none\n", members[0].log)),
    ]
}
