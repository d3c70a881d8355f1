//! The members' operators: they agree on one change of the council after the other, and start who joins.

use std::sync::Arc;

use jurat::core::{
    CouncilChange, CouncilHistory, EntryBytes, Event, HttpUrl, MemberName, MembershipChange, Newcomer,
    PeerAddress, check_entries,
};
use jurat_crypto::KeyUse;
use jurat_pbft::ReplicaId;
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    plan::Membership,
    process::Setting,
    world::{Happening, World},
};

/// How long operators wait for a change before they hand it to another member, in milliseconds.
const PATIENCE: u64 = 1_500;

impl Setting {
    /// A change that ends the present epoch, signed by these members.
    fn change(&self, history: &CouncilHistory, wanted: Membership, signers: &[ReplicaId]) -> CouncilChange {
        let (network, epoch) = (self.genesis.network(), history.epoch());
        let change = match wanted {
            Membership::Leaves(member) => MembershipChange::Remove(id(member)),
            Membership::Joins(member) => {
                let peer = PeerAddress::new(format!("m{member}.example:1")).expect("an address");
                let http = HttpUrl::new(format!("http://m{member}.example")).expect("a URL");
                let name = MemberName::new(format!("m{member}")).expect("a name");
                let newcomer = Newcomer::of_seed(name, peer, http, &self.seeds[member], network, epoch);
                MembershipChange::Add(newcomer)
            }
        };
        let mut change = CouncilChange::new(epoch, change);
        for signer in signers {
            let vote = self.seeds[usize::from(signer.0)].signing_key(KeyUse::Vote);
            change.sign(*signer, &vote, network);
        }
        change
    }
}

fn id(member: usize) -> ReplicaId {
    ReplicaId(u16::try_from(member).expect("few members"))
}

impl World {
    /// The council is another, as far as the first honest member knows that executed and certified it.
    pub(super) fn learn_history(&mut self, p: usize, history: &Arc<CouncilHistory>) {
        if history.steps().len() > self.history.steps().len() {
            let members = history.council().size();
            self.trace.note(self.now, || format!("epoch {} begins with {members} members", history.epoch()));
            self.history = history.clone();
            self.seen.note("epochs after the first");
            let is_traitor = |id: &ReplicaId| !self.setting.is_honest(*id);
            if history.council().members().any(|id| is_traitor(&id)) {
                self.seen.note("epochs after the first with a traitor");
            }
            let changed = history.seats().filter(|seat| is_traitor(&seat.id));
            for seat in changed {
                if seat.joined == history.epoch() {
                    self.seen.note("traitors that joined");
                }
                if seat.left == Some(history.epoch()) {
                    self.seen.note("traitors that were removed");
                }
            }
        }
        for link in self.links.of(p) {
            let at = self.soon(1..=50);
            self.at(at, Happening::Connect(link));
        }
    }

    /// Operators hand a change to some member, and look later what came of it.
    pub(super) fn change_council(&mut self) {
        let made = self.history.steps().len();
        let Some(wanted) = self.setting.plan.changes.get(made).copied() else { return };
        if wanted.at > self.now {
            return self.at(wanted.at, Happening::Change);
        }
        let members: Vec<ReplicaId> = self.history.council().members().collect();
        let quorum = self.history.council().quorum();
        let authorised = self.setting.change(&self.history, wanted.change, &members);
        // Too few want something else, and someone hands in what was done before.
        let foul = Membership::Leaves(usize::from(members[0].0));
        let mut changes = vec![authorised, self.setting.change(&self.history, foul, &members[..quorum - 1])];
        changes.extend(self.history.steps().last().map(|step| step.change.clone()));
        if let Membership::Joins(member) = wanted.change {
            let process = &mut self.processes[member];
            if process.given.is_none() {
                process.given = Some(self.history.clone());
            }
            self.at(self.now, Happening::Start(member));
        }
        let entries = changes
            .iter()
            .map(|change| EntryBytes(change.to_entry().expect("a short change").encode().into()));
        let checked =
            check_entries(entries.collect(), self.setting.genesis.network(), StdRng::seed_from_u64(0));
        let checked = checked.into_iter().map(|entry| entry.expect("a change that can be read")).collect();
        let takes = |id: &&ReplicaId| {
            let process = &self.processes[usize::from(id.0)];
            process.paused_until <= self.now && process.core().is_some_and(|core| core.view().accepts_entries)
        };
        let takers: Vec<usize> = members.iter().filter(takes).map(|id| usize::from(id.0)).collect();
        if !takers.is_empty() {
            let via = takers[self.below(takers.len())];
            self.trace.note(self.now, || format!("operators ask member {via}: {:?}", wanted.change));
            self.step(via, Event::Submitted(checked), Vec::new());
        }
        self.after(PATIENCE, Happening::Change);
    }
}
