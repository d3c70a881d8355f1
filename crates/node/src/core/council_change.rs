//! A change of the council: one member joins or leaves, because a quorum of the members signed it, or
//! a proposal was approved for it.

use jurat_crypto::{Domain, NetworkId, Signature, SigningKey};
use jurat_log::{Entry, EntryError, OpaqueChange};
use jurat_pbft::{Change, ChangeError, Council, Epoch, MAX_MEMBERS, ReplicaId, Sequence};
use jurat_trust::{Action, ProposalId, Registry};

use super::{CouncilHistory, LayoutError, MemberName, Newcomer, NewcomerError, layout::Reader};

/// The label under which members sign a change, with their voting keys.
const CHANGE: Domain = Domain::new("jurat/v1/council-change");

const JOINS: u8 = 1;
const LEAVES: u8 = 2;
/// Stands for the number of signatures where the id of a proposal follows.
const PROPOSED: u8 = u8::MAX;

/// Who joins or leaves.
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MembershipChange {
    /// Somebody joins, with the next id.
    Add(Newcomer),
    /// A member leaves.
    Remove(ReplicaId),
}

/// Who wants a change.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Authority {
    /// These members, by strictly ascending ids.
    Members(Vec<(ReplicaId, Signature)>),
    /// Who approved this proposal.
    Proposal(ProposalId),
}

/// A change of the council, with the signatures of members who want it or the proposal that was
/// approved for it.
///
/// It names the epoch that it ends, so it can be executed once at most, and only by the council
/// that was meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CouncilChange {
    epoch: Epoch,
    change: MembershipChange,
    authority: Authority,
}

