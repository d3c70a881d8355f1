//! Notes, checkpoints and cosignatures: strict, exact and sensitive to every bit.

use jurat_crypto::{Digest, KeyName, SigningKey};
use jurat_log::{
    BatchStamp, BatchStampError, Checkpoint, CheckpointError, Cosignature, MAX_NOTE_BYTES,
    MAX_NOTE_TEXT_BYTES, MAX_SIGNATURES, Note, NoteError, NoteSignature, NoteText, NoteVerifyError, Origin,
    SignatureLineError, SubjectRoot, TreeSize, UnixSeconds,
};
use proptest::{collection::vec, prelude::*};

use crate::council::{self, cosigner_vkey, log_vkey};

fn checkpoint() -> Checkpoint {
    council::checkpoint(TreeSize::new(20_852_163).unwrap(), Digest::of(b"root"))
}

fn text(text: &str) -> NoteText {
    NoteText::new(text).unwrap()
}

#[test]
fn a_cosignature_has_the_layout_of_the_specification() {
    let checkpoint = checkpoint();
    let key = council::cosigning_key(1);
    let time = UnixSeconds::new(1_679_315_147).unwrap();
    let line =
        Cosignature::sign(&checkpoint, &key, time).to_line(council::cosigner_name(1), key.verifying_key());
    let message = format!("cosignature/v1\ntime 1679315147\n{}", checkpoint.to_text());
    let mut expected = 1_679_315_147_u64.to_be_bytes().to_vec();
    expected.extend(key.sign(message.as_bytes()).to_bytes());
    assert_eq!(line.bytes(), expected);
    assert_eq!(line.id(), cosigner_vkey(1).id());

    let mut late = expected;
    late[0] |= 0x80;
    assert_eq!(Cosignature::from_bytes(&late), None, "a time of 2^63 or more");
    assert_eq!(Cosignature::from_bytes(&late[..71]), None);
    assert!(UnixSeconds::new(1 << 63).is_err());
}

#[test]
fn up_to_a_hundred_signatures_are_taken() {
    let text = text("text\n");
    let line =
        |i: u8| text.sign(KeyName::new(format!("signer{i}")).unwrap(), &SigningKey::from_seed(&[i; 32]));
    let mut note = Note::new(text.clone(), line(0));
    for i in 1..100 {
        note.add(line(i)).unwrap();
    }
    note.add(line(7)).unwrap();
    assert_eq!(note.signatures().len(), MAX_SIGNATURES);
    assert_eq!(Note::parse(note.to_string().as_bytes()).as_ref(), Ok(&note));
    assert_eq!(note.add(line(100)), Err(NoteError::TooManySignatures));
    let longer = format!("{note}{}\n", line(100));
    assert_eq!(Note::parse(longer.as_bytes()), Err(NoteError::TooManySignatures));
}

#[test]
fn a_note_is_bounded_and_its_text_clean() {
    let signature = text("x\n").sign(KeyName::new("a").unwrap(), &SigningKey::from_seed(&[1; 32]));
    let long = format!("{}\n\n{signature}\n", "x".repeat(MAX_NOTE_BYTES));
    assert_eq!(Note::parse(long.as_bytes()), Err(NoteError::TooLarge(long.len())));
    let long = "x".repeat(MAX_NOTE_TEXT_BYTES + 1);
    assert_eq!(NoteText::new(&*long), Err(NoteError::LongText(long.len())));
    let line = |bytes: usize| format!("\u{2014} a {}", data_encoding::BASE64.encode(&vec![7; bytes]));
    assert!(matches!(line(6200).parse::<NoteSignature>(), Err(SignatureLineError::TooLong(_))));
    // Ninety lines of 6 kB: fewer than a hundred, and yet too much.
    let mut large = Note::new(text("x\n"), signature.clone());
    let added = (0..90).try_for_each(|i| large.add(line(6100 - i).parse().unwrap()));
    assert!(matches!(added, Err(NoteError::TooLarge(_))));
    assert_eq!(Note::parse(large.to_string().as_bytes()), Ok(large));
    assert_eq!(NoteText::new("a\tb\n"), Err(NoteError::Control('\t')));
    assert_eq!(NoteText::new("a"), Err(NoteError::NoFinalNewline));
    assert_eq!(Note::parse(b"a\n\n"), Err(NoteError::Unsigned));
    assert_eq!(Note::parse(b"a\n"), Err(NoteError::NoSeparator));
    assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::NotUtf8));
    // Text may have empty lines and even look like a signature.
    let odd = Note::new(text(&format!("\n\n{signature}\n\n")), signature);
    assert_eq!(Note::parse(odd.to_string().as_bytes()), Ok(odd));
}

