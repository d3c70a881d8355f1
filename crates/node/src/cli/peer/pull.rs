//! `jurat peer pull`

use std::{path::PathBuf, time::Duration};

use clap::Args;
use data_encoding::BASE64;
use jurat_crypto::Digest;
use jurat_log::{ConsistencyProof, Entry, Frontier, MAX_ENTRY_BYTES, TreeSize, leaf_hash};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::cli::{Failure, client::Client, files, output::Output};

const TIMEOUT: Duration = Duration::from_secs(30);
/// Records asked for at once, the most that a simple peer answers.
const STRETCH: u64 = 1024;
/// Records handed in at once have no more bytes than this, in base64.
const MAX_HANDED_IN: usize = 8 << 20;
/// A state is a root for each bit of a size, and little else.
const MAX_STATE_BYTES: usize = 8192;

/// Take what a simple peer has into the log of a node, once it is shown that the peer's log only grew
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat peer pull http://lab.example:9000 --to http://127.0.0.1:8100 --state lab.json\n\
    With a state, what was taken before is not asked for again, and a log that was rewritten since is noticed.\n\
    docs/simple-peers.md says what a simple peer is; any node is one."
)]
pub(in crate::cli) struct Arguments {
    /// The simple peer
    #[arg(value_name = "URL")]
    from: String,
    /// The node or simple peer that takes the records
    #[arg(long, value_name = "URL")]
    to: String,
    /// Where to keep what was seen, from one run to the next
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

/// What came of it, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Pulled {
    /// The peer's log as far as it was verified.
    log_size: u64,
    root: String,
    /// Records that were taken, or were there before.
    accepted: u64,
    /// Records that the node refused.
    refused: u64,
    /// Records that mean something in their own log only.
    skipped: u64,
}

/// What the peer's log was when it was seen last.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    log_size: u64,
    /// Of its perfect subtrees, in hex.
    roots: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Status {
    log_size: u64,
    root: String,
}

#[derive(Debug, Deserialize)]
struct Stretch {
    start: u64,
    records: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Growth {
    proof: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let runtime = crate::cli::runtime()?;
    let (from, to) = (Client::new(&arguments.from, TIMEOUT)?, Client::new(&arguments.to, TIMEOUT)?);
    let seen = arguments.state.as_deref().filter(|path| path.exists()).map(read_state).transpose()?;
    let mut seen = seen.unwrap_or_default();
    let peer = SimplePeer(from);
    let mut pulled = Pulled { log_size: 0, root: String::new(), accepted: 0, refused: 0, skipped: 0 };
    runtime.block_on(async {
        let status: Status = peer.get("/status").await?;
        let size = TreeSize::new(status.log_size).map_err(|error| peer.nonsense(&error))?;
        let root: Digest = status.root.parse().map_err(|error| peer.nonsense(&error))?;
        if size < seen.size() {
            // It lags behind itself, as a peer may that was restored. There is nothing to take.
            return Ok(());
        }
        peer.confirm(&seen, size, &root).await?;
        while seen.size() < size {
            let (next, records) = peer.stretch(&seen, size).await?;
            // Nothing is passed on before it is shown to be part of the log that the peer claims.
            peer.confirm(&next, size, &root).await?;
            hand_in(&to, records, &mut pulled, output).await?;
            seen = next;
            if let Some(path) = &arguments.state {
                write_state(path, &seen)?;
            }
        }
        Ok(())
    })?;
    (pulled.log_size, pulled.root) = (seen.size().value(), seen.root().to_string());
    let Pulled { log_size, accepted, refused, skipped, .. } = pulled;
    output.result(&pulled, || {
        format!("{log_size} records seen at {peer}: {accepted} accepted by {to}, {refused} refused, {skipped} skipped", peer = peer.0)
    });
    if refused == 0 { Ok(()) } else { Err(Failure::False(format!("{refused} records were refused"))) }
}

/// Whose answers are believed once they are verified.
struct SimplePeer(Client);

impl SimplePeer {
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let answer = self.0.get(path).await?.success()?;
        serde_json::from_slice(&answer).map_err(|error| self.nonsense(&error))
    }

    fn nonsense(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Unreachable(format!("{}: the answer makes no sense: {error}", self.0))
    }

