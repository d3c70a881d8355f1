//! `GET /metrics`, for Prometheus.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    bulletin_metrics::BulletinMetrics, mirror_metrics::MirrorMetrics, problem::Problem, state::Shared,
};

const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// `GET /metrics`.
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut registry = Registry::with_prefix("jurat");
    registry.register_collector(Box::new(MirrorMetrics(shared.mirrors.clone())));
    registry.register_collector(Box::new(BulletinMetrics(shared.bulletins.clone())));
    registry.register_collector(Box::new(NodeMetrics(shared)));
    // Bulletins are read while none is stored, which may take a moment.
    tokio::task::spawn_blocking(move || answer(&registry))
        .await
        .unwrap_or_else(|error| Problem::internal(&error).into_response())
}

/// The text of all metrics.
pub(super) fn answer(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

struct NodeMetrics(Arc<Shared>);

impl std::fmt::Debug for NodeMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeMetrics")
    }
}

type Label = Vec<(&'static str, String)>;

impl Collector for NodeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let shared = &self.0;
        let detail = shared.detail();
        let (status, counters) = (&detail.status, &detail.counters);
        let own = [
            ("log_size", "Entries in the log", status.log_size),
            ("certified_size", "Entries covered by a cosigned checkpoint", status.certified_size),
            ("epoch", "Epoch of the council", status.epoch),
            ("council_size", "Members of the council", status.members.len() as u64),
            ("view", "Consensus view", status.view),
            ("changing_view", "Whether a view change is under way", status.changing_view.into()),
            ("sequence", "Last executed sequence", status.sequence),
            ("stable_sequence", "Last stable checkpoint", status.stable_sequence),
            ("high_watermark", "Highest sequence that is voted on", status.high_watermark),
            ("has_quorum", "Whether enough members are connected", status.has_quorum.into()),
            ("waiting_entries", "Entries that wait to be ordered", status.waiting_entries as u64),
            ("waiting_bytes", "Bytes of entries that wait to be ordered", detail.waiting_bytes as u64),
            ("waiting_clients", "Entries whose receipt a client waits for", shared.waiters.len() as u64),
            (
                "journal_bytes",
                "Bytes in the journal since it was shortened",
                shared.journal_stats.bytes.load(Relaxed),
            ),
            (
                "evidence_files",
                "Pieces of evidence against members that are kept",
                shared.evidence_stats.files.load(Relaxed),
            ),
            ("uptime_seconds", "Seconds since the start", status.uptime),
        ];
        plain_gauges(&mut encoder, own)?;
        let own = [
            ("executed_entries", "Entries executed", counters.executed_entries),
            ("executed_batches", "Batches executed", counters.executed_batches),
            ("duplicate_entries", "Entries in batches that were logged already", counters.duplicate_entries),
            ("applied_operations", "Registry operations that took effect", counters.applied_operations),
            (
                "ineffective_changes",
                "Changes of the council in batches that had no effect",
                counters.ineffective_changes,
            ),
            ("repeated_entries", "Entries from members that were known already", counters.repeated_entries),
            ("bad_entries", "Entries from members that failed a check", counters.bad_entries),
            (
                "overflowed_entries",
                "Entries from members not taken for lack of room",
                counters.overflowed_entries,
            ),
            (
                "overflowed_commitments",
                "Private commitments not taken because a member handed in too many",
                counters.overflowed_commitments,
            ),
            (
                "refused_fetches",
                "Requests of members for entries, too many to answer",
                counters.refused_fetches,
            ),
            ("bad_signatures", "Checkpoint signatures that did not hold", counters.bad_signatures),
            ("bad_checkpoints", "Checkpoints from members that were not usable", counters.bad_checkpoints),
            ("view_changes", "View changes called for", status.view_changes),
            ("witness_forks", "Requests that proved a fork of another log", shared.witness.forks()),
            ("evidence", "Proofs that a member contradicted itself", counters.evidence),
            (
                "evidence_kept",
                "Pieces of evidence against members written since the start",
                shared.evidence_stats.kept.load(Relaxed),
            ),
            (
                "evidence_dropped",
                "Pieces of evidence against members not kept: enough is, or the disk failed",
                shared.evidence_stats.dropped.load(Relaxed),
            ),
            (
                "checked_entries",
                "Entries whose signature was checked",
                shared.checker_stats.checked.load(Relaxed),
            ),
            (
                "check_batches",
                "Batches in which they were checked",
                shared.checker_stats.batches.load(Relaxed),
            ),
            (
                "dropped_checks",
                "Entries of members dropped before a check",
                shared.checker_stats.dropped.load(Relaxed),
            ),
            ("journal_syncs", "Syncs of the journal", shared.journal_stats.syncs.load(Relaxed)),
            ("journal_records", "Records written to the journal", shared.journal_stats.records.load(Relaxed)),
            (
                "accepted_attestations",
                "Attestations taken over HTTP",
                shared.http_stats.accepted.load(Relaxed),
            ),
            (
                "refused_attestations",
                "Attestations refused over HTTP",
                shared.http_stats.refused.load(Relaxed),
            ),
            (
                "timed_out_attestations",
                "Submissions without a receipt in time",
                shared.http_stats.timed_out.load(Relaxed),
            ),
        ];
        plain_counters(&mut encoder, own)?;
        let http = [
            ("overloaded", shared.http_stats.overloaded.load(Relaxed) + shared.bodies.refused()),
            ("connection", shared.http_stats.connections_refused.load(Relaxed)),
        ];
        labelled(&mut encoder, "http_refused", "Requests and connections turned away", "reason", http)?;
        let refused_in_order =
            [("operation", counters.refused_operations), ("revoked key", counters.refused_attestations)];
        let help = "Ordered entries that were logged as refused";
        labelled(&mut encoder, "refused_in_order", help, "reason", refused_in_order)?;
        labelled(&mut encoder, "links", "What happened on links", "event", shared.link_counters.all())?;
        let refused = detail.refused.iter().map(|(refusal, count)| (format!("{refusal:?}"), *count));
        labelled(&mut encoder, "consensus_refused", "Consensus messages not acted on", "reason", refused)?;
        let peers = shared.peers.all();
        let dropped = peers.iter().map(|(_, peer)| (peer.name.clone(), peer.outbox.dropped()));
        labelled(
            &mut encoder,
            "frames_dropped",
            "Frames that a member's queue had no room for",
            "member",
            dropped,
        )?;
        let connected =
            status.members.iter().map(|member| (member.name.clone(), u64::from(member.connected)));
        labelled_gauge(&mut encoder, "member_connected", "Whether there is a link to a member", connected)?;
        let lag = status.members.iter().filter_map(|member| Some((member.name.clone(), member.lag?)));
        labelled_gauge(&mut encoder, "member_lag", "Batches that a member is behind", lag)?;
        let silence = status.members.iter().filter_map(|member| Some((member.name.clone(), member.silence?)));
        let help = "Milliseconds since a member was heard";
        labelled_gauge(&mut encoder, "member_silence_milliseconds", help, silence)
    }
}

