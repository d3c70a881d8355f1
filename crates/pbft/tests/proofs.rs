//! What third parties verify offline: evidence against members, and the chain of councils. Both are
//! taken for what they are, in one spelling, and for nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forge;

use forge::{batch, certificate, council, council_of, id, key, sign, vote};
use jurat_crypto::Digest;
use jurat_pbft::{
    Change, ChangeError, Checkpoint, Council, CouncilError, DecodeError, Epoch, EpochChain, EpochLink,
    Evidence, EvidenceError, LinkError, Phase, ReplicaId, Sequence, StateDigest,
};
use proptest::{collection::vec, prelude::*};

fn checkpoint(sequence: u64, state: &[u8], next: Option<Digest>) -> Checkpoint {
    Checkpoint { sequence: Sequence(sequence), state: StateDigest(Digest::of(state)), next }
}

/// How long the part of evidence is that all kinds share: label, network, kind, epoch, council, id.
const HEAD: usize = 18 + 32 + 1 + 8 + 32 + 2;

/// Evidence of each kind against member 1.
fn evidence(council: &Council, kind: usize) -> Evidence {
    if kind == 3 {
        let (a, b) = (checkpoint(32, b"a", None), checkpoint(32, b"a", Some(Digest::of(b"next"))));
        return Evidence::of_checkpoints(council, sign(council, 1, a), sign(council, 1, b)).unwrap();
    }
    let phase = [Phase::PrePrepare, Phase::Prepare, Phase::Commit][kind];
    let signed = |number| sign(council, 1, vote(phase, 5, 7, &batch(number, 0)));
    Evidence::of_votes(council, signed(1), signed(2)).unwrap()
}

#[test]
fn evidence_convicts_by_its_bytes_alone() {
    let council = council(4);
    for kind in 0..4 {
        let evidence = evidence(&council, kind);
        let bytes = evidence.encode();
        assert_eq!(bytes.len(), HEAD + if kind == 3 { 41 + 64 + 73 + 64 } else { 16 + 2 * 96 });
        assert!(bytes.len() <= Evidence::MAX_BYTES && Evidence::is_labelled(&bytes));
        let decoded = Evidence::decode(&bytes).unwrap();
        assert_eq!(decoded, evidence);
        assert_eq!(decoded.verify(&council), Ok(id(1)));
        for other in [council_of("cluster", 1, 4), council_of("cluster", 0, 5)] {
            assert_eq!(decoded.verify(&other), Err(EvidenceError::OtherCouncil(Epoch(0))));
        }
        let elsewhere = council_of("other", 0, 4);
        assert_eq!(decoded.verify(&elsewhere), Err(EvidenceError::OtherNetwork(council.network())));
        // The network that it names is one thing, the network for which was signed another.
        let mut moved = bytes.clone();
        moved[18..50].copy_from_slice(elsewhere.network().0.as_bytes());
        let moved = Evidence::decode(&moved).unwrap();
        assert!(matches!(moved.verify(&elsewhere), Err(EvidenceError::Statement(_))));
        assert_eq!(Evidence::decode(&bytes[1..]), Err(DecodeError::Label));
    }
}

#[test]
fn what_does_not_contradict_is_no_evidence() {
    let council = council(4);
    let of = |a, b| Evidence::of_votes(&council, a, b);
    let valid = || sign(&council, 1, vote(Phase::Commit, 0, 1, &batch(1, 0)));
    let others = [
        sign(&council, 1, vote(Phase::Commit, 0, 1, &batch(1, 0))),
        sign(&council, 2, vote(Phase::Commit, 0, 1, &batch(2, 0))),
        sign(&council, 1, vote(Phase::Prepare, 0, 1, &batch(2, 0))),
        sign(&council, 1, vote(Phase::Commit, 1, 1, &batch(2, 0))),
        sign(&council, 1, vote(Phase::Commit, 0, 2, &batch(2, 0))),
    ];
    for other in others {
        assert_eq!(of(valid(), other), Err(EvidenceError::NoContradiction));
    }
    let of = |a, b| Evidence::of_checkpoints(&council, a, b);
    let valid = || sign(&council, 1, checkpoint(32, b"a", None));
    let others = [
        valid(),
        sign(&council, 1, checkpoint(64, b"b", None)),
        sign(&council, 2, checkpoint(32, b"b", None)),
    ];
    for other in others {
        assert_eq!(of(valid(), other), Err(EvidenceError::NoContradiction));
    }
}

