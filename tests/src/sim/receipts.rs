//! Handing receipts to the clients that wait for them.

use jurat::core::{Ledger as _, former_members};
use jurat_crypto::KeyUse;
use jurat_log::{BatchStamp, Checkpoint, Cosignature, Note, UnixSeconds};

use super::{
    invariants::{Invariants, Issued, Violation},
    plant::Plant,
    world::World,
};

impl World {
    pub(super) fn hand_out_receipts(&mut self, p: usize) {
        let member = self.processes[p].member;
        let plant = self.setting.plan.plant.filter(|plant| plant.is_in(member));
        let Some(running) = &self.processes[p].running else { return };
        let mut issued = Vec::new();
        for (submission, leaf, file) in self.clients.waiting_at(p) {
            match running.receipts.receipt_of(&leaf) {
                Ok(Some(answer)) => {
                    let logged = answer.leaf_hash.parse().expect("a hash in hex");
                    let file = file.filter(|_| !answer.is_refused);
                    let receipt = Plant::tamper_with_receipt(plant, answer.receipt);
                    issued.push((submission, Issued { member, leaf, logged, file, receipt }));
                }
                Ok(None) => {}
                Err(error) => {
                    let what = format!("member {member} can't give a receipt: {error}");
                    self.violation.get_or_insert(Violation { invariant: "receipts", what });
                }
            }
        }
        for (submission, issued) in issued {
            self.trace.note(self.now, || format!("member {member} gives client {submission} its receipt"));
            if self.setting.is_honest(member) {
                let mut invariants = std::mem::replace(&mut self.invariants, Invariants::none());
                let verdict = invariants.issued(&self.facts(), &issued);
                self.judge(verdict);
                self.invariants = invariants;
                self.clients.has_receipt(submission);
            }
        }
    }

    /// The bug of [`Plant::FormerCosigner`]: the last cosignature gives way to one of who left last.
    pub(super) fn let_former_cosign(&mut self, p: usize) {
        let Some(former) = former_members(&self.history).first().copied() else { return };
        let Some(running) = &mut self.processes[p].running else { return };
        let size = running.core.ledger().certified();
        let Ok(Some(text)) = running.core.ledger().certified_from(size) else { return };
        let note = Note::parse(text.as_bytes()).expect("a certified note");
        let checkpoint = Checkpoint::parse(note.text()).expect("a checkpoint");
        let stamp = BatchStamp::of(&checkpoint).ok().flatten();
        if stamp.is_none_or(|stamp| stamp.epoch < self.history.epoch().0) {
            return;
        }
        let quorum = self.history.council().quorum();
        let key = self.setting.seeds[usize::from(former.0)].signing_key(KeyUse::Cosign);
        let cosignature =
            Cosignature::sign(&checkpoint, &key, UnixSeconds::new(1_700_000_000).expect("a time"));
        let seat = self.history.seat(former).expect("it was a member");
        let vkey = &seat.member.cosign;
        let line = cosignature.to_line(vkey.name().clone(), *vkey.key());
        let mut kept = note.signatures().iter().take(quorum).cloned();
        let mut tampered = Note::new(note.text().clone(), kept.next().expect("the log's signature"));
        for line in kept.chain([line]) {
            tampered.add(line).expect("few signatures");
        }
        running.core.ledger_mut().certify(size, &tampered.to_string()).expect("a disk that works");
    }
}
