//! The bodies of the fuzz targets.
//!
//! Each has three callers: the fuzzer (`tests/fuzz`), and a property test and the replay of the
//! corpus (`tests/suites/fuzz_corpus.rs`), which run with every `cargo xtask test`. A body takes any
//! bytes and panics if something is wrong: whatever decodes must be written again with the same
//! bytes, whatever is checked must not be forged, and nothing may panic, loop or take memory out of
//! proportion.

mod bulletins;
mod codec;
mod compat;
mod configuration;
mod councils;
mod entries;
mod exchange;
mod fixtures;
mod forge;
mod gates;
mod gossip;
mod journal;
mod keys;
mod member;
mod notes;
mod owner;
mod post_quantum;
mod receipts;
mod reconciling;
mod registry;
mod replica;
mod sealing;
mod subjects;
mod tiles;
mod witness;

use std::panic::{catch_unwind, resume_unwind};

use fixtures::seed;

/// A valid input to begin with, and its name in the corpus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seed {
    /// The file's name.
    pub name: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Something that takes bytes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The target's name: that of its program, and of its folder in the corpus.
    pub name: &'static str,
    /// Panics if something is wrong. Gives nothing for an input that is refused.
    pub body: fn(&[u8]) -> Option<()>,
    /// What the corpus begins with.
    pub seeds: fn() -> Vec<Seed>,
    /// How much memory the body may hold at once.
    pub memory: Memory,
}

/// A bound on memory for an input of some length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Bytes, whatever the input.
    pub fixed: u64,
    /// Bytes for each byte of the input.
    pub per_byte: u64,
}

/// For decoders: what they give out takes a few times the input, and serde trusts a length that is
/// not there yet with 1 MiB for each list around it.
const DECODER: Memory = Memory { fixed: 4 << 20, per_byte: 64 };

/// For what a node reads back from its own disk: the codec believes the length of a text up to its
/// limit of 16 MiB before it reads it.
const OWN_DISK: Memory = Memory { fixed: 20 << 20, per_byte: 64 };

