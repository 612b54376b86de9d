//! One place for each thing that happens: its metric and its line in the log move together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::app::wall_clock;
use crate::detect::KINDS;
use crate::engine::{INVARIANTS, Observation, Observer, Rebuilt, Stage, Verdict};
use crate::model::{Alert, AlertKind, AlertState, EventTime, InputTopic, Response, Stage as AlertStage, Stages};
use crate::partition::{Effects, Parting, Partition, ReadingState, Rules, Withdrawal};
use crate::telemetry::Metrics;

/// How often the figures that need a look at all homes are taken.
const SURVEY: Duration = Duration::from_secs(1);

/// Moves metrics and writes logs. No home is named above the level `debug`.
pub struct Telemetry {
    metrics: Metrics,
    /// When the batches at hand began to be applied, until that is told.
    began: Option<Instant>,
    surveyed: BTreeMap<i32, Instant>,
    /// Why the latest restore of a partition failed, of those that have not succeeded since.
    failed: BTreeMap<i32, String>,
    /// Topics and partitions of which it was said that records lie in the wrong place.
    misplaced: BTreeSet<(InputTopic, i32)>,
    /// That homes without consent are left out was said.
    told_of_consent: bool,
}

impl Telemetry {
    /// Tells `metrics`.
    pub fn new(metrics: Metrics, rules: &Rules) -> Self {
        metrics.readings("not_watched", 0);
        for topic in InputTopic::ALL.into_iter().filter(|topic| *topic != InputTopic::Zones) {
            metrics.misplaced_records(topic.name(), 0);
        }
        for lost_to in ["alerts", "state"]
            .into_iter()
            .chain(InputTopic::BESIDE.map(InputTopic::name))
        {
            metrics.input_lost_records(lost_to, 0);
        }
        for response in Response::ALL {
            metrics.responses(response.name(), 0);
        }
        for programme in &rules.programmes {
            metrics.watched(&programme.name, 0);
            metrics.shadow_findings(&programme.name, 0);
            let inactivity = &programme.detectors.inactivity;
            for stage in AlertStage::ALL {
                if let Some(budget) = inactivity.budget.a_home_month(stage) {
                    metrics.set_budget(&programme.name, stage.name(), budget);
                }
            }
        }
        // From the start: a rate over a series that is not there yet says nothing.
        for state in ReadingState::ALL {
            metrics.readings(state.name(), 0);
        }
        for (invariant, _) in INVARIANTS {
            metrics.invariant_breach(invariant, 0);
        }
        Self {
            metrics,
            began: None,
            surveyed: BTreeMap::new(),
            failed: BTreeMap::new(),
            misplaced: BTreeSet::new(),
            told_of_consent: false,
        }
    }

    /// A partition whose restore fails, and why.
    pub fn failing(&self) -> Option<(i32, &str)> {
        let (partition, reason) = self.failed.first_key_value()?;
        Some((*partition, reason))
    }