#[test]
fn a_signer_counts_once_with_its_earliest_time() {
    let checkpoint = checkpoint();
    let mut note = council::note(&checkpoint, [1]);
    let (key, vkey) = (council::cosigning_key(1), cosigner_vkey(1));
    let earlier = UnixSeconds::new(council::time(1).value() - 100).unwrap();
    for time in [earlier, UnixSeconds::new(u64::from(council::time(1)) + 100).unwrap()] {
        note.add(Cosignature::sign(&checkpoint, &key, time).to_line(vkey.name().clone(), *vkey.key()))
            .unwrap();
    }
    let log = log_vkey(0);
    let verified = note.verify([&vkey, &log]).unwrap();
    assert_eq!(verified.len(), 2);
    assert_eq!(verified.iter().find(|signature| signature.vkey == &vkey).unwrap().time, Some(earlier));
}

#[test]
fn checkpoints_are_strict() {
    let refused = |input: &str| Checkpoint::parse(&text(input)).unwrap_err();
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    assert!(Checkpoint::parse(&text(&format!("o\n1\n{root}\n"))).is_ok());
    assert_eq!(refused(&format!("o\n1\n{root}\n\n")), CheckpointError::EmptyExtension);
    assert_eq!(refused(&format!("o\n1\n{root}\na\n\nb\n")), CheckpointError::EmptyExtension);
    assert_eq!(refused(&format!("\n1\n{root}\n")), CheckpointError::EmptyOrigin);
    assert_eq!(refused(&format!("{}\n1\n{root}\n", "o".repeat(256))), CheckpointError::LongOrigin(256));
    assert_eq!(refused(&format!("o\u{85}\n1\n{root}\n")), CheckpointError::OriginControl('\u{85}'));
    assert!(matches!(refused(&format!("o\n01\n{root}\n")), CheckpointError::Size(_)));
    assert!(matches!(refused(&format!("o\n9223372036854775808\n{root}\n")), CheckpointError::Size(_)));
    // The last character before the padding has two bits that are not used.
    for wrong in [&root[..43], &root.replace("FU=", "FV="), &root.replace('+', "-"), "", "AAAA"] {
        assert_eq!(refused(&format!("o\n1\n{wrong}\n")), CheckpointError::Root, "{wrong}");
    }
    let checkpoint = Checkpoint::new(Origin::new("o").unwrap(), TreeSize::EMPTY, Digest::of(b""));
    assert_eq!(checkpoint.clone().with_extension(""), Err(CheckpointError::EmptyExtension));
    assert_eq!(checkpoint.clone().with_extension("a\nb"), Err(CheckpointError::ExtensionControl('\n')));
    assert_eq!(checkpoint.clone().with_extension("a\tb"), Err(CheckpointError::ExtensionControl('\t')));
    assert!(matches!(
        checkpoint.with_extension(&"x".repeat(20_000)),
        Err(CheckpointError::LongExtensions(_))
    ));
}

