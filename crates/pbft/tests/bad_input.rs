//! Every kind of message, wrong in every way that its kind allows: refused for a reason that is
//! counted, without a vote, a record or a panic, and the replica goes on as if nothing had been.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forge;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use forge::{
    at, batch, certificate, commit_proof, council, council_of, id, key, prepared, request, sign, signatures,
    vote,
};
use jurat_crypto::{Digest, Signature};
use jurat_pbft::{
    Batch, BatchTime, Change, Checkpoint, Config, Council, EpochLink, Executed, Input, Message, NewView,
    Phase, Ready, Record, Refusal, Replica, ReplicaId, Sequence, Signed, StateDigest, Status, View,
    ViewChange,
};
use proptest::prelude::*;

/// The replica under test: a backup of views 0 and 1.
const ME: usize = 2;

fn connected(config: Config) -> Replica {
    let mut replica = Replica::new(config, council(4), key(ME)).unwrap();
    for other in [0, 1, 3] {
        replica.step(at(0), Input::Connected(id(other)));
    }
    replica.step(at(0), Input::Requests((1..=3).map(|number| (request(number), 8)).collect()));
    let _ = replica.take_ready();
    replica
}

fn fresh() -> Replica {
    connected(Config::default())
}

/// A replica that was led into view 1.
fn in_view_1() -> Replica {
    let mut replica = fresh();
    replica.step(at(0), Input::Message(id(1), Message::NewView(new_view(1, &[0, 1, 3], &[]))));
    assert_eq!((replica.view(), replica.is_changing_view()), (View(1), false));
    let _ = replica.take_ready();
    replica
}

fn view_change(signer: usize, view: u64) -> Signed<ViewChange> {
    sign(&council(4), signer, ViewChange { view: View(view), stable: None, prepared: Vec::new() })
}

/// A NewView by the primary of the view, of ViewChanges that prepared nothing, and these proposals.
fn new_view(view: u64, members: &[usize], batches: &[Batch]) -> Signed<NewView> {
    let council = council(4);
    let primary = usize::from(council.primary(View(view)).0);
    let view_changes = members.iter().map(|member| view_change(*member, view)).collect();
    let pre_prepares = (1..)
        .zip(batches)
        .map(|(sequence, batch)| sign(&council, primary, vote(Phase::PrePrepare, view, sequence, batch)));
    let pre_prepares = pre_prepares.collect();
    sign(&council, primary, NewView { view: View(view), view_changes, pre_prepares })
}

fn checkpoint(sequence: u64) -> Checkpoint {
    Checkpoint { sequence: Sequence(sequence), state: StateDigest(Digest::of(b"state")), next: None }
}

fn ending(sequence: u64, next: &Council) -> Checkpoint {
    Checkpoint { next: Some(*next.digest()), ..checkpoint(sequence) }
}

fn add() -> Change {
    Change::Add(key(9).verifying_key())
}

/// With one bit of its signature changed.
fn flip<S>(mut signed: Signed<S>, bit: usize) -> Signed<S> {
    let mut bytes = signed.signature.to_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    signed.signature = Signature::from_bytes(bytes);
    signed
}

/// As if another had signed it.
fn claimed<S>(signed: Signed<S>, signer: usize) -> Signed<S> {
    Signed { signer: id(signer), ..signed }
}

fn refused(replica: &Replica) -> BTreeMap<Refusal, u64> {
    replica.refused().clone()
}

/// Gives a message to a replica and sees that it does nothing but count why.
fn expect_refusal(mut replica: Replica, name: &str, from: ReplicaId, message: Message, reason: Refusal) {
    let before = refused(&replica);
    replica.step(at(1), Input::Message(from, message));
    let Ready { records, sealed, decisions, links, transfer, evidence, halt, .. } = replica.take_ready();
    assert_eq!((records, sealed, decisions), Default::default(), "{name}: acted upon");
    assert_eq!((links, transfer, evidence, halt), Default::default(), "{name}: acted upon");
    let mut expected = before;
    *expected.entry(reason).or_default() += 1;
    assert_eq!(refused(&replica), expected, "{name}");
    if replica.view() == View(0) && !replica.is_changing_view() && !name.contains("proposed") {
        still_orders(replica, name);
    }
}

/// Orders a batch as it would have without what came before.
fn still_orders(mut replica: Replica, name: &str) {
    let (council, batch) = (council(4), batch(1, 0));
    let pre_prepare = sign(&council, 0, vote(Phase::PrePrepare, 0, 1, &batch));
    replica.step(at(2), Input::Message(id(0), Message::PrePrepare(pre_prepare, batch.clone())));
    for (phase, signers) in [(Phase::Prepare, [1, 3]), (Phase::Commit, [0, 1])] {
        for signer in signers {
            let vote = sign(&council, signer, vote(phase, 0, 1, &batch));
            replica.step(at(2), Input::Message(id(signer), Message::Vote(vote)));
        }
    }
    assert_eq!(replica.take_ready().decisions.len(), 1, "{name}: orders no more");
}

