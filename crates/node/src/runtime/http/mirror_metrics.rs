//! What `GET /metrics` tells of mirrored logs.

use axum::{extract::State, response::Response};
use jurat_gossip::SourceFailure;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::metrics::answer;
use crate::runtime::mirror::{LogShown, Mirrors};

/// `GET /metrics` of a server that only mirrors.
pub(crate) async fn metrics(State(mirrors): State<Mirrors>) -> Response {
    let mut registry = Registry::with_prefix("jurat");
    registry.register_collector(Box::new(MirrorMetrics(mirrors)));
    answer(&registry)
}

type Value = fn(&LogShown) -> u64;

#[derive(Debug)]
pub(super) struct MirrorMetrics(pub(super) Mirrors);

impl Collector for MirrorMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let logs = self.0.shown().logs;
        let gauges: [(&str, &str, Value); 3] = [
            ("mirror_log_size", "Entries of a mirrored log that are verified", |log| {
                log.log_size.unwrap_or(0)
            }),
            ("mirror_forks", "Evidence of forks of a mirrored log", |log| log.forks as u64),
            ("mirror_last_success_seconds", "When a source was last in step, since 1970", |log| {
                log.last_success.unwrap_or(0) / 1000
            }),
        ];
        for (name, help, value) in gauges {
            let zero = ConstGauge::new(0_i64);
            let mut family = encoder.encode_descriptor(name, help, None, zero.metric_type())?;
            for log in &logs {
                let value = i64::try_from(value(log)).unwrap_or(i64::MAX);
                ConstGauge::new(value).encode(family.encode_family(&[("log", log.origin.as_str())])?)?;
            }
        }
        let counters: [(&str, &str, Value); 4] = [
            ("mirror_damaged", "Comparisons that failed because the copy is damaged", |log| {
                log.counts.damaged
            }),
            ("mirror_rounds", "Times that the sources of a mirrored log were asked", |log| log.counts.rounds),
            ("mirror_entries", "Entries that were verified and taken", |log| log.counts.entries),
            ("mirror_bytes", "Bytes that sources of a mirrored log sent", |log| log.counts.bytes),
        ];
        for (name, help, value) in counters {
            let zero = ConstCounter::new(0_u64);
            let mut family = encoder.encode_descriptor(name, help, None, zero.metric_type())?;
            for log in &logs {
                let labels = [("log", log.origin.as_str())];
                ConstCounter::new(value(log)).encode(family.encode_family(&labels)?)?;
            }
        }
        let zero = ConstCounter::new(0_u64);
        let help = "Sources of a mirrored log that were given up for a round";
        let mut family =
            encoder.encode_descriptor("mirror_source_failures", help, None, zero.metric_type())?;
        for log in &logs {
            for (failure, count) in SourceFailure::ALL.into_iter().zip(log.counts.failures) {
                let labels = [("log", log.origin.as_str()), ("reason", failure.word())];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
