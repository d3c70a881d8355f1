//! The registry: operations, queries over a large state, memory, and replaying a history.

use std::{
    fs,
    hint::black_box,
    time::{Duration, Instant},
};

use jurat_crypto::{Digest, NetworkId, Signature, SignatureBatch, SigningKey, VerifyingKey};
use jurat_trust::{
    Act, ActionType, CheckedOperation, Description, Draft, FederationId, KeySet, MILLIS_PER_DAY, Name,
    NewTeam, Operation, OperationSignature, OrderedTime, ProposalId, Registration, Registry, Relationship,
    Score, SequenceDomain, Settings, SignedOperation, TeamId,
};
use rand::{SeedableRng, rngs::StdRng};

use crate::report::Report;

const FEDERATIONS: usize = 1_000;
/// To measure what one takes.
const MANY: usize = 5_000;
const EDGES: usize = 100_000;
const PROPOSALS: usize = 1_000_000;
const MIXED: usize = 100_000;
const REPLAYED: usize = 1_000_000;
const BATCH: usize = 1_000;
const START: u64 = 1_700_000_000_000;

pub fn run(report: &mut Report) -> Result<(), String> {
    queries(report)?;
    apply(report)?;
    replay(report)
}

/// Answers about a large state, and what it takes.
fn queries(report: &mut Report) -> Result<(), String> {
    // Each part stays until all is measured: freed memory would be taken by the next.
    let before = resident_bytes();
    let _many = Crowd::found(MANY)?;
    let each = (resident_bytes() - before) / MANY as f64;
    report.figure("memory of a federation with four keys and three teams", each, "bytes");
    let mut crowd = Crowd::found(FEDERATIONS)?;
    let before = resident_bytes();
    crowd.trust(EDGES)?;
    crowd.registry.settle();
    report.figure(
        "memory of a trust relation, hashes and indexes included as everywhere here",
        (resident_bytes() - before) / EDGES as f64,
        "bytes",
    );
    let before = resident_bytes();
    let start = Instant::now();
    let mut proposals = Vec::with_capacity(PROPOSALS);
    for i in 0..PROPOSALS {
        let proposal = crowd.propose(i)?;
        if i % 2 == 0 {
            crowd.approve(affected(i), proposal)?;
        }
        proposals.push(proposal);
        if i % BATCH == 0 {
            crowd.registry.settle();
        }
    }
    crowd.registry.settle();
    report.figure("building it, operations made and applied", start.elapsed().as_secs_f64(), "s");
    let each = (resident_bytes() - before) / PROPOSALS as f64;
    report.figure("memory of a proposal that affects two, half of them approved by one", each, "bytes");

    let registry = &crowd.registry;
    let name = |i: usize| &crowd.names[i % FEDERATIONS];
    let mut slowest = |what: &str, query: &mut dyn FnMut(usize)| {
        let times = (0..FEDERATIONS).map(|i| {
            let times = (0..3).map(|_| {
                let start = Instant::now();
                query(i);
                start.elapsed()
            });
            times.min().unwrap_or_default()
        });
        let mut times: Vec<Duration> = times.collect();
        times.sort_unstable();
        report.figure(format!("{what}, median"), times[FEDERATIONS / 2].as_secs_f64() * 1e6, "µs");
        report.figure(
            format!("{what}, slowest of {FEDERATIONS}"),
            times[FEDERATIONS - 1].as_secs_f64() * 1e6,
            "µs",
        );
    };
    slowest("a federation with its reputation", &mut |i| drop(black_box(registry.federation(name(i)))));
    slowest("bootstrap status", &mut |i| drop(black_box(registry.bootstrap_status(name(i), name(i + 1)))));
    slowest("eligible witnesses", &mut |i| drop(black_box(registry.eligible_witnesses(name(i), &[], None))));
    slowest("requirements check", &mut |i| drop(black_box(registry.requirements(&proposals[i * 997]))));
    slowest("reciprocity of one federation", &mut |i| drop(black_box(registry.reciprocity_of(name(i)))));
    slowest("risk of an approval", &mut |i| {
        drop(black_box(registry.approval_risk(name(affected(i * 997)), &proposals[i * 997])));
    });
    let start = Instant::now();
    let rings = black_box(registry.collusion_report()).rings.len();
    report.figure(
        format!("collusion report of all ({rings} rings)"),
        start.elapsed().as_secs_f64() * 1e3,
        "ms",
    );

    let start = Instant::now();
    let snapshot = registry.snapshot();
    report.figure("a snapshot", start.elapsed().as_secs_f64(), "s");
    report.figure("its size", snapshot.len() as f64 / 1e6, "MB");
    let start = Instant::now();
    Registry::restore(&snapshot, &registry.digest()).map_err(|error| error.to_string())?;
    report.figure("restoring it, digest checked", start.elapsed().as_secs_f64(), "s");
    Ok(())
}