struct Case(String, ReplicaId, Message, Refusal);

fn case(name: impl Into<String>, from: usize, message: Message, reason: Refusal) -> Case {
    Case(name.into(), id(from), message, reason)
}

fn requests(count: u64) -> Batch {
    Batch { time: batch(1, 0).time, requests: (0..count).map(request).collect() }
}

fn pre_prepares() -> Vec<Case> {
    let (home, batch) = (council(4), batch(1, 0));
    let propose = |name: &str, council: &Council, signer, view, sequence, batch: &Batch, reason| {
        let vote = sign(council, signer, vote(Phase::PrePrepare, view, sequence, batch));
        case(format!("proposal {name}"), 0, Message::PrePrepare(vote, batch.clone()), reason)
    };
    let too_many = Config::default().max_batch_requests as u64 + 1;
    let twice = Batch { requests: vec![request(1), request(1)], ..batch.clone() };
    let undated = Batch { time: BatchTime(0), ..batch.clone() };
    let late = forge::batch(1, 31_000);
    let valid = || sign(&home, 0, vote(Phase::PrePrepare, 0, 1, &batch));
    let prepare = sign(&home, 0, vote(Phase::Prepare, 0, 1, &batch));
    let pass = |name: &str, vote, reason| case(name, 0, Message::PrePrepare(vote, batch.clone()), reason);
    vec![
        propose("for a view of another's", &home, 0, 1, 1, &batch, Refusal::NotPrimary),
        propose("by a backup", &home, 1, 0, 1, &batch, Refusal::NotPrimary),
        propose("at sequence 0", &home, 0, 0, 0, &batch, Refusal::OutOfWindow),
        propose("above the watermark", &home, 0, 0, 129, &batch, Refusal::OutOfWindow),
        propose("at the last sequence", &home, 0, 0, u64::MAX, &batch, Refusal::OutOfWindow),
        propose("of another epoch", &council_of("cluster", 1, 4), 0, 0, 1, &batch, Refusal::BadSignature),
        propose("of another network", &council_of("other", 0, 4), 0, 0, 1, &batch, Refusal::BadSignature),
        propose("of another council", &council(5), 0, 0, 1, &batch, Refusal::BadSignature),
        propose("that is too large", &home, 0, 0, 1, &requests(too_many), Refusal::BadBatch),
        propose("that is too large for later", &home, 1, 1, 1, &requests(too_many), Refusal::BadBatch),
        propose("proposed null", &home, 0, 0, 1, &Batch::null(), Refusal::BadBatch),
        propose("proposed with a repeat", &home, 0, 0, 1, &twice, Refusal::BadBatch),
        propose("proposed undated", &home, 0, 0, 1, &undated, Refusal::BadBatch),
        propose("proposed from the future", &home, 0, 0, 1, &late, Refusal::BadTime),
        pass("another signer", claimed(valid(), 1), Refusal::NotPrimary),
        pass("a stranger", claimed(valid(), 4), Refusal::NotPrimary),
        pass("a prepare for a proposal", prepare, Refusal::NotPrimary),
        case("another batch", 0, Message::PrePrepare(valid(), forge::batch(2, 0)), Refusal::BadBatch),
        case("from a stranger's link", 4, Message::PrePrepare(valid(), batch.clone()), Refusal::BadSignature),
        case("from oneself", ME, Message::PrePrepare(valid(), batch.clone()), Refusal::BadSignature),
    ]
}

fn votes() -> Vec<Case> {
    let (home, batch) = (council(4), batch(1, 0));
    let mut cases = Vec::new();
    for phase in [Phase::Prepare, Phase::Commit] {
        let mut push = |name: &str, council: &Council, signer, view, sequence, reason| {
            let vote = sign(council, signer, vote(phase, view, sequence, &batch));
            cases.push(case(format!("{phase:?} {name}"), 1, Message::Vote(vote), reason));
        };
        push("at sequence 0", &home, 1, 0, 0, Refusal::OutOfWindow);
        push("above the watermark", &home, 1, 0, 129, Refusal::OutOfWindow);
        push("at the last sequence", &home, 1, 0, u64::MAX, Refusal::OutOfWindow);
        push("of another epoch", &council_of("cluster", 1, 4), 1, 0, 1, Refusal::BadSignature);
        push("of another network", &council_of("other", 0, 4), 1, 0, 1, Refusal::BadSignature);
        push("of another council", &council(5), 1, 0, 1, Refusal::BadSignature);
        push("of one's own", &home, ME, 0, 1, Refusal::NotNeeded);
        let valid = sign(&home, 1, vote(phase, 0, 1, &batch));
        let mut pass = |name: &str, vote| {
            cases.push(case(format!("{phase:?} {name}"), 1, Message::Vote(vote), Refusal::BadSignature));
        };
        pass("claimed by another", claimed(valid.clone(), 3));
        pass("of a stranger", claimed(valid.clone(), 4));
        // Moved: the same signature in another place.
        let moved = |change: fn(&mut jurat_pbft::Vote)| {
            let mut moved = valid.clone();
            change(&mut moved.statement);
            moved
        };
        pass("moved to another sequence", moved(|vote| vote.sequence = Sequence(2)));
        pass("moved to another batch", moved(|vote| vote.batch = Batch::null().digest()));
        pass(
            "moved to another phase",
            moved(|vote| {
                vote.phase = if vote.phase == Phase::Commit { Phase::Prepare } else { Phase::Commit };
            }),
        );
    }
    let by_primary = sign(&home, 0, vote(Phase::Prepare, 0, 1, &batch));
    cases.push(case("prepare of the primary", 0, Message::Vote(by_primary), Refusal::NotPrimary));
    let proposal = sign(&home, 0, vote(Phase::PrePrepare, 0, 1, &batch));
    cases.push(case("proposal as a vote", 0, Message::Vote(proposal), Refusal::NotNeeded));
    cases
}

