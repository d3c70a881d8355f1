//! Rebuilding the registry from a log: every entry checked against the checkpoint, every operation's
//! signatures and rights judged anew, and what the log says was refused as well; the outcome held
//! against what the council certified.

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use jurat_crypto::Digest;
use jurat_log::{Attestation, BatchStamp, Checkpoint, Entry, OpaqueOperation, RefusedEntry};
use jurat_pbft::Sequence;
use jurat_trust::{OrderedTime, Registry, SignedOperation};
use serde::Serialize;

use crate::{
    cli::{Failure, council::read_pinned_history, log::LogArguments, log::OpenedLog},
    core::{CouncilHistory, OrderRefusal, judge_attestor, judge_evidence},
};

/// How much of a log, and whose signatures its checkpoint must have.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogChoice {
    /// Who must have signed the log's checkpoint
    #[arg(long, value_name = "FILE", requires = "log")]
    policy: Option<PathBuf>,
    /// The council, whose genesis says how the registry began: council.json, genesis.json, a node's URL
    /// or directory [default: where the log is]; without --policy its members must have signed
    #[arg(long, alias = "genesis", value_name = "SOURCE", requires = "log")]
    council: Option<String>,
    /// Refuse a log of another network than this one
    #[arg(long, value_name = "ID", requires = "log")]
    network: Option<Digest>,
    /// The log as of this signed checkpoint, or of the one in this receipt
    #[arg(long, value_name = "FILE", requires = "log")]
    checkpoint: Option<PathBuf>,
    /// The log as of this size, of which the node at the URL has a checkpoint
    #[arg(long, value_name = "SIZE", requires = "log", conflicts_with = "checkpoint")]
    at: Option<u64>,
}

/// A registry that follows from a log.
pub(in crate::cli) struct Replayed {
    /// As of the checkpoint's batch.
    pub(in crate::cli) registry: Registry,
    pub(in crate::cli) checkpoint: Checkpoint,
    /// What the checkpoint says of its batch and registry.
    pub(super) stamp: BatchStamp,
    /// How many operations took effect.
    pub(super) operations: u64,
    /// What was refused when it was its turn, the first [`MAX_REFUSALS`] of it.
    pub(super) refusals: Vec<Refusal>,
    /// How many entries that were.
    pub(super) refused: u64,
}

impl LogChoice {
    /// All of a log whose checkpoint these must have signed.
    pub(in crate::cli) const fn signed_by(
        policy: Option<PathBuf>,
        council: Option<String>,
        network: Option<Digest>,
    ) -> Self {
        Self { policy, council, network, checkpoint: None, at: None }
    }

    /// Reads the whole log and folds it.
    pub(in crate::cli) fn replay(&self, log: &str) -> Result<Replayed, Failure> {
        if self.policy.is_none() && self.council.is_none() {
            return Err(Failure::Usage(
                "say who must have signed the log: --policy FILE, or --council council.json".into(),
            ));
        }
        let history = match &self.council {
            Some(council) => read_pinned_history(council, self.network)?,
            None => read_pinned_history(log, self.network).map_err(|failure| {
                failure.map(|message| format!("{message}; say with --council where the genesis is"))
            })?,
        };
        let arguments = LogArguments::of(log, self.checkpoint.clone());
        let opened = match self.at {
            Some(size) => arguments.open_at(size, self.policy.as_deref())?,
            None => arguments.open(self.policy.as_deref())?,
        };
        if self.policy.is_none() {
            check_signers(&opened, &history)?;
        }
        let stamp = BatchStamp::of(&opened.checkpoint).map_err(|error| Failure::False(error.to_string()))?;
        let stamp = stamp.ok_or_else(|| {
            Failure::False("the checkpoint certifies no registry: this is no log of a Jurat council".into())
        })?;
        let began = history.genesis().registry().map_err(|error| Failure::False(error.to_string()))?;
        let mut fold = Fold::new(began, &history);
        for index in 0..opened.bundles() {
            let first = index * jurat_log::TILE_WIDTH as u64;
            for (place, entry) in (first..).zip(opened.bundle(index)?) {
                fold.take(place, &entry)
                    .map_err(|reason| Failure::False(format!("entry {place}: {reason}")))?;
            }
        }
        let Fold { mut registry, operations, batch, refusals, refused, .. } = fold;
        if batch.is_some_and(|(sequence, _)| sequence > stamp.sequence) {
            return Err(Failure::False(
                "the log has operations of later batches than its checkpoint's".into(),
            ));
        }
        registry
            .advance(OrderedTime(stamp.time.0))
            .map_err(|error| Failure::False(format!("the checkpoint's time: {error}")))?;
        Ok(Replayed { registry, checkpoint: opened.checkpoint, stamp, operations, refusals, refused })
    }
}

