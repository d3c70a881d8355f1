//! The registry: operations, histories of them, snapshots.

use std::sync::LazyLock;

use jurat::registry_json::{Query, WhichProposals};
use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_trust::{
    Act, ActionType, Description, Draft, FederationId, KeySet, MILLIS_PER_DAY, Name, NewTeam, Operation,
    OrderedTime, ProposalId, Registration, Registry, Relationship, Score, Settings, SignedOperation,
    SnapshotError, TeamId,
};

use super::{Seed, fixtures, seed};

pub(super) fn operation(input: &[u8]) -> Option<()> {
    let operation = Operation::decode(input).map(|operation| assert_eq!(operation.encode(), input));
    let signed = SignedOperation::decode(input).map(|signed| assert_eq!(signed.encode(), input));
    operation.ok().or(signed.ok())
}

pub(super) fn operation_seeds() -> Vec<Seed> {
    let names = ["register", "second", "third", "trust", "propose", "approve", "agree", "witness"];
    let signed = history().into_iter().map(|signed| signed.encode());
    names.into_iter().zip(signed).map(|(name, bytes)| seed(name, bytes)).collect()
}

/// A path with its query: what is asked has an answer or a reason against it, and one spelling.
pub(super) fn query(input: &[u8]) -> Option<()> {
    static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = fixtures::genesis().registry().expect("a registry");
        for signed in history() {
            let applied = registry.apply(&signed.assume_checked(network()), OrderedTime(fixtures::TIME));
            applied.expect("an operation that fits");
        }
        registry
    });
    let query = Query::parse(str::from_utf8(input).ok()?).ok()?;
    assert_eq!(Query::parse(&query.path()), Ok(query.clone()));
    query.answer(&REGISTRY).is_ok().then_some(())
}

pub(super) fn query_seeds() -> Vec<Seed> {
    let id = |id| FederationId::new(id).expect("an id");
    let ada = id("fed:ada");
    [
        ("federation", Query::Federation(ada.clone())),
        ("federations", Query::Federations { after: Some(ada.clone()), limit: 7 }),
        ("proposals", Query::Proposals { which: WhichProposals::By(ada.clone()), skip: 3, limit: 7 }),
        ("trust", Query::Trust { source: Some(ada.clone()), target: None, skip: 3, limit: 7 }),
        (
            "witnesses",
            Query::Witnesses {
                proposer: ada,
                excluded: vec![id("fed:a&b"), id("fed:c/d")],
                least: Some(Score::HALF),
            },
        ),
    ]
    .map(|(name, query)| seed(name, query.path()))
    .into()
}

/// Operations one after the other, each after the days that pass before it (1 byte) and its length
/// (2): whatever they are, a refused one changes nothing, and the state can be stored and read.
pub(super) fn history_of_operations(input: &[u8]) -> Option<()> {
    let mut registry = fixtures::genesis().registry().expect("a registry");
    let (mut rest, mut time, mut applied) = (input, fixtures::TIME, None);
    while let Some(([days, high, low], after)) = rest.split_first_chunk() {
        let (bytes, after) = after.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
        rest = after;
        time += u64::from(*days) * MILLIS_PER_DAY;
        let Ok(signed) = SignedOperation::decode(bytes) else { continue };
        let operation = signed.assume_checked(network());
        let before = registry.settle();
        let expected = registry.check(&operation, OrderedTime(time));
        match registry.apply(&operation, OrderedTime(time)) {
            Ok(_) => applied = Some(()),
            Err(rejection) => {
                assert_eq!(expected, Err(rejection));
                assert_eq!(registry.digest(), before);
            }
        }
    }
    let restored = Registry::restore(&registry.snapshot(), &registry.digest()).expect("its own snapshot");
    assert_eq!(restored, registry);
    applied
}

pub(super) fn history_seeds() -> Vec<Seed> {
    let mut bytes = Vec::new();
    for signed in history() {
        let signed = signed.encode();
        bytes.push(0);
        bytes.extend(u16::try_from(signed.len()).expect("a short operation").to_be_bytes());
        bytes.extend(signed);
    }
    vec![seed("approved", bytes)]
}

pub(super) fn snapshot(input: &[u8]) -> Option<()> {
    let Err(SnapshotError::Digest { actual, .. }) = Registry::restore(input, &Digest::of(b"")) else {
        return None;
    };
    let registry = Registry::restore(input, &actual).expect("the digest that it has");
    assert_eq!(registry.snapshot(), input);
    Some(())
}

pub(super) fn snapshot_seeds() -> Vec<Seed> {
    let mut registry = fixtures::genesis().registry().expect("a registry");
    let founded = registry.snapshot();
    for signed in history() {
        let operation = signed.assume_checked(network());
        registry.apply(&operation, OrderedTime(fixtures::TIME)).expect("it holds");
    }
    vec![seed("founded", founded), seed("approved", registry.snapshot())]
}

fn network() -> NetworkId {
    fixtures::genesis().network()
}

/// Three federations; one proposes what affects the second, and the third witnesses.
fn history() -> Vec<SignedOperation> {
    let team = TeamId::new("board").expect("an id");
    let name = |i: u8| FederationId::new(format!("fed:{i}")).expect("an id");
    let key = |label: u8| SigningKey::from_seed(&[label; 32]);
    let set = |label| KeySet::new([key(label).verifying_key()], 1).expect("a key set");
    let mut history = Vec::new();
    let mut sign = |by: u8, act: Act| {
        // The admin alone enters trust; everything else here a team signs as well.
        let labels = match act {
            Act::EstablishTrust { .. } => vec![10 * by],
            _ => vec![10 * by, 10 * by + 1],
        };
        let operation = Operation { federation: name(by), sequence: 1, act };
        let mut signed = SignedOperation::new(operation).expect("an operation");
        for label in labels {
            signed.sign(&key(label), network()).expect("room");
        }
        history.push(signed);
    };
    for i in 1..=3 {
        let settings = Settings::new(Name::new("one of three").expect("a name"));
        let settings = settings.with_min_team_count(1).expect("a number of teams");
        let teams = vec![NewTeam { id: team.clone(), keys: set(10 * i + 1) }];
        sign(i, Act::Register(Registration { admin: set(10 * i), teams, settings }));
    }
    let trust = Act::EstablishTrust {
        target: name(3),
        relationship: Relationship::Peer,
        witness_allowed: true,
        score: Score::HALF,
    };
    let draft = Draft::new(
        team.clone(),
        vec![name(2)],
        ActionType::new("data.share").expect("a type"),
        Description::new("why").expect("a description"),
        b"what".to_vec(),
        OrderedTime(fixtures::TIME + MILLIS_PER_DAY),
    );
    let propose = Operation { federation: name(1), sequence: 1, act: Act::Propose(draft.expect("a draft")) };
    let proposal = ProposalId(propose.id(network()));
    sign(1, trust);
    sign(1, propose.act);
    for by in [1, 2] {
        sign(by, Act::Approve { proposal, teams: vec![team.clone()] });
    }
    sign(3, Act::Witness { proposal, team });
    history
}