fn checkpoints() -> Vec<Case> {
    let (home, elsewhere) = (council(4), council_of("cluster", 1, 4));
    let send = |name: &str, signed: Signed<Checkpoint>, reason| {
        case(format!("checkpoint {name}"), 1, Message::Checkpoint(signed), reason)
    };
    let valid = || sign(&home, 1, checkpoint(32));
    let altered = Signed { statement: ending(32, &home), ..valid() };
    vec![
        send("at sequence 0", sign(&home, 1, checkpoint(0)), Refusal::OutOfWindow),
        send("where none is due", sign(&home, 1, checkpoint(33)), Refusal::OutOfWindow),
        send("of another epoch", sign(&elsewhere, 1, checkpoint(32)), Refusal::BadSignature),
        send(
            "of another network",
            sign(&council_of("other", 0, 4), 1, checkpoint(32)),
            Refusal::BadSignature,
        ),
        send("claimed by another", claimed(valid(), 3), Refusal::BadSignature),
        send("of a stranger", claimed(valid(), 4), Refusal::BadSignature),
        send("of one's own", sign(&home, ME, checkpoint(32)), Refusal::NotNeeded),
        send("with an epoch's end put in", altered, Refusal::BadSignature),
    ]
}

fn certificates() -> Vec<Case> {
    let (home, elsewhere) = (council(4), council_of("cluster", 1, 4));
    let send = |name: &str, certificate, reason| {
        case(format!("stable {name}"), 1, Message::Stable(certificate), reason)
    };
    let of = |signers: &[usize]| certificate(&home, signers, checkpoint(32));
    let mut altered = of(&[0, 1, 3]);
    altered.checkpoint.state = StateDigest(Digest::of(b"another"));
    let mut mixed = of(&[0, 1]);
    mixed.signatures.extend(signatures(&elsewhere, &[3], &checkpoint(32)));
    let mut padded = of(&[0, 1, 3]);
    padded.signatures.push((id(4), padded.signatures[0].1));
    let next = home.successor(&add(), Sequence(40)).unwrap();
    let link = |council: &Council, signers: &[usize], change, checkpoint| EpochLink {
        change,
        certificate: certificate(council, signers, checkpoint),
    };
    let epoch = |name: &str, link, reason| case(format!("link {name}"), 1, Message::Epoch(link), reason);
    let bad = Refusal::BadCertificate;
    vec![
        send("at sequence 0", certificate(&home, &[0, 1, 3], checkpoint(0)), Refusal::NotNeeded),
        send("of too few", of(&[0, 1]), bad),
        send("of one twice", of(&[0, 1, 1]), bad),
        send("out of order", of(&[1, 0, 3]), bad),
        send("of another epoch", certificate(&elsewhere, &[0, 1, 3], checkpoint(32)), bad),
        send("of another network", certificate(&council_of("other", 0, 4), &[0, 1, 3], checkpoint(32)), bad),
        send("of another council", certificate(&council(5), &[0, 1, 3, 4], checkpoint(32)), bad),
        send("of another state", altered, bad),
        send("partly of another epoch", mixed, bad),
        send("with a stranger besides", padded, bad),
        epoch("that ends nothing", link(&home, &[0, 1, 3], add(), checkpoint(40)), bad),
        epoch("to another council", link(&home, &[0, 1, 3], Change::Remove(id(3)), ending(40, &next)), bad),
        epoch(
            "by a change that can't be",
            link(&home, &[0, 1, 3], Change::Remove(id(9)), ending(40, &next)),
            bad,
        ),
        epoch("of too few", link(&home, &[0, 1], add(), ending(40, &next)), bad),
        epoch("of another epoch", link(&elsewhere, &[0, 1, 3], add(), ending(40, &next)), bad),
        epoch("at sequence 0", link(&home, &[0, 1, 3], add(), ending(0, &next)), Refusal::NotNeeded),
    ]
}

