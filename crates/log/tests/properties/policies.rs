//! Policies: the text form, the quorum, and which ones are too weak for a council.

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{
    CouncilWeakness, EndorsementError, MAX_POLICY_ITEMS, Policy, PolicyDraft, PolicyError, PolicyLineError,
    PolicyTextError, PolicyWord, Threshold, TreeSize, council_quorum,
};
use proptest::{collection::vec, prelude::*};

use crate::council::{self, checkpoint, cosigner_vkey, log_vkey, members, note, policy};

fn parse(text: &str) -> Result<Policy, PolicyTextError> {
    Policy::parse(text.as_bytes())
}

fn word(text: &str) -> PolicyWord {
    PolicyWord::new(text).unwrap()
}

/// Numbers in angle brackets stand for keys: `<log 1>`, `<witness 1>`.
fn with_keys(text: &str) -> String {
    (0..100).fold(text.to_owned(), |text, number| {
        text.replace(&format!("<log {number}>"), &log_vkey(number).to_string())
            .replace(&format!("<witness {number}>"), &cosigner_vkey(number).to_string())
    })
}

/// The example of the C2SP page, with comments and odd spacing.
fn example() -> String {
    with_keys(
        "# A quorum of two levels\n\
         \n\
         log <log 0>\n\
         \n\
         witness X1 <witness 1>\n\
         witness X2 <witness 2> https://x2.example/ \n\
         \twitness  X3\t<witness 3>\n\
         group X-witnesses 2 X1 X2 X3\n\
         \x20 # more\n\
         witness Y1 <witness 4>\n\
         witness Y2 <witness 5>\n\
         witness Y3 <witness 6>\n\
         group Y-witnesses any Y1 Y2 Y3\n\
         \n\
         group X-and-Y all X-witnesses Y-witnesses\n\
         quorum X-and-Y\n",
    )
}

#[test]
fn the_example_of_the_specification_means_what_it_says() {
    let policy = parse(&example()).unwrap();
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (1, 6));
    assert_eq!(policy.witnesses()[1].url, Some(word("https://x2.example/")));
    assert_eq!(policy.fewest_cosignatures(), 3);
    let checkpoint = checkpoint(TreeSize::new(7).unwrap(), Digest::of(b"root"));
    let check = |cosigners: &[u8]| policy.check(&note(&checkpoint, cosigners.iter().copied()));
    let cases: [(&[u8], _); 8] = [
        (&[1, 2, 4], Ok(3)),
        (&[3, 1, 6], Ok(3)),
        (&[1, 2, 3, 4, 5, 6], Ok(6)),
        (&[], Err((0, 3))),
        (&[1, 2], Err((2, 3))),
        (&[1, 2, 3], Err((3, 4))),
        (&[4, 5, 6], Err((3, 5))),
        (&[1, 4, 7, 8, 9], Err((2, 3))),
    ];
    for (cosigners, verdict) in cases {
        let found = match check(cosigners) {
            Ok(endorsement) => Ok(endorsement.cosigners.len()),
            Err(EndorsementError::NoQuorum { have, need }) => Err((have, need)),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(found, verdict, "{cosigners:?}");
    }
}

#[test]
fn octets_beyond_ascii_are_opaque() {
    let mut text = b"# caf\xe9\nwitness \xff\xfe ".to_vec();
    text.extend(with_keys("<witness 1> https://\u{e9}.example\nlog <log 0>\nquorum ").bytes());
    text.extend(b"\xff\xfe\n");
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.witnesses()[0].name.as_bytes(), b"\xff\xfe");
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    // A Kelvin sign is not a K.
    let error = parse(&with_keys("witness \u{212a} <witness 1>\nquorum K\n")).unwrap_err();
    let reason = PolicyLineError::Policy(PolicyError::UnknownName(word("K")));
    assert_eq!(error, PolicyTextError::Line { number: 2, reason });
}