#[test]
fn the_batch_stamp_is_two_lines_in_their_place() {
    let plain = Checkpoint::new(Origin::new("o").unwrap(), TreeSize::EMPTY, Digest::of(b""));
    let stamped = checkpoint();
    let lines: Vec<&str> = stamped.extension_lines().collect();
    let [batch, registry, subjects] = lines[..] else { panic!("{lines:?}") };
    assert_eq!(subjects, SubjectRoot::EMPTY.extension_line());
    assert_eq!(batch, "jurat.batch 3 1234 1700000000123");
    assert_eq!(registry, "jurat.registry hySRow1g1ZiWLebnuDSrdrKqZfurECxuuqrmrNwjiCI=");
    let of = |lines: &[&str]| {
        let checkpoint =
            lines.iter().try_fold(plain.clone(), |checkpoint, line| checkpoint.with_extension(line));
        BatchStamp::of(&checkpoint.unwrap())
    };
    assert_eq!(of(&[batch, registry]), Ok(Some(council::stamp())));
    assert_eq!(of(&[batch, registry, subjects, "more"]), Ok(Some(council::stamp())));
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["other", "lines", "jurat"]), Ok(None));
    for misplaced in [
        &[batch] as &[&str],
        &[registry],
        &[registry, batch],
        &["other", batch, registry],
        &[batch, "other", registry],
        &[batch, registry, batch],
        &[batch, batch, registry],
    ] {
        assert_eq!(of(misplaced), Err(BatchStampError::Misplaced), "{misplaced:?}");
    }
    for wrong in ["1 2", "1 2 3 4", "1  2 3", "01 2 3", "1 2 -3", "a b c", "1 2 3 "] {
        assert_eq!(of(&[&format!("jurat.batch {wrong}"), registry]), Err(BatchStampError::Batch), "{wrong}");
    }
    assert_eq!(of(&[batch, "jurat.registry AAAA"]), Err(BatchStampError::Registry));
}

proptest! {
    #[test]
    fn no_flipped_bit_leaves_all_signers_standing(byte: prop::sample::Index, bit in 0_u8..8) {
        let note = council::note(&checkpoint(), [1, 2]);
        let keys = [log_vkey(0), cosigner_vkey(1), cosigner_vkey(2)];
        prop_assert_eq!(note.verify(&keys).map(|signers| signers.len()), Ok(3));
        let mut bytes = note.to_string().into_bytes();
        *byte.get_mut(&mut bytes) ^= 1 << bit;
        let signers = Note::parse(&bytes).ok().and_then(|note| Some(note.verify(&keys).ok()?.len()));
        prop_assert!(signers.unwrap_or(0) < 3);
    }

    #[test]
    fn a_signature_holds_for_its_text_only(texts in vec("[^\u{0}-\u{1f}]{0,20}\n", 2)) {
        let key = SigningKey::from_seed(&[1; 32]);
        let [signed, other] = [text(&texts[0]), text(&texts[1])];
        let line = signed.sign(KeyName::new(council::ORIGIN).unwrap(), &council::log_key(0));
        prop_assert!(Note::new(signed.clone(), line.clone()).verify([&log_vkey(0)]).is_ok());
        prop_assume!(signed != other);
        let lifted = Note::new(other, line).verify([&log_vkey(0)]).map(|_| ());
        prop_assert_eq!(lifted, Err(NoteVerifyError::BadSignature(Box::new(log_vkey(0)))));
        let unknown = Note::new(signed.clone(), signed.sign(KeyName::new("x").unwrap(), &key));
        let ignored = unknown.verify([&log_vkey(0)]).map(|_| ());
        prop_assert_eq!(ignored, Err(NoteVerifyError::NoKnownSigner));
    }

    #[test]
    fn what_parses_is_written_the_same(
        prefix in "[a-z\n]{0,8}",
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = format!("{prefix}{}", council::note(&checkpoint(), [1])).into_bytes();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.to_string().into_bytes(), bytes);
            if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
                prop_assert_eq!(&checkpoint.to_text(), note.text());
            }
        }
    }
}
