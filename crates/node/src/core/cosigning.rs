//! Signing the log's checkpoints together: the own signatures, and collecting the others'.
//!
//! After each batch that lets the log grow, every member signs the new checkpoint twice: as a log,
//! under the origin's name, and as a cosigner, under its own. A quorum of cosignatures makes the
//! checkpoint certified; receipts carry it. All members compute the same text, so only signatures
//! travel.

use std::{collections::BTreeMap, sync::Arc};

use jurat_crypto::{Digest, KeyUse, Seed, Signature, SigningKey};
use jurat_log::{Checkpoint, Cosignature, Note, NoteSignature, NoteText, TreeSize, UnixSeconds};
use jurat_pbft::ReplicaId;
use serde::{Deserialize, Serialize};

use super::{Record, electorate::Electorate};

/// How many sizes may wait for their quorum, and how many signatures of one member that come
/// before the batch was executed here.
const MAX_PENDING: usize = 1024;

/// The two signatures of a member on the checkpoint of a size.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberSignatures {
    /// The log's size.
    pub size: u64,
    /// The signature under the log's origin, over the checkpoint's text.
    pub log: Signature,
    /// The time of the cosignature, in seconds since the Unix epoch.
    pub time: u64,
    /// The cosignature over the checkpoint's text and the time.
    pub cosignature: Signature,
}

impl MemberSignatures {
    fn cosignature_bytes(&self) -> [u8; 72] {
        let mut bytes = [0; 72];
        bytes[..8].copy_from_slice(&self.time.to_be_bytes());
        bytes[8..].copy_from_slice(&self.cosignature.to_bytes());
        bytes
    }
}

/// A checkpoint that waits for its quorum.
#[derive(Debug)]
struct Pending {
    text: NoteText,
    /// The members of the epoch that let the log grow to this size, and nobody else.
    electorate: Arc<Electorate>,
    signatures: BTreeMap<ReplicaId, MemberSignatures>,
    /// When the quorum was reached.
    quorum_since: Option<u64>,
}

/// What was signed and when: no other root may ever be signed at this size, and nothing smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mark {
    pub(super) size: TreeSize,
    pub(super) root: Digest,
    /// Seconds since the Unix epoch. Signing again at the same time gives the same bytes.
    pub(super) time: u64,
}

impl Mark {
    const fn record(&self) -> Record {
        Record::Cosigned { size: self.size.value(), root: self.root, time: self.time }
    }
}

/// A root other than the one that was signed for this size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Conflict {
    pub(super) size: TreeSize,
    pub(super) signed: Digest,
    pub(super) other: Digest,
}

#[derive(Debug)]
pub(super) struct Cosigning {
    log_key: SigningKey,
    cosign_key: SigningKey,
    /// What was signed and is not certified, and what was signed last.
    signed: BTreeMap<TreeSize, Mark>,
    pending: BTreeMap<TreeSize, Pending>,
    /// Signatures for sizes that this member has not reached.
    early: BTreeMap<ReplicaId, BTreeMap<u64, MemberSignatures>>,
    certified: TreeSize,
}

/// What a pending checkpoint still waits for.
pub(super) enum Progress {
    /// For the quorum.
    Open,
    /// For members that are connected and have not signed, but not beyond this time.
    Grace(u64),
    /// For nothing: it is certified.
    Certified(Note),
}

impl Cosigning {
    pub(super) fn new(seed: &Seed) -> Self {
        Self {
            log_key: seed.signing_key(KeyUse::Log),
            cosign_key: seed.signing_key(KeyUse::Cosign),
            signed: BTreeMap::new(),
            pending: BTreeMap::new(),
            early: BTreeMap::new(),
            certified: TreeSize::EMPTY,
        }
    }

    /// Takes a promise from the journal or the stored state.
    pub(super) fn restore(&mut self, mark: Mark) {
        self.signed.insert(mark.size, mark);
    }

    /// What was signed last.
    pub(super) fn last_signed(&self) -> Option<Mark> {
        self.signed.last_key_value().map(|(_, mark)| *mark)
    }

    /// The size of the last certified checkpoint.
    pub(super) const fn certified(&self) -> TreeSize {
        self.certified
    }