fn view_changes() -> Vec<Case> {
    let (home, elsewhere, batch) = (council(4), council_of("cluster", 1, 4), batch(1, 0));
    let bad = Refusal::BadCertificate;
    let send = |name: &str, signed: Signed<ViewChange>, reason| {
        case(format!("view change {name}"), 1, Message::ViewChange(signed), reason)
    };
    let with = |name: &str, stable, prepared| {
        send(name, sign(&home, 1, ViewChange { view: View(2), stable, prepared }), bad)
    };
    let of = |sequence| prepared(&home, &[1, 3], 0, sequence, &batch);
    let mut another_batch = of(1);
    another_batch.batch = forge::batch(2, 0).digest();
    let mut another_view = of(1);
    another_view.view = View(1);
    vec![
        send("to the present view", view_change(1, 0), Refusal::StaleView),
        send("of one's own", view_change(ME, 2), Refusal::NotNeeded),
        send("claimed by another", claimed(view_change(1, 2), 3), bad),
        send("of a stranger", claimed(view_change(1, 2), 4), bad),
        send("of another epoch", sign(&elsewhere, 1, view_change(1, 2).statement), bad),
        with("with a checkpoint of too few", Some(certificate(&home, &[0, 1], checkpoint(32))), vec![]),
        with(
            "with a checkpoint of another epoch",
            Some(certificate(&elsewhere, &[0, 1, 3], checkpoint(32))),
            vec![],
        ),
        with("prepared by too few", None, vec![prepared(&home, &[1], 0, 1, &batch)]),
        with("prepared by the primary", None, vec![prepared(&home, &[0, 1, 3], 0, 1, &batch)]),
        with("prepared out of order", None, vec![prepared(&home, &[3, 1], 0, 1, &batch)]),
        with("prepared in another epoch", None, vec![prepared(&elsewhere, &[1, 3], 0, 1, &batch)]),
        with("prepared in the view called for", None, vec![prepared(&home, &[1, 3], 2, 1, &batch)]),
        with("prepared below the watermark", None, vec![of(0)]),
        with("prepared above the watermark", None, vec![of(129)]),
        with("prepared in no order", None, vec![of(2), of(1)]),
        with("prepared one sequence twice", None, vec![of(1), of(1)]),
        with("prepared another batch", None, vec![another_batch]),
        with("prepared in another view", None, vec![another_view]),
    ]
}

fn new_views() -> Vec<Case> {
    let (home, batch) = (council(4), batch(1, 0));
    let bad = Refusal::BadCertificate;
    let send = |name: &str, signed: Signed<NewView>, reason| {
        case(format!("new view {name}"), 1, Message::NewView(signed), reason)
    };
    let resigned = |change: &dyn Fn(&mut NewView)| {
        let mut statement = new_view(1, &[0, 1, 3], &[]).statement;
        change(&mut statement);
        sign(&home, 1, statement)
    };
    // One of the three prepared a batch at sequence 2, so that 1 is null and 2 is that batch.
    let prepared_2 =
        ViewChange { view: View(1), stable: None, prepared: vec![prepared(&home, &[1, 3], 0, 2, &batch)] };
    let with_proposals = |sequences: &[(u64, &Batch)]| {
        resigned(&|statement| {
            statement.view_changes[0] = sign(&home, 0, prepared_2.clone());
            let pre_prepares = sequences
                .iter()
                .map(|(sequence, batch)| sign(&home, 1, vote(Phase::PrePrepare, 1, *sequence, batch)));
            statement.pre_prepares = pre_prepares.collect();
        })
    };
    let (null, other) = (Batch::null(), forge::batch(2, 0));
    let right = with_proposals(&[(1, &null), (2, &batch)]);
    let mut moved = right.clone();
    moved.statement.pre_prepares[1].signature = moved.statement.pre_prepares[0].signature;
    let moved = sign(&home, 1, moved.statement);
    vec![
        send("of the present view", new_view(0, &[0, 1, 3], &[]), Refusal::StaleView),
        send("by a backup", sign(&home, 3, new_view(1, &[0, 1, 3], &[]).statement), bad),
        send(
            "claimed by its primary",
            claimed(sign(&home, 3, new_view(1, &[0, 1, 3], &[]).statement), 1),
            bad,
        ),
        send("with a view change missing", new_view(1, &[0, 1], &[]), bad),
        send("with one too many", new_view(1, &[0, 1, 2, 3], &[]), bad),
        send("with one twice", new_view(1, &[0, 1, 1], &[]), bad),
        send("with view changes in no order", new_view(1, &[1, 0, 3], &[]), bad),
        send("with a view change to another view", resigned(&|v| v.view_changes[0] = view_change(0, 2)), bad),
        send(
            "with an altered view change",
            resigned(&|v| v.view_changes[0] = flip(view_change(0, 1), 7)),
            bad,
        ),
        send(
            "with a view change of another epoch",
            resigned(&|v| {
                v.view_changes[0] = sign(&council_of("cluster", 1, 4), 0, view_change(0, 1).statement);
            }),
            bad,
        ),
        send("of another epoch", sign(&council_of("cluster", 1, 4), 1, right.statement.clone()), bad),
        send("that proposes from nothing", new_view(1, &[0, 1, 3], std::slice::from_ref(&batch)), bad),
        send("that drops what was prepared", with_proposals(&[]), bad),
        send("that drops the last", with_proposals(&[(1, &null)]), bad),
        send("that proposes another batch", with_proposals(&[(1, &null), (2, &other)]), bad),
        send("that fills a gap", with_proposals(&[(1, &other), (2, &batch)]), bad),
        send("that proposes in no order", with_proposals(&[(2, &batch), (1, &null)]), bad),
        send("that proposes one more", with_proposals(&[(1, &null), (2, &batch), (3, &other)]), bad),
        send("with a proposal's signature moved", moved, bad),
    ]
    .into_iter()
    .chain(new_views_on_bad_certificates())
    .collect()
}