#[test]
fn each_wrong_line_has_its_error() {
    let start = with_keys("log <log 0>\nwitness a <witness 1>\nwitness b <witness 2>\ngroup g any a\n");
    let reason = |line: &str| match parse(&with_keys(&format!("{start}{line}\nquorum g\n"))) {
        Err(PolicyTextError::Line { number: 5, reason }) => reason,
        other => panic!("{line}: {other:?}"),
    };
    let rule = |line: &str| match reason(line) {
        PolicyLineError::Policy(error) => error,
        other => panic!("{line}: {other:?}"),
    };
    assert_eq!(reason("logs x"), PolicyLineError::Keyword(word("logs")));
    assert_eq!(reason("Log x"), PolicyLineError::Keyword(word("Log")));
    for line in [
        "log",
        "log <log 1> url more",
        "witness c",
        "witness c <witness 3> u v",
        "group h",
        "quorum",
        "quorum a b",
    ] {
        assert!(matches!(reason(line), PolicyLineError::Form(_)), "{line}");
    }
    assert_eq!(reason("log a\u{1}b"), PolicyLineError::Control(1));
    assert_eq!(reason("log <log 1>\r"), PolicyLineError::Control(b'\r'));
    assert_eq!(reason("# \u{7f}"), PolicyLineError::Control(0x7f));
    assert!(matches!(reason("log not-a-vkey"), PolicyLineError::Vkey(_)));
    for threshold in ["ANY", "-1", "+1", "01", "1.0", "99999999999999999999"] {
        let error = reason(&format!("group h {threshold} b"));
        assert_eq!(error, PolicyLineError::Threshold(word(threshold)));
    }
    assert_eq!(rule("group h 0 b"), PolicyError::Threshold { needed: 0, members: 1 });
    assert_eq!(rule("group h 2 b"), PolicyError::Threshold { needed: 2, members: 1 });
    assert_eq!(rule("group h all"), PolicyError::EmptyGroup(word("h")));
    assert_eq!(rule("group h any a"), PolicyError::InGroup(word("a")));
    assert_eq!(rule("group h any b b"), PolicyError::InGroup(word("b")));
    assert_eq!(rule("group h any c"), PolicyError::UnknownName(word("c")));
    assert_eq!(rule("group h any h"), PolicyError::UnknownName(word("h")));
    assert_eq!(rule("group h any none"), PolicyError::UnknownName(word("none")));
    assert_eq!(rule("group a any b"), PolicyError::NameTaken(word("a")));
    assert_eq!(rule("group none any b"), PolicyError::NameTaken(word("none")));
    assert_eq!(rule("witness g <witness 3>"), PolicyError::NameTaken(word("g")));
    assert_eq!(rule("witness none <witness 3>"), PolicyError::NameTaken(word("none")));
    assert_eq!(rule("witness c <log 1>"), PolicyError::NotCosigner(log_vkey(1).into()));
    assert_eq!(rule("witness c <witness 1>"), PolicyError::DuplicateKey(cosigner_vkey(1).into()));
    assert_eq!(rule("quorum c"), PolicyError::UnknownName(word("c")));
    // The same public key under another name and id.
    let renamed = Vkey::new(KeyName::new("other").unwrap(), SignatureType::Ed25519, *log_vkey(0).key());
    assert_eq!(rule(&format!("log {renamed}")), PolicyError::DuplicateKey(renamed.into()));

    let second = parse(&format!("{start}quorum g\nquorum g\n"));
    assert_eq!(second, Err(PolicyTextError::Line { number: 6, reason: PolicyLineError::SecondQuorum }));
    assert_eq!(parse(&start), Err(PolicyTextError::NoQuorum));
    assert_eq!(parse(""), Err(PolicyTextError::NoQuorum));
    assert_eq!(parse(&format!("{start}quorum g")), Err(PolicyTextError::NoFinalNewline));
    assert!(matches!(parse(&"#\n".repeat(300_000)), Err(PolicyTextError::TooLarge(600_000))));
}

#[test]
fn thirty_two_of_each_fit_and_257_do_not() {
    let vkey = |i: usize, kind| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&i.to_be_bytes());
        let name = KeyName::new(format!("name{i}")).unwrap();
        Vkey::new(name, kind, SigningKey::from_seed(&seed).verifying_key())
    };
    let mut draft = PolicyDraft::new();
    for i in 0..MAX_POLICY_ITEMS {
        draft.add_log(vkey(i, SignatureType::Ed25519), None).unwrap();
        draft.add_witness(word(&format!("w{i}")), vkey(i, SignatureType::CosignatureV1), None).unwrap();
        // A chain as deep as it gets: each group holds the one before.
        let mut inner = vec![word(&format!("w{i}"))];
        inner.extend(i.checked_sub(1).map(|below| word(&format!("g{below}"))));
        draft.add_group(word(&format!("g{i}")), Threshold::All, &inner).unwrap();
    }
    let more = MAX_POLICY_ITEMS;
    assert_eq!(draft.add_log(vkey(more, SignatureType::Ed25519), None), Err(PolicyError::TooMany("logs")));
    let witness = draft.add_witness(word("more"), vkey(more, SignatureType::CosignatureV1), None);
    assert_eq!(witness, Err(PolicyError::TooMany("witnesses")));
    assert_eq!(draft.add_group(word("more"), Threshold::Any, &[]), Err(PolicyError::TooMany("groups")));
    let policy = draft.with_quorum(Some(&word("g255"))).unwrap();
    assert_eq!(policy.fewest_cosignatures(), 256);
    assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
}