/// Operations a second, their signatures checked before, on one core.
fn apply(report: &mut Report) -> Result<(), String> {
    let mut crowd = Crowd::found(FEDERATIONS)?;
    crowd.trust(EDGES / 2)?;
    for (what, settle) in [("a digest every 1000", BATCH), ("a digest after each", 1)] {
        // The best of three runs: noise only ever slows.
        let mut best = Duration::MAX;
        for _ in 0..3 {
            let operations = crowd.mixed(MIXED)?;
            let at = crowd.now;
            let start = Instant::now();
            for (i, operation) in operations.iter().enumerate() {
                crowd.registry.apply(operation, at).map_err(|error| error.to_string())?;
                if (i + 1) % settle == 0 {
                    black_box(crowd.registry.settle());
                }
            }
            best = best.min(start.elapsed());
        }
        report.figure(format!("operations applied, {what}"), MIXED as f64 / best.as_secs_f64(), "/s");
    }
    Ok(())
}

/// Bytes to state: decoding, checking signatures in batches, applying. One thread.
fn replay(report: &mut Report) -> Result<(), String> {
    let mut crowd = Crowd::found(FEDERATIONS)?;
    crowd.trust(EDGES)?;
    let start = crowd.registry.clone();
    let mut history: Vec<Vec<u8>> = Vec::with_capacity(REPLAYED);
    for i in 0..REPLAYED {
        let (source, operation) = crowd.interaction(i);
        let mut signed = SignedOperation::new(operation).map_err(|error| error.to_string())?;
        signed.sign(&crowd.keys[source].admin, network()).map_err(|error| error.to_string())?;
        history.push(signed.encode());
    }
    let decode = |bytes: &[u8]| SignedOperation::decode(bytes).map_err(|error| error.to_string());
    let check = |signed: &[SignedOperation]| {
        let mut batch = SignatureBatch::new();
        for checks in signed.iter().map(|signed| signed.checks(network())) {
            for OperationSignature { key, signature } in checks.signatures {
                batch.push(key, &checks.message, signature);
            }
        }
        batch.verify(StdRng::from_seed([1; 32])).map_err(|error| error.to_string())
    };

    let raw_batch: Vec<_> = history[..BATCH].iter().map(|bytes| decode(bytes)).collect::<Result<_, _>>()?;
    let raw_start = Instant::now();
    for _ in 0..20 {
        check(&raw_batch)?;
    }
    let raw = 20.0 * BATCH as f64 / raw_start.elapsed().as_secs_f64();
    let raw = report.figure("raw signature checks, in batches of 1000", raw, "/s");

    let mut registry = start;
    let time = Instant::now();
    for batch in history.chunks(BATCH) {
        let signed: Vec<_> = batch.iter().map(|bytes| decode(bytes)).collect::<Result<_, _>>()?;
        check(&signed)?;
        for signed in signed {
            let operation = signed.assume_checked(network());
            registry.apply(&operation, crowd.now).map_err(|error| error.to_string())?;
        }
        black_box(registry.settle());
    }
    let seconds = time.elapsed().as_secs_f64();
    report.figure(format!("replay of {REPLAYED} signed operations"), seconds, "s");
    report.ratio(
        "operations replayed, one signature each",
        REPLAYED as f64 / seconds,
        "/s",
        "raw signature checks",
        raw,
    );
    Ok(())
}

struct Keys {
    admin: SigningKey,
    admin_public: VerifyingKey,
    team: VerifyingKey,
}

/// Many federations, and what they ask for.
struct Crowd {
    registry: Registry,
    names: Vec<FederationId>,
    keys: Vec<Keys>,
    sequences: Vec<[u64; SequenceDomain::ALL.len()]>,
    now: OrderedTime,
}

impl Crowd {
    fn found(count: usize) -> Result<Self, String> {
        let registry = Registry::founded_by(network(), []).map_err(|error| error.to_string())?;
        let now = OrderedTime(START);
        let mut crowd = Self { registry, names: vec![], keys: vec![], sequences: vec![], now };
        for i in 0..count {
            let [admin, one, two, three] = [0, 1, 2, 3].map(|role| key(i, role));
            let set = |key: &SigningKey| KeySet::new([key.verifying_key()], 1);
            let teams = [&one, &two, &three].into_iter().zip(1..);
            let teams = teams.map(|(key, n)| Ok(NewTeam { id: team(n)?, keys: set(key).map_err(text)? }));
            let settings = Settings::new(Name::new(format!("Federation {i}")).map_err(text)?);
            let registration = Registration {
                admin: set(&admin).map_err(text)?,
                teams: teams.collect::<Result<_, String>>()?,
                settings,
            };
            crowd.names.push(FederationId::new(format!("fed:number-{i}")).map_err(text)?);
            crowd.sequences.push([0; 6]);
            let public = [&admin, &one, &two, &three].map(SigningKey::verifying_key);
            crowd.run(i, Act::Register(registration), &public)?;
            crowd.keys.push(Keys { admin, admin_public: public[0], team: public[1] });
        }
        crowd.registry.settle();
        Ok(crowd)
    }

    fn operation(&mut self, by: usize, act: Act) -> Operation {
        let sequence = &mut self.sequences[by][act.domain() as usize];
        *sequence += 1;
        Operation { federation: self.names[by].clone(), sequence: *sequence, act }
    }

