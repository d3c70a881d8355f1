//! What is ordered, what is refused, and what the log holds of it.

use std::{
    fs, thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64;
use jurat_crypto::{Digest, SigningKey};
use jurat_log::{
    Entry, Note, OpaqueOperation, Receipt, RefusedEntry, TileCoord, TileKind, TreeSize, split_bundle,
};
use jurat_tests::{Answer, Attestor, Council, Federation, jurat, path, until_true};
use jurat_trust::{Act, ActionType, Description, Draft, FederationId, OrderedTime, Relationship, Score};

use super::{OPERATIONS, WAIT, operate, refused, taken};

const LATER: OrderedTime = OrderedTime(4_000_000_000_000);

/// The entries of a node's log.
fn entries(council: &Council, member: usize) -> Vec<Entry> {
    let http = council.http(member);
    let size = council.status(member).unwrap()["log_size"].as_u64().unwrap();
    let coord = TileCoord::in_tree(TileKind::Entries, 0, TreeSize::new(size).unwrap()).unwrap();
    let bundle = http.get(&format!("/{}", coord.path())).unwrap();
    assert_eq!(bundle.status, 200);
    let entries = split_bundle(coord, &bundle.body).unwrap();
    entries.into_iter().map(|entry| Entry::decode(entry).unwrap()).collect()
}

/// Sends operations to members at the same time; the answers.
fn at_once(council: &Council, asked: &[(usize, &[u8])]) -> Vec<Answer> {
    thread::scope(|scope| {
        let ask = |(member, operation): &(usize, &'_ [u8])| {
            let (http, operation) = (council.http(*member), operation.to_vec());
            scope.spawn(move || operate(http, &operation))
        };
        let asked: Vec<_> = asked.iter().map(ask).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    })
}

#[test]
fn operations_take_effect_on_all_members_or_are_refused_at_once() {
    let council = Council::start();
    let [founder, lab, press] = [
        Federation::founder(&council, 1),
        Federation::named(&council, "fed:lab"),
        Federation::named(&council, "fed:press"),
    ];
    // Each through another member.
    let receipt = taken(&operate(council.http(0), &lab.registration()));
    taken(&operate(council.http(1), &press.registration()));
    taken(&operate(council.http(2), &founder.trusts(5, &lab)));
    // The same again has the same receipt.
    let again = taken(&operate(council.http(3), &lab.registration()));
    assert_eq!((&again["index"], &again["receipt"]), (&receipt["index"], &receipt["receipt"]));

    // Refused at once, on every member alike; nothing of it is in the log.
    for member in 0..4 {
        refused(
            &operate(council.http(member), &founder.trusts(5, &press)),
            422,
            "is stale; the last one was 5",
        );
        let unsigned = founder.signed(6, Act::Dissolve, &[]);
        refused(&operate(council.http(member), &unsigned), 422, "needs 1 signatures, 0 are there");
        let stranger = SigningKey::from_seed(Digest::of(b"nobody").as_bytes());
        let forged = founder.signed(6, Act::Dissolve, &[&stranger]);
        refused(&operate(council.http(member), &forged), 422, "is nobody's");
    }
    let mut tampered = founder.trusts(7, &press);
    *tampered.last_mut().unwrap() ^= 1;
    refused(&operate(council.http(0), &tampered), 422, "does not verify");
    refused(&council.http(0).post(OPERATIONS, "application/octet-stream", b"").unwrap(), 400, "");

    // The same as JSON.
    let json = |operation: &str| {
        let body = format!("{{\"operation\":\"{operation}\"}}");
        council.http(0).post(WAIT, "application/json; charset=utf-8", body.as_bytes()).unwrap()
    };
    let again = taken(&json(&BASE64.encode(&lab.registration())));
    assert_eq!(again["receipt"], receipt["receipt"]);
    refused(&json("AAAA"), 400, "");
    refused(&json("?"), 400, "");

    let size = council.until_same_log(6);
    let log = entries(&council, 2);
    let kind = |entry: &Entry| match entry {
        Entry::OrderedTime(_) => 't',
        Entry::RegistryOperation(_) => 'o',
        _ => '?',
    };
    assert_eq!(log.iter().map(kind).collect::<String>(), "tototo", "{size}");
    let Entry::RegistryOperation(first) = &log[1] else { panic!("an operation") };
    assert_eq!(first, &OpaqueOperation::new(lab.registration()).unwrap());
    for member in 0..4 {
        assert_eq!(entries(&council, member), log);
    }

    // The receipt leads from the operation to what a quorum signed.
    let receipt = Receipt::parse(receipt["receipt"].as_str().unwrap().as_bytes()).unwrap();
    let endorsement = council.policy().check(&Note::parse(receipt.checkpoint().as_bytes()).unwrap()).unwrap();
    let (size, root) = (endorsement.checkpoint.size(), endorsement.checkpoint.root());
    receipt.proof().verify(receipt.index(), size, &log[1].leaf_hash(), root).unwrap();
}

/// The dry run only looks at what is; the order decides about what comes at the same time.
#[test]
fn of_two_that_exclude_each_other_one_is_refused_when_it_is_its_turn() {
    let council = Council::start();
    let founder = Federation::founder(&council, 0);
    let [lab, press] = ["fed:lab", "fed:press"].map(|name| Federation::named(&council, name));
    taken(&operate(council.http(0), &lab.registration()));
    taken(&operate(council.http(0), &press.registration()));
    let (mut lost, mut refused_in_order) = (0, Vec::new());
    for sequence in 1..=20 {
        let both = [founder.trusts(sequence, &lab), founder.trusts(sequence, &press)];
        let answers = at_once(&council, &[(1, &both[0]), (2, &both[1])]);
        let mut statuses = [answers[0].status, answers[1].status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422], "{} {}", answers[0].text(), answers[1].text());
        lost += 1;
        let (operation, answer) =
            if answers[0].status == 422 { (&both[0], &answers[0]) } else { (&both[1], &answers[1]) };
        let answer = answer.json();
        if let Some(receipt) = answer.get("logged") {
            refused_in_order.push((operation.clone(), receipt.clone()));
            assert!(answer["detail"].as_str().unwrap().contains("is stale; the last one was"), "{answer}");
        }
    }
    let by_order = |member| council.metric(member, "jurat_refused_in_order_total{reason=\"operation\"}");
    for member in 0..4 {
        until_true("all to be executed", || {
            let applied = council.metric(member, "jurat_applied_operations_total");
            applied == 2 + lost && by_order(member) == refused_in_order.len() as u64
        });
    }
    assert!(by_order(0) > 0, "the dry run foresaw all of them");

    let log = entries(&council, 3);
    council.stop(3);
    council.run(3);
    council.until_connected();
    for (operation, receipt) in refused_in_order {
        // Marked in the log, and proven by a receipt of the mark.
        let index = receipt["index"].as_u64().unwrap();
        let entry = &log[usize::try_from(index).unwrap()];
        let operation_in_log = OpaqueOperation::new(operation.clone()).unwrap();
        assert_eq!(*entry, Entry::Refused(RefusedEntry::RegistryOperation(operation_in_log)));
        let receipt = Receipt::parse(receipt["receipt"].as_str().unwrap().as_bytes()).unwrap();
        let endorsement =
            council.policy().check(&Note::parse(receipt.checkpoint().as_bytes()).unwrap()).unwrap();
        let (size, root) = (endorsement.checkpoint.size(), endorsement.checkpoint.root());
        receipt.proof().verify(receipt.index(), size, &entry.leaf_hash(), root).unwrap();
        // The very same again is answered the same, wherever it is asked, also by who has forgotten why.
        for member in [0, 3] {
            let again = operate(council.http(member), &operation);
            refused(&again, 422, &format!("(entry {index} of the log says so, for good)"));
            assert_eq!(again.json()["logged"]["index"], index);
        }
    }
    assert_eq!(by_order(0), by_order(1), "nothing was ordered again");
}

