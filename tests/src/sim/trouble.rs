//! What goes wrong with links, processes, disks and clocks, and how it is put right again.

use jurat::core::Event;

use super::{
    links::{LinkId, SILENCE},
    plan::{Crash, Planned, Trouble},
    world::{Happening, World},
};

impl World {
    pub(super) fn begin_trouble(&mut self, i: usize) {
        let Planned { trouble, .. } = self.setting.plan.troubles[i].clone();
        self.trace.note(self.now, || format!("trouble {i}: {trouble:?}"));
        self.active.insert(i);
        let lasts = match trouble {
            Trouble::Crash { member, crash, down_for } => {
                match crash {
                    Crash::PowerCutAfter(..) | Crash::DiskFault(..) => self.processes[member].arm(crash),
                    _ => self.end(member, crash),
                }
                down_for
            }
            Trouble::Pause { member, lasts } => {
                self.processes[member].paused_until = self.now + lasts;
                lasts
            }
            Trouble::Break { a, b } => {
                self.break_link(LinkId::between(a, b));
                0
            }
            Trouble::Partition { group, lasts, silent } => {
                self.part(&group, silent);
                lasts
            }
            Trouble::Flap { lasts, .. } => {
                self.flap(i);
                lasts
            }
            Trouble::OneWay { from, to, lasts } => {
                self.block(from, to, true);
                lasts
            }
            Trouble::SlowDisk { member, sync, lasts } => {
                self.processes[member].slow_sync = Some(sync);
                lasts
            }
            Trouble::Clock { member, by, lasts } => {
                self.processes[member].clock_offset += by;
                lasts
            }
            Trouble::Twist { member } => {
                self.twist(member);
                0
            }
        };
        self.after(lasts, Happening::Over(i));
    }

    pub(super) fn end_trouble(&mut self, i: usize) {
        if !self.active.remove(&i) {
            return;
        }
        match self.setting.plan.troubles[i].trouble.clone() {
            Trouble::Crash { member, .. } => {
                self.processes[member].disarm();
                self.start_again(member);
            }
            Trouble::Partition { group, .. } => self.mend(&group),
            Trouble::Flap { group, .. } => {
                if self.flapped.remove(&i) {
                    self.mend(&group);
                }
            }
            Trouble::OneWay { from, to, .. } => self.unblock(from, to),
            Trouble::SlowDisk { member, .. } => self.processes[member].slow_sync = None,
            Trouble::Clock { member, by, .. } => self.processes[member].clock_offset -= by,
            Trouble::Pause { .. } | Trouble::Break { .. } | Trouble::Twist { .. } => {}
        }
    }

    /// Links that come and go do the one or the other now.
    pub(super) fn flap(&mut self, i: usize) {
        let Trouble::Flap { group, every, .. } = self.setting.plan.troubles[i].trouble.clone() else {
            return;
        };
        if !self.active.contains(&i) {
            return;
        }
        if self.flapped.remove(&i) {
            self.mend(&group);
        } else {
            self.flapped.insert(i);
            self.part(&group, false);
            self.seen.note("cuts by links that flap");
        }
        self.after(every, Happening::Flap(i));
    }

    fn part(&mut self, group: &[usize], silent: bool) {
        for (a, b) in self.cut(group) {
            self.block(a, b, silent);
            self.block(b, a, silent);
        }
    }

    fn mend(&mut self, group: &[usize]) {
        for (a, b) in self.cut(group) {
            self.unblock(a, b);
            self.unblock(b, a);
        }
    }

    /// All trouble is over, and whatever is down is started.
    pub(super) fn calm_down(&mut self) {
        self.trace.note(self.now, || "calm".into());
        for i in self.active.clone() {
            self.end_trouble(i);
        }
        for p in 0..self.processes.len() {
            self.processes[p].paused_until = self.now;
            self.processes[p].disarm();
            self.start_again(p);
        }
    }

    fn start_again(&mut self, p: usize) {
        self.at(self.now, Happening::Start(p));
    }

    /// The pairs of processes that a partition separates.
    fn cut(&self, group: &[usize]) -> Vec<(usize, usize)> {
        let others = (0..self.processes.len()).filter(|p| !group.contains(p));
        others.flat_map(|b| group.iter().map(move |a| (*a, b))).collect()
    }