#[test]
fn a_council_policy_is_written_and_strong_enough() {
    for count in 1..=20 {
        let policy = policy(count);
        assert_eq!(policy.council_weakness(), None, "{count}");
        assert_eq!(policy.fewest_cosignatures(), council_quorum(usize::from(count)));
        assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    }
    let text = policy(4).to_string();
    let expected = with_keys(
        "log <log 0>\nlog <log 1>\nlog <log 2>\nlog <log 3>\n\
         witness member-0 <witness 0>\nwitness member-1 <witness 1>\n\
         witness member-2 <witness 2>\nwitness member-3 <witness 3>\n\
         group council 3 member-0 member-1 member-2 member-3\n\
         quorum council\n",
    );
    assert_eq!(text, expected);
}

#[test]
fn a_council_that_can_fork_is_not_written() {
    let weak = PolicyError::WeakCouncil { members: 4, needed: 3, actual: 2 };
    assert_eq!(Policy::council(&members(4), 2), Err(weak));
    assert_eq!(Policy::council(&members(4), 5), Err(PolicyError::Threshold { needed: 5, members: 4 }));
    assert!(Policy::council(&members(4), 4).is_ok());
    assert!(Policy::council(&[], 1).is_err());
    let mut mixed = members(4);
    mixed[2].log = Vkey::new(KeyName::new("elsewhere").unwrap(), SignatureType::Ed25519, *log_vkey(2).key());
    assert!(matches!(Policy::council(&mixed, 3), Err(PolicyError::Origins(..))));
    mixed[2].log = cosigner_vkey(9);
    assert!(matches!(Policy::council(&mixed, 3), Err(PolicyError::NotLogKey(_))));
    mixed[2] = mixed[1].clone();
    assert!(matches!(Policy::council(&mixed, 3), Err(PolicyError::DuplicateKey(_))));
}

#[test]
fn weak_policies_are_noticed_however_they_are_written() {
    let four = "log <log 0>\nlog <log 1>\nlog <log 2>\nlog <log 3>\n\
        witness a <witness 0>\nwitness b <witness 1>\nwitness c <witness 2>\nwitness d <witness 3>\n\
        witness x <witness 10>\nwitness y <witness 11>\nwitness z <witness 12>\n";
    let weakness = |rest: &str| parse(&with_keys(&format!("{four}{rest}"))).unwrap().council_weakness();
    for strong in [
        "group g 3 a b c d\nquorum g\n",
        "group g all a b c d\nquorum g\n",
        "group g 3 a b c d\ngroup h any x y z\ngroup all all g h\nquorum all\n",
    ] {
        assert_eq!(weakness(strong), None, "{strong}");
    }
    for (weak, found) in [
        ("quorum none\n", 0),
        ("quorum a\n", 1),
        ("group g any a b c d\nquorum g\n", 1),
        ("group g 2 a b c d\nquorum g\n", 2),
        // Three cosignatures, or one of them in its place.
        ("group g 3 a b c\ngroup h any g d\nquorum h\n", 1),
    ] {
        let Some(CouncilWeakness::TooFew { members: 4, fewest, needed: 3, .. }) = weakness(weak) else {
            panic!("{weak}")
        };
        assert_eq!(fewest, found, "{weak}");
    }
    for (weak, found) in [
        // Three of seven leave room for two quorums without anyone in common.
        ("group g 3 a b c d x y z\nquorum g\n", 0),
        ("group g 4 a b c d x y z\nquorum g\n", 1),
        ("group g all a b c\ngroup h all x y z d\ngroup i any g h\nquorum i\n", 0),
    ] {
        let Some(CouncilWeakness::Apart { members: 4, faults: 1, overlap, .. }) = weakness(weak) else {
            panic!("{weak}")
        };
        assert_eq!(overlap, found, "{weak}");
    }
    // One key of one origin is no council.
    let solo =
        with_keys("log <log 0>\nwitness a <witness 0>\nwitness b <witness 1>\ngroup g any a b\nquorum g\n");
    assert_eq!(parse(&solo).unwrap().council_weakness(), None);
}