    /// Has it shown that what was seen is the beginning of its log of this size and root.
    async fn confirm(&self, seen: &Frontier, size: TreeSize, root: &Digest) -> Result<(), Failure> {
        let old = seen.size();
        let holds = if old == size {
            seen.root() == *root
        } else if old == TreeSize::EMPTY {
            true
        } else {
            let growth: Growth = self.get(&format!("/consistency-proof?old_size={old}&size={size}")).await?;
            let hashes = growth.proof.iter().map(|hash| hash.parse()).collect::<Result<_, _>>();
            let hashes = hashes.map_err(|error: jurat_crypto::ParseDigestError| self.nonsense(&error))?;
            let proof = ConsistencyProof::new(hashes).map_err(|error| self.nonsense(&error))?;
            proof.verify(old, size, &seen.root(), root).is_ok()
        };
        if holds {
            return Ok(());
        }
        Err(Failure::False(format!(
            "{}: the log was rewritten: its {size} records with the root {root} do not begin with the {old} with \
             the root {}; nothing was taken. Keep both, and tell its operator",
            self.0,
            seen.root()
        )))
    }

    /// Some records that follow, and what will have been seen with them.
    async fn stretch(&self, seen: &Frontier, size: TreeSize) -> Result<(Frontier, Vec<Vec<u8>>), Failure> {
        let start = seen.size().value();
        let count = STRETCH.min(size.value() - start);
        let Stretch { start: first, records } =
            self.get(&format!("/records?start={start}&count={count}")).await?;
        if first != start || records.is_empty() || records.len() as u64 > count {
            let reason =
                format!("{} records from {first} on instead of 1 to {count} from {start} on", records.len());
            return Err(self.nonsense(&reason));
        }
        let decode = |record: &String| match BASE64.decode(record.as_bytes()) {
            Ok(record) if record.len() <= MAX_ENTRY_BYTES => Ok(record),
            Ok(record) => Err(self.nonsense(&format!("a record of {} bytes", record.len()))),
            Err(error) => Err(self.nonsense(&error)),
        };
        let records: Vec<Vec<u8>> = records.iter().map(decode).collect::<Result<_, _>>()?;
        let mut next = seen.clone();
        next.extend(records.iter().map(|record| leaf_hash(record)));
        Ok((next, records))
    }
}

/// Hands in those records that mean something in any log.
async fn hand_in(
    to: &Client,
    records: Vec<Vec<u8>>,
    pulled: &mut Pulled,
    output: Output,
) -> Result<(), Failure> {
    let (mut waiting, mut bytes) = (Vec::new(), 0);
    for record in records {
        if !matches!(Entry::decode(&record), Ok(Entry::Attestation(_) | Entry::RegistryOperation(_))) {
            pulled.skipped += 1;
            continue;
        }
        let record = BASE64.encode(&record);
        if bytes + record.len() > MAX_HANDED_IN {
            post(to, std::mem::take(&mut waiting), pulled, output).await?;
            bytes = 0;
        }
        bytes += record.len();
        waiting.push(record);
    }
    if waiting.is_empty() { Ok(()) } else { post(to, waiting, pulled, output).await }
}

async fn post(to: &Client, records: Vec<String>, pulled: &mut Pulled, output: Output) -> Result<(), Failure> {
    let count = records.len();
    let body = json!({ "records": records }).to_string().into_bytes();
    let answer = to.post("/records", "application/json", body).await?.success()?;
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let answers = answer["records"].as_array().filter(|answers| answers.len() == count).ok_or_else(|| {
        Failure::Unreachable(format!("{to}: the answer does not say what became of {count} records"))
    })?;
    for answer in answers {
        let Some(error) = answer.get("error") else {
            pulled.accepted += 1;
            continue;
        };
        let detail = error["detail"].as_str().unwrap_or("no reason given");
        // What may be sent again later is not refused: the whole run can be repeated.
        if error["status"].as_u64().is_none_or(|status| status >= 500) {
            return Err(Failure::Unreachable(format!("{to}: {detail}; run this again later")));
        }
        pulled.refused += 1;
        output.complain(&format!("refused: {detail}"));
    }
    Ok(())
}

fn read_state(path: &std::path::Path) -> Result<Frontier, Failure> {
    let damaged = |error: &dyn std::fmt::Display| {
        Failure::False(format!("{} is no state of a simple peer: {error}", path.display()))
    };
    let bytes = files::read_bounded(path, MAX_STATE_BYTES, "state of a simple peer")?;
    let State { log_size, roots } = serde_json::from_slice(&bytes).map_err(|error| damaged(&error))?;
    let size = TreeSize::new(log_size).map_err(|error| damaged(&error))?;
    let roots = roots.iter().map(|root| root.parse()).collect::<Result<_, jurat_crypto::ParseDigestError>>();
    Frontier::from_roots(size, roots.map_err(|error| damaged(&error))?).map_err(|error| damaged(&error))
}

fn write_state(path: &std::path::Path, seen: &Frontier) -> Result<(), Failure> {
    let state = State {
        log_size: seen.size().value(),
        roots: seen.roots().iter().map(ToString::to_string).collect(),
    };
    files::write_whole(path, &serde_json::to_vec(&state).map_err(Failure::unreachable)?)
}