#[test]
fn who_was_down_judges_again_what_was_refused() {
    let council = Council::start();
    let founder = Federation::founder(&council, 0);
    let lab = Federation::named(&council, "fed:lab");
    taken(&operate(council.http(0), &lab.registration()));
    council.kill(3);
    let mut pairs = 0;
    // Sent without waiting, both pass the dry run; the second comes too late when it is its turn.
    while council.metric(0, "jurat_refused_in_order_total{reason=\"operation\"}") == 0 {
        pairs += 1;
        assert!(pairs < 100, "none is refused in order");
        let score = Score::new(1_000 + pairs).unwrap();
        let both = ["fed:lab", "fed:node-2"].map(|target| {
            let (target, relationship) = (FederationId::new(target).unwrap(), Relationship::Peer);
            let act = Act::EstablishTrust { target, relationship, witness_allowed: false, score };
            founder.asks(pairs.into(), act)
        });
        let answers = at_once(&council, &[(1, &both[0]), (1, &both[1])]);
        let answers: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(answers.contains(&200), "{answers:?}");
    }
    council.run(3);
    council.until_connected();
    council.until_same_log(2 + 2 * u64::from(pairs));
    let refused_here = council.metric(3, "jurat_refused_in_order_total{reason=\"operation\"}");
    assert_eq!(refused_here, council.metric(0, "jurat_refused_in_order_total{reason=\"operation\"}"));
    // And a restart changes nothing.
    council.stop(3);
    council.run(3);
    council.until_connected();
    taken(&operate(council.http(3), &lab.trusts(1, &founder)));
    council.until_same_log(4 + 2 * u64::from(pairs));
}