/// NewViews that follow from their ViewChanges, one of which has a certificate that does not hold.
/// Whoever signed them, a traitor can find a signature for what it says itself.
fn new_views_on_bad_certificates() -> Vec<Case> {
    let (home, elsewhere, batch) = (council(4), council_of("cluster", 1, 4), batch(1, 0));
    let new_view = |stable: Option<jurat_pbft::CheckpointCertificate>, certificates: Vec<_>| {
        let change = ViewChange { view: View(1), stable, prepared: certificates };
        let named = change.prepared.iter().map(|certificate| (certificate.sequence, certificate.batch));
        let pre_prepares = named.map(|(sequence, batch)| {
            let vote = jurat_pbft::Vote { phase: Phase::PrePrepare, view: View(1), sequence, batch };
            sign(&home, 1, vote)
        });
        let pre_prepares = pre_prepares.collect();
        let view_changes = vec![sign(&home, 0, change), view_change(1, 1), view_change(3, 1)];
        Message::NewView(sign(&home, 1, NewView { view: View(1), view_changes, pre_prepares }))
    };
    let of = |council: &Council, signers: &[usize]| prepared(council, signers, 0, 1, &batch);
    let mut altered = of(&home, &[1, 3]);
    altered.batch = forge::batch(2, 0).digest();
    let stable = |council: &Council, signers: &[usize]| Some(certificate(council, signers, checkpoint(32)));
    let accepted = |message| {
        let mut replica = fresh();
        replica.step(at(1), Input::Message(id(1), message));
        (replica.view(), refused(&replica).len()) == (View(1), 0)
    };
    assert!(accepted(new_view(None, vec![of(&home, &[1, 3])])), "the cases fail for what is wrong with them");
    assert!(
        accepted(new_view(stable(&home, &[0, 1, 3]), vec![])),
        "the cases fail for what is wrong with them"
    );
    let cases = [
        ("an altered certificate", new_view(None, vec![altered])),
        ("a Prepare missing from a certificate", new_view(None, vec![of(&home, &[3])])),
        ("a reordered certificate", new_view(None, vec![of(&home, &[3, 1])])),
        ("a certificate of another epoch", new_view(None, vec![of(&elsewhere, &[1, 3])])),
        ("one certificate twice", new_view(None, vec![of(&home, &[1, 3]), of(&home, &[1, 3])])),
        ("a checkpoint of another epoch", new_view(stable(&elsewhere, &[0, 1, 3]), vec![])),
        ("a checkpoint of too few", new_view(stable(&home, &[0, 1]), vec![])),
        ("a reordered checkpoint", new_view(stable(&home, &[1, 0, 3]), vec![])),
    ];
    let cases = cases.into_iter();
    cases
        .map(|(name, message)| case(format!("new view on {name}"), 1, message, Refusal::BadCertificate))
        .collect()
}

fn catching_up() -> Vec<Case> {
    let (home, elsewhere, batch) = (council(4), council_of("cluster", 1, 4), batch(1, 0));
    let status = Status {
        epoch: home.epoch(),
        view: View(0),
        changing: false,
        executed: Sequence(0),
        stable: Sequence(0),
        council: *council(5).digest(),
    };
    let decided = |name: &str, proof, reason| {
        case(format!("decided {name}"), 1, Message::Decided(batch.clone(), proof), reason)
    };
    let bad = Refusal::BadCertificate;
    let right = || commit_proof(&home, &[0, 1, 3], 0, 1, &batch);
    let mut prepares = right();
    prepares.commits = signatures(&home, &[0, 1, 3], &vote(Phase::Prepare, 0, 1, &batch));
    let mut of_two_views = right();
    of_two_views.commits[1] = commit_proof(&home, &[0, 1, 3], 1, 1, &batch).commits[1];
    let mut moved = right();
    moved.sequence = Sequence(2);
    vec![
        case("status of another council", 1, Message::Status(status), Refusal::OtherCouncil),
        case("fetch of sequence 0", 1, Message::FetchDecided(Sequence(0), Sequence(9)), Refusal::NotNeeded),
        case("fetch of what is not", 1, Message::FetchDecided(Sequence(1), Sequence(1)), Refusal::NotNeeded),
        case("fetch of no batch", 1, Message::FetchBatch(Sequence(1), batch.digest()), Refusal::NotNeeded),
        case("batch that nobody asked for", 1, Message::Batch(Sequence(1), batch.clone()), Refusal::Unasked),
        decided("at sequence 0", commit_proof(&home, &[0, 1, 3], 0, 0, &batch), Refusal::OutOfWindow),
        decided("far ahead", commit_proof(&home, &[0, 1, 3], 0, 129, &batch), Refusal::OutOfWindow),
        decided("at the last", commit_proof(&home, &[0, 1, 3], 0, u64::MAX, &batch), Refusal::OutOfWindow),
        decided(
            "another batch",
            commit_proof(&home, &[0, 1, 3], 0, 1, &forge::batch(2, 0)),
            Refusal::BadBatch,
        ),
        decided("by too few", commit_proof(&home, &[0, 1], 0, 1, &batch), bad),
        decided("by one twice", commit_proof(&home, &[0, 1, 1], 0, 1, &batch), bad),
        decided("out of order", commit_proof(&home, &[3, 1, 0], 0, 1, &batch), bad),
        decided("in another epoch", commit_proof(&elsewhere, &[0, 1, 3], 0, 1, &batch), bad),
        decided("in another council", commit_proof(&council(5), &[0, 1, 3, 4], 0, 1, &batch), bad),
        decided("by prepares", prepares, bad),
        decided("in two views", of_two_views, bad),
        decided("at another sequence", moved, bad),
    ]
}