#[test]
fn the_order_in_which_the_two_were_seen_does_not_matter() {
    let council = council(4);
    let signed = |number| sign(&council, 1, vote(Phase::Commit, 5, 7, &batch(number, 0)));
    let (a, b) = (signed(1), signed(2));
    let one = Evidence::of_votes(&council, a.clone(), b.clone()).unwrap();
    assert_eq!(one, Evidence::of_votes(&council, b, a).unwrap());
    let mut bytes = one.encode();
    let (first, second) = bytes[HEAD + 16..].split_at(96);
    let swapped = [second, first].concat();
    bytes.truncate(HEAD + 16);
    bytes.extend(swapped);
    assert_eq!(Evidence::decode(&bytes), Err(DecodeError::Order), "one contradiction has one spelling");
    let same = [&bytes[..HEAD + 16 + 96], &bytes[HEAD + 16..HEAD + 16 + 96]].concat();
    assert_eq!(Evidence::decode(&same), Err(DecodeError::Order), "a statement does not contradict itself");
    // The number of the second checkpoint's sequence.
    let mut apart = evidence(&council, 3).encode();
    apart[HEAD + 41 + 64 + 7] += 1;
    assert_eq!(Evidence::decode(&apart), Err(DecodeError::Order), "two sequences are no contradiction");
}

/// A chain of councils as its links, from changes drawn at random: those that can't be are skipped.
fn chain(choices: &[(bool, usize)]) -> (Council, Vec<EpochLink>) {
    let genesis = council(4);
    let (mut now, mut links, mut joined) = (genesis.clone(), Vec::new(), 4);
    for (step, (add, choice)) in (1_u64..).zip(choices) {
        let members: Vec<usize> = now.members().map(|id| usize::from(id.0)).collect();
        let change = if *add {
            Change::Add(key(joined).verifying_key())
        } else {
            Change::Remove(id(members[choice % members.len()]))
        };
        let base = Sequence(10 * step);
        let Ok(next) = now.successor(&change, base) else { continue };
        joined += usize::from(*add);
        let signers = &members[..now.quorum()];
        let end = Checkpoint { sequence: base, ..checkpoint(0, b"state", Some(*next.digest())) };
        links.push(EpochLink { change, certificate: certificate(&now, signers, end) });
        now = next;
    }
    (genesis, links)
}

#[test]
fn a_council_changes_by_one_and_never_below_four() {
    let council = council(4);
    let at = Sequence(8);
    let removed = council.successor(&Change::Remove(id(2)), at);
    let too_few = CouncilError::InsufficientPeers { needed: 4, actual: 3 };
    assert_eq!(removed, Err(ChangeError::Council(too_few)));
    let twice = council.successor(&Change::Add(key(2).verifying_key()), at);
    assert_eq!(twice, Err(ChangeError::Council(CouncilError::SameKey(id(2), id(4)))));
    let five = council.successor(&Change::Add(key(4).verifying_key()), at).unwrap();
    assert_eq!(five.successor(&Change::Remove(id(7)), Sequence(9)), Err(ChangeError::NoSuchMember(id(7))));
    let backwards = ChangeError::Backwards { base: at, previous: at };
    assert_eq!(five.successor(&Change::Remove(id(0)), at), Err(backwards));
    let without = five.successor(&Change::Remove(id(4)), Sequence(9)).unwrap();
    let again = without.successor(&Change::Add(key(4).verifying_key()), Sequence(10)).unwrap();
    assert_eq!(again.members().last(), Some(id(5)), "no id is given twice");
    assert_eq!((again.epoch(), again.base()), (Epoch(3), Sequence(10)));
    assert!(again.knew(id(4)) && !again.contains(id(4)) && !again.knew(id(6)));
    let solo = council_of("cluster", 0, 1).successor(&Change::Add(key(4).verifying_key()), at);
    assert!(solo.is_err(), "two members survive nothing");
}

