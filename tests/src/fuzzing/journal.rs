//! A segment of the journal as it may be found on a disk.

use std::{path::Path, sync::Arc};

use jurat_crypto::{Digest, NetworkId};
use jurat_store::{DataDir, Journal, MemFs, Recovered, Vfs};

use super::{Seed, seed};

const ROOT: &str = "/data";
const SEGMENT: &str = "/data/journal/00000000000000000001";

fn open(disk: &MemFs) -> Option<Recovered> {
    let dir = DataDir::open(Arc::new(disk.clone()), Path::new(ROOT), NetworkId(Digest::of(b"network")));
    Journal::open(&dir.expect("a new directory")).ok()
}

/// Whatever is found is refused, or is as durable as if it had been written here.
pub(super) fn journal(input: &[u8]) -> Option<()> {
    let disk = MemFs::new();
    drop(DataDir::open(Arc::new(disk.clone()), Path::new(ROOT), NetworkId(Digest::of(b"network"))));
    disk.create_dir_all(Path::new("/data/journal")).expect("a directory");
    let file = disk.create(Path::new(SEGMENT)).expect("a file");
    // Blocks are long and mostly zeros; the input says what lies at the start of each.
    let (blocks, tail) = input.as_chunks::<SCRIPT_BYTES>();
    for (number, block) in (0..).zip(blocks) {
        file.write_at(number * BLOCK, block).expect("there is room");
    }
    file.write_at(blocks.len() as u64 * BLOCK, tail).expect("there is room");
    drop(file);
    let Recovered { mut journal, mut records, .. } = open(&disk)?;
    journal.append(b"one more").expect("a record");
    journal.sync().expect("synced");
    drop(journal);
    records.push(b"one more".to_vec());
    let again = open(&disk).expect("the journal was just written");
    assert_eq!(again.records, records);
    assert_eq!(again.torn_tail, None);
    Some(())
}

const BLOCK: u64 = 4096;
/// What the input gives of each block.
const SCRIPT_BYTES: usize = 64;

pub(super) fn journal_seeds() -> Vec<Seed> {
    let disk = MemFs::new();
    let mut journal = open(&disk).expect("a new journal").journal;
    for record in [b"first".as_slice(), b"second"] {
        journal.append(record).expect("a record");
        journal.sync().expect("synced");
    }
    drop(journal);
    let segment = disk.read(Path::new(SEGMENT), 1 << 24).expect("the first segment");
    let block = |number: usize| &segment[number * 4096..][..SCRIPT_BYTES];
    vec![
        seed("two_groups", [block(0), block(1), block(2)].concat()),
        seed("torn", [block(0), block(1), &block(2)[..20]].concat()),
        seed("header", block(0)),
    ]
}
