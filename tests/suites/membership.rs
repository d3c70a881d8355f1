//! A council of real processes changes its members under load: one joins, one leaves, some are killed
//! meanwhile, and every receipt verifies with the council's history alone.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{fs, sync::Arc, time::Instant};

use data_encoding::BASE64;
use jurat::core::{
    CouncilChange, CouncilHistory, HttpUrl, MemberName, MembershipChange, Newcomer, PeerAddress,
};
use jurat_crypto::{Digest, KeyName, KeyUse, Seed};
use jurat_log::{Checkpoint, Note, Policy, Receipt};
use jurat_pbft::{Epoch, ReplicaId};
use jurat_tests::{
    Answer, Attestor, Council, Federation, Finished, Load, Node, Ports, jurat, path, until, until_true,
};
use jurat_trust::{
    Act, Action, ActionType, Description, Draft, Name, NewMember, Operation, OrderedTime, ProposalId,
    Settings,
};
use serde_json::Value;

/// The newcomer's place.
const NEW: usize = 4;
const CHANGES: &str = "/api/v1/council/changes?wait=receipt";

fn history(council: &Council, member: usize) -> CouncilHistory {
    let answer = council.http(member).get("/api/v1/council").unwrap();
    CouncilHistory::from_json(&answer.body).unwrap()
}

/// A change of this epoch, signed by the members at these places.
fn change(council: &Council, epoch: u64, change: MembershipChange, signers: &[usize]) -> CouncilChange {
    let network = history(council, 1).genesis().network();
    let mut change = CouncilChange::new(Epoch(epoch), change);
    for signer in signers {
        let id = ReplicaId(u16::try_from(*signer).unwrap());
        change.sign(id, &council.seed(*signer).signing_key(KeyUse::Vote), network);
    }
    change
}

fn joins(council: &Council, epoch: u64) -> MembershipChange {
    let member = &council.members()[NEW];
    MembershipChange::Add(Newcomer::of_seed(
        MemberName::new(member.name.clone()).unwrap(),
        PeerAddress::new(member.peer.to_string()).unwrap(),
        HttpUrl::new(format!("http://{}", member.http)).unwrap(),
        &council.seed(NEW),
        history(council, 1).genesis().network(),
        Epoch(epoch),
    ))
}

fn submit(council: &Council, member: usize, change: &CouncilChange) -> Answer {
    let body = format!("{{\"change\":\"{}\"}}", BASE64.encode(&change.encode()));
    council.http(member).post(CHANGES, "application/json", body.as_bytes()).unwrap()
}

#[track_caller]
fn assert_refused(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains(why), "{}", answer.text());
}

/// Waits until a node says of itself that it is this, in this epoch.
fn until_is(council: &Council, member: usize, role: &str, epoch: u64) {
    until(&format!("{} to be a {role} in epoch {epoch}", council.members()[member].name), || {
        council.check(member);
        let status = council.status(member).ok_or("no answer")?;
        let is = status["role"] == role && status["epoch"] == epoch;
        if is { Ok(()) } else { Err(status.to_string()) }
    });
}

/// A submission to a node that is no member.
#[track_caller]
fn assert_takes_nothing(council: &Council, member: usize) {
    let envelope = Attestor::named("lab.example/ana").attest("to nobody").to_envelope();
    let answer = council.http(member).post("/api/v1/attestations", "application/json", envelope.as_bytes());
    let answer = answer.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.json()["title"], "not a member");
    assert_eq!(council.http(member).get("/readyz").unwrap().status, 503);
}

fn founders_and_newcomer() -> Council {
    let council = Council::found_with_newcomer();
    (0..NEW).for_each(|member| council.run(member));
    council.until_connected();
    council
}

/// By which policy a receipt is to be judged.
fn policy_of(history: &CouncilHistory, receipt: &str) -> (Epoch, Policy) {
    let receipt = Receipt::parse(receipt.as_bytes()).unwrap();
    let note = Note::parse(receipt.checkpoint().as_bytes()).unwrap();
    let epoch = history.epoch_of(&Checkpoint::parse(note.text()).unwrap()).unwrap();
    (epoch, history.policy_of(epoch).unwrap().unwrap())
}

