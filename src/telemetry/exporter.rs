//! The Prometheus exporter: one recorder for the process, with buckets for every histogram.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

/// Buckets of `_seconds`, from a fan-out within a worker to a backfill.
const SECONDS: [f64; 16] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Buckets of `_bytes`, from a typing notice to a full outbox.
const BYTES: [f64; 9] = [64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 4_194_304.0];
/// Buckets of everything else that is counted per occasion: receivers, frames in a write, entries in a batch.
const COUNTS: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 1_000.0, 5_000.0, 25_000.0, 100_000.0];

/// Why there is no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    #[error("building the recorder of metrics")]
    Build(#[from] BuildError),
    #[error("installing the recorder of metrics, since there is one already")]
    Installed,
}

/// The metrics of the process as text. Cloning gives another handle to the same.
#[derive(Clone)]
pub struct Exporter {
    handle: PrometheusHandle,
}

impl Exporter {
    /// Makes this the recorder of the process. Call it before the first metric is touched: earlier ones are lost.
    ///
    /// # Errors
    /// If there is a recorder already.
    pub fn install() -> Result<Self, ExporterError> {
        let (recorder, exporter) = Self::build()?;
        metrics::set_global_recorder(recorder).map_err(|_| ExporterError::Installed)?;
        Ok(exporter)
    }

    /// A recorder and its exporter, for a caller that installs it or records into it alone.
    ///
    /// # Errors
    /// If the buckets are refused.
    pub fn build() -> Result<(PrometheusRecorder, Self), ExporterError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&COUNTS)?
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), &BYTES)?
            .build_recorder();
        let exporter = Self { handle: recorder.handle() };
        Ok((recorder, exporter))
    }

    /// All metrics in the text format of Prometheus, version 0.0.4.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Empties what histograms collected since the last call. Without it they grow as long as nobody asks for metrics; once
    /// every five seconds is enough.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The content type of [`Exporter::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
}

#[cfg(test)]
mod tests {
    use metrics::{counter, gauge, histogram, with_local_recorder};

    use super::*;

    #[test]
    fn every_histogram_has_buckets_by_its_suffix() {
        let (recorder, exporter) = Exporter::build().unwrap();
        with_local_recorder(&recorder, || {
            histogram!("fanfare_publish_seconds", "outcome" => "accepted").record(0.003);
            histogram!("fanfare_frame_bytes").record(100.0);
            histogram!("fanfare_receivers").record(7.0);
        });
        exporter.run_upkeep();
        let text = exporter.render();
        assert!(text.contains(r#"fanfare_publish_seconds_bucket{outcome="accepted",le="0.005"} 1"#), "{text}");
        assert!(text.contains(r#"fanfare_publish_seconds_bucket{outcome="accepted",le="0.0025"} 0"#), "{text}");
        assert!(text.contains(r#"fanfare_frame_bytes_bucket{le="256"} 1"#), "{text}");
        assert!(text.contains(r#"fanfare_receivers_bucket{le="10"} 1"#), "{text}");
        assert!(!text.contains("quantile"), "summaries cannot be added up over nodes: {text}");
    }

    #[test]
    fn counters_and_gauges_keep_their_names() {
        let (recorder, exporter) = Exporter::build().unwrap();
        with_local_recorder(&recorder, || {
            counter!("fanfare_connects_total", "transport" => "polling").increment(2);
            gauge!("fanfare_connections").set(5.0);
        });
        let text = exporter.render();
        assert!(text.contains(r#"fanfare_connects_total{transport="polling"} 2"#), "{text}");
        assert!(text.contains("fanfare_connections 5"), "{text}");
    }
}
