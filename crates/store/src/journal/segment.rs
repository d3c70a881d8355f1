//! The layout of a journal segment.
//!
//! A segment is a sequence of *groups*, each the records of one sync. A group fills whole blocks
//! of 4096 bytes, so that writing one never touches a block that was synced before:
//!
//! ```text
//! block  = tag u8 (1 first block of a group, 2 one of its later blocks), 4095 bytes of the group
//! group  = CRC-32C u32, payload length u32, group number u64, payload, zeros to fill the block
//! record = length u32, bytes
//! ```
//!
//! Integers are big-endian. The payload is a sequence of records; the checksum covers the
//! segment's id, the group's number, the length and the payload, so that a block left over from
//! elsewhere can't pass. Group 0 is the header: one record with a magic text and the length of the
//! sealed part, the groups that were there when the segment came into force. What follows the last
//! group is zeros.
//!
//! A group is written only after the one before it was synced. So a broken group with a good one
//! behind it was acknowledged and damaged later, while a broken one with nothing good behind it
//! was being written when the power failed (or is damaged; at the very end nobody can tell). The
//! tags make looking for the next group safe: no byte of a record ever lies where a tag does.

use crate::journal::JournalError;

/// Bytes of a block: what disks and page caches write as a whole.
pub(super) const BLOCK: usize = 4096;

const FIRST: u8 = 1;
const LATER: u8 = 2;
const GROUP_HEADER: usize = 16;
const MAGIC: &[u8; 16] = b"jurat journal 1\n";

/// Appends one record to a group's payload.
pub(super) fn push_record(payload: &mut Vec<u8>, record: &[u8]) -> Result<(), JournalError> {
    let too_long = JournalError::RecordTooLong { len: record.len() };
    let len = u32::try_from(record.len()).map_err(|_| too_long)?;
    payload.extend_from_slice(&len.to_be_bytes());
    payload.extend_from_slice(record);
    Ok(())
}

/// Appends one group to a segment's bytes. The payload is shorter than 4 GiB.
pub(super) fn push_group(segment: &mut Vec<u8>, id: u64, number: u64, payload: &[u8]) {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut header = [0; GROUP_HEADER];
    header[..4].copy_from_slice(&checksum(id, number, payload).to_be_bytes());
    header[4..8].copy_from_slice(&len.to_be_bytes());
    header[8..].copy_from_slice(&number.to_be_bytes());
    let (first, rest) = payload.split_at(payload.len().min(BLOCK - 1 - GROUP_HEADER));
    segment.push(FIRST);
    segment.extend_from_slice(&header);
    segment.extend_from_slice(first);
    for block in rest.chunks(BLOCK - 1) {
        segment.push(LATER);
        segment.extend_from_slice(block);
    }
    segment.resize(segment.len().next_multiple_of(BLOCK), 0);
}

/// Appends the header. `sealed` is the length of the header and the groups written with it.
pub(super) fn push_header(segment: &mut Vec<u8>, id: u64, sealed: u64) {
    push_group(segment, id, 0, &[&[0, 0, 0, 24], &MAGIC[..], &sealed.to_be_bytes()].concat());
}

/// Bytes that a group with this much payload takes in a segment.
pub(super) fn group_len(payload: usize) -> usize {
    (GROUP_HEADER + payload).div_ceil(BLOCK - 1) * BLOCK
}

/// What a segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) records: Vec<Vec<u8>>,
    /// Where the last good group ends, if anything but zeros follows.
    pub(super) torn_at: Option<u64>,
}

/// Why a segment can't be used: something in it that was acknowledged is damaged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) offset: u64,
}

/// Reads a segment.
pub(super) fn decode(id: u64, segment: &[u8]) -> Result<Content, Damage> {
    let header = read_group(id, 0, segment).ok_or(Damage { offset: 0 })?;
    let sealed = match header.records().as_deref() {
        Some([record]) => record.strip_prefix(MAGIC).and_then(|sealed| sealed.try_into().ok()),
        _ => None,
    };
    let sealed = u64::from_be_bytes(sealed.ok_or(Damage { offset: 0 })?);

    let mut records = Vec::new();
    let (mut at, mut number) = (header.len, 1);
    while let Some(group) = read_group(id, number, segment.get(at..).unwrap_or_default()) {
        records.extend(group.records().ok_or(Damage { offset: at as u64 })?);
        at += group.len;
        number += 1;
    }
    let rest = segment.get(at..).unwrap_or_default();
    let acknowledged = (at as u64) < sealed
        || (BLOCK..rest.len()).step_by(BLOCK).any(|later| {
            // The blocks that were skipped hold at least one group each.
            let numbers = number + 1..=number + (later / BLOCK) as u64;
            read_any_group(id, &rest[later..]).is_some_and(|group| numbers.contains(&group.number))
        });
    if acknowledged {
        return Err(Damage { offset: at as u64 });
    }
    let torn = rest.iter().any(|byte| *byte != 0);
    Ok(Content { records, torn_at: torn.then_some(at as u64) })
}

struct Group {
    number: u64,
    payload: Vec<u8>,
    /// Bytes it takes in the segment.
    len: usize,
}

impl Group {
    fn records(&self) -> Option<Vec<Vec<u8>>> {
        let mut records = Vec::new();
        let mut rest = &self.payload[..];
        while let Some((len, after)) = rest.split_first_chunk() {
            let (record, after) = after.split_at_checked(u32::from_be_bytes(*len) as usize)?;
            records.push(record.to_vec());
            rest = after;
        }
        rest.is_empty().then_some(records)
    }
}