    /// As if its signatures had been made and checked.
    fn checked(&mut self, by: usize, act: Act, signers: &[VerifyingKey]) -> Result<CheckedOperation, String> {
        let mut signed = SignedOperation::new(self.operation(by, act)).map_err(text)?;
        for key in signers {
            let signature = Signature::from_bytes([0; 64]);
            signed.add(OperationSignature { key: *key, signature }).map_err(text)?;
        }
        Ok(signed.assume_checked(network()))
    }

    fn run(&mut self, by: usize, act: Act, signers: &[VerifyingKey]) -> Result<CheckedOperation, String> {
        let operation = self.checked(by, act, signers)?;
        self.registry.apply(&operation, self.now).map_err(text)?;
        Ok(operation)
    }

    fn admin(&self, by: usize) -> [VerifyingKey; 1] {
        [self.keys[by].admin_public]
    }

    fn admin_and_team(&self, by: usize) -> [VerifyingKey; 2] {
        [self.keys[by].admin_public, self.keys[by].team]
    }

    /// The same number of others for each federation.
    fn trust(&mut self, edges: usize) -> Result<(), String> {
        for i in 0..edges {
            let (source, target) = pair(i);
            let (target, score) = (self.names[target].clone(), Score::HALF);
            let relationship = Relationship::Trusted;
            let act = Act::EstablishTrust { target, relationship, witness_allowed: true, score };
            self.run(source, act, &self.admin(source))?;
        }
        Ok(())
    }

    fn interaction(&mut self, i: usize) -> (usize, Operation) {
        let (source, target) = pair(i * 7_919 % (EDGES / 2));
        let act =
            Act::RecordInteraction { target: self.names[target].clone(), successful: !i.is_multiple_of(7) };
        (source, self.operation(source, act))
    }

    fn draft(&self, i: usize) -> Result<Act, String> {
        let draft = Draft::new(
            team(1)?,
            vec![self.names[affected(i)].clone()],
            ActionType::new("data.share").map_err(text)?,
            Description::new("Share the raw measurements of the campaign with the partner").map_err(text)?,
            Digest::of(&i.to_be_bytes()).as_bytes().to_vec(),
            self.now.plus_days(60),
        );
        draft.map(Act::Propose).map_err(text)
    }

    fn propose(&mut self, i: usize) -> Result<ProposalId, String> {
        self.now.0 = START + (i as u64 * 25 * MILLIS_PER_DAY) / PROPOSALS as u64;
        let (by, act) = (i % FEDERATIONS, self.draft(i)?);
        Ok(ProposalId(self.run(by, act, &self.admin_and_team(by))?.id()))
    }

    fn approve(&mut self, by: usize, proposal: ProposalId) -> Result<(), String> {
        let act = Act::Approve { proposal, teams: vec![team(1)?] };
        self.run(by, act, &self.admin_and_team(by)).map(drop)
    }

    /// Half interactions, the rest proposals with an approval each. Every federation proposes to
    /// ever another one, as the collusion check wants.
    fn mixed(&mut self, count: usize) -> Result<Vec<CheckedOperation>, String> {
        let mut operations = Vec::with_capacity(count);
        let first = self.sequences[0][SequenceDomain::Proposals as usize] as usize * FEDERATIONS;
        for i in 0..count / 4 {
            for j in 0..2 {
                let (source, operation) = self.interaction(2 * i + j);
                let mut signed = SignedOperation::new(operation).map_err(text)?;
                let (key, signature) = (self.keys[source].admin_public, Signature::from_bytes([0; 64]));
                signed.add(OperationSignature { key, signature }).map_err(text)?;
                operations.push(signed.assume_checked(network()));
            }
            let (i, act) = (first + i, self.draft(first + i)?);
            let by = i % FEDERATIONS;
            let proposed = self.checked(by, act, &self.admin_and_team(by))?;
            let proposal = ProposalId(proposed.id());
            operations.push(proposed);
            let by = affected(i);
            let act = Act::Approve { proposal, teams: vec![team(1)?] };
            operations.push(self.checked(by, act, &self.admin_and_team(by))?);
        }
        Ok(operations)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"benchmark"))
}

fn team(number: usize) -> Result<TeamId, String> {
    TeamId::new(format!("team-{number}")).map_err(text)
}

fn key(federation: usize, role: u8) -> SigningKey {
    let label = [&federation.to_be_bytes()[..], &[role]].concat();
    SigningKey::from_seed(Digest::of(&label).as_bytes())
}

/// The i-th pair: each federation with those that follow it.
fn pair(i: usize) -> (usize, usize) {
    let source = i % FEDERATIONS;
    (source, (source + 1 + i / FEDERATIONS) % FEDERATIONS)
}

/// Whom the i-th proposal affects besides its proposer.
fn affected(i: usize) -> usize {
    (i % FEDERATIONS + 1 + i / FEDERATIONS % (FEDERATIONS - 1)) % FEDERATIONS
}

/// What the process holds in memory, in bytes.
fn resident_bytes() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096.0
}