#[test]
fn whatever_is_wrong_is_refused_and_counted() {
    let cases =
        [pre_prepares(), votes(), checkpoints(), certificates(), view_changes(), new_views(), catching_up()];
    let mut kinds = 0;
    for Case(name, from, message, reason) in cases.into_iter().flatten() {
        expect_refusal(fresh(), &name, from, message, reason);
        kinds += 1;
    }
    assert!(kinds > 100);
}

/// The cases above must fail for what is wrong with them: what they were made of is taken.
#[test]
fn what_is_right_is_not_refused() {
    let (home, batch) = (council(4), batch(1, 0));
    let next = home.successor(&add(), Sequence(40)).unwrap();
    let link = EpochLink { change: add(), certificate: certificate(&home, &[0, 1, 3], ending(40, &next)) };
    let change = ViewChange {
        view: View(2),
        stable: Some(certificate(&home, &[0, 1, 3], checkpoint(32))),
        prepared: vec![prepared(&home, &[1, 3], 0, 33, &batch), prepared(&home, &[1, 3], 0, 160, &batch)],
    };
    let messages = [
        Message::PrePrepare(sign(&home, 0, vote(Phase::PrePrepare, 0, 1, &batch)), batch.clone()),
        Message::Vote(sign(&home, 1, vote(Phase::Prepare, 0, 128, &batch))),
        Message::Vote(sign(&home, 1, vote(Phase::Commit, 0, 1, &batch))),
        Message::Checkpoint(sign(&home, 1, checkpoint(32))),
        Message::Stable(certificate(&home, &[0, 1, 3], checkpoint(32))),
        Message::Epoch(link),
        Message::ViewChange(sign(&home, 1, change)),
        Message::NewView(new_view(1, &[0, 1, 3], &[])),
        Message::Decided(batch.clone(), commit_proof(&home, &[0, 1, 3], 0, 1, &batch)),
    ];
    for message in messages {
        let mut replica = fresh();
        let name = format!("{message:?}");
        replica.step(at(1), Input::Message(id(1), message));
        assert_eq!(refused(&replica), BTreeMap::new(), "{name}");
    }
}

#[test]
fn votes_of_a_view_that_is_over_count_no_more() {
    let (home, batch) = (council(4), batch(1, 0));
    let proposal = sign(&home, 0, vote(Phase::PrePrepare, 0, 1, &batch));
    let message = Message::PrePrepare(proposal, batch.clone());
    expect_refusal(in_view_1(), "proposal", id(0), message, Refusal::StaleView);
    for phase in [Phase::Prepare, Phase::Commit] {
        let message = Message::Vote(sign(&home, 3, vote(phase, 0, 1, &batch)));
        expect_refusal(in_view_1(), "vote", id(3), message, Refusal::StaleView);
    }
    let message = Message::ViewChange(view_change(3, 1));
    expect_refusal(in_view_1(), "view change", id(3), message, Refusal::StaleView);
    let message = Message::NewView(new_view(1, &[0, 1, 3], &[]));
    expect_refusal(in_view_1(), "new view", id(1), message, Refusal::StaleView);
}

