//! What travels between processes: from an outbox over a link to a node that can read it or not.

use std::hash::Hash as _;

use jurat::{
    codec,
    core::{Event, Frame, Ledger as _, former_members},
};
use jurat_pbft::{Epoch, Recipient, ReplicaId};

use super::{
    invariants::Invariants,
    links::{Bytes, Lane, LinkId},
    plant::Plant,
    treason::cosign,
    world::{Happening, TREASON_INTERVAL, World},
};

impl World {
    /// Sends a frame, as its sender's character has it.
    pub(super) fn send(&mut self, p: usize, to: Recipient, frame: &Frame) {
        let member = self.processes[p].member;
        let plant = self.setting.plan.plant.filter(|plant| plant.is_in(member));
        if Plant::swallows(plant, frame) {
            return;
        }
        let frame = &self.second_root(plant, p, frame).unwrap_or_else(|| frame.clone());
        if self.setting.is_honest(member) {
            let mut invariants = std::mem::replace(&mut self.invariants, Invariants::none());
            let verdict = invariants.sent(&self.facts(), member, frame);
            self.judge(verdict);
            self.invariants = invariants;
        }
        for traitor in self.traitors.iter_mut().flatten() {
            traitor.learn(frame);
        }
        let lane = Lane::of(frame);
        let to: Vec<ReplicaId> = match to {
            Recipient::All => self.all_peers(p, frame.is_for_former_members()),
            Recipient::One(to) => vec![to],
        };
        if let Some(traitor) = &mut self.traitors[p] {
            if let Some(core) = self.processes[p].running.as_ref().map(|running| &running.core) {
                (traitor.view, traitor.sequence) = (core.replica().view(), core.replica().executed());
                traitor.stamp = core.position().stamp.map(Into::into);
                traitor.council = core.replica().council().clone();
            }
            let mut twisted = Vec::new();
            let truth: Bytes = codec::encode(frame).into();
            for to in to {
                let frames = traitor.twist(&self.setting, self.now, to, frame);
                if traitor.council.epoch() > Epoch(0) && *frames != [truth.clone()] {
                    self.seen.note("lies in later epochs");
                }
                twisted.extend(frames.into_iter().map(|bytes| (to, bytes)));
            }
            for (to, bytes) in twisted {
                self.transmit(p, to, lane, &bytes);
            }
            return;
        }
        let bytes: Bytes = codec::encode(frame).into();
        for to in to {
            self.transmit(p, to, lane, &bytes);
        }
    }

    fn second_root(&self, plant: Option<Plant>, p: usize, frame: &Frame) -> Option<Frame> {
        let (Some(Plant::SecondRoot), Frame::Signatures(signatures)) = (plant, frame) else { return None };
        if self.now.is_multiple_of(2) {
            return None;
        }
        let core = self.processes[p].core()?;
        let stamp = core.position().stamp?.into();
        let (size, root) = (core.ledger().head().0, jurat_crypto::Digest::of(b"another"));
        Some(Frame::Signatures(cosign(
            &self.setting,
            self.processes[p].member,
            size,
            root,
            stamp,
            signatures.time,
        )))
    }

    /// The process of a member that another process talks with.
    fn process_of(&self, from: usize, member: ReplicaId) -> usize {
        let turned = self.turned.contains(&(from, member));
        let mut processes = (0..self.processes.len()).filter(|p| self.processes[*p].member == member);
        let first = processes.next().expect("each member has a process");
        if turned { processes.next().unwrap_or(first) } else { first }
    }

    /// Whether two processes talk with each other, given that a twin is two of them, and that both
    /// must know each other for members, or for such as left lately.
    pub(super) fn is_route(&self, link: LinkId) -> bool {
        let LinkId(a, b) = link;
        let knows = |a: usize, b: usize| {
            let other = self.processes[b].member;
            self.process_of(a, other) == b && self.all_peers(a, true).contains(&other)
        };
        knows(a, b) && knows(b, a)
    }

    /// The peers of a process: members as far as it knows, and those who left.
    fn all_peers(&self, p: usize, with_former: bool) -> Vec<ReplicaId> {
        let process = &self.processes[p];
        let Some(history) = process.known_history() else { return Vec::new() };
        let former = if with_former { former_members(history) } else { Vec::new() };
        let all = history.council().members().chain(former);
        all.filter(|id| *id != process.member).collect()
    }

    fn transmit(&mut self, from: usize, to: ReplicaId, lane: Lane, bytes: &Bytes) {
        let to = self.process_of(from, to);
        let link = LinkId::between(from, to);
        let weather = &self.setting.plan;
        let Some((at, epoch)) = self.links.send(from, to, lane, bytes, self.now, weather) else { return };
        let twice = self.links.link(link).is_some_and(|link| link.dice.happens(weather.duplication));
        for _ in 0..=usize::from(twice) {
            self.at(at, Happening::Frame { link, epoch, to, bytes: bytes.clone() });
        }
    }

    pub(super) fn on_frame(&mut self, link: LinkId, epoch: u64, to: usize, bytes: &Bytes) {
        if !self.links.knows(link, to) || self.links.link(link).is_none_or(|link| link.epoch != epoch) {
            return;
        }
        (self.now, to, bytes).hash(&mut self.arrivals);
        if let Some(traitor) = &mut self.traitors[to] {
            traitor.hear(bytes);
        }
        let from = self.processes[link.other(to)].member;
        match codec::decode::<Frame>(bytes) {
            Ok(frame) => self.step(to, Event::Frame(from, frame), Vec::new()),
            // As a link does with what it can't read.
            Err(_) => self.break_link(link),
        }
    }

    pub(super) fn act(&mut self, p: usize) {
        self.after(TREASON_INTERVAL, Happening::Treason(p));
        if self.processes[p].running.is_none() {
            return;
        }
        let Some(traitor) = &mut self.traitors[p] else { return };
        let frames = traitor.act(&self.setting);
        if traitor.council.epoch() > Epoch(0) && !frames.is_empty() {
            self.seen.note("lies in later epochs");
        }
        for bytes in frames {
            let members = self.setting.plan.all_members();
            let to = ReplicaId(u16::try_from(self.dice.below(members)).expect("few members"));
            if to != self.processes[p].member {
                self.transmit(p, to, Lane::Urgent, &bytes);
            }
        }
    }
}