/// A certificate of another epoch with the same members proves nothing.
#[test]
fn links_hold_only_in_their_place() {
    let (genesis, links) = chain(&[(true, 0), (true, 0), (false, 1), (false, 0)]);
    assert_eq!(links.len(), 4);
    let whole = EpochChain::verify(genesis.clone(), links.clone()).unwrap();
    assert_eq!(whole.last().epoch(), Epoch(4));
    for (sequence, epoch) in [(0, 0), (1, 0), (10, 0), (11, 1), (20, 1), (21, 2), (40, 3), (41, 4), (999, 4)]
    {
        assert_eq!(whole.council_at(Sequence(sequence)).epoch(), Epoch(epoch), "at {sequence}");
    }
    assert_eq!(whole.council_of(Epoch(2)).unwrap().size(), 6);
    assert_eq!(whole.links_from(Sequence(20)).count(), 3);
    for missing in 0..3 {
        let mut fewer = links.clone();
        fewer.remove(missing);
        assert!(EpochChain::verify(genesis.clone(), fewer).is_err(), "without link {missing}");
    }
    let mut swapped = links.clone();
    swapped.swap(1, 2);
    assert!(EpochChain::verify(genesis, swapped).is_err());
    assert!(EpochChain::verify(council_of("other", 0, 4), links.clone()).is_err());
    assert!(EpochChain::verify(council_of("cluster", 1, 4), links.clone()).is_err());
    let mut unnamed = links[0].clone();
    unnamed.certificate.checkpoint.next = None;
    assert_eq!(unnamed.verify(&council(4)), Err(LinkError::OtherCouncil(Sequence(10))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bit_of_evidence_counts(kind in 0_usize..4, bit in 0_usize..2936) {
        let council = council(4);
        let mut bytes = evidence(&council, kind).encode();
        let bit = bit % (8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
        let convicts = Evidence::decode(&bytes).is_ok_and(|evidence| evidence.verify(&council).is_ok());
        prop_assert!(!convicts);
    }

    #[test]
    fn evidence_and_links_have_one_length(cut in 1_usize..40, kind in 0_usize..4) {
        let evidence = evidence(&council(4), kind).encode();
        prop_assert_eq!(Evidence::decode(&evidence[..evidence.len() - cut]), Err(DecodeError::Short));
        let long = [&evidence[..], &vec![0; cut]].concat();
        prop_assert_eq!(Evidence::decode(&long), Err(DecodeError::Trailing(cut)));
        let link = chain(&[(true, 0)]).1[0].encode();
        prop_assert_eq!(EpochLink::decode(&link[..link.len() - cut]), Err(DecodeError::Short));
        let long = [&link[..], &vec![0; cut]].concat();
        prop_assert_eq!(EpochLink::decode(&long), Err(DecodeError::Trailing(cut)));
    }

    #[test]
    fn random_bytes_decode_to_what_they_encode(bytes in vec(any::<u8>(), 0..400), kind in 0_u8..6) {
        let bytes = [&[kind][..], &bytes].concat();
        let labelled = [b"jurat/v1/evidence\n", &[7; 32][..], &bytes].concat();
        if let Ok(evidence) = Evidence::decode(&labelled) {
            prop_assert_eq!(evidence.encode(), labelled);
        }
        if let Ok(link) = EpochLink::decode(&bytes) {
            prop_assert_eq!(link.encode(), bytes);
        }
    }

    #[test]
    fn chains_verify_from_their_bytes_and_no_bit_may_change(
        choices in vec((any::<bool>(), 0_usize..9), 1..8),
        place in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let (genesis, links) = chain(&choices);
        let encoded: Vec<Vec<u8>> = links.iter().map(EpochLink::encode).collect();
        let decode = |encoded: &[Vec<u8>]| {
            let links: Result<Vec<_>, _> = encoded.iter().map(|bytes| EpochLink::decode(bytes)).collect();
            links.ok().and_then(|links| EpochChain::verify(genesis.clone(), links).ok())
        };
        let chain = decode(&encoded);
        prop_assert!(chain.is_some());
        let chain = chain.unwrap();
        let mut ids: Vec<ReplicaId> = Vec::new();
        for (before, after) in chain.councils().zip(chain.councils().skip(1)) {
            prop_assert_eq!(before.size().abs_diff(after.size()), 1);
            prop_assert!(after.size() >= 4);
            ids.extend(after.members().filter(|id| !before.contains(*id)));
        }
        prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "ids are given once, in order");
        if !encoded.is_empty() {
            let mut altered = encoded;
            let link = place.index(altered.len());
            let bit = bit.index(8 * altered[link].len());
            altered[link][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(decode(&altered).is_none());
        }
    }
}