    fn applied(&mut self, partition: i32, effects: &Effects, state: &Partition) {
        let metrics = &self.metrics;
        metrics.batch(effects.records);
        if let Some(began) = self.began.take() {
            metrics.applying(began.elapsed());
        }
        effects
            .counts
            .readings()
            .filter(|(_, n)| *n > 0)
            .for_each(|(state, n)| metrics.readings(state, n));
        effects
            .counts
            .meter_events()
            .filter(|(_, n)| *n > 0)
            .for_each(|(class, n)| metrics.meter_events(class, n));
        let counts = &effects.counts;
        metrics.readings("not_watched", counts.not_watched);
        if counts.not_watched > 0 && !std::mem::replace(&mut self.told_of_consent, true) {
            tracing::warn!(
                "records of homes without consent on record are left out: neither judged nor kept. Consent is a field of \
                 the homes topic; where it is kept elsewhere, privacy.consent = \"assumed\" says so"
            );
        }
        metrics.signs(counts.signs);
        metrics.withdrawals(count(effects.withdrawals.len()));
        let by_settings = |withdrawal: &&Withdrawal| withdrawal.why != Parting::ConsentWithdrawn;
        let homes = effects.withdrawals.iter().filter(by_settings).count();
        if homes > 0 {
            tracing::error!(
                partition,
                homes,
                "homes are watched no more, and what was stored of them is erased: the settings of today do not cover them, or \
                 their state is lost; the alerts topic says why of each"
            );
        }
        metrics.visit_lists(count(effects.visit_lists.len()));
        counts
            .responses()
            .filter(|(_, n)| *n > 0)
            .for_each(|(response, n)| metrics.responses(response, n));
        for (programme, seconds) in state.rules().programmes.iter().zip(&counts.watched_seconds) {
            metrics.watched(&programme.name, *seconds);
        }
        for (programme, findings) in state.rules().programmes.iter().zip(&counts.in_shadow) {
            metrics.shadow_findings(&programme.name, *findings);
        }
        for letter in &effects.dead_letters {
            metrics.dead_letters(letter.reason, 1);
            tracing::debug!(
                partition,
                offset = letter.offset,
                reason = letter.reason,
                detail = letter.detail,
                "a record is kept out"
            );
        }
        for decided in &effects.alerts {
            self.alert(&decided.alert, state.rules());
        }
        for alert in &effects.area_alerts {
            let (kind, state) = (alert.kind.name(), AlertState::name(alert.state));
            metrics.alerts(kind, state, 1);
            tracing::info!(zone = %alert.zone, cause = alert.cause.name(), text = alert.text.en, "alert of a zone {state}");
        }
        self.survey(partition, state, !effects.alerts.is_empty());
    }

    fn alert(&self, alert: &Alert, rules: &Rules) {
        let kind = alert.kind.name();
        self.metrics.alerts(kind, AlertState::name(alert.state), 1);
        tracing::debug!(home = %alert.household_id, kind, rule = %alert.rule, text = alert.text.en, "alert {}", AlertState::name(alert.state));
        if let (AlertKind::Inactivity, Some(stage)) = (alert.kind, alert.stage) {
            // The ladder escalates as well, and reaches no stage with that.
            let by_ladder = matches!(&*alert.reason, "not_acknowledged" | "no_outcome");
            if alert.state == AlertState::Raised || alert.state == AlertState::Escalated && !by_ladder {
                self.metrics.welfare_alert(&alert.programme, stage.name());
            }
            if alert.turned_out_false() {
                let programme = rules.programmes.iter().find(|known| known.name == alert.programme);
                let stages = programme.map(|programme| programme.detectors.inactivity.stages_until(stage));
                for stage in stages.into_iter().flat_map(Stages::iter) {
                    self.metrics.false_alert(&alert.programme, stage.name());
                }
            }
        }
        if alert.state == AlertState::Raised {
            let seconds = |n: u32| Duration::from_secs(u64::from(n));
            self.metrics
                .event_to_alert(kind, seconds(alert.decided_at.since(alert.detected_at)));
        }
    }

    fn live(&mut self, partition: i32, rebuilt: &Rebuilt) {
        self.failed.remove(&partition);
        let (metrics, state) = (&self.metrics, &rebuilt.state);
        metrics.set_replay_progress(partition, 1, 1);
        metrics.replayed_records(state.applied());
        metrics.unreadable_states(count(rebuilt.unreadable));
        if rebuilt.lost > 0 {
            metrics.input_lost_records("alerts", rebuilt.lost);
            tracing::error!(
                partition,
                lost = rebuilt.lost,
                "retention removed readings before they were judged; raise the topic's retention"
            );
        }
        if rebuilt.lost_to_state > 0 {
            metrics.input_lost_records("state", rebuilt.lost_to_state);
            tracing::error!(
                partition,
                lost = rebuilt.lost_to_state,
                "retention removed readings that stored states do not hold: homes have gaps there; raise the topic's \
                 retention, or lower engine.max_replay_records"
            );
        }
        if rebuilt.unreadable > 0 {
            let homes = rebuilt.unreadable;
            tracing::error!(
                partition,
                homes,
                "stored states could not be read; rebuilt from the readings"
            );
        }
        tracing::info!(
            partition,
            homes = state.arena().len(),
            offset = state.next_offset(),
            replayed = state.applied(),
            "partition is live"
        );
        self.survey(partition, state, true);
    }

