//! View changes: noticing that a primary fails, calling for the next, beginning its view
//! (section 4.4 of the TOCS paper).

use alloc::vec::Vec;

use jurat_crypto::Signature;

use super::{Halt, Mode, Refusal, Replica, ViewChangeReason};
use crate::{
    Batch, Message, NewView, PreparedCertificate, Recipient, Record, ReplicaId, Sequence, Signed, View,
    ViewChange, Vote,
    slot::{Proposal, ProposalState, Slot},
    view_change::StartingPoint,
};

impl Replica {
    fn timeout(&self) -> u64 {
        self.timeout_doubled(self.doublings)
    }

    fn timeout_doubled(&self, times: u32) -> u64 {
        let factor = 1_u64.checked_shl(times).unwrap_or(u64::MAX);
        let doubled = self.config.view_change_timeout.saturating_mul(factor);
        doubled.clamp(self.config.view_change_timeout, self.config.max_view_change_timeout)
    }

    fn lengthen_timeout(&mut self) {
        if self.timeout() < self.config.max_view_change_timeout {
            self.doublings += 1;
        }
    }

    /// After a batch was executed: the timeout goes back to the shortest that is twice as long as the
    /// batch took from its proposal. On a healthy network that is where it began, after the first
    /// batch. On one that is slower than the configured timeout it stays long enough; there, going
    /// back all the way would cost every batch a view change.
    ///
    /// A primary can't keep it long by holding proposals back: that time does not count. A batch that
    /// was learned from its proof says nothing of how long agreement takes.
    pub(super) fn shorten_timeout(&mut self, sequence: Sequence) {
        let Some(proposal) = self.slots.get(&sequence).and_then(|slot| slot.proposal.as_ref()) else {
            return;
        };
        // Two rounds of messages follow a proposal; up to two messages lie between a request's arrival
        // and that.
        let needed = 2 * self.now.elapsed.saturating_sub(proposal.since);
        let enough = (0..self.doublings).find(|times| self.timeout_doubled(*times) >= needed);
        self.doublings = enough.unwrap_or(self.doublings);
    }

    fn is_waiting_for_progress(&self) -> bool {
        // At the end of an epoch there is nothing left that a primary could do.
        if self.ending.is_some() {
            return false;
        }
        !self.requests.is_empty()
            || self.slots.range(self.delivered.next()..).any(|(_, slot)| slot.proposal.is_some())
    }

    /// When to give up on the primary. Without a quorum of links no call could succeed, so none
    /// is made.
    pub(super) fn progress_deadline(&self) -> Option<u64> {
        if !self.has_quorum() {
            return None;
        }
        match self.mode {
            Mode::Following | Mode::Retired => None,
            Mode::Changing { deadline } => deadline,
            Mode::Active if self.ending.is_some() => None,
            Mode::Active => {
                let stuck = self.waiting_since.map(|since| since.saturating_add(self.timeout()));
                let starved =
                    self.requests.starved_since().map(|since| since.saturating_add(2 * self.timeout()));
                [stuck, starved].into_iter().flatten().min()
            }
        }
    }

    /// A replica that is stepped late was stopped or starved of its processor. That time is not the
    /// primary's: whoever calls for a view alone takes no part in the one that goes on without it.
    pub(super) fn forgive_lateness(&mut self, now: u64) {
        let late = now.saturating_sub(self.next_deadline());
        if let Some(since) = &mut self.waiting_since {
            *since = since.saturating_add(late);
        }
        if let Mode::Changing { deadline: Some(deadline) } = &mut self.mode {
            *deadline = deadline.saturating_add(late);
        }
    }

    pub(super) fn watch_progress(&mut self) {
        if !self.is_waiting_for_progress() || !self.has_quorum() {
            self.waiting_since = None;
        } else if self.waiting_since.is_none() {
            self.waiting_since = Some(self.now.elapsed);
            self.next_status = self.next_status.min(self.now.elapsed + self.config.status_interval);
        }
        if self.progress_deadline().is_some_and(|deadline| deadline <= self.now.elapsed) {
            let reason = match self.mode {
                Mode::Changing { .. } => ViewChangeReason::NewViewTimeout,
                Mode::Active if self.requests.starved_since().is_some() => ViewChangeReason::Starvation,
                Mode::Active | Mode::Following | Mode::Retired => ViewChangeReason::NoProgress,
            };
            self.call_for(self.view.next(), reason);
        }
    }

    /// Leaves the current view and calls for `view`.
    fn call_for(&mut self, view: View, reason: ViewChangeReason) {
        self.view = view;
        self.mode = Mode::Changing { deadline: None };
        self.lengthen_timeout();
        self.last_reason = Some(reason);
        self.view_changes_started += 1;
        self.waiting_since = None;
        self.drop_early();
        // After a restart, slots below the stable checkpoint may wait to be executed again.
        let above = self.slots.range(self.low().next()..);
        let prepared: Vec<PreparedCertificate> =
            above.filter_map(|(_, slot)| slot.prepared.clone()).collect();
        let change = ViewChange { view, stable: self.stable.clone(), prepared };
        let change = self.voter.sign(&self.council, change);
        self.ready.records.push(Record::ViewChange(change.clone()));
        self.send_sealed(Recipient::All, Message::ViewChange(change.clone()));
        self.view_changes.insert(self.voter.id, change);
        self.check_view_changes();
    }

    /// The verdict on a vote that may have been verified in the normal case already.
    fn knows(&self) -> impl Fn(ReplicaId, &Vote, &Signature) -> bool {
        |signer, vote, signature| {
            self.slots.get(&vote.sequence).is_some_and(|slot| slot.knows(signer, vote, signature))
        }
    }