#[test]
#[expect(clippy::print_stderr, reason = "how long the council was silent is worth knowing")]
fn members_join_and_leave_under_load_and_every_receipt_holds() {
    let council = Arc::new(founders_and_newcomer());
    let load = Load::start(&council, 10);
    load.until_more(100);

    // Somebody who wants to join waits, and takes nothing.
    council.give_history(NEW, &history(&council, 1).to_json());
    council.run(NEW);
    until_is(&council, NEW, "newcomer", 0);
    assert_takes_nothing(&council, NEW);

    let started = Instant::now();
    let joins = change(&council, 0, joins(&council, 0), &[0, 1, 2]);
    assert_eq!(submit(&council, 1, &joins).status, 200);
    // It is interrupted on its way, and so is a member.
    council.kill(NEW);
    council.kill(2);
    council.run(NEW);
    council.run(2);
    until_is(&council, NEW, "member", 1);
    until_is(&council, 2, "member", 1);
    load.until_more(100);
    eprintln!("longest silence while a member joined: {:?}", load.longest_silence(started, Instant::now()));

    let started = Instant::now();
    let leaves = change(&council, 1, MembershipChange::Remove(ReplicaId(0)), &[0, 1, 2, 3]);
    assert_eq!(submit(&council, 3, &leaves).status, 200);
    council.kill(3);
    council.run(3);
    until_is(&council, 0, "former member", 2);
    assert_takes_nothing(&council, 0);
    load.until_more(100);
    eprintln!("longest silence while a member left: {:?}", load.longest_silence(started, Instant::now()));
    for member in [1, 2, 3, NEW] {
        until_is(&council, member, "member", 2);
    }

    // Who was removed stays so, and still serves what it has.
    assert!(council.stop(0).success());
    council.run(0);
    until_is(&council, 0, "former member", 2);
    assert_eq!(council.http(0).get("/checkpoint").unwrap().status, 200);
    // Each node keeps the certificates of the quorum that it saw first; the councils are the same.
    assert_eq!(history(&council, 0).council(), history(&council, NEW).council());

    let promises = load.stop();
    assert!(council.stop(0).success());
    let history = history(&council, NEW);
    let epochs = promises.hold_by(&council, |receipt| policy_of(&history, receipt));
    assert_eq!(epochs, [Epoch(0), Epoch(1), Epoch(2)].into(), "there are receipts of all epochs");
}

#[test]
fn changes_that_the_council_has_not_authorised_are_refused_and_change_nothing() {
    let council = founders_and_newcomer();
    let remove = |id| MembershipChange::Remove(ReplicaId(id));
    assert_refused(&submit(&council, 0, &change(&council, 0, joins(&council, 0), &[0, 3])), "2 of 4 members");
    assert_refused(&submit(&council, 0, &change(&council, 7, joins(&council, 7), &[0, 1, 2])), "epoch 7");
    assert_refused(&submit(&council, 0, &change(&council, 0, remove(0), &[0, 1, 2])), "4 members");
    let mut foreign = change(&council, 0, joins(&council, 0), &[0, 1]);
    let stranger = Seed::from_bytes([7; 32]).signing_key(KeyUse::Vote);
    foreign.sign(ReplicaId(3), &stranger, history(&council, 0).genesis().network());
    assert_refused(&submit(&council, 0, &foreign), "node-4");
    for nonsense in ["{}", "{\"change\":\"?\"}", "{\"change\":\"AAAA\"}"] {
        let answer = council.http(0).post(CHANGES, "application/json", nonsense.as_bytes()).unwrap();
        assert_eq!((answer.status, &answer.json()["title"]), (400, &Value::from("not a council change")));
    }
    assert_eq!(history(&council, 0).epoch(), Epoch(0));

    let joins = change(&council, 0, joins(&council, 0), &[1, 2, 3]);
    assert_eq!(submit(&council, 2, &joins).status, 200);
    (0..NEW).for_each(|member| until_is(&council, member, "member", 1));
    assert_refused(&submit(&council, 2, &joins), "epoch 0");
    assert_eq!(history(&council, 3).epoch(), Epoch(1));
    assert_eq!(council.metric(0, "jurat_epoch"), 1);
}

/// Gives a founder a team, and lets it decide with that one and without witnesses.
fn set_up(council: &Council, founder: &Federation) {
    let settings = Settings::new(Name::new(founder.id().as_str()).unwrap());
    let mut settings = settings.with_min_team_count(1).unwrap();
    settings.requires_external_witness = false;
    operate(council, &founder.asks(1, Act::Configure(settings)));
    operate(council, &founder.decides(2, Act::AddTeam(founder.new_team())));
}

