//! What is typed to say who asks, by which keys and until when.

use std::{fs, path::Path, str::FromStr};

use clap::Args;
use data_encoding::HEXLOWER;
use jurat_crypto::{ParseDigestError, SignatureType, VerifyingKey, Vkey};
use jurat_trust::{FederationId, KeySet, NewTeam, OrderedTime, ProposalId, TeamId, TextError};

use crate::{runtime::unix_millis, time::parse_rfc3339};

/// The most bytes of a file with a public key.
const MAX_KEY_BYTES: u64 = 4096;
/// How long a key that is replaced or revoked still works unless something else is said: the
/// signatures must be collected before it is over.
const DEFAULT_GRACE_MS: u64 = 60 * 60 * 1000;

/// Who asks.
#[derive(Debug, Args)]
pub(in crate::cli) struct By {
    /// The federation that asks
    #[arg(long = "as", value_name = "FEDERATION", value_parser = federation_id)]
    pub(in crate::cli) federation: FederationId,
}

/// Until when a key still works.
#[derive(Debug, Args)]
pub(in crate::cli) struct GraceArguments {
    /// Until when the key still works, such as 2026-12-01T00:00:00Z [default: an hour from now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<OrderedTime>,
    /// Or for how many days from now
    #[arg(long, value_name = "DAYS", conflicts_with = "until")]
    grace: Option<u64>,
}

impl GraceArguments {
    pub(in crate::cli) fn end(&self) -> OrderedTime {
        match (self.until, self.grace) {
            (Some(until), _) => until,
            (None, Some(days)) => now().plus_days(days),
            (None, None) => OrderedTime(now().0.saturating_add(DEFAULT_GRACE_MS)),
        }
    }
}

/// This machine's time, for deadlines. What counts when an operation is ordered is the council's.
pub(in crate::cli) fn now() -> OrderedTime {
    OrderedTime(unix_millis())
}

pub(in crate::cli) fn federation_id(text: &str) -> Result<FederationId, TextError> {
    FederationId::new(text)
}

pub(in crate::cli) fn team_id(text: &str) -> Result<TeamId, TextError> {
    TeamId::new(text)
}

pub(in crate::cli) fn proposal_id(text: &str) -> Result<ProposalId, ParseDigestError> {
    ProposalId::from_str(text)
}

pub(in crate::cli) fn time(text: &str) -> Result<OrderedTime, String> {
    parse_rfc3339(text).map(OrderedTime).ok_or_else(|| "a time is written as 2026-11-20T08:00:00Z".into())
}

/// A public key: a vkey, 64 hex digits, or a file with one of them.
pub(in crate::cli) fn public_key(text: &str) -> Result<VerifyingKey, String> {
    if let Some(key) = written_key(text)? {
        return Ok(key);
    }
    let path = Path::new(text);
    let no_key = || format!("{text:?} is no vkey, no key of 64 hex digits, and no file with one of them");
    let small = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= MAX_KEY_BYTES);
    let content = small.then(|| fs::read_to_string(path).ok()).flatten().ok_or_else(no_key)?;
    written_key(content.trim())?.ok_or_else(no_key)
}

/// Nothing if it is not written as a key; an error if it is, and is none.
fn written_key(text: &str) -> Result<Option<VerifyingKey>, String> {
    if let Ok(vkey) = text.parse::<Vkey>() {
        return match vkey.kind() {
            SignatureType::Ed25519 => Ok(Some(*vkey.key())),
            SignatureType::CosignatureV1 => {
                Err(format!("{text:?} is a key for cosignatures; an operation needs one of type 0x01"))
            }
        };
    }
    let Ok(bytes) = HEXLOWER.decode(text.as_bytes()) else { return Ok(None) };
    let Ok(bytes) = <[u8; 32]>::try_from(bytes) else { return Ok(None) };
    VerifyingKey::from_bytes(bytes).map(Some).map_err(|error| error.to_string())
}

/// A team to be, written as `board=KEY,KEY`, or `board=2:KEY,KEY` where two of them must sign.
pub(in crate::cli) fn team(text: &str) -> Result<NewTeam, String> {
    let (id, keys) = text.split_once('=').ok_or("a team is written as ID=KEY,KEY or ID=2:KEY,KEY")?;
    let counted = keys.split_once(':').and_then(|(count, keys)| Some((count.parse().ok()?, keys)));
    let (threshold, keys) = counted.unwrap_or((1, keys));
    let keys: Vec<_> = keys.split(',').map(public_key).collect::<Result<_, _>>()?;
    let id = TeamId::new(id).map_err(|error| error.to_string())?;
    let keys = KeySet::new(keys, threshold).map_err(|error| format!("team {id}: {error}"))?;
    Ok(NewTeam { id, keys })
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{KeyName, SigningKey};

    use super::*;

    fn key(seed: u8) -> VerifyingKey {
        SigningKey::from_seed(&[seed; 32]).verifying_key()
    }

    fn vkey(seed: u8) -> String {
        let name = KeyName::new("lab.example/ana").unwrap();
        Vkey::new(name, SignatureType::Ed25519, key(seed)).to_string()
    }

    #[test]
    fn keys_are_vkeys_hex_or_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ana.pub");
        fs::write(&file, vkey(1) + "\n").unwrap();
        let hex = HEXLOWER.encode(key(1).as_bytes());
        for text in [vkey(1), hex.clone(), file.display().to_string()] {
            assert_eq!(public_key(&text), Ok(key(1)), "{text}");
        }
        fs::write(&file, "PRIVATE+KEY+..").unwrap();
        for text in
            [&file.display().to_string(), "nobody", &hex[2..], &"0".repeat(64), dir.path().to_str().unwrap()]
        {
            assert!(public_key(text).is_err(), "{text}");
        }
    }

    #[test]
    fn teams_have_keys_and_a_threshold() {
        let keys = |threshold| KeySet::new([key(1), key(2)], threshold).unwrap();
        let id = TeamId::new("board").unwrap();
        let one = team(&format!("board={},{}", vkey(1), vkey(2)));
        assert_eq!(one, Ok(NewTeam { id: id.clone(), keys: keys(1) }));
        assert_eq!(team(&format!("board=2:{},{}", vkey(1), vkey(2))), Ok(NewTeam { id, keys: keys(2) }));
        for wrong in
            ["board", "board=", &format!("board=3:{},{}", vkey(1), vkey(2)), &format!("={}", vkey(1))]
        {
            assert!(team(wrong).is_err(), "{wrong}");
        }
    }
}
