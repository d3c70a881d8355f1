//! What passes through the codec: frames between members, journal records, the stored state.

use jurat::{
    codec::{decode, encode},
    core::{Core, EntryBytes, Frame, Keys, Limits, MemberSignatures, Record, State, StateToStore},
};
use jurat_crypto::{Digest, Signature};
use jurat_pbft::EpochLink;
use serde::{Serialize, de::DeserializeOwned};

use super::{Seed, fixtures, forge::Forge, member::MemoryLedger, seed};

/// Nothing depends on one spelling of a value; but it must stay the same value.
fn round_trip<T: Serialize + DeserializeOwned>(input: &[u8]) -> Option<T> {
    let value: T = decode(input).ok()?;
    let written = encode(&value);
    let again: T = decode(&written).expect("what was written can be read");
    assert_eq!(encode(&again), written);
    Some(value)
}

pub(super) fn frame(input: &[u8]) -> Option<()> {
    // Not the codec's, but bytes of members too, and with one spelling.
    if let Ok(link) = EpochLink::decode(input) {
        assert_eq!(link.encode(), input);
    }
    assert_eq!(encode(&round_trip::<Frame>(input)?), input);
    Some(())
}

pub(super) fn record(input: &[u8]) -> Option<()> {
    assert_eq!(encode(&round_trip::<Record>(input)?), input);
    Some(())
}

pub(super) fn state(input: &[u8]) -> Option<()> {
    let (length, rest) = input.split_first_chunk()?;
    let (state, snapshot) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    let written = store(&State::decode(state, Some(snapshot)).ok()?);
    assert_eq!(written.state, state);
    let again = State::decode(&written.state, written.snapshot.as_deref());
    let again = store(&again.expect("what was written can be read"));
    assert_eq!((again.state, again.snapshot), (written.state, written.snapshot));
    Some(())
}

fn store(state: &State) -> StateToStore {
    StateToStore::new(&state.position, &state.registry, 0, None)
}

pub(super) fn frame_seeds() -> Vec<Seed> {
    let entry = EntryBytes(fixtures::entry(0).encode().into());
    let signature = Signature::from_bytes([3; 64]);
    let signatures =
        MemberSignatures { size: 7, log: signature, time: 1_700_000_000, cosignature: signature };
    let frames = [
        ("clock", Frame::Clock(fixtures::TIME)),
        ("entries", Frame::Entries(vec![entry])),
        ("fetch_entries", Frame::FetchEntries(vec![Digest::of(b"a"), Digest::of(b"b")])),
        ("signatures", Frame::Signatures(signatures)),
        ("fetch_checkpoint", Frame::FetchCheckpoint(7)),
        ("checkpoint", Frame::Checkpoint(fixtures::receipt().checkpoint().into())),
    ];
    let consensus = Forge::samples().into_iter().map(|(name, message)| (name, Frame::Consensus(message)));
    frames.into_iter().chain(consensus).map(|(name, frame)| seed(name, encode(&frame))).collect()
}

pub(super) fn record_seeds() -> Vec<Seed> {
    let entry = EntryBytes(fixtures::entry(0).encode().into());
    let records = [
        ("entries", Record::Entries(vec![entry])),
        ("cosigned", Record::Cosigned { size: 7, root: Digest::of(b"root"), time: 1_700_000_000 }),
    ];
    let promises =
        Forge::sample_records().into_iter().map(|(name, record)| (name, Record::Consensus(record)));
    records.into_iter().chain(promises).map(|(name, record)| seed(name, encode(&record))).collect()
}

pub(super) fn state_seeds() -> Vec<Seed> {
    let keys = Keys { seed: fixtures::key_seeds()[0].clone() };
    let genesis = fixtures::genesis().clone();
    let core = Core::recover(
        genesis,
        Limits::default(),
        &keys,
        MemoryLedger::default(),
        None,
        [],
        jurat_pbft::Now::default(),
    );
    let StateToStore { state, snapshot, .. } = core.expect("a member").state(None);
    let length = u32::try_from(state.len()).expect("a short state").to_be_bytes();
    vec![seed("genesis", [&length[..], &state, &snapshot.expect("the first has one")].concat())]
}