    /// Nothing gets from one process to another any more. If that is silent, the link is given up
    /// after a while; otherwise it breaks at once.
    fn block(&mut self, from: usize, to: usize, silent: bool) {
        let id = LinkId::between(from, to);
        self.links.block(from, to);
        let Some(epoch) = self.links.link(id).map(|link| link.epoch) else { return };
        if silent {
            self.after(SILENCE, Happening::Silence(id, epoch));
        } else {
            self.break_link(id);
        }
    }

    fn unblock(&mut self, from: usize, to: usize) {
        let id = LinkId::between(from, to);
        for (lane, bytes) in self.links.unblock(from, to) {
            let sent = self.links.send(from, to, lane, &bytes, self.now, &self.setting.plan);
            if let Some((at, epoch)) = sent {
                self.at(at, Happening::Frame { link: id, epoch, to, bytes });
            }
        }
    }

    /// About half of the others turn to the other process of a twin.
    fn twist(&mut self, twin: usize) {
        let member = self.processes[twin].member;
        for p in 0..self.processes.len() {
            if self.processes[p].member == member || !self.soon(0..=1).is_multiple_of(2) {
                continue;
            }
            if !self.turned.remove(&(p, member)) {
                self.turned.insert((p, member));
            }
        }
        for id in self.links.ids() {
            if self.is_route(id) {
                self.at(self.now + 1, Happening::Connect(id));
            } else {
                self.break_link(id);
            }
        }
    }

    pub(super) fn connect(&mut self, id: LinkId) {
        let both_run = id.ends().iter().all(|end| self.processes[*end].running.is_some());
        let Some(link) = self.links.link(id) else { return };
        let (is_up, is_blocked) = (link.up, link.is_blocked());
        if is_up || !both_run || !self.is_route(id) {
            return;
        }
        let paused = id.ends().iter().any(|end| self.processes[*end].paused_until > self.now);
        if is_blocked || paused {
            let again = self.soon(100..=1_000);
            return self.at(again, Happening::Connect(id));
        }
        let Some(epoch) = self.links.open(id) else { return };
        for end in id.ends() {
            let at = self.soon(0..=5);
            self.at(at, Happening::Up(id, end, epoch));
        }
    }

    fn is_epoch(&mut self, id: LinkId, epoch: u64) -> bool {
        self.links.link(id).is_some_and(|link| link.epoch == epoch)
    }

    pub(super) fn on_up(&mut self, id: LinkId, end: usize, epoch: u64) {
        if self.is_epoch(id, epoch) && self.processes[end].running.is_some() {
            self.links.set_knows(id, end, true);
            let other = self.processes[id.other(end)].member;
            self.step(end, Event::Up(other), Vec::new());
        }
    }

    /// If a newer connection took over, the member is not gone.
    pub(super) fn on_down(&mut self, id: LinkId, end: usize, epoch: u64) {
        if self.is_epoch(id, epoch) && self.links.knows(id, end) {
            self.links.set_knows(id, end, false);
            let other = self.processes[id.other(end)].member;
            // The other process of a twin is the same member.
            let replaced =
                self.links.of(end).into_iter().any(|link| {
                    self.processes[link.other(end)].member == other && self.links.knows(link, end)
                });
            if !replaced {
                self.step(end, Event::Down(other), Vec::new());
            }
        }
    }

    /// A link breaks; both ends learn of it soon, and dial again.
    pub(super) fn break_link(&mut self, id: LinkId) {
        let Some(epoch) = self.links.close(id) else { return };
        for end in id.ends() {
            let at = self.soon(0..=50);
            self.at(at, Happening::Down(id, end, epoch));
        }
        let again = self.soon(50..=1_000);
        self.at(again, Happening::Connect(id));
    }

    pub(super) fn on_broken(&mut self, id: LinkId, epoch: u64) {
        if self.is_epoch(id, epoch) {
            self.break_link(id);
        }
    }

    pub(super) fn on_silence(&mut self, id: LinkId, epoch: u64) {
        if self.is_epoch(id, epoch) && self.links.link(id).is_some_and(|link| link.is_blocked()) {
            self.break_link(id);
        }
    }
}