/// Why a change does not take effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRefusal {
    /// The council is in another epoch than the one that it ends.
    #[error("the change ends epoch {change}, and the council is in epoch {council}: make a new request")]
    OtherEpoch {
        /// The epoch that it ends.
        change: Epoch,
        /// The council's epoch.
        council: Epoch,
    },
    /// Too few members signed.
    #[error(
        "{have} of {of} members signed the change, {need} must: ask more of them to run 'jurat council sign'"
    )]
    TooFew {
        /// How many signed.
        have: usize,
        /// How many must.
        need: usize,
        /// How many there are.
        of: usize,
    },
    /// No such proposal was approved, or it was for something else.
    #[error(
        "proposal {0} is no approved one for this change: see 'jurat proposal check', and make the request anew if it was for other keys"
    )]
    NotProposed(ProposalId),
    /// A signer is not a member.
    #[error("replica {0} signed the change and is not a member in epoch {1}")]
    NotAMember(ReplicaId, Epoch),
    /// A signature does not hold.
    #[error("the signature of member {0} on the change does not hold")]
    Signature(MemberName),
    /// The newcomer's description.
    #[error(transparent)]
    Newcomer(#[from] NewcomerError),
    /// The name is that of a member, or of a former one.
    #[error("the name {0} is or was that of a member: the newcomer needs another")]
    NameTaken(MemberName),
    /// A key is that of a member, or of a former one.
    #[error("a key of {newcomer} is or was that of member {holder}: the newcomer needs a seed of its own")]
    KeyTaken {
        /// Who wants to join.
        newcomer: MemberName,
        /// Whose key it is.
        holder: MemberName,
    },
    /// What it would lead to is no council.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl CouncilChange {
    /// A change that nobody has signed yet.
    #[must_use]
    pub const fn new(epoch: Epoch, change: MembershipChange) -> Self {
        Self { epoch, change, authority: Authority::Members(Vec::new()) }
    }

    /// The same change, for which a proposal was approved. It needs no signatures of members.
    #[must_use]
    pub fn by_proposal(self, proposal: ProposalId) -> Self {
        Self { authority: Authority::Proposal(proposal), ..self }
    }

    /// The proposal that was approved for it, if it stands on one.
    #[must_use]
    pub const fn proposal(&self) -> Option<ProposalId> {
        match self.authority {
            Authority::Proposal(proposal) => Some(proposal),
            Authority::Members(_) => None,
        }
    }

    /// The epoch that it ends.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Who joins or leaves.
    #[must_use]
    pub const fn change(&self) -> &MembershipChange {
        &self.change
    }

    /// Whose signatures it has, in ascending order. Whether they hold, [`authorise`](Self::authorise) tells.
    pub fn signers(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.signatures().iter().map(|(id, _)| *id)
    }

    fn signatures(&self) -> &[(ReplicaId, Signature)] {
        match &self.authority {
            Authority::Members(signatures) => signatures,
            Authority::Proposal(_) => &[],
        }
    }

    /// Adds a member's signature, in place of one that it may have, and of a proposal.
    pub fn sign(&mut self, id: ReplicaId, vote: &SigningKey, network: NetworkId) {
        let signature = CHANGE.sign(vote, network, &self.body());
        self.insert(id, signature);
    }

    /// Takes over the signatures of another copy of this change; false if it is another change.
    pub fn merge(&mut self, other: &Self) -> bool {
        let same = self.body() == other.body();
        if same {
            for (id, signature) in other.signatures() {
                self.insert(*id, *signature);
            }
        }
        same
    }

    fn insert(&mut self, id: ReplicaId, signature: Signature) {
        let mut signatures = self.signatures().to_vec();
        match signatures.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(place) => signatures[place].1 = signature,
            Err(place) => signatures.insert(place, (id, signature)),
        }
        self.authority = Authority::Members(signatures);
    }

    /// What the change does to the consensus council of this history's last epoch, if it may: the
    /// epoch is that one, the newcomer holds its keys, which are nobody else's and never were, and
    /// at least a quorum of the members signed, each signature holding, or the registry says that a
    /// proposal was approved for just this. All members decide the same.
    pub fn authorise(&self, history: &CouncilHistory, registry: &Registry) -> Result<Change, ChangeRefusal> {
        if let Authority::Proposal(proposal) = self.authority {
            self.check_proposal(history, registry, proposal)?;
        }
        self.follow(history)
    }

    /// The same for who has the council's word that it executed the change, which so was authorised
    /// if a proposal had to be approved.
    pub fn follow(&self, history: &CouncilHistory) -> Result<Change, ChangeRefusal> {
        let change = self.check_request(history)?;
        let Authority::Members(signatures) = &self.authority else { return Ok(change) };
        let council = history.council();
        for (id, signature) in signatures {
            self.check_signature(council, history, *id, signature)?;
        }
        let (have, need, of) = (signatures.len(), council.quorum(), council.size());
        if have < need { Err(ChangeRefusal::TooFew { have, need, of }) } else { Ok(change) }
    }

    /// The registry must have carried out this proposal for just this node, and not have undone it.
    fn check_proposal(
        &self,
        history: &CouncilHistory,
        registry: &Registry,
        proposal: ProposalId,
    ) -> Result<(), ChangeRefusal> {
        let is_meant = match &self.change {
            MembershipChange::Add(newcomer) => {
                let is_on =
                    |link| registry.council_seat(link).is_some_and(|(_, seat)| seat.removed_by.is_none());
                matches!(
                    registry.carried_out(&proposal),
                    Some(Action::CouncilAdd(member))
                        if member.name.as_str() == newcomer.name.as_str()
                            && [member.link, member.vote, member.log, member.cosign] == *newcomer.keys()
                            && is_on(&member.link)
                )
            }
            MembershipChange::Remove(id) => history
                .seat(*id)
                .and_then(|seat| registry.council_seat(seat.member.link.key()))
                .is_some_and(|(_, seat)| seat.removed_by == Some(proposal)),
        };
        if is_meant { Ok(()) } else { Err(ChangeRefusal::NotProposed(proposal)) }
    }

    /// All that [`authorise`](Self::authorise) checks but whether it is wanted: whether the change is
    /// worth signing.
    pub fn check_request(&self, history: &CouncilHistory) -> Result<Change, ChangeRefusal> {
        let council = history.council();
        if self.epoch != council.epoch() {
            return Err(ChangeRefusal::OtherEpoch { change: self.epoch, council: council.epoch() });
        }
        let change = match &self.change {
            MembershipChange::Remove(id) => Change::Remove(*id),
            MembershipChange::Add(newcomer) => {
                newcomer.verify(council.network(), self.epoch)?;
                let member = newcomer.member(history.genesis().origin())?;
                if history.seats().any(|seat| seat.member.name == member.name) {
                    return Err(ChangeRefusal::NameTaken(member.name));
                }
                let holds = |other: &[_]| member.keys().into_iter().any(|key| other.contains(&key));
                if let Some(seat) = history.seats().find(|seat| holds(&seat.member.keys())) {
                    return Err(ChangeRefusal::KeyTaken {
                        newcomer: newcomer.name.clone(),
                        holder: seat.member.name.clone(),
                    });
                }
                Change::Add(*newcomer.vote())
            }
        };
        // The sequence that ends the epoch is not known before the change is executed; any later one
        // shows whether the members make a council.
        council.successor(&change, Sequence(council.base().0.saturating_add(1)))?;
        Ok(change)
    }

    /// The members whose signatures hold, and those whose are missing, by id.
    #[must_use]
    pub fn support(&self, history: &CouncilHistory) -> (Vec<ReplicaId>, Vec<ReplicaId>) {
        let council = history.council();
        council.members().partition(|id| {
            let signed = self.signatures().iter().find(|(signer, _)| signer == id);
            signed
                .is_some_and(|(_, signature)| self.check_signature(council, history, *id, signature).is_ok())
        })
    }

    fn check_signature(
        &self,
        council: &Council,
        history: &CouncilHistory,
        id: ReplicaId,
        signature: &Signature,
    ) -> Result<(), ChangeRefusal> {
        let stranger = || ChangeRefusal::NotAMember(id, council.epoch());
        let key = council.key(id).ok_or_else(stranger)?;
        let seat = history.seat(id).ok_or_else(stranger)?;
        CHANGE
            .verify(key, council.network(), &self.body(), signature)
            .map_err(|_| ChangeRefusal::Signature(seat.member.name.clone()))
    }

    /// What members sign: all but their signatures.
    fn body(&self) -> Vec<u8> {
        let mut out = self.epoch.0.to_be_bytes().to_vec();
        match &self.change {
            MembershipChange::Add(newcomer) => {
                out.push(JOINS);
                newcomer.layout(&mut out);
            }
            MembershipChange::Remove(id) => {
                out.push(LEAVES);
                out.extend_from_slice(&id.0.to_be_bytes());
            }
        }
        out
    }

    /// The layout of `docs/formats.md`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.body();
        match &self.authority {
            Authority::Members(signatures) => {
                // At most MAX_MEMBERS, which is below what stands for a proposal.
                out.push(u8::try_from(signatures.len()).unwrap_or(u8::MAX));
                for (id, signature) in signatures {
                    out.extend_from_slice(&id.0.to_be_bytes());
                    out.extend_from_slice(&signature.to_bytes());
                }
            }
            Authority::Proposal(proposal) => {
                out.push(PROPOSED);
                out.extend_from_slice(proposal.0.as_bytes());
            }
        }
        out
    }

    /// Reads the layout. What it reads encodes to the same bytes. No signature is checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, LayoutError> {
        let mut reader = Reader::new(bytes);
        let epoch = Epoch(reader.long("epoch")?);
        let change = match reader.byte("kind of the change")? {
            JOINS => MembershipChange::Add(Newcomer::read(&mut reader)?),
            LEAVES => MembershipChange::Remove(reader.replica("id of who leaves")?),
            unknown => return Err(LayoutError::Unknown(unknown, "kind of a change")),
        };
        let count = reader.byte("number of signatures")?;
        if count == PROPOSED {
            let proposal = ProposalId(reader.digest("proposal")?);
            reader.end()?;
            return Ok(Self { epoch, change, authority: Authority::Proposal(proposal) });
        }
        let count = usize::from(count);
        if count > MAX_MEMBERS {
            return Err(LayoutError::TooMany { what: "signatures", count, most: MAX_MEMBERS });
        }
        let mut signatures: Vec<(ReplicaId, Signature)> = Vec::new();
        for _ in 0..count {
            let id = reader.replica("signatures")?;
            if signatures.last().is_some_and(|(last, _)| *last >= id) {
                return Err(LayoutError::Unordered(id));
            }
            signatures.push((id, reader.signature("signatures")?));
        }
        reader.end()?;
        Ok(Self { epoch, change, authority: Authority::Members(signatures) })
    }

    /// The entry by which the change comes into the log.
    pub fn to_entry(&self) -> Result<Entry, EntryError> {
        OpaqueChange::new(self.encode()).map(Entry::CouncilChange)
    }
}