    pub(super) fn on_view_change(&mut self, change: Signed<ViewChange>) {
        let view = change.statement.view;
        if view < self.view || (view == self.view && self.is_active()) {
            return self.refuse(Refusal::StaleView);
        }
        let known = self.view_changes.get(&change.signer).is_some_and(|known| known.statement.view >= view);
        if known || change.signer == self.voter.id {
            return self.refuse(Refusal::NotNeeded);
        }
        if change.verify_contents_with(&self.council, self.config.window, self.knows()).is_err() {
            return self.refuse(Refusal::BadCertificate);
        }
        if let Some(certificate) = change.statement.stable.clone() {
            self.adopt(certificate);
        }
        self.view_changes.insert(change.signer, change);
        self.join();
        self.check_view_changes();
    }

    /// Follows f + 1 members that are ahead: at least one of them is honest and has reason to be
    /// (section 4.5.2).
    fn join(&mut self) {
        let mut views: Vec<View> = self.view_changes.values().map(|change| change.statement.view).collect();
        views.sort_unstable_by(|a, b| b.cmp(a));
        if let Some(view) = views.get(self.council.max_faulty()).copied()
            && view > self.view
        {
            self.call_for(view, ViewChangeReason::Joined);
        }
    }

    /// With a quorum for the view it is called for, starts the timer; its primary begins it.
    fn check_view_changes(&mut self) {
        let Mode::Changing { deadline } = self.mode else { return };
        let (view, quorum) = (self.view, self.council.quorum());
        let calls = |accept: fn(View, View) -> bool| {
            self.view_changes.values().filter(move |change| accept(change.statement.view, view))
        };
        if self.primary() == self.voter.id && calls(|a, b| a == b).count() >= quorum {
            let calls = calls(|a, b| a == b).take(quorum).cloned().collect();
            let new_view = NewView::build(&self.council, &self.voter, view, calls);
            let start = StartingPoint::compute(&self.council, &new_view.statement.view_changes);
            self.send_sealed(Recipient::All, Message::NewView(new_view.clone()));
            self.begin(new_view, start);
        } else if deadline.is_none() && calls(|a, b| a >= b).count() >= quorum {
            // Members that went on to later views count for the timer: their ViewChanges for this
            // view may have been lost, and without the timer nobody would follow them.
            self.mode = Mode::Changing { deadline: Some(self.now.elapsed.saturating_add(self.timeout())) };
        }
    }

    pub(super) fn on_new_view(&mut self, new_view: Signed<NewView>) {
        let view = new_view.statement.view;
        if view < self.view || (view == self.view && self.is_active()) {
            return self.refuse(Refusal::StaleView);
        }
        let checked = |change: &Signed<ViewChange>| self.view_changes.get(&change.signer) == Some(change);
        match new_view.verify_contents_with(&self.council, self.config.window, checked, self.knows()) {
            Err(_) => self.refuse(Refusal::BadCertificate),
            Ok(start) => self.begin(new_view, start),
        }
    }

    /// Begins a view with a verified NewView.
    fn begin(&mut self, new_view: Signed<NewView>, start: StartingPoint) {
        self.ready.records.push(Record::NewView(new_view.clone()));
        self.enter(new_view, start);
        let sequences: Vec<Sequence> = self.slots.keys().copied().collect();
        for sequence in sequences {
            self.try_accept_from(sequence);
        }
        for (from, messages) in core::mem::take(&mut self.early) {
            for message in messages {
                self.on_message(from, message);
            }
        }
    }

    /// Sets up the slots of a view that begins; shared with recovery, which emits nothing.
    pub(super) fn enter(&mut self, new_view: Signed<NewView>, start: StartingPoint) {
        let view = new_view.statement.view;
        self.view = view;
        self.mode = Mode::Active;
        self.drop_early();
        self.waiting_since = None;
        self.view_changes.retain(|_, change| change.statement.view > view);
        if let Some(certificate) = start.stable {
            self.adopt(certificate);
        }
        for slot in self.slots.values_mut() {
            slot.begin_view();
        }
        self.slots.retain(|_, slot| slot.prepared.is_some() || slot.decided.is_some());
        self.requests.begin_view(self.now.elapsed);
        self.next_proposal = self.delivered.max(self.low()).next();
        for vote in &new_view.statement.pre_prepares {
            let Vote { sequence, batch, .. } = vote.statement;
            self.next_proposal = self.next_proposal.max(sequence.next());
            if sequence <= self.low() {
                continue;
            }
            let slot: &mut Slot = self.slots.entry(sequence).or_default();
            // A proof of a later view may decide otherwise: then this view is history.
            if slot.decided.as_ref().is_some_and(|proof| proof.batch != batch && proof.view < view) {
                self.ready.halt = Some(Halt::Split(sequence));
                return;
            }
            if batch == Batch::null().digest() {
                slot.add_batch(batch, Batch::null());
            }
            let (since, state) = (self.now.elapsed, ProposalState::Waiting);
            slot.proposal = Some(Proposal { vote: vote.clone(), inherited: true, since, state });
        }
        self.new_view = Some(new_view);
    }

    /// Keeps a message of a view that has not begun here. Each member has its own bounded share.
    pub(super) fn keep_for_later(&mut self, from: ReplicaId, message: Message) {
        let share = usize::try_from(self.config.max_early()).unwrap_or(usize::MAX);
        let kept = self.early.entry(from).or_default();
        if kept.len() >= share {
            return self.refuse(Refusal::Overflow);
        }
        kept.push_back(message);
    }

    /// Forgets early messages of views that were passed over.
    fn drop_early(&mut self) {
        let view = self.view;
        for messages in self.early.values_mut() {
            messages.retain(|message| match message {
                Message::PrePrepare(vote, _) | Message::Vote(vote) => vote.statement.view >= view,
                _ => false,
            });
        }
    }
}