#[test]
fn an_attestation_by_a_revoked_key_is_refused() {
    let council = Council::start();
    let lab = Federation::named(&council, "fed:lab");
    let ana = Attestor::named("lab.example/ana");
    taken(&operate(council.http(0), &lab.registration()));
    let keys = vec![*ana.vkey().key()];
    let vouch = lab.signed(1, Act::AddAttestors { keys }, &[lab.admin(), ana.key()]);
    taken(&operate(council.http(0), &vouch));
    let attest = |file: &str| {
        let envelope = ana.attest(file).to_envelope();
        let url = "/api/v1/attestations?wait=receipt";
        council.http(2).post(url, "application/json", envelope.as_bytes()).unwrap()
    };
    let receipt = taken(&attest("before.txt"))["receipt"].as_str().unwrap().to_owned();
    let file = council.dir().join("before.txt");
    fs::write(&file, "before.txt").unwrap();
    fs::write(council.dir().join("before.txt.jurat"), receipt).unwrap();
    let key_of = |registry: &str| {
        let with = ["--policy", path(council.policy_path()), "--registry", registry, "--json"];
        jurat(["verify", path(&file)].iter().chain(&with)).success().json()["attestor_key"].clone()
    };
    assert_eq!(key_of(&council.url(1))["standing"], "in-use");
    let revoke = |sequence, grace_until| {
        let revoke = Act::RevokeKey { key: *ana.vkey().key(), grace_until };
        operate(council.http(0), &lab.asks(sequence, revoke))
    };
    refused(&revoke(2, OrderedTime(7)), 422, "before the key is revoked");
    let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(2);
    taken(&revoke(2, OrderedTime(u64::try_from(soon.as_millis()).unwrap())));
    let mut tries = 0;
    until_true("the grace to be over", || {
        tries += 1;
        let answer = attest(&format!("{tries}.txt"));
        assert!([200, 422].contains(&answer.status), "{}", answer.text());
        answer.status == 422
    });
    refused(&attest("after.txt"), 422, "was rotated or revoked; it worked until");
    taken(&attest("before.txt"));
    // Anyone can find out from the log alone.
    until_true("the checkpoint to be of later", || key_of(&council.url(3))["standing"] == "revoked");
    let key = key_of(&council.url(3));
    assert!(key["revoked_at"].as_str() < key["grace_until"].as_str(), "{key}");
    let words = jurat([
        "verify",
        path(&file),
        "--policy",
        path(council.policy_path()),
        "--registry",
        &council.url(3),
    ]);
    assert!(words.success().stdout.contains("ordered before that, so it stays valid"), "{words:?}");
}

#[test]
fn what_no_entry_holds_is_refused_with_the_limit() {
    let council = Council::start();
    let [lab, press] = ["fed:lab", "fed:press"].map(|name| Federation::named(&council, name));
    taken(&operate(council.http(0), &lab.registration()));
    taken(&operate(council.http(0), &press.registration()));
    let draft = |bytes: usize| {
        let affected = vec![press.id().clone()];
        let (action, text) = (ActionType::new("data.share").unwrap(), Description::new("All of it").unwrap());
        Act::Propose(Draft::new(lab.team(), affected, action, text, vec![7; bytes], LATER).unwrap())
    };
    refused(&operate(council.http(0), &lab.decides(1, draft(65_400))), 413, "65533");
    taken(&operate(council.http(0), &lab.decides(1, draft(60_000))));
}