#[test]
fn a_note_is_refused_for_what_is_wrong_with_it() {
    let policy = policy(4);
    let checkpoint = checkpoint(TreeSize::new(7).unwrap(), Digest::of(b"root"));
    let good = note(&checkpoint, [0, 1, 2]);
    let endorsement = policy.check(&good).unwrap();
    assert_eq!(endorsement.checkpoint, checkpoint);
    assert_eq!(endorsement.logs, [log_vkey(0)]);
    let cosigners: Vec<_> = endorsement.cosigners.iter().map(|by| (by.vkey.clone(), by.time)).collect();
    assert_eq!(cosigners, [0, 1, 2].map(|member| (cosigner_vkey(member).into(), council::time(member))));

    // The same member twice counts once.
    let twice = note(&checkpoint, [0, 1, 1]);
    let mut later = twice.clone();
    let key = council::cosigning_key(1);
    let time = jurat_log::UnixSeconds::new(5).unwrap();
    let again = jurat_log::Cosignature::sign(&checkpoint, &key, time);
    later.add(again.to_line(council::cosigner_name(1), key.verifying_key())).unwrap();
    for note in [twice, later] {
        assert_eq!(policy.check(&note), Err(EndorsementError::NoQuorum { have: 2, need: 3 }));
    }

    // A cosignature of another checkpoint, beside a full quorum of good ones.
    let other = council::checkpoint(TreeSize::new(8).unwrap(), Digest::of(b"other"));
    let mut mixed = good.clone();
    mixed.add(council::cosignature(&other, 3)).unwrap();
    assert_eq!(
        policy.check(&mixed),
        Err(EndorsementError::BadCosignature(Box::new(cosigner_vkey(3).into())))
    );

    let mut mixed = good.clone();
    mixed.add(other.to_text().sign(KeyName::new(council::ORIGIN).unwrap(), &council::log_key(1))).unwrap();
    assert_eq!(policy.check(&mixed), Err(EndorsementError::BadLogSignature(Box::new(log_vkey(1)))));

    // Strangers are ignored, even with a name and signature of their own.
    let mut crowded = good;
    crowded.add(council::cosignature(&other, 40)).unwrap();
    assert_eq!(policy.check(&crowded), Ok(endorsement));

    // Cosigners alone are no log.
    let text = checkpoint.to_text();
    let mut unsigned = jurat_log::Note::new(text, council::cosignature(&checkpoint, 0));
    unsigned.add(council::cosignature(&checkpoint, 1)).unwrap();
    unsigned.add(council::cosignature(&checkpoint, 2)).unwrap();
    let origin = checkpoint.origin().clone();
    assert_eq!(policy.check(&unsigned), Err(EndorsementError::NoLogSignature(origin.clone())));

    // A listed log can't sign for another origin.
    let elsewhere = format!("log {}\nquorum none\n", {
        let name = KeyName::new("elsewhere").unwrap();
        Vkey::new(name, SignatureType::Ed25519, *log_vkey(0).key())
    });
    assert_eq!(parse(&elsewhere).unwrap().check(&unsigned), Err(EndorsementError::UnknownOrigin(origin)));
}

proptest! {
    #[test]
    fn any_policy_is_written_and_read_again(
        logs in 0_u8..4,
        witnesses in 0_u8..8,
        groups in vec((any::<u8>(), vec(any::<prop::sample::Index>(), 1..5)), 0..6),
        quorum in any::<Option<prop::sample::Index>>(),
    ) {
        let mut draft = PolicyDraft::new();
        for log in 0..logs {
            draft.add_log(log_vkey(log), (log % 2 == 0).then(|| word("https://log.example/"))).unwrap();
        }
        let mut names = Vec::new();
        for witness in 0..witnesses {
            let name = word(&format!("w{witness}"));
            draft.add_witness(name.clone(), cosigner_vkey(witness), None).unwrap();
            names.push(name);
        }
        for (i, (threshold, members)) in groups.into_iter().enumerate() {
            let members: Vec<_> = members.iter().filter(|_| !names.is_empty()).map(|at| at.get(&names).clone()).collect();
            let name = word(&format!("g{i}"));
            if draft.add_group(name.clone(), Threshold::AtLeast(usize::from(threshold % 4)), &members).is_ok() {
                names.push(name);
            }
        }
        let quorum = quorum.filter(|_| !names.is_empty()).map(|at| at.get(&names).clone());
        let policy = draft.with_quorum(quorum.as_ref()).unwrap();
        prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
    }

    #[test]
    fn no_octets_make_the_parser_panic(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut text = example().into_bytes();
        for (at, octet) in changes {
            *at.get_mut(&mut text) = octet;
        }
        if let Ok(policy) = Policy::parse(&text) {
            prop_assert_eq!(Policy::parse(&policy.to_bytes()), Ok(policy));
        }
    }
}