/// Whatever was captured in one epoch is nothing in the next, though most members and their keys are
/// the same.
#[test]
fn what_was_signed_in_an_epoch_that_is_over_counts_no_more() {
    let (home, batch) = (council(4), batch(1, 0));
    let next = home.successor(&add(), Sequence(40)).unwrap();
    let link = EpochLink { change: add(), certificate: certificate(&home, &[0, 1, 3], ending(40, &next)) };
    let executed = Executed { sequence: Sequence(40), time: BatchTime(0) };
    let journal = [Record::Epoch(link)];
    let mut replica = Replica::recover(Config::default(), next, key(ME), executed, journal).unwrap();
    let _ = replica.take_ready();
    let captured = [
        (
            Message::PrePrepare(sign(&home, 0, vote(Phase::PrePrepare, 0, 41, &batch)), batch.clone()),
            Refusal::BadSignature,
        ),
        (Message::Vote(sign(&home, 1, vote(Phase::Prepare, 0, 41, &batch))), Refusal::BadSignature),
        (Message::Vote(sign(&home, 1, vote(Phase::Commit, 0, 41, &batch))), Refusal::BadSignature),
        (Message::Checkpoint(sign(&home, 1, checkpoint(64))), Refusal::BadSignature),
        (Message::Stable(certificate(&home, &[0, 1, 3], checkpoint(64))), Refusal::BadCertificate),
        (Message::ViewChange(view_change(1, 1)), Refusal::BadCertificate),
        (Message::NewView(new_view(1, &[0, 1, 3], &[])), Refusal::BadCertificate),
        (
            Message::Decided(batch.clone(), commit_proof(&home, &[0, 1, 3], 0, 41, &batch)),
            Refusal::BadCertificate,
        ),
    ];
    for (message, reason) in captured {
        let name = format!("{message:?}");
        expect_refusal(
            replica.clone(),
            &format!("proposed in another epoch: {name}"),
            id(1),
            message,
            reason,
        );
    }
}

/// What an application says it fetched is held to the council's signatures.
#[test]
fn a_state_that_is_not_certified_is_not_installed() {
    let (home, elsewhere) = (council(4), council_of("cluster", 1, 4));
    let install = |sequence, certificate| {
        let mut replica = fresh();
        let executed = Executed { sequence: Sequence(sequence), time: BatchTime(0) };
        replica.step(at(1), Input::Installed(executed, certificate));
        (replica.executed().0, refused(&replica).into_keys().next())
    };
    let of = |council: &Council, signers: &[usize]| certificate(council, signers, checkpoint(32));
    let mut altered = of(&home, &[0, 1, 3]);
    altered.checkpoint.state = StateDigest(Digest::of(b"another"));
    assert_eq!(install(32, of(&home, &[0, 1, 3])), (32, None));
    assert_eq!(install(33, of(&home, &[0, 1, 3])), (0, Some(Refusal::Unasked)), "not what it says");
    for bad in [altered, of(&home, &[0, 1]), of(&home, &[1, 0, 3]), of(&elsewhere, &[0, 1, 3])] {
        assert_eq!(install(32, bad), (0, Some(Refusal::BadCertificate)));
    }
}

/// Prepares for one batch and Commits for another prove nothing together, and neither do those of a
/// quorum that disagrees.
#[test]
fn votes_for_other_batches_make_no_certificate() {
    let (home, mut replica) = (council(4), fresh());
    let (first, second) = (batch(1, 0), batch(2, 0));
    let mut step = |message, from| {
        replica.step(at(1), Input::Message(id(from), message));
        let ready = replica.take_ready();
        ready.sealed.into_iter().map(|out| out.message).collect::<Vec<_>>()
    };
    let proposal = sign(&home, 0, vote(Phase::PrePrepare, 0, 1, &first));
    assert_eq!(step(Message::PrePrepare(proposal, first.clone()), 0).len(), 1, "prepares");
    assert_eq!(step(Message::Vote(sign(&home, 1, vote(Phase::Prepare, 0, 1, &second))), 1), []);
    assert_eq!(step(Message::Vote(sign(&home, 0, vote(Phase::Commit, 0, 1, &first))), 0), []);
    assert_eq!(step(Message::Vote(sign(&home, 1, vote(Phase::Commit, 0, 1, &second))), 1), []);
    assert_eq!(step(Message::Vote(sign(&home, 3, vote(Phase::Commit, 0, 1, &first))), 3), []);
    assert_eq!(
        step(Message::Vote(sign(&home, 3, vote(Phase::Prepare, 0, 1, &first))), 3).len(),
        1,
        "commits"
    );
    assert!(!replica.is_waiting(&request(1)), "with its own Commit, three agree");
}

proptest! {
    #[test]
    fn any_bit_of_a_signature_counts(bit in 0_usize..512) {
        let (home, batch) = (council(4), batch(1, 0));
        let proposal = flip(sign(&home, 0, vote(Phase::PrePrepare, 0, 1, &batch)), bit);
        let mut proof = commit_proof(&home, &[0, 1, 3], 0, 1, &batch);
        let mut bytes = proof.commits[2].1.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        proof.commits[2].1 = Signature::from_bytes(bytes);
        let cases = [
            (Message::PrePrepare(proposal, batch.clone()), Refusal::BadSignature),
            (Message::Vote(flip(sign(&home, 1, vote(Phase::Prepare, 0, 1, &batch)), bit)), Refusal::BadSignature),
            (Message::Vote(flip(sign(&home, 1, vote(Phase::Commit, 0, 1, &batch)), bit)), Refusal::BadSignature),
            (Message::Checkpoint(flip(sign(&home, 1, checkpoint(32)), bit)), Refusal::BadSignature),
            (Message::ViewChange(flip(view_change(1, 1), bit)), Refusal::BadCertificate),
            (Message::NewView(flip(new_view(1, &[0, 1, 3], &[]), bit)), Refusal::BadCertificate),
            (Message::Decided(batch, proof), Refusal::BadCertificate),
        ];
        for (message, reason) in cases {
            expect_refusal(fresh(), "one bit", id(1), message, reason);
        }
    }
}