    /// Forgets what a certified checkpoint makes pointless: it covers all smaller sizes. What was
    /// signed last stays.
    pub(super) fn settle(&mut self, size: TreeSize) {
        self.certified = self.certified.max(size);
        self.pending.retain(|pending, _| *pending > size);
        let last = self.signed.last_key_value().map(|(size, _)| *size);
        self.signed.retain(|signed, _| *signed > size || Some(*signed) == last);
    }

    /// The date of an own cosignature for this checkpoint: the old one if it was signed before,
    /// `now` if it is larger than all that was. None if it must not be signed any more.
    pub(super) fn may_sign(&self, size: TreeSize, root: Digest, now: u64) -> Result<Option<u64>, Conflict> {
        match self.signed.get(&size) {
            Some(mark) if mark.root != root => Err(Conflict { size, signed: mark.root, other: root }),
            Some(mark) => Ok(Some(mark.time)),
            None if self.last_signed().is_some_and(|last| last.size > size) => Ok(None),
            None => Ok(Some(now)),
        }
    }

    /// Signs a checkpoint that [`may_sign`](Self::may_sign) allows. The record must be durable
    /// before the signatures leave.
    pub(super) fn sign(&mut self, checkpoint: &Checkpoint, time: u64) -> Option<(Record, MemberSignatures)> {
        let seconds = UnixSeconds::new(time).ok()?;
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        let log = self.log_key.sign(checkpoint.to_text().as_str().as_bytes());
        let cosignature = Cosignature::sign(checkpoint, &self.cosign_key, seconds).signature();
        let mark = Mark { size, root, time };
        self.signed.insert(size, mark);
        Some((mark.record(), MemberSignatures { size: size.value(), log, time, cosignature }))
    }

    /// The records that a shortened journal must hold.
    pub(super) fn live_records(&self) -> impl Iterator<Item = Record> + '_ {
        self.signed.values().map(Mark::record)
    }

    /// A batch was executed: its checkpoint waits for signatures. Gives the members' signatures
    /// that came early, to be counted.
    pub(super) fn expect(
        &mut self,
        checkpoint: &Checkpoint,
        electorate: Arc<Electorate>,
    ) -> Vec<(ReplicaId, MemberSignatures)> {
        let (size, text) = (checkpoint.size(), checkpoint.to_text());
        let pending = Pending { text, electorate, signatures: BTreeMap::new(), quorum_since: None };
        self.pending.insert(size, pending);
        while self.pending.len() > MAX_PENDING {
            self.pending.pop_first();
        }
        let mut early = Vec::new();
        for (member, sizes) in &mut self.early {
            let later = sizes.split_off(&(size.value() + 1));
            let up_to = std::mem::replace(sizes, later);
            early.extend(up_to.into_values().filter(|s| s.size == size.value()).map(|s| (*member, s)));
        }
        early
    }

    /// Whether signatures of this member for this size would still change anything.
    pub(super) fn needs(&self, member: ReplicaId, size: TreeSize) -> bool {
        self.pending.get(&size).is_some_and(|pending| {
            pending.electorate.member(member).is_some() && !pending.signatures.contains_key(&member)
        })
    }

    /// Keeps signatures for a size that is not reached here, in the member's bounded share.
    pub(super) fn keep_early(&mut self, member: ReplicaId, signatures: MemberSignatures) {
        let kept = self.early.entry(member).or_default();
        kept.insert(signatures.size, signatures);
        if kept.len() > MAX_PENDING {
            kept.pop_last();
        }
    }

    /// Counts a member's signatures on a pending checkpoint, if both hold.
    pub(super) fn count(&mut self, member: ReplicaId, signatures: MemberSignatures) -> bool {
        let Ok(size) = TreeSize::new(signatures.size) else { return false };
        let Some(pending) = self.pending.get_mut(&size) else { return false };
        let Some(keys) = pending.electorate.member(member) else { return false };
        let log = NoteSignature::by(&keys.log, &signatures.log.to_bytes());
        let cosignature = NoteSignature::by(&keys.cosign, &signatures.cosignature_bytes());
        let holds = log.verify(&pending.text, &keys.log).is_ok()
            && cosignature.verify(&pending.text, &keys.cosign).is_ok();
        if holds {
            pending.signatures.entry(member).or_insert(signatures);
        }
        holds
    }

    /// Own signatures on checkpoints that are not certified yet, for members that may lack them.
    pub(super) fn own_pending(&self, me: ReplicaId) -> impl DoubleEndedIterator<Item = &MemberSignatures> {
        self.pending.values().filter_map(move |pending| pending.signatures.get(&me))
    }

    /// The pending sizes, smallest first.
    pub(super) fn pending_sizes(&self) -> impl DoubleEndedIterator<Item = TreeSize> + '_ {
        self.pending.keys().copied()
    }

    /// Where a pending checkpoint stands. With the quorum it waits a moment for the other
    /// connected members, so that a receipt names all who stand behind it and is the same at all
    /// of them.
    pub(super) fn progress(
        &mut self,
        size: TreeSize,
        is_here: impl Fn(ReplicaId) -> bool,
        now: u64,
        grace: u64,
    ) -> Progress {
        let Some(pending) = self.pending.get_mut(&size) else { return Progress::Open };
        if pending.signatures.len() < pending.electorate.quorum() {
            return Progress::Open;
        }
        let since = *pending.quorum_since.get_or_insert(now);
        let here = pending.electorate.ids().filter(|id| is_here(*id));
        let all = here.into_iter().all(|id| pending.signatures.contains_key(&id));
        if !all && now < since + grace {
            return Progress::Grace(since + grace);
        }
        match pending.to_note() {
            Some(note) => Progress::Certified(note),
            None => Progress::Open,
        }
    }

    /// The pending size that a note certifies: the text is the own one, and its signatures satisfy
    /// the policy of that epoch.
    pub(super) fn certified_by(&self, note: &Note) -> Option<TreeSize> {
        let (size, pending) = self.pending.iter().find(|(_, pending)| pending.text == *note.text())?;
        pending.electorate.policy().check(note).ok()?;
        Some(*size)
    }
}

