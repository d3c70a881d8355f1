//! Whose signatures count: always the same, or the members of the checkpoint's epoch.

use jurat_log::{BatchStamp, Check, Checkpoint, Failed, Note, Policy};
use jurat_pbft::Epoch;

use super::Arguments;
use crate::{
    cli::{Failure, council::read_pinned_history, files},
    core::CouncilHistory,
};

/// Whose signatures count.
pub(super) enum Trust {
    /// Always the same.
    Policy(Policy),
    /// The members of the checkpoint's epoch.
    Council(Box<CouncilHistory>),
}

/// What one checkpoint is checked under.
pub(super) struct Rule {
    pub(super) policy: Policy,
    /// The epoch and the network's id, if the council's history is known.
    pub(super) council: Option<(Epoch, String)>,
}

/// Which check failed, and why.
pub(super) type FailedCheck = (&'static str, String);

/// Verifies something with the policy that counts for its checkpoint, which is given too.
pub(super) fn check<T>(
    arguments: &Arguments,
    checkpoint: Option<&Checkpoint>,
    verify: impl FnOnce(&Policy) -> Result<T, Failed>,
) -> Result<Result<(T, Policy), FailedCheck>, Failure> {
    let trust = match Trust::of(arguments) {
        Ok(trust) => trust,
        Err(Failure::False(reason)) => return Ok(Err(("policy", reason))),
        Err(failure) => return Err(failure),
    };
    Ok(match trust.rule(checkpoint)? {
        Err(reason) => Err(("epoch", reason)),
        Ok(Rule { policy, .. }) => match verify(&policy) {
            Ok(verified) => Ok((verified, policy)),
            Err(failed) => Err((failed.check().as_str(), trust.explain(&failed, checkpoint))),
        },
    })
}

impl Trust {
    pub(super) fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let Some(path) = &arguments.council else {
            let policy = arguments.policy.as_deref().ok_or_else(|| Failure::Usage("no --policy".into()))?;
            return files::read_policy(policy).map(Self::Policy);
        };
        let history = read_pinned_history(&path.to_string_lossy(), arguments.network)?;
        Ok(Self::Council(Box::new(history)))
    }

    /// What a checkpoint is checked under; the inner error says why nothing fits. Where there is no
    /// checkpoint, another check fails whatever the policy.
    pub(super) fn rule(&self, checkpoint: Option<&Checkpoint>) -> Result<Result<Rule, String>, Failure> {
        let history = match self {
            Self::Policy(policy) => return Ok(Ok(Rule { policy: policy.clone(), council: None })),
            Self::Council(history) => history,
        };
        let epoch = match checkpoint.map_or(Ok(Epoch(0)), |checkpoint| history.epoch_of(checkpoint)) {
            Ok(epoch) => epoch,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let policy = history.policy_of(epoch).map_err(Failure::unreachable)?;
        let council = Some((epoch, history.genesis().network().to_string()));
        Ok(policy.map(|policy| Rule { policy, council }).ok_or_else(|| format!("no policy of epoch {epoch}")))
    }

    /// Why something does not hold, and what may be wrong with the policy.
    pub(super) fn explain(&self, failed: &Failed, checkpoint: Option<&Checkpoint>) -> String {
        let stamp = checkpoint.and_then(|checkpoint| BatchStamp::of(checkpoint).ok().flatten());
        match (self, stamp) {
            (Self::Policy(_), Some(stamp))
                if stamp.epoch > 0 && matches!(failed.check(), Check::LogSignature | Check::Quorum) =>
            {
                format!(
                    "{failed}; the checkpoint is of epoch {} of its council, whose members have changed: verify \
                     with --council COUNCIL.json, from a node's /api/v1/council, instead of --policy",
                    stamp.epoch
                )
            }
            _ => failed.to_string(),
        }
    }
}

/// The checkpoint in a note, unchecked.
pub(super) fn checkpoint(note: &str) -> Option<Checkpoint> {
    Checkpoint::parse(Note::parse(note.as_bytes()).ok()?.text()).ok()
}