/// Gauges without labels, each with its name, its help and its value.
pub(super) fn plain_gauges(
    encoder: &mut DescriptorEncoder<'_>,
    values: impl IntoIterator<Item = (&'static str, &'static str, u64)>,
) -> std::fmt::Result {
    for (name, help, value) in values {
        let gauge = ConstGauge::new(as_gauge(value));
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
    }
    Ok(())
}

/// Counters without labels, likewise.
pub(super) fn plain_counters(
    encoder: &mut DescriptorEncoder<'_>,
    values: impl IntoIterator<Item = (&'static str, &'static str, u64)>,
) -> std::fmt::Result {
    for (name, help, value) in values {
        let counter = ConstCounter::new(value);
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
    }
    Ok(())
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn labelled<N: Into<String>>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl IntoIterator<Item = (N, u64)>,
) -> std::fmt::Result {
    let zero = ConstCounter::new(0_u64);
    let mut family = encoder.encode_descriptor(name, help, None, zero.metric_type())?;
    for (value, count) in values {
        let labels: Label = vec![(label, value.into())];
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn labelled_gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (String, u64)>,
) -> std::fmt::Result {
    let zero = ConstGauge::new(0_i64);
    let mut family = encoder.encode_descriptor(name, help, None, zero.metric_type())?;
    for (value, number) in values {
        let labels: Label = vec![("member", value)];
        ConstGauge::new(as_gauge(number)).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
