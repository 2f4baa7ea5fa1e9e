//! What is asked for at each scrape rather than counted: how much is in memory and under way, what the store has to do, and what became of
//! spans. Each is a number that lies ready; none makes anybody read a disk, wait or search.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::gauge::ConstGauge;
use raconteur_actors::Headcount;
use raconteur_actors::gateway::Lanes;
use raconteur_actors::lane::Traffic;
use raconteur_storage::figures::{Figures, Tally, Waiting, Watch};

/// Whom to ask. None of them keeps the gateway or its store.
pub struct Sources {
    /// Who is in memory.
    pub heads: Headcount,
    /// What is with assistants and providers.
    pub lanes: Lanes,
    /// How the store is; `None` where it does not tell.
    pub store: Option<Watch>,
    /// The limits that all this is held against.
    pub limits: Ceilings,
}

/// Limits of the configuration, so that whoever draws a gauge can draw how far it may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// How many conversations may be in memory.
    pub conversations: u64,
    /// How many work records may be unread.
    pub unread: u64,
    /// With less room than this on the disk, in bytes, nothing is accepted.
    pub free_bytes: u64,
}

/// What has become of spans of traces. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    /// They were taken.
    pub(crate) exported: Counter,
    /// They came faster than they could be handed over.
    pub(crate) queue_full: Counter,
    /// The collector refused them for good.
    pub(crate) refused: Counter,
    /// It was not there, for as long as anybody waited.
    pub(crate) unreachable: Counter,
}

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Gauges {
    pub(super) sources: Arc<OnceLock<Sources>>,
    pub(super) spans: Arc<OnceLock<Spans>>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        let sources = self.sources.get();
        let limits = sources.map(|sources| sources.limits).unwrap_or_default();
        out.memory(sources.map(|sources| &sources.heads), limits)?;
        out.traffic(sources.map(|sources| sources.lanes.traffic()).unwrap_or_default())?;
        let nothing = Figures::default();
        let store = sources.and_then(|sources| sources.store.as_ref());
        let waiting = store.map(Watch::waiting).unwrap_or_default();
        out.store(store.map_or(&nothing, Watch::figures), waiting, limits)?;
        out.spans(self.spans.get())
    }
}

type Gauge = ConstGauge<u64>;

struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn memory(&mut self, heads: Option<&Headcount>, limits: Ceilings) -> fmt::Result {
        let [inside, waiting] = heads.map_or([0, 0], |heads| [heads.inside(), heads.waiting()]);
        let help = "Conversations that are in memory, or wait for room there.";
        self.family("conversations", help, "place", [("memory", inside as u64), ("line", waiting as u64)])?;
        self.gauge("conversations_max", "How many conversations may be in memory.", Some(limits.conversations))
    }

    fn traffic(&mut self, Traffic { asks, sends, paused }: Traffic) -> fmt::Result {
        let help = "Questions that are with assistants, and texts that are with providers.";
        self.family("calls_under_way", help, "kind", [("ask", asks as u64), ("send", sends as u64)])?;
        self.gauge("numbers_paused", "Numbers of ours that send nothing for a while.", Some(paused as u64))
    }

    fn store(&mut self, figures: &Figures, waiting: Waiting, limits: Ceilings) -> fmt::Result {
        let help = "Work records that were accepted and not yet taken.";
        self.gauge("unread_records", help, Some(figures.unread.get().unwrap_or(0)))?;
        self.gauge("unread_records_max", "How many of them there may be.", Some(limits.unread))?;
        let Waiting { requests, offers } = waiting;
        let help = "What waits in front of the store's writer: offers of new texts, and what conversations want.";
        self.family("store_waiting", help, "kind", [("offer", offers as u64), ("request", requests as u64)])?;
        let help = "Bytes in the journal's current segment.";
        self.gauge("store_journal_bytes", help, Some(figures.journal_bytes.get().unwrap_or(0)))?;
        let help = "Bytes that were free on the store's disk when its writer looked last.";
        self.gauge("store_free_bytes", help, figures.free_bytes.get())?;
        let help = "With fewer free bytes than this no text is taken.";
        self.gauge("store_free_bytes_min", help, Some(limits.free_bytes))?;
        let help = "How many requests the store's writer made durable together.";
        self.histogram("store_batch_requests", help, (&figures.batch_requests, 1.0))?;
        let help = "How long it took until a batch was durable.";
        self.histogram("store_sync_seconds", help, (&figures.sync_micros, 1e-6))
    }

    fn spans(&mut self, spans: Option<&Spans>) -> fmt::Result {
        let nothing = Spans::default();
        let Spans { exported, queue_full, refused, unreachable } = spans.unwrap_or(&nothing);
        let counters =
            [("exported", exported), ("queue_full", queue_full), ("refused", refused), ("unreachable", unreachable)];
        let help = "What became of spans of traces.";
        let mut family = self.0.encode_descriptor("trace_spans", help, None, MetricType::Counter)?;
        for (outcome, counter) in counters {
            ConstCounter::new(counter.get()).encode(family.encode_family(&[("outcome", outcome)])?)?;
        }
        Ok(())
    }

    /// One number; none where it is not known.
    fn gauge(&mut self, name: &str, help: &str, value: Option<u64>) -> fmt::Result {
        let encoder = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        value.map_or(Ok(()), |value| Gauge::new(value).encode(encoder))
    }

    fn family(&mut self, name: &str, help: &str, label: &str, values: [(&str, u64); 2]) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (word, value) in values {
            Gauge::new(value).encode(family.encode_family(&[(label, word)])?)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, (tally, unit): (&Tally, f64)) -> fmt::Result {
        let mut encoder = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let end = |end: Option<u64>| end.map_or(f64::INFINITY, |end| scaled(end, unit));
        let buckets: Vec<(f64, u64)> = tally.classes().map(|(class, count)| (end(class), count)).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<[(&str, &str); 0]>(scaled(tally.sum(), unit), count, &buckets, None)
    }
}

/// A number of millionths is divided rather than multiplied, which would leave it a little beside the round number that is meant.
fn scaled(value: u64, unit: f64) -> f64 {
    value as f64 / (1.0 / unit).round()
}
