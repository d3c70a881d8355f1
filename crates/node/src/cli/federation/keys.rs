//! `jurat federation add-keys`, `add-attestors`, `rotate-key` and `revoke-key`

use clap::Args;
use jurat_crypto::VerifyingKey;
use jurat_trust::{Act, KeyGroup, Rotation, TeamId};

use crate::cli::{
    Failure,
    operation::{AskArguments, By, GraceArguments, ask, public_key, team_id},
    output::Output,
};

/// Add keys to the admin group or a team, and say how many must sign; the new keys sign too
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat federation add-keys ben.pub --threshold 2 --as fed:lab \\\n    \
    --key ana.key --key ben.key --node http://127.0.0.1:8100\n\
    Without a key, only the threshold changes.")]
pub(in crate::cli) struct AddArguments {
    /// A vkey, hex, or a file with one of them
    #[arg(value_name = "KEY", value_parser = public_key)]
    added: Vec<VerifyingKey>,
    /// How many of the group must sign from then on
    #[arg(long, value_name = "N")]
    threshold: u8,
    /// The team whose keys they are [default: the admin group]
    #[arg(long, value_name = "TEAM", value_parser = team_id)]
    team: Option<TeamId>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn add(arguments: &AddArguments, output: Output) -> Result<(), Failure> {
    let group = arguments.team.clone().map_or(KeyGroup::Admin, KeyGroup::Team);
    let act = Act::ChangeKeys { group, add: sorted(&arguments.added), threshold: arguments.threshold };
    ask(&arguments.by.federation, act, &arguments.ask, output)
}

/// Vouch for keys that sign attestations; they sign too
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation add-attestors ana.pub --as fed:lab --key ana-admin.key --key ana.key \\\n    \
    --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct AttestorArguments {
    /// A vkey, hex, or a file with one of them
    #[arg(value_name = "KEY", value_parser = public_key, required = true)]
    attestors: Vec<VerifyingKey>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn add_attestors(arguments: &AttestorArguments, output: Output) -> Result<(), Failure> {
    let act = Act::AddAttestors { keys: sorted(&arguments.attestors) };
    ask(&arguments.by.federation, act, &arguments.ask, output)
}

/// Put a new key in the place of an old one; these two sign, and nobody else
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation rotate-key ana.pub ana-2027.pub --as fed:lab --key ana.key --key ana-2027.key \\\n    \
    --grace 7 --node http://127.0.0.1:8100\n\
    Whatever the old key is for: admin, team or attestor."
)]
pub(in crate::cli) struct RotateArguments {
    /// The key that goes: a vkey, hex, or a file with one of them
    #[arg(value_parser = public_key)]
    old: VerifyingKey,
    /// The key that comes
    #[arg(value_parser = public_key)]
    new: VerifyingKey,
    #[command(flatten)]
    grace: GraceArguments,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn rotate(arguments: &RotateArguments, output: Output) -> Result<(), Failure> {
    let rotation = Rotation { old: arguments.old, new: arguments.new, grace_until: arguments.grace.end() };
    ask(&arguments.by.federation, Act::RotateKey(rotation.into()), &arguments.ask, output)
}

/// Take a key away, whatever it is for
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation revoke-key ben.pub --as fed:lab --key ana.key --node http://127.0.0.1:8100\n\
    It works until the grace is over, which is an hour from now unless something else is said."
)]
pub(in crate::cli) struct RevokeArguments {
    /// The key: a vkey, hex, or a file with one of them
    #[arg(value_name = "KEY", value_parser = public_key)]
    revoked: VerifyingKey,
    #[command(flatten)]
    grace: GraceArguments,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn revoke(arguments: &RevokeArguments, output: Output) -> Result<(), Failure> {
    let act = Act::RevokeKey { key: arguments.revoked, grace_until: arguments.grace.end() };
    ask(&arguments.by.federation, act, &arguments.ask, output)
}

/// As operations have them.
fn sorted(keys: &[VerifyingKey]) -> Vec<VerifyingKey> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys
}