fn fingerprint(replica: &Replica) -> u64 {
    let mut hasher = DefaultHasher::new();
    replica.hash(&mut hasher);
    hasher.finish()
}

/// One member sends all it can sign, true and false, for every slot it can think of: what is held for
/// it stays within the documented bound, nothing is dropped in silence, and others are still heard.
#[test]
fn a_flood_from_one_member_is_bounded_and_counted() {
    let config = Config { checkpoint_interval: 4, window: 16, max_in_flight: 4, ..Config::default() };
    for flooder in [0, 3] {
        let (home, mut replica) = (council(4), connected(config));
        let mut flood = |message: Message| {
            let before = (fingerprint(&replica), refused(&replica));
            replica.step(at(1), Input::Message(id(flooder), message.clone()));
            let acted = replica.take_ready() != Ready::default();
            assert!(
                acted || (fingerprint(&replica), refused(&replica)) != before,
                "dropped in silence: {message:?}"
            );
            assert!(replica.held(id(flooder)) as u64 <= config.max_held());
            assert!(replica.held_batches() as u64 <= config.max_batches());
        };
        for round in 0..3_u64 {
            for sequence in 0..60 {
                for view in 0..3 {
                    let batch = batch(sequence + 100 * round, 0);
                    let proposal = sign(&home, flooder, vote(Phase::PrePrepare, view, sequence, &batch));
                    flood(Message::PrePrepare(proposal.clone(), batch.clone()));
                    flood(Message::PrePrepare(flip(proposal, 9), batch.clone()));
                    for phase in [Phase::Prepare, Phase::Commit] {
                        flood(Message::Vote(sign(&home, flooder, vote(phase, view, sequence, &batch))));
                        flood(Message::Vote(flip(
                            sign(&home, flooder, vote(phase, view, sequence, &batch)),
                            9,
                        )));
                    }
                }
                let state = StateDigest(Digest::of(&round.to_be_bytes()));
                let plain = Checkpoint { state, ..checkpoint(sequence) };
                flood(Message::Checkpoint(sign(&home, flooder, plain)));
                flood(Message::Checkpoint(sign(
                    &home,
                    flooder,
                    Checkpoint { next: Some(Digest::of(b"x")), ..plain },
                )));
                flood(Message::FetchDecided(Sequence(sequence), Sequence(u64::MAX)));
                flood(Message::Batch(Sequence(sequence), batch(sequence, 0)));
                flood(Message::ViewChange(view_change(flooder, 1 + sequence)));
            }
        }
        assert!(replica.held(id(flooder)) > 16, "something is held: the bound is one that is tested");
        assert_eq!(replica.held(id(1)), 0);
        let heard = sign(&home, 1, vote(Phase::Commit, 0, 16, &batch(1, 0)));
        replica.step(at(1), Input::Message(id(1), Message::Vote(heard)));
        assert_eq!(replica.held(id(1)), 1);
    }
}

/// A forged second Checkpoint accuses nobody; a genuine one does, once.
#[test]
fn only_what_was_signed_twice_is_evidence() {
    let council = council(4);
    let mut replica = Replica::new(Config::default(), council.clone(), key(0)).unwrap();
    let mut accused = |sent: Signed<Checkpoint>| {
        replica.step(at(0), Input::Message(id(1), Message::Checkpoint(sent)));
        let refused = replica.refused().get(&Refusal::BadSignature).copied().unwrap_or(0);
        (replica.take_ready().evidence.len(), refused)
    };
    let checkpoint = |state: &[u8]| {
        let state = StateDigest(Digest::of(state));
        sign(&council, 1, Checkpoint { sequence: Sequence(32), state, next: None })
    };
    let forged = Signed { signature: Signature::from_bytes([7; 64]), ..checkpoint(b"forged") };
    assert_eq!(accused(checkpoint(b"one")), (0, 0));
    assert_eq!(accused(forged), (0, 1));
    assert_eq!(accused(checkpoint(b"another")), (1, 1));
    assert_eq!(accused(checkpoint(b"a third")), (0, 1));
}

/// Prepares alone prove nothing: the primary's own signature belongs to the certificate.
#[test]
fn a_prepared_certificate_needs_the_proposal_that_the_primary_signed() {
    let council = council(4);
    let mut certificate = prepared(&council, &[1, 3], 0, 1, &batch(1, 0));
    assert_eq!(certificate.verify(&council), Ok(()));
    certificate.pre_prepare = Signature::from_bytes([7; 64]);
    assert!(certificate.verify(&council).is_err());
}