fn read_group(id: u64, number: u64, bytes: &[u8]) -> Option<Group> {
    read_any_group(id, bytes).filter(|group| group.number == number)
}

/// The group that begins at the start of `bytes`, if there is a good one. Takes no more work than
/// there are blocks up to the next group.
fn read_any_group(id: u64, bytes: &[u8]) -> Option<Group> {
    let (tag, block) = bytes.get(..BLOCK)?.split_first()?;
    let (header, first) = block.split_first_chunk::<GROUP_HEADER>()?;
    let crc = u32::from_be_bytes(*header.first_chunk()?);
    let payload_len = u32::from_be_bytes(*header[4..].first_chunk()?) as usize;
    let number = u64::from_be_bytes(*header[8..].first_chunk()?);
    let len = group_len(payload_len);
    let later = bytes.get(BLOCK..len)?.chunks(BLOCK);
    if *tag != FIRST || !later.clone().all(|block| block.first() == Some(&LATER)) {
        return None;
    }
    let mut payload = Vec::with_capacity(len);
    payload.extend_from_slice(first);
    later.for_each(|block| payload.extend_from_slice(&block[1..]));
    payload.truncate(payload_len);
    (checksum(id, number, &payload) == crc).then_some(Group { number, payload, len })
}

fn checksum(id: u64, number: u64, payload: &[u8]) -> u32 {
    let mut crc = crc32c::crc32c(&id.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &number.to_be_bytes());
    crc = crc32c::crc32c_append(crc, &(payload.len() as u64).to_be_bytes());
    crc32c::crc32c_append(crc, payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: u64 = 7;

    /// A segment with one record in each group, the first `sealed` of them sealed.
    fn segment(records: &[Vec<u8>], sealed: usize) -> Vec<u8> {
        let sealed_len: usize = records[..sealed].iter().map(|r| group_len(r.len() + 4)).sum();
        let mut segment = Vec::new();
        push_header(&mut segment, ID, (BLOCK + sealed_len) as u64);
        for (number, record) in (1..).zip(records) {
            let mut payload = Vec::new();
            push_record(&mut payload, record).unwrap();
            push_group(&mut segment, ID, number, &payload);
        }
        segment
    }

    fn records() -> Vec<Vec<u8>> {
        [10, 0, 9000, 4075, 4076].iter().map(|len| vec![FIRST; *len]).collect()
    }

    #[test]
    fn a_segment_gives_back_its_records() {
        for zeros in [0, 1, BLOCK, 3 * BLOCK + 7] {
            let mut bytes = segment(&records(), 2);
            bytes.resize(bytes.len() + zeros, 0);
            assert_eq!(decode(ID, &bytes), Ok(Content { records: records(), torn_at: None }));
        }
        assert_eq!(decode(ID + 1, &segment(&records(), 0)), Err(Damage { offset: 0 }));
        assert_eq!(decode(ID, &[]), Err(Damage { offset: 0 }));
    }

    #[test]
    fn only_the_last_group_may_be_broken() {
        let whole = segment(&records(), 2);
        let mut starts = vec![0, BLOCK];
        starts.extend(records().iter().scan(BLOCK, |at, r| {
            *at += group_len(r.len() + 4);
            Some(*at)
        }));
        // A byte of padding isn't covered by anything, and nothing depends on it.
        for (group, start) in starts[..starts.len() - 1].iter().enumerate() {
            for at in [0, 1, 5, 9, 17] {
                let mut bytes = whole.clone();
                bytes[start + at] ^= 0x20;
                match decode(ID, &bytes) {
                    Err(damage) => {
                        assert!(group < 5);
                        assert_eq!(damage.offset, *start as u64);
                    }
                    Ok(content) => {
                        assert_eq!(group, 5);
                        assert_eq!(content.records, records()[..4]);
                        assert_eq!(content.torn_at, Some(*start as u64));
                    }
                }
            }
        }
    }

    #[test]
    fn a_sealed_group_may_never_be_broken() {
        let mut bytes = segment(&records(), 5);
        let last = bytes.len() - group_len(4080);
        bytes[last + 20] ^= 1;
        let damage = Err(Damage { offset: last as u64 });
        assert_eq!(decode(ID, &bytes), damage);
        bytes.truncate(last);
        assert_eq!(decode(ID, &bytes), damage);
    }

    #[test]
    fn a_record_that_looks_like_a_group_is_not_taken_for_one() {
        // An entry that someone chose, in the group being written when the power failed.
        let mut forged = Vec::new();
        push_group(&mut forged, ID, 2, b"\0\0\0\x04evil");
        let record: Vec<u8> = forged[..100].repeat(1000);
        let mut bytes = segment(&[b"first".to_vec(), record], 0);
        bytes[2 * BLOCK + 1] ^= 1;
        let content = decode(ID, &bytes).unwrap();
        assert_eq!(content.records, [b"first"]);
        assert_eq!(content.torn_at, Some(2 * BLOCK as u64));
    }

    proptest! {
        #[test]
        fn a_segment_cut_anywhere_gives_a_prefix(
            records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = segment(&records, 0);
            bytes.truncate(BLOCK + cut.index(bytes.len() - BLOCK + 1));
            let content = decode(ID, &bytes).unwrap();
            prop_assert!(records.starts_with(&content.records));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..20_000)) {
            let _ = decode(ID, &bytes);
        }
    }
}