    fn over(&self, verdict: &Verdict, state_bytes: usize, raised: &[(AlertKind, Option<EventTime>)]) {
        let outcome = match verdict {
            Verdict::Committed => "committed",
            Verdict::Aborted(reason) => {
                tracing::warn!(
                    reason,
                    "a transaction was aborted; what is still ours is published in the next"
                );
                "aborted"
            }
            Verdict::Unknown(reason) => {
                tracing::warn!(
                    reason,
                    "the end of a transaction is in doubt; its partitions are restored"
                );
                "unknown"
            }
        };
        self.metrics.transaction(outcome, count(state_bytes));
        if *verdict == Verdict::Committed {
            for (kind, timestamp) in raised {
                if let Some(timestamp) = timestamp {
                    let delay = wall_clock().since(*timestamp);
                    self.metrics
                        .arrival_to_alert(kind.name(), Duration::from_secs(u64::from(delay)));
                }
            }
        }
    }

    fn survey(&mut self, partition: i32, state: &Partition, at_once: bool) {
        let due = self
            .surveyed
            .get(&partition)
            .is_none_or(|last| last.elapsed() >= SURVEY);
        if !(due || at_once) {
            return;
        }
        self.surveyed.insert(partition, Instant::now());
        let silent = state.open_alerts(AlertKind::SilentMeter);
        self.metrics
            .set_homes(partition, count(state.arena().len()), count(silent));
        for kind in KINDS {
            self.metrics
                .set_open_alerts(kind.name(), partition, count(state.open_alerts(*kind)));
        }
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

impl Observer for Telemetry {
    fn observe(&mut self, observation: &Observation<'_>) {
        let metrics = &self.metrics;
        match *observation {
            Observation::BatchBegins => self.began = Some(Instant::now()),
            Observation::Applied {
                partition,
                effects,
                state,
            } => self.applied(partition, effects, state),
            Observation::Standing { partition, state, lag } => {
                if let Some(records) = lag {
                    metrics.set_consumer_lag(partition, records);
                }
                self.survey(partition, state, false);
            }
            Observation::Rebalanced { how, partitions } => {
                metrics.rebalance(how);
                if how != "assigned" {
                    for partition in partitions {
                        metrics.drop_partition(*partition);
                        self.failed.remove(partition);
                    }
                }
                tracing::info!(?partitions, "partitions {how}");
            }
            Observation::Lives(counts) => {
                for (stage, n) in Stage::ALL.iter().zip(counts) {
                    metrics.set_partitions(stage.name(), count(n));
                }
            }
            Observation::Restoring { partition, done, total } => {
                metrics.set_replay_progress(partition, done, total);
                tracing::info!(partition, done, total, "replaying silently up to the committed offset");
            }
            Observation::Live { partition, rebuilt } => self.live(partition, rebuilt),
            Observation::RestoreFailed { partition, reason } => {
                metrics.kafka_error("restore");
                self.failed.insert(partition, reason.to_owned());
                tracing::warn!(partition, reason, "a restore failed; it is tried again");
            }
            Observation::Misplaced {
                topic,
                partition,
                records,
            } => {
                metrics.misplaced_records(topic.name(), count(records));
                if self.misplaced.insert((topic, partition)) {
                    tracing::error!(
                        topic = topic.name(),
                        partition,
                        records,
                        "records lie in another partition than their keys belong to: their producer partitions by another \
                         key or hash, and what is known of one home may lie in two partitions that know nothing of each other"
                    );
                }
            }
            Observation::BackPressure(on) => {
                tracing::warn!(
                    "{}",
                    if on {
                        "too much waits to be committed: reading stops"
                    } else {
                        "reading goes on"
                    }
                );
            }
            Observation::Over {
                verdict,
                state_bytes,
                raised,
                ..
            } => self.over(verdict, state_bytes, raised),
            Observation::ReplayDistance {
                partition,
                records,
                homes,
            } => metrics.set_replay_distance(partition, records, count(homes)),
            Observation::Breach { invariant, found } => {
                metrics.invariant_breach(invariant, 1);
                tracing::error!(
                    invariant,
                    found,
                    "an invariant of the engine is broken: please report this"
                );
            }
        }
    }
}
