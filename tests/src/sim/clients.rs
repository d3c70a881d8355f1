//! Clients: they submit, keep receipts, and ask another member when one does not answer.

use jurat::core::{CheckedEntry, EntryBytes, Event, check_entries};
use jurat_crypto::Digest;
use jurat_log::Entry;
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    operations::other_entry,
    process::{Ack, Setting},
    world::{Happening, World},
};
use crate::Attestor;

/// How long a client waits for a receipt before it asks another member, in milliseconds.
const PATIENCE: u64 = 4_000;
/// How long before it tries another member when one can't be reached.
const RETRY: u64 = 200;

struct Client {
    entry: CheckedEntry,
    /// The digest of what it attests; none for other entries.
    file: Option<Digest>,
    /// Whom it asks now.
    via: usize,
    leaves: bool,
    /// An honest member said that it took the entry.
    promised: bool,
    /// It has its receipt, also of a refusal.
    is_answered: bool,
    /// How often it asked.
    asks: u32,
}

/// All clients; each has one entry.
pub(super) struct Clients {
    clients: Vec<Client>,
}

impl Clients {
    pub(super) fn new(setting: &Setting) -> Self {
        let plan = &setting.plan;
        let attestor = Attestor::named("client.example/ana");
        let client = |submission: &super::plan::Submission| {
            let name = format!("{}-{}.txt", plan.seed, submission.entry);
            let other = other_entry(setting, submission.entry);
            let file = other.is_none().then(|| Digest::of(name.as_bytes()));
            let entry = other.unwrap_or_else(|| Entry::Attestation(attestor.attest(&name)));
            let entry = EntryBytes(entry.encode().into());
            let network = setting.genesis.network();
            let checked = check_entries(vec![entry], network, StdRng::seed_from_u64(0)).pop();
            let entry = checked.expect("one verdict").expect("a client's entry holds");
            Client {
                entry,
                file,
                via: submission.via,
                leaves: submission.leaves,
                promised: false,
                is_answered: false,
                asks: 0,
            }
        };
        let clients = plan.submissions.iter().map(client).collect();
        Self { clients }
    }

    /// Entries that must come to be in the log.
    pub(super) fn promised(&self) -> Vec<Digest> {
        self.clients.iter().filter(|client| client.promised).map(|client| *client.entry.leaf()).collect()
    }

    /// How many clients wait for a receipt.
    pub(super) fn waiting(&self) -> usize {
        self.clients.iter().filter(|client| client.is_waiting()).count()
    }

    /// Who waits at a member: the client, the leaf hash, the file's digest.
    pub(super) fn waiting_at(&self, process: usize) -> Vec<(Ack, Digest, Option<Digest>)> {
        let at = self.clients.iter().enumerate().filter(|(_, client)| client.asks > 0 && !client.is_answered);
        at.filter(|(_, client)| client.via == process)
            .map(|(i, client)| (i, *client.entry.leaf(), client.file))
            .collect()
    }

    pub(super) fn has_receipt(&mut self, client: Ack) {
        self.clients[client].is_answered = true;
    }
}

impl Client {
    const fn is_waiting(&self) -> bool {
        let left = self.leaves && self.promised;
        !self.is_answered && !left
    }
}

impl World {
    /// A client asks: first the member that it knows, then the next ones in turn.
    pub(super) fn submit(&mut self, i: usize) {
        let members = self.setting.plan.members;
        let client = &mut self.clients.clients[i];
        if !client.is_waiting() {
            return;
        }
        if client.asks > 0 {
            client.via = (client.via + 1) % members;
        }
        client.asks += 1;
        let (via, entry) = (client.via, client.entry.clone());
        let process = &self.processes[via];
        let takes = process.paused_until <= self.now
            && process.core().is_some_and(|core| core.view().accepts_entries);
        if takes {
            self.trace.note(self.now, || format!("client {i} asks member {via}"));
            self.step(via, Event::Submitted(vec![entry]), vec![i]);
            self.after(PATIENCE, Happening::Submit(i));
        } else {
            self.after(RETRY, Happening::Submit(i));
        }
    }

    /// A member says that it took a client's entry: it is in the journal.
    pub(super) fn acknowledged(&mut self, p: usize, i: Ack) {
        if self.setting.is_honest(self.processes[p].member) {
            self.clients.clients[i].promised = true;
        }
        // What is in the log already has its receipt at once.
        self.hand_out_receipts(p);
    }
}
