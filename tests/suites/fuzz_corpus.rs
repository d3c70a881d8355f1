//! The fuzz targets without a fuzzer: their corpora replayed, and random inputs for each.
//!
//! A crash found once is put into `tests/fuzz/corpus/<target>/` and is an ordinary test ever after.
//! `JURAT_WRITE_SEEDS=1 cargo test --package jurat-tests --test fuzz_corpus` writes the seeds anew.

#![expect(clippy::panic, clippy::print_stderr, reason = "a test says what failed")]

use std::{
    fmt, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

use jurat_tests::fuzzing::{TARGETS, Target};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};

fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target.name)
}

/// The seeds are committed, so that the fuzzer has them, and so that a change of a format shows.
#[test]
fn the_corpora_hold_the_seeds() {
    let write = std::env::var_os("JURAT_WRITE_SEEDS").is_some();
    for target in TARGETS {
        for seed in (target.seeds)() {
            let path = corpus(target).join(seed.name);
            if write {
                fs::create_dir_all(corpus(target)).unwrap();
                fs::write(&path, &seed.bytes).unwrap();
            }
            let committed = fs::read(&path).unwrap_or_default();
            assert!(
                committed == seed.bytes,
                "{} is not the seed; if that is meant, write it anew with JURAT_WRITE_SEEDS=1",
                path.display()
            );
        }
    }
}

#[test]
fn the_corpora_do_no_harm() {
    for target in TARGETS {
        for file in fs::read_dir(corpus(target)).unwrap() {
            let path = file.unwrap().path();
            let input = fs::read(&path).unwrap();
            if let Err(panic) = catch_unwind(|| target.run(&input)) {
                eprintln!("target {} fails on {}", target.name, path.display());
                resume_unwind(panic);
            }
        }
    }
}

/// Seeds that are refused would leave everything behind the first check untested.
#[test]
fn seeds_are_accepted() {
    for target in TARGETS {
        for seed in (target.seeds)() {
            assert!((target.body)(&seed.bytes).is_some(), "target {} refuses {}", target.name, seed.name);
        }
    }
}

#[test]
fn random_bytes_do_no_harm() {
    for target in TARGETS {
        check(target, vec(any::<u8>(), 0..300).prop_map(Input));
    }
}

#[test]
fn changed_seeds_do_no_harm() {
    for target in TARGETS {
        let seeds: Vec<Vec<u8>> = (target.seeds)().into_iter().map(|seed| seed.bytes).collect();
        check(
            target,
            (prop::sample::select(seeds), vec(change(), 1..8))
                .prop_map(|(seed, changes)| Input(changed(seed, changes))),
        );
    }
}

/// Prints as a byte string.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

fn check(target: &Target, inputs: impl Strategy<Value = Input>) {
    // Machines are a thousand times as slow as decoders.
    let cases = if target.memory.per_byte > 1000 { 32 } else { 512 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        let run = catch_unwind(AssertUnwindSafe(|| target.run(&input.0)));
        prop_assert!(run.is_ok(), "see above");
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("target {}: {error}", target.name);
    }
}

/// One change of an input, at a place that is a fraction of its length.
#[derive(Clone, Debug)]
enum Change {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), vec(any::<u8>(), 1..20)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at(), 1..20_usize).prop_map(|(at, length)| Change::Remove(at, length)),
        (at(), 1..100_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        at().prop_map(Change::Truncate),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        let length = bytes.len();
        let end = |at: usize, more: usize| (at + more).min(length);
        if length == 0 {
            break;
        }
        match change {
            Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Change::Set(at, byte) => bytes[at.index(length)] = byte,
            Change::Insert(at, new) => drop(bytes.splice(at.index(length)..at.index(length), new)),
            Change::Remove(at, more) => drop(bytes.drain(at.index(length)..end(at.index(length), more))),
            Change::Repeat(at, more) => {
                let part = bytes[at.index(length)..end(at.index(length), more)].to_vec();
                drop(bytes.splice(at.index(length)..at.index(length), part));
            }
            Change::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}
