//! What `GET /metrics` tells of bulletins.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::metrics::{labelled, plain_counters, plain_gauges};
use crate::{core::GateState, runtime::bulletins::Bulletins};

pub(super) struct BulletinMetrics(pub(super) Arc<Bulletins>);

impl fmt::Debug for BulletinMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BulletinMetrics")
    }
}

impl Collector for BulletinMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let own = self.0.gauges();
        let (kept, counts, spread, refused, mail, gates) = {
            let exchange = self.0.read();
            let gates = exchange.gates();
            let stopped = gates.views().filter(|gate| matches!(gate.state, GateState::Stopped(_))).count();
            let gates = (gates.kept() as u64, stopped as u64, gates.counts().clone());
            let board = exchange.board();
            let mail = exchange.mail();
            let messages_refused: Vec<_> = mail.messages_refused().collect();
            let mail = (mail.unread() as u64, mail.spooled() as u64, mail.counts().clone(), messages_refused);
            (board.len(), exchange.counts(), exchange.spread_counts(), board.refused().clone(), mail, gates)
        };
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let gauges = [
            ("bulletins", "Bulletins that are kept", kept),
            ("mail_unread", "Letters that wait for this node's reader", mail.0),
            ("mail_spooled", "Letters that wait for other members", mail.1),
            ("gate_items", "Messages and invitations of gates that are kept for all members", gates.0),
            ("gates_stopped", "Gates of this node that can't go on", gates.1),
            ("bulletin_streams", "Streams of bulletins that are open", own.streams),
        ];
        plain_gauges(&mut encoder, gauges)?;
        let counters = [
            ("bulletins_accepted", "Bulletins taken", counts.accepted),
            ("bulletins_from_members", "Bulletins taken from other members", counts.from_members),
            ("gate_items_taken", "Messages and invitations of gates taken", gates.2.kept),
            ("messages_received", "Messages of anybody that were taken", mail.2.messages),
            ("gate_posts", "Posts to this node's gates", gates.2.posts),
            ("gate_epochs", "Changes of this node's gates", gates.2.epochs),
            ("gates_joined", "Invitations that let this node into a gate", gates.2.joined),
            ("bulletins_missed", "Bulletins that slow readers of streams missed", own.missed),
            ("bulletin_syncs", "Syncs of the stored bulletins", own.syncs),
            (
                "bulletin_reconciliations",
                "Times that all another member had was compared and fetched",
                counts.reconciled,
            ),
        ];
        plain_counters(&mut encoder, counters)?;
        let help = "Letters and prekeys not taken";
        labelled(&mut encoder, "mail_refused", help, "reason", mail.2.refused)?;
        labelled(&mut encoder, "messages_refused", "Messages of anybody not taken", "reason", mail.3)?;
        let help = "Messages, invitations and key packages of gates not taken";
        labelled(&mut encoder, "gate_refused", help, "reason", gates.2.refused)?;
        let help = "Bulletins refused";
        labelled(&mut encoder, "bulletins_refused", help, "reason", refused)?;
        let dropped = [
            ("queue_full", own.dropped),
            ("over_quota", counts.over_quota),
            ("stranger", counts.strangers),
            ("cut_off", counts.cut_offs),
            ("unreconciled", counts.unreconciled),
            ("duplicate_body", spread.duplicates),
            ("refused_body", spread.refused),
            ("oversized", spread.oversized),
            ("unchecked_full", spread.unchecked_full),
            ("missing_full", spread.missing_full),
            ("given_up", spread.given_up),
            ("unknown_graft", spread.unknown_grafts),
            ("hasty_summary", spread.hasty_summaries),
            ("own_name", spread.own_name),
        ];
        let help = "What members said about bulletins and nothing came of";
        labelled(&mut encoder, "bulletin_messages_dropped", help, "reason", dropped)
    }
}
