//! What `GET /metrics` tells of bulletins.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::metrics::{labelled, plain_counters, plain_gauges};
use crate::runtime::bulletins::Bulletins;

pub(super) struct BulletinMetrics(pub(super) Arc<Bulletins>);

impl fmt::Debug for BulletinMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BulletinMetrics")
    }
}

impl Collector for BulletinMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let own = self.0.gauges();
        let (kept, counts, spread, refused, mail) = {
            let exchange = self.0.read();
            let board = exchange.board();
            let mail = exchange.mail();
            let mail = (mail.unread() as u64, mail.spooled() as u64, mail.counts().clone());
            (board.len(), exchange.counts(), exchange.spread_counts(), board.refused().clone(), mail)
        };
        let kept = u64::try_from(kept).unwrap_or(u64::MAX);
        let gauges = [
            ("bulletins", "Bulletins that are kept", kept),
            ("mail_unread", "Letters that wait for this node's reader", mail.0),
            ("mail_spooled", "Letters that wait for other members", mail.1),
            ("bulletin_streams", "Streams of bulletins that are open", own.streams),
        ];
        plain_gauges(&mut encoder, gauges)?;
        let counters = [
            ("bulletins_accepted", "Bulletins taken", counts.accepted),
            ("bulletins_from_members", "Bulletins taken from other members", counts.from_members),
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