impl Pending {
    /// The checkpoint with the log signature of the first signer, then all cosignatures by place.
    fn to_note(&self) -> Option<Note> {
        let (first, signed) = self.signatures.first_key_value()?;
        let log = NoteSignature::by(&self.electorate.member(*first)?.log, &signed.log.to_bytes());
        let mut note = Note::new(self.text.clone(), log);
        for (id, signed) in &self.signatures {
            let key = &self.electorate.member(*id)?.cosign;
            let cosignature = NoteSignature::by(key, &signed.cosignature_bytes());
            // A council of 100 makes one signature more than a note holds. A quorum is far below.
            if note.add(cosignature).is_err() {
                break;
            }
        }
        Some(note)
    }
}

#[cfg(test)]
mod tests {
    use jurat_log::{BatchStamp, Origin, SubjectRoot, UnixMillis};
    use jurat_pbft::{Epoch, MAX_MEMBERS};

    use super::*;
    use crate::core::{CouncilHistory, Genesis, Member, MemberName};

    #[test]
    fn the_largest_council_certifies_though_all_of_it_signs() {
        let origin = Origin::new("log.example/council").unwrap();
        let seeds: Vec<Seed> = (1..=u8::MAX).take(MAX_MEMBERS).map(|i| Seed::from_bytes([i; 32])).collect();
        let member = |(i, seed)| Member::of_seed(MemberName::new(format!("m{i}")).unwrap(), &origin, seed);
        let members = seeds.iter().enumerate().map(member).collect::<Result<_, _>>().unwrap();
        let genesis = Genesis::new(origin.clone(), members).unwrap();
        let size = TreeSize::new(1).unwrap();
        let (root, registry) = (Digest::of(b"root"), Digest::of(b"registry"));
        let stamp = BatchStamp { epoch: 0, sequence: 1, time: UnixMillis(1), registry };
        let checkpoint = Checkpoint::stamped(origin, size, root, stamp, &SubjectRoot::EMPTY);

        let electorate = Electorate::of(&CouncilHistory::new(genesis.clone()).unwrap(), Epoch(0));
        let mut first = Cosigning::new(&seeds[0]);
        first.expect(&checkpoint, Arc::new(electorate.unwrap().unwrap()));
        for (id, seed) in (0..).map(ReplicaId).zip(&seeds) {
            let (_, signatures) = Cosigning::new(seed).sign(&checkpoint, 1).unwrap();
            assert!(first.count(id, signatures));
        }
        let Progress::Certified(note) = first.progress(size, |_| true, 0, 10) else {
            panic!("not certified");
        };
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        assert!(genesis.policy(&[]).unwrap().check(&note).is_ok());
    }
}