/// For state machines that take a whole history.
const MACHINE: Memory = Memory { fixed: 16 << 20, per_byte: 4096 };

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "vkey", body: keys::vkey, seeds: keys::vkey_seeds, memory: DECODER },
    Target {
        name: "note_key",
        body: post_quantum::note_key,
        seeds: post_quantum::note_key_seeds,
        memory: DECODER,
    },
    Target { name: "key_file", body: keys::key_file, seeds: keys::key_file_seeds, memory: DECODER },
    Target { name: "note", body: notes::note, seeds: notes::note_seeds, memory: DECODER },
    Target {
        name: "signature_lines",
        body: notes::signature_lines,
        seeds: notes::signature_lines_seeds,
        memory: DECODER,
    },
    Target { name: "checkpoint", body: notes::checkpoint, seeds: notes::checkpoint_seeds, memory: DECODER },
    Target { name: "policy", body: notes::policy, seeds: notes::policy_seeds, memory: DECODER },
    Target {
        name: "add_checkpoint",
        body: witness::add_checkpoint,
        seeds: witness::add_checkpoint_seeds,
        memory: DECODER,
    },
    Target {
        name: "fork_evidence",
        body: witness::fork_evidence,
        seeds: witness::fork_evidence_seeds,
        memory: DECODER,
    },
    Target { name: "evidence", body: councils::evidence, seeds: councils::evidence_seeds, memory: DECODER },
    Target {
        name: "ml_dsa_cosignature",
        body: post_quantum::ml_dsa_cosignature,
        seeds: post_quantum::ml_dsa_cosignature_seeds,
        memory: DECODER,
    },
    Target { name: "entry", body: entries::entry, seeds: entries::entry_seeds, memory: DECODER },
    Target { name: "envelope", body: entries::envelope, seeds: entries::envelope_seeds, memory: DECODER },
    Target { name: "statement", body: entries::statement, seeds: entries::statement_seeds, memory: DECODER },
    Target {
        name: "submission",
        body: entries::submission,
        seeds: entries::submission_seeds,
        memory: DECODER,
    },
    Target { name: "receipt", body: receipts::receipt, seeds: receipts::receipt_seeds, memory: DECODER },
    Target {
        name: "verification",
        body: receipts::verification,
        seeds: receipts::verification_seeds,
        memory: DECODER,
    },
    Target { name: "tile_path", body: tiles::tile_path, seeds: tiles::tile_path_seeds, memory: DECODER },
    Target { name: "tile", body: tiles::tile, seeds: tiles::tile_seeds, memory: DECODER },
    Target { name: "bundle", body: tiles::bundle, seeds: tiles::bundle_seeds, memory: DECODER },
    Target { name: "proof", body: tiles::proof, seeds: tiles::proof_seeds, memory: DECODER },
    Target {
        name: "subject_proof",
        body: subjects::subject_proof,
        seeds: subjects::subject_proof_seeds,
        memory: DECODER,
    },
    Target {
        name: "subject_node",
        body: subjects::subject_node,
        seeds: subjects::subject_node_seeds,
        memory: OWN_DISK,
    },
    Target { name: "frame", body: codec::frame, seeds: codec::frame_seeds, memory: DECODER },
    Target { name: "record", body: codec::record, seeds: codec::record_seeds, memory: DECODER },
    Target { name: "state", body: codec::state, seeds: codec::state_seeds, memory: OWN_DISK },
    Target { name: "journal", body: journal::journal, seeds: journal::journal_seeds, memory: MACHINE },
    Target {
        name: "genesis",
        body: configuration::genesis,
        seeds: configuration::genesis_seeds,
        memory: DECODER,
    },
    Target { name: "council_change", body: councils::change, seeds: councils::change_seeds, memory: DECODER },
    Target { name: "council_steps", body: councils::steps, seeds: councils::step_seeds, memory: DECODER },
    Target {
        name: "council_history",
        body: councils::document,
        seeds: councils::document_seeds,
        memory: DECODER,
    },
    Target {
        name: "node_config",
        body: configuration::node,
        seeds: configuration::node_seeds,
        memory: DECODER,
    },
    Target { name: "bulletin", body: bulletins::bulletin, seeds: bulletins::bulletin_seeds, memory: DECODER },
    Target { name: "posting", body: bulletins::posting, seeds: bulletins::posting_seeds, memory: DECODER },
    Target { name: "message", body: bulletins::message, seeds: bulletins::message_seeds, memory: DECODER },
    Target {
        name: "private_event",
        body: bulletins::private_event,
        seeds: bulletins::private_event_seeds,
        memory: DECODER,
    },
    Target {
        name: "gossip_message",
        body: compat::gossip_message,
        seeds: compat::gossip_message_seeds,
        memory: DECODER,
    },
    Target { name: "letter", body: sealing::letter, seeds: sealing::letter_seeds, memory: DECODER },
    Target { name: "prekey", body: sealing::prekey, seeds: sealing::prekey_seeds, memory: DECODER },
    Target {
        name: "difficulty",
        body: sealing::difficulty,
        seeds: sealing::difficulty_seeds,
        memory: DECODER,
    },
    Target { name: "equihash", body: sealing::equihash, seeds: sealing::equihash_seeds, memory: DECODER },
    Target {
        name: "peer_address",
        body: gossip::peer_address,
        seeds: gossip::peer_address_seeds,
        memory: DECODER,
    },
    Target { name: "peer_file", body: gossip::peer_file, seeds: gossip::peer_file_seeds, memory: DECODER },
    Target {
        name: "bootstrap_manifest",
        body: gossip::manifest,
        seeds: gossip::manifest_seeds,
        memory: DECODER,
    },
    Target {
        name: "reconciliation",
        body: reconciling::reconciliation,
        seeds: reconciling::reconciliation_seeds,
        memory: DECODER,
    },
    Target { name: "gate_message", body: gates::message, seeds: gates::message_seeds, memory: MACHINE },
    Target {
        name: "gate_invitation",
        body: gates::invitation,
        seeds: gates::invitation_seeds,
        memory: MACHINE,
    },
    Target { name: "gate_package", body: gates::package, seeds: gates::package_seeds, memory: DECODER },
    Target { name: "gate_state", body: gates::state, seeds: gates::state_seeds, memory: OWN_DISK },
    Target { name: "gate_packages", body: gates::packages, seeds: gates::packages_seeds, memory: OWN_DISK },
    Target {
        name: "operation",
        body: registry::operation,
        seeds: registry::operation_seeds,
        memory: DECODER,
    },
    Target { name: "registry_query", body: registry::query, seeds: registry::query_seeds, memory: DECODER },
    Target {
        name: "registry",
        body: registry::history_of_operations,
        seeds: registry::history_seeds,
        memory: MACHINE,
    },
    Target { name: "snapshot", body: registry::snapshot, seeds: registry::snapshot_seeds, memory: DECODER },
    Target { name: "replica", body: replica::replica, seeds: replica::replica_seeds, memory: MACHINE },
    Target {
        name: "exchange",
        body: exchange::exchange_of_bulletins,
        seeds: exchange::exchange_seeds,
        memory: MACHINE,
    },
    Target { name: "owner_request", body: owner::request, seeds: owner::request_seeds, memory: DECODER },
    Target { name: "member", body: member::member, seeds: member::member_seeds, memory: MACHINE },
];

impl Target {
    /// Runs the body and bounds its memory.
    pub fn run(&self, input: &[u8]) {
        let mut outcome = Ok(None);
        // The counter does not survive a panic, so it ends before the panic goes on.
        let used = allocation_counter::measure(|| outcome = catch_unwind(|| (self.body)(input))).bytes_max;
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        let allowed = self.memory.fixed + self.memory.per_byte * input.len() as u64;
        assert!(
            used <= allowed,
            "{used} bytes of memory for {} bytes of input; {allowed} are allowed",
            input.len()
        );
    }
}

/// Runs the target of this name.
pub fn run(name: &str, input: &[u8]) {
    let target =
        TARGETS.iter().find(|target| target.name == name).expect("the program has its target's name");
    target.run(input);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planted(body: fn(&[u8]) -> Option<()>) -> Target {
        Target { name: "planted", body, seeds: Vec::new, memory: DECODER }
    }

    #[test]
    fn a_body_that_takes_too_much_memory_is_noticed() {
        planted(|_| vec![1_u8; 1 << 20].pop().map(drop)).run(b"x");
        let greedy = planted(|_| vec![1_u8; 8 << 20].pop().map(drop));
        assert!(catch_unwind(|| greedy.run(b"x")).is_err());
        // The same is fine for an input that is long enough.
        greedy.run(&b"long".repeat(1 << 15));
    }

    #[test]
    fn a_body_that_panics_is_noticed() {
        let fussy = planted(|input| {
            assert_ne!(input, b"boom");
            Some(())
        });
        fussy.run(b"calm");
        assert!(catch_unwind(|| fussy.run(b"boom")).is_err());
    }

    #[test]
    fn names_are_distinct() {
        for (i, target) in TARGETS.iter().enumerate() {
            assert!(TARGETS[..i].iter().all(|earlier| earlier.name != target.name), "{}", target.name);
        }
    }
}