/// The members of the checkpoint's epoch must have signed it.
fn check_signers(opened: &OpenedLog, history: &CouncilHistory) -> Result<(), Failure> {
    let not_signed = |error: &dyn std::fmt::Display| Failure::False(format!("the checkpoint: {error}"));
    let epoch = history.epoch_of(&opened.checkpoint).map_err(|error| not_signed(&error))?;
    let policy = history.policy_of(epoch).map_err(Failure::unreachable)?;
    let policy = policy.ok_or_else(|| not_signed(&format!("no policy of epoch {epoch}")))?;
    policy.check(&opened.note).map(|_| ()).map_err(|error| not_signed(&error))
}

impl Replayed {
    /// The digest of the registry that followed.
    pub(super) fn digest(&self) -> Digest {
        self.registry.digest()
    }

    /// Holds the outcome against the certified one.
    pub(in crate::cli) fn confirm(&self) -> Result<(), Failure> {
        let (digest, certified) = (self.digest(), self.stamp.registry);
        if digest == certified {
            return Ok(());
        }
        Err(Failure::False(format!(
            "the registry that follows from the log has digest {digest}, the council certified {certified}: \
             keep the log and ask the council's members"
        )))
    }
}

/// A registry on its way through a log.
struct Fold<'h> {
    registry: Registry,
    /// By which evidence is judged.
    history: &'h CouncilHistory,
    /// Sequence and time of the batch whose operations follow.
    batch: Option<(u64, OrderedTime)>,
    operations: u64,
    refusals: Vec<Refusal>,
    refused: u64,
}

/// Refusals that are told with their reasons; the others are counted.
pub(super) const MAX_REFUSALS: usize = 100;

/// An entry that was refused when it was its turn.
#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    /// Where it is in the log.
    pub(super) index: u64,
    /// Why the rules refuse it.
    pub(super) reason: String,
}

impl<'h> Fold<'h> {
    const fn new(registry: Registry, history: &'h CouncilHistory) -> Self {
        Self { registry, history, batch: None, operations: 0, refusals: Vec::new(), refused: 0 }
    }

    fn take(&mut self, index: u64, entry: &[u8]) -> Result<(), String> {
        match Entry::decode(entry).map_err(|error| error.to_string())? {
            Entry::OrderedTime(ordered) => {
                if self.batch.is_some_and(|(sequence, _)| sequence >= ordered.sequence) {
                    return Err(format!("sequence {} does not follow the one before", ordered.sequence));
                }
                let time = OrderedTime(ordered.time.0);
                self.registry.advance(time).map_err(|error| error.to_string())?;
                self.batch = Some((ordered.sequence, time));
            }
            Entry::RegistryOperation(operation) => {
                self.apply(&operation)?
                    .map_err(|error| format!("an operation that the registry refuses: {error}"))?;
                self.operations += 1;
            }
            Entry::Attestation(attestation) => {
                // The time is that of the last batch with operations, so its own can only be later.
                self.judge(&attestation)
                    .map_err(|error| format!("an attestation that the registry refuses: {error}"))?;
            }
            Entry::Refused(refused) => {
                let verdict = match refused {
                    RefusedEntry::RegistryOperation(operation) => self.apply(&operation)?.err(),
                    RefusedEntry::Attestation(attestation) => self.judge(&attestation).err(),
                };
                let reason = verdict.ok_or("it is marked as refused, and the registry takes it")?.to_string();
                self.refused += 1;
                if self.refusals.len() < MAX_REFUSALS {
                    self.refusals.push(Refusal { index, reason });
                }
            }
            Entry::PrivateCommitment(_) | Entry::CouncilChange(_) => {}
        }
        Ok(())
    }