fn operate(council: &Council, operation: &[u8]) {
    let http = council.http(1);
    let answer = http.post("/api/v1/operations?wait=receipt", "application/octet-stream", operation).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// A proposal by the first of these, who all are affected.
fn propose(council: &Council, sequence: u64, all: &[Federation], what: &Action) -> ProposalId {
    propose_any(council, sequence, all, what.action_type().unwrap(), what.payload())
}

fn propose_any(
    council: &Council,
    sequence: u64,
    all: &[Federation],
    action: ActionType,
    payload: Vec<u8>,
) -> ProposalId {
    let affected = all.iter().map(|federation| federation.id().clone()).collect();
    let (team, text) = (all[0].team(), Description::new("A change").unwrap());
    let expires = OrderedTime(4_000_000_000_000);
    let act = Act::Propose(Draft::new(team, affected, action, text, payload, expires).unwrap());
    let operation = Operation { federation: all[0].id().clone(), sequence, act: act.clone() };
    operate(council, &all[0].decides(sequence, act));
    ProposalId(operation.id(council.network()))
}

#[test]
fn approved_proposals_bring_a_member_in_and_out() {
    let council = founders_and_newcomer();
    let founders: Vec<Federation> = (0..NEW).map(|member| Federation::founder(&council, member)).collect();
    for founder in &founders {
        set_up(&council, founder);
    }
    let paper = Federation::named(&council, "fed:paper");
    operate(&council, &paper.registration());
    let member = &council.members()[NEW];
    let key = |key_use| council.seed(NEW).signing_key(key_use).verifying_key();
    let node = NewMember {
        federation: paper.id().clone(),
        name: KeyName::new(member.name.clone()).unwrap(),
        link: key(KeyUse::Link),
        vote: key(KeyUse::Vote),
        log: key(KeyUse::Log),
        cosign: key(KeyUse::Cosign),
    };
    let approve = |sequence, proposal, founders: &[Federation]| {
        for founder in founders {
            let approve = Act::Approve { proposal, teams: vec![founder.team()] };
            operate(&council, &founder.decides(sequence, approve));
        }
    };
    council.give_history(NEW, &history(&council, 1).to_json());
    council.run(NEW);

    let add = propose(&council, 1, &founders[..3], &Action::CouncilAdd(node.into()));
    let by = |epoch, what, proposal| CouncilChange::new(Epoch(epoch), what).by_proposal(proposal);
    let joins_by = |proposal| by(0, joins(&council, 0), proposal);
    assert_refused(&submit(&council, 1, &joins_by(add)), "is no approved one for this change");
    approve(1, add, &founders[..3]);
    // For this node only, and by this proposal only.
    let leaves = |proposal| by(0, MembershipChange::Remove(ReplicaId(3)), proposal);
    assert_refused(&submit(&council, 1, &leaves(add)), "is no approved one for this change");
    let unknown = ProposalId(Digest::of(b"another"));
    assert_refused(&submit(&council, 1, &joins_by(unknown)), "is no approved one for this change");
    let answer = submit(&council, 1, &joins_by(add));
    assert_eq!(answer.status, 200, "{}", answer.text());
    until_is(&council, NEW, "member", 1);

    // Others in between, for those who always agree are flagged.
    for sequence in [2, 3] {
        let action = ActionType::new("data.share").unwrap();
        propose_any(&council, sequence, &founders[..1], action, Vec::new());
    }
    let remove = propose(&council, 4, &founders, &Action::CouncilRemove(paper.id().clone()));
    approve(2, remove, &founders);
    let leaves = by(1, MembershipChange::Remove(ReplicaId(4)), remove);
    let answer = submit(&council, 2, &leaves);
    assert_eq!(answer.status, 200, "{}", answer.text());
    until_is(&council, NEW, "former member", 2);

    // Anyone can follow it from the genesis, and see by what.
    let shown = jurat(["council", "show", &council.url(2), "--json"]).success().json();
    assert_eq!((&shown["epoch"], shown["members"].as_array().unwrap().len()), (&2.into(), 4));
    let epochs = shown["epochs"].as_array().unwrap();
    assert_eq!(epochs[0].get("proposal"), None);
    assert_eq!(
        (&epochs[1]["joined"], &epochs[1]["proposal"]),
        (&member.name.clone().into(), &add.to_string().into())
    );
    assert_eq!(
        (&epochs[2]["left"], &epochs[2]["proposal"]),
        (&member.name.clone().into(), &remove.to_string().into())
    );
    // As do those who come back.
    council.kill(0);
    council.run(0);
    until_is(&council, 0, "member", 2);
    assert_eq!(history(&council, 0).council(), history(&council, 3).council());
}

/// What operators do, with nothing but the commands.
#[test]
fn operators_change_the_council_with_commands() {
    let council = Council::start();
    let (node, ports) = (council.url(1), Ports::reserve());
    let at = |name: &str| council.dir().join(name);
    let key = at("ana.key");
    jurat(["keygen", "--name", "lab.example/ana", "-o", path(&key)]).success();
    let attest = |name: &str, node: &str| -> Finished {
        fs::write(at(name), name).unwrap();
        jurat(["attest", path(&at(name)), "--key", path(&key), "--node", node])
    };
    attest("first", &node).success();

    let paper = at("paper");
    let [peer, http] = [1, 0].map(|port| format!("127.0.0.1:{}", ports.base() + port));
    let founder = path(&council.members()[0].dir).to_owned();
    let join = ["council", "join", path(&paper), "--name", "paper", "--council", &founder, "--peer", &peer];
    let joins = jurat(join.iter().chain(&["--http", &http, "--json"])).success().json();
    let change = joins["change"].as_str().unwrap().to_owned();
    let sign = |change: &str, member: &std::path::Path| {
        jurat(["council", "sign", change, path(member), "--json"]).success().json()
    };
    let submit = |change: &str, node: &str| jurat(["council", "submit", change, "--node", node, "--json"]);
    for signer in 0..2 {
        let signed = sign(&change, &council.members()[signer].dir);
        assert_eq!(signed["signed_by"].as_array().unwrap().len(), signer + 1);
    }
    let too_few = submit(&change, &node);
    assert_eq!(too_few.code, Some(1), "{too_few:?}");
    assert!(too_few.stderr.contains("node-3, node-4"), "it says who could sign: {too_few:?}");
    sign(&change, &council.members()[3].dir);
    let shown = submit(&change, &node).success().json();
    assert_eq!((&shown["epoch"], &shown["members"][4]["name"]), (&1.into(), &"paper".into()));
    let _newcomer = Node::start(&[], &paper, &at("paper.log"), |_| {});
    let url = format!("http://{http}");
    until_true("the newcomer's receipt", || attest("second", &url).code == Some(0));

    let leave = at("leave.change");
    let leaves = ["council", "leave", "--member", "node-1", "--council", &node, "-o", path(&leave)];
    jurat(leaves).success();
    let members = council.members();
    for dir in [&members[1].dir, &members[2].dir, &members[3].dir, &paper] {
        sign(path(&leave), dir);
    }
    assert_eq!(submit(path(&leave), &url).success().json()["epoch"], 2);
    until_true("node-1 to know that it left", || {
        council.status(0).is_some_and(|status| status["role"] == "former member")
    });
    assert_eq!(attest("third", &council.url(0)).code, Some(3));
    // Without another founder the first policy's quorum is not to be had any more.
    council.kill(2);
    attest("third", &url).success();

    let history = at("council.json");
    fs::write(&history, council.http(3).get("/api/v1/council").unwrap().body).unwrap();
    let network = shown["network"].as_str().unwrap();
    let verify = |name: &str, with: &[&str]| jurat(["verify", path(&at(name))].iter().chain(with)).code;
    let with_history = ["--council", path(&history), "--network", network];
    for name in ["first", "second", "third"] {
        assert_eq!(verify(name, &with_history), Some(0), "{name}");
    }
    assert_eq!(verify("third", &["--policy", path(council.policy_path())]), Some(1));
    let other = network.replace(|digit: char| digit.is_ascii_digit(), "0");
    assert_ne!(verify("first", &["--council", path(&history), "--network", &other]), Some(0));
    let altered = fs::read_to_string(&history).unwrap().replacen("\"paper\"", "\"pager\"", 1);
    fs::write(&history, altered).unwrap();
    assert_ne!(verify("first", &with_history), Some(0));
}
