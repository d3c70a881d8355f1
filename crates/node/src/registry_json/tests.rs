//! Questions, and the shapes of their answers.

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_trust::{
    Act, ActionType, Description, Draft, FederationId, KeySet, Name, NewTeam, Operation, OrderedTime,
    ProposalId, Registration, Registry, Relationship, Score, Settings, SignedOperation, TeamId,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::*;

const NOW: OrderedTime = OrderedTime(1_700_000_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn id(id: &str) -> FederationId {
    FederationId::new(id).unwrap()
}

struct World {
    registry: Registry,
    proposal: ProposalId,
}

fn run(registry: &mut Registry, by: &str, sequence: u64, act: Act, keys: &[u8]) -> Digest {
    let operation = Operation { federation: id(by), sequence, act };
    let mut signed = SignedOperation::new(operation).unwrap();
    for seed in keys {
        signed.sign(&key(*seed), registry.network()).unwrap();
    }
    let checked = signed.verify(registry.network()).unwrap();
    registry.apply(&checked, NOW).unwrap();
    checked.id()
}

/// A founder, a laboratory that trusts a court, and a proposal of the laboratory's about the press
/// that it approved itself.
fn world() -> World {
    let network = NetworkId(Digest::of(b"network"));
    let mut registry = Registry::founded_by(network, [(id("fed:founder"), key(1).verifying_key())]).unwrap();
    let team = TeamId::new("board").unwrap();
    for (seed, name) in [(10, "fed:lab"), (20, "fed:press"), (30, "fed:court/of?appeal")] {
        let set = |seed| KeySet::new([key(seed).verifying_key()], 1).unwrap();
        let registration = Registration {
            admin: set(seed),
            teams: vec![NewTeam { id: team.clone(), keys: set(seed + 1) }],
            settings: Settings::new(Name::new(name).unwrap()).with_min_team_count(1).unwrap(),
        };
        run(&mut registry, name, 1, Act::Register(registration), &[seed, seed + 1]);
    }
    let establish = Act::EstablishTrust {
        target: id("fed:court/of?appeal"),
        relationship: Relationship::Trusted,
        witness_allowed: true,
        score: Score::HALF,
    };
    run(&mut registry, "fed:lab", 1, establish, &[10]);
    let draft = Draft::new(
        team.clone(),
        vec![id("fed:press")],
        ActionType::new("data.share").unwrap(),
        Description::new("Share the raw measurements").unwrap(),
        b"sha256:..".to_vec(),
        NOW.plus_days(14),
    )
    .unwrap();
    let proposal = ProposalId(run(&mut registry, "fed:lab", 1, Act::Propose(draft), &[10, 11]));
    run(&mut registry, "fed:lab", 1, Act::Approve { proposal, teams: vec![team] }, &[10, 11]);
    World { registry, proposal }
}

/// All kinds of questions.
fn queries(proposal: ProposalId) -> Vec<Query> {
    let (lab, court) = (id("fed:lab"), id("fed:court/of?appeal"));
    vec![
        Query::Summary,
        Query::Sequences(court.clone()),
        Query::Federations { after: None, limit: 2 },
        Query::Federations { after: Some(court.clone()), limit: 2 },
        Query::Federation(court.clone()),
        Query::Witnesses { proposer: lab.clone(), excluded: Vec::new(), least: None },
        Query::Witnesses {
            proposer: lab.clone(),
            excluded: vec![court.clone(), lab.clone()],
            least: Some(Score::ZERO),
        },
        Query::Trust { source: Some(lab.clone()), target: None, skip: 0, limit: 1 },
        Query::Trust { source: None, target: Some(court.clone()), skip: 0, limit: 1 },
        Query::Trust { source: Some(lab.clone()), target: Some(court.clone()), skip: 1, limit: 1 },
        Query::Bootstrap { source: lab.clone(), target: court.clone() },
        Query::Graph,
        Query::Proposals { which: WhichProposals::All, skip: 0, limit: 1 },
        Query::Proposals { which: WhichProposals::By(lab.clone()), skip: 0, limit: 1 },
        Query::Proposals { which: WhichProposals::Awaiting(id("fed:press")), skip: 0, limit: 1 },
        Query::Proposal(proposal),
        Query::Requirements(proposal),
        Query::Risk { proposal, approver: id("fed:press") },
        Query::Collusion,
        Query::Reciprocity(lab),
    ]
}

#[test]
fn every_question_is_read_as_it_was_asked_and_has_an_answer() {
    let World { registry, proposal } = world();
    for query in queries(proposal) {
        let path = query.path();
        assert!(ROUTES.iter().any(|route| path.starts_with(route)), "{path}");
        assert_eq!(Query::parse(&path), Ok(query.clone()), "{path}");
        assert!(query.answer(&registry).unwrap().is_object(), "{path}");
    }
}

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned>(registry: &Registry, query: &Query) -> Value {
    let value = query.answer(registry).unwrap();
    let root = Digest::of(b"root");
    let answer = AsOf::new(7, &root, registry, value.clone());
    let text = serde_json::to_string(&answer).unwrap();
    let read: AsOf<T> = serde_json::from_str(&text).unwrap();
    assert_eq!((read.log_size, &*read.root), (7, &*root.to_string()));
    assert_eq!(read.time, "2023-11-14T22:13:20.000Z");
    assert_eq!(serde_json::to_value(&read.answer).unwrap(), value);
    value
}

#[test]
fn answers_have_their_shapes() {
    let World { registry, proposal } = world();
    let lab = id("fed:lab");
    let summary = round_trip::<Summary>(&registry, &Query::Summary);
    assert_eq!(summary["registry_digest"], registry.digest().to_string());
    assert_eq!(summary["council"], serde_json::json!(["fed:founder"]));
    assert_eq!(summary["policy"]["trust.witness-least"], 4_000);

    let sequences = round_trip::<Sequences>(&registry, &Query::Sequences(lab.clone()));
    assert_eq!(sequences["sequences"]["proposals"], 1);
    assert_eq!(sequences["sequences"]["keys"], 0);

    let federation = round_trip::<FederationShown>(&registry, &Query::Federation(lab.clone()));
    assert_eq!(federation["name"], "fed:lab");
    assert_eq!(federation["status"], "active");
    assert_eq!(federation["created_at"], "2023-11-14T22:13:20.000Z");
    assert_eq!(federation["teams"][0]["keys"][0].as_str().unwrap().len(), 64);

    let trust = Query::Trust { source: Some(lab.clone()), target: None, skip: 0, limit: 1 };
    let trust = round_trip::<TrustPage>(&registry, &trust);
    assert_eq!(trust["trust"][0]["relationship"], "trusted");
    assert_eq!(trust["trust"][0]["last_interaction"], Value::Null);

    let bootstrap = Query::Bootstrap { source: lab.clone(), target: id("fed:court/of?appeal") };
    let bootstrap = round_trip::<BootstrapShown>(&registry, &bootstrap);
    assert_eq!((&bootstrap["score"], &bootstrap["next_cap"]), (&5_000.into(), &6_000.into()));
    assert_eq!((&bootstrap["successes_needed"], &bootstrap["days_needed"]), (&3.into(), &7.into()));

    let witnesses = Query::Witnesses { proposer: lab.clone(), excluded: Vec::new(), least: None };
    let witnesses = round_trip::<EligibleWitnesses>(&registry, &witnesses);
    assert_eq!(witnesses["least"], 4_000);
    assert_eq!(witnesses["witnesses"][0]["federation"], "fed:court/of?appeal");

    let shown = round_trip::<ProposalShown>(&registry, &Query::Proposal(proposal));
    assert_eq!((&shown["status"], &shown["outcome"]), (&"pending".into(), &"none".into()));
    assert_eq!(shown["payload"], "c2hhMjU2Oi4u");
    assert_eq!(shown["approvals"][0]["teams"][0], "board");
    assert_eq!(shown["rejection"], Value::Null);

    let needs = round_trip::<RequirementsShown>(&registry, &Query::Requirements(proposal));
    assert_eq!(needs["missing"], serde_json::json!(["fed:press"]));
    assert_eq!(needs["external_witness_present"], false);

    let risk = Query::Risk { proposal, approver: id("fed:press") };
    assert_eq!(round_trip::<RiskAnswer>(&registry, &risk)["risk"], "low-not-enough-history");
    assert_eq!(round_trip::<CollusionReport>(&registry, &Query::Collusion)["health"], "healthy");
    let reciprocity = round_trip::<ReciprocityReport>(&registry, &Query::Reciprocity(lab));
    assert_eq!(reciprocity["partners"][0]["mutual_proposals"], 1);
    let graph = round_trip::<jurat_trust::TrustGraph>(&registry, &Query::Graph);
    assert_eq!(graph["federations"].as_array().unwrap().len(), 4);
}

#[test]
fn pages_lead_to_everything_once() {
    let World { registry, .. } = world();
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let query = Query::Federations { after, limit: 3 };
        let page: FederationPage = serde_json::from_value(query.answer(&registry).unwrap()).unwrap();
        seen.extend(page.federations.into_iter().map(|federation| federation.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["fed:court/of?appeal", "fed:founder", "fed:lab", "fed:press"].map(id));
    for (limit, next) in [(1, None), (2, None)] {
        let query = Query::Proposals { which: WhichProposals::All, skip: 0, limit };
        let page: ProposalPage = serde_json::from_value(query.answer(&registry).unwrap()).unwrap();
        assert_eq!((page.proposals.len(), page.next), (1, next));
    }
}

#[test]
fn what_can_not_be_asked_is_told_why() {
    let World { registry, proposal } = world();
    for (path, reason) in [
        ("/api/v1/federation", "nothing is asked here"),
        ("/api/v1/federations/fed:lab/teams", "nothing is asked here"),
        ("/api/v1/federations/fed:lab?limit=3", "\"limit\" is not a field of this query, or given twice"),
        ("/api/v1/federations?limit=3&limit=3", "\"limit\" is not a field of this query, or given twice"),
        ("/api/v1/federations?limit=0", "limit: it is 1 to 500"),
        ("/api/v1/federations?limit=501", "limit: it is 1 to 500"),
        ("/api/v1/federations/fed%", "path: an escape in it makes no sense"),
        ("/api/v1/federations/fed%20lab", "federation: the federation id can't have the character ' '"),
        ("/api/v1/trust", "source: say of whom, or in whom with target"),
        ("/api/v1/proposals?by=a&awaiting=b", "awaiting: ask for this or for by"),
        (
            "/api/v1/federations/fed:lab/witnesses?least=10001",
            "least: a score is 0 to 10000 basis points, not 10001",
        ),
    ] {
        assert_eq!(Query::parse(path).unwrap_err().to_string(), reason, "{path}");
    }
    assert!(Query::parse("/api/v1/proposals/abc").unwrap_err().to_string().starts_with("proposal: "));
    // An id is no prefix of another.
    for query in [
        Query::Federation(id("fed:la")),
        Query::Trust { source: Some(id("fed:la")), target: None, skip: 0, limit: 1 },
        Query::Proposals { which: WhichProposals::By(id("fed:la")), skip: 0, limit: 1 },
        Query::Risk { proposal, approver: id("fed:la") },
    ] {
        assert_eq!(query.answer(&registry).unwrap_err().to_string(), "there is no federation fed:la");
    }
    let unknown = ProposalId(Digest::of(b"unknown"));
    let refused = Query::Requirements(unknown).answer(&registry).unwrap_err();
    assert_eq!(refused.to_string(), format!("there is no proposal {unknown}"));
}