    /// Lets the registry judge an operation; the outer error is about its bytes and signatures.
    fn apply(&mut self, operation: &OpaqueOperation) -> Result<Result<(), OrderRefusal>, String> {
        let (sequence, time) = self.batch.ok_or("an operation with no time before it")?;
        let signed = SignedOperation::decode(operation.as_bytes()).map_err(|error| error.to_string())?;
        let checked = signed.verify(self.registry.network()).map_err(|error| error.to_string())?;
        let checked = judge_evidence(&Arc::new(checked), self.history, Sequence(sequence));
        Ok(self.registry.apply(&checked, time).map(drop).map_err(OrderRefusal::from))
    }

    fn judge(&self, attestation: &Attestation) -> Result<(), OrderRefusal> {
        judge_attestor(&self.registry, attestation.attestor().key())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use jurat_crypto::{NetworkId, Seed, SigningKey};
    use jurat_log::{OpaqueOperation, Origin, UnixMillis};
    use jurat_trust::{Act, FederationId, Operation};

    use super::*;
    use crate::core::{Genesis, Member, MemberName};

    const NETWORK: NetworkId = NetworkId(Digest::from_bytes([7; 32]));

    /// Nobody is accused, so it does not matter whose it is.
    static HISTORY: LazyLock<CouncilHistory> = LazyLock::new(|| {
        let origin = Origin::new("log.example/council").unwrap();
        let name = MemberName::new("lab").unwrap();
        let member = Member::of_seed(name, &origin, &Seed::from_bytes([1; 32])).unwrap();
        CouncilHistory::new(Genesis::new(origin, vec![member]).unwrap()).unwrap()
    });

    fn fold() -> Fold<'static> {
        let (id, key) = (FederationId::new("fed:lab").unwrap(), key().verifying_key());
        Fold::new(Registry::founded_by(NETWORK, [(id, key)]).unwrap(), &HISTORY)
    }

    fn key() -> SigningKey {
        SigningKey::from_seed(&[1; 32])
    }

    fn time(sequence: u64, millis: u64) -> Vec<u8> {
        Entry::OrderedTime(jurat_log::OrderedTime { sequence, time: UnixMillis(millis) }).encode()
    }

    fn operation(sequence: u64, network: NetworkId) -> Vec<u8> {
        let team = jurat_trust::TeamId::new(format!("team-{sequence}")).unwrap();
        let member = SigningKey::from_seed(&[u8::try_from(sequence).unwrap() + 1; 32]);
        let keys = jurat_trust::KeySet::new([member.verifying_key()], 1).unwrap();
        let act = Act::AddTeam(jurat_trust::NewTeam { id: team, keys });
        let operation = Operation { federation: FederationId::new("fed:lab").unwrap(), sequence, act };
        let mut signed = SignedOperation::new(operation).unwrap();
        signed.sign(&key(), network).unwrap();
        signed.sign(&member, network).unwrap();
        Entry::RegistryOperation(OpaqueOperation::new(signed.encode()).unwrap()).encode()
    }

    /// What becomes of the last of these entries.
    fn last(entries: &[Vec<u8>]) -> Result<(u64, u64), String> {
        let (mut fold, mut outcome) = (fold(), Ok(()));
        for entry in entries {
            assert_eq!(outcome, Ok(()));
            outcome = fold.take(0, entry);
        }
        outcome.map(|()| (fold.operations, fold.refused))
    }

    #[test]
    fn operations_follow_the_time_at_which_they_were_ordered() {
        let (first, second) = (operation(1, NETWORK), operation(2, NETWORK));
        assert_eq!(last(&[time(3, 10), first.clone(), second.clone()]), Ok((2, 0)));
        assert_eq!(last(&[time(3, 10), first.clone(), time(4, 10), second.clone()]), Ok((2, 0)));
        let refused = jurat_log::refused_form;
        let marked = [time(3, 10), second.clone(), refused(first.clone())];
        assert_eq!(last(&marked), Ok((1, 1)), "its sequence is stale");
        for (entries, reason) in [
            (vec![first.clone()], "an operation with no time before it"),
            (vec![time(3, 10), time(3, 11)], "sequence 3 does not follow the one before"),
            (vec![time(3, 10), time(4, 9)], "ordered time can't go back"),
            (vec![time(3, 10), first.clone(), first.clone()], "an operation that the registry refuses"),
            (vec![time(3, 10), refused(first.clone())], "it is marked as refused"),
            (vec![refused(first.clone())], "an operation with no time before it"),
            (vec![time(3, 10), operation(1, NetworkId(Digest::of(b"another")))], "signature"),
            (vec![b"no entry".to_vec()], "version"),
        ] {
            let refused = last(&entries).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
