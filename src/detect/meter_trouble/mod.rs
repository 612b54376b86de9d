//! Meter trouble: a meter that cannot be relied upon.
//!
//! Method: what the meter says of itself (tamper, battery, clock), and what its readings show: water or the index that
//! runs backwards, values that the next one contradicts, intervals that end after they arrived. One tamper, one low battery
//! or one large backward flow is enough; the others must repeat. A register that has not moved for far longer than people
//! stay without water may be stuck. Units: readings' own time. Limits: a stuck register and an empty home look the same, and
//! the words say so; a trouble is over after some days without another sign of it.

mod settings;
#[cfg(test)]
mod tests;

pub use settings::MeterTroubleSettings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::words::local_time;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Interval, MeterEvent};
use crate::model::{AlertKind, AlertState, BothLanguages, DAY, EventTime, Explanation, Finding, HOUR, Severity};

/// The detector of meters in trouble.
pub struct MeterTrouble;

/// What has happened of late; nothing with nearly every home.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeterTroubleState {
    /// One for each of [`Trouble::ALL`].
    noted: Option<Box<[Noted; Trouble::ALL.len()]>>,
}

/// Signs of one trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Noted {
    /// How many, no longer apart than the quiet time.
    count: u8,
    first: EventTime,
    last: EventTime,
    /// When there were enough; zero before.
    met_at: EventTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Tamper,
    Backwards,
    LowBattery,
    BadReads,
    Clock,
}

impl Trouble {
    /// The gravest first.
    const ALL: [Self; 5] = [
        Self::Tamper,
        Self::Backwards,
        Self::LowBattery,
        Self::BadReads,
        Self::Clock,
    ];

    /// What an event is a sign of, and whether one is enough.
    fn of(event: MeterEvent) -> Option<(Self, bool)> {
        match event {
            MeterEvent::Tamper => Some((Self::Tamper, true)),
            MeterEvent::LargeReverseFlow => Some((Self::Backwards, true)),
            MeterEvent::ReverseFlow => Some((Self::Backwards, false)),
            MeterEvent::LowBattery => Some((Self::LowBattery, true)),
            MeterEvent::BadRead => Some((Self::BadReads, false)),
            MeterEvent::ClockDrift => Some((Self::Clock, false)),
            MeterEvent::Rollover | MeterEvent::SwappedMeter | MeterEvent::Reset | MeterEvent::LeakFlag => None,
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Tamper => "tamper",
            Self::Backwards => "reverse-flow",
            Self::LowBattery => "low-battery",
            Self::BadReads => "bad-reads",
            Self::Clock => "clock-drift",
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Self::Tamper | Self::Backwards => Severity::Medium,
            Self::LowBattery | Self::BadReads | Self::Clock => Severity::Low,
        }
    }

    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Tamper => ("The meter says that it was tampered with", "水表报告被人为干扰"),
            Self::Backwards => ("Water ran backwards through the meter", "水表出现倒流"),
            Self::LowBattery => ("The meter's battery runs out", "水表电量不足"),
            Self::BadReads => ("Readings of the meter contradict each other", "水表读数前后矛盾"),
            Self::Clock => ("The meter's clock is wrong", "水表时钟有误"),
        }
    }
}

/// The name of the rule for a register that does not move.
const STUCK: &str = "stuck";

impl MeterTroubleState {
    /// The gravest trouble that holds.
    fn worst(&self) -> Option<(Trouble, Noted)> {
        let noted = self.noted.as_deref()?;
        let both = Trouble::ALL.into_iter().zip(noted.iter().copied());
        both.filter(|(_, noted)| noted.met_at > EventTime::ZERO)
            .min_by_key(|(trouble, _)| std::cmp::Reverse(trouble.severity()))
    }
}

/// Since when the home is dry for longer than people stay without water.
fn stuck_since(settings: &MeterTroubleSettings, home: &HomeView<'_>) -> Option<EventTime> {
    let since = home.dry_since().filter(|_| settings.stuck_days > 0)?;
    let is_long = home.usage.frontier().since(since) >= settings.stuck_days * DAY;
    is_long.then_some(since)
}

impl Detector for MeterTrouble {
    const KIND: AlertKind = AlertKind::MeterTrouble;
    type Settings = MeterTroubleSettings;
    type State = MeterTroubleState;

    fn mistakes(settings: &MeterTroubleSettings) -> Vec<Mistake> {
        settings.mistakes()
    }

    fn on_interval(
        settings: &MeterTroubleSettings,
        state: &mut MeterTroubleState,
        home: &HomeView<'_>,
        interval: &Interval,
    ) {
        let Some(noted) = &mut state.noted else { return };
        if !matches!(interval.flow, crate::home::Flow::Measured(_)) {
            return;
        }
        for noted in noted.iter_mut() {
            if home.usage.frontier() > noted.last.plus(settings.quiet_hours * HOUR) {
                *noted = Noted::default();
            }
        }
        if noted.iter().all(|noted| noted.count == 0) {
            state.noted = None;
        }
    }

    fn on_meter_event(
        settings: &MeterTroubleSettings,
        state: &mut MeterTroubleState,
        event: MeterEvent,
        at: EventTime,
    ) {
        let Some((trouble, one_is_enough)) = Trouble::of(event).filter(|_| settings.enabled) else {
            return;
        };
        let noted = &mut state.noted.get_or_insert_default()[trouble as usize];
        if noted.count == 0 {
            noted.first = at;
        }
        noted.count = noted.count.saturating_add(1);
        noted.last = noted.last.max(at);
        if noted.met_at == EventTime::ZERO && (one_is_enough || noted.count >= settings.repeated) {
            noted.met_at = at;
        }
    }

    fn finding(settings: &MeterTroubleSettings, state: &MeterTroubleState, home: &HomeView<'_>) -> Option<Finding> {
        if !settings.enabled {
            return None;
        }
        if let Some((trouble, noted)) = state.worst() {
            return Some(Finding {
                since: noted.first,
                detected_at: noted.met_at,
                severity: trouble.severity(),
                rule: Arc::from(trouble.rule()),
                stages: None,
            });
        }
        let since = stuck_since(settings, home)?;
        Some(Finding {
            since,
            detected_at: since.plus(settings.stuck_days * DAY),
            severity: Severity::Low,
            rule: Arc::from(STUCK),
            stages: None,
        })
    }

    fn explain(
        settings: &MeterTroubleSettings,
        state: &MeterTroubleState,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation {
        let when = |time| local_time(time, home.now, home.time_zone);
        let mut evidence = Map::new();
        evidence.insert("trouble".into(), json!(alert.rule));
        evidence.insert("first_at".into(), json!(alert.since));
        let trouble = Trouble::ALL.into_iter().find(|trouble| trouble.rule() == alert.rule);
        if record == AlertState::Resolved {
            let (en, zh) = if trouble.is_none() {
                (
                    "The register moves again, or people are known to be away.",
                    "水表读数恢复变化，或已知住户外出。",
                )
            } else {
                ("The meter has shown no more of it.", "水表未再出现该问题。")
            };
            return Explanation {
                reason: "trouble_ended",
                evidence,
                text: BothLanguages {
                    en: en.into(),
                    zh: zh.into(),
                },
            };
        }
        let Some(trouble) = trouble else {
            evidence.insert("stuck_days".into(), json!(settings.stuck_days));
            let since = when(alert.since);
            return Explanation {
                reason: "register_does_not_move",
                evidence,
                text: BothLanguages {
                    en: format!(
                        "The register has not moved since {since}, and no absence was declared: either nobody is \
                         there, or the meter is stuck. Until it is looked at, its zeros say little."
                    ),
                    zh: format!(
                        "自{since}起水表读数未变且未报备外出：可能无人居住，也可能水表卡滞；核查前其零读数不可轻信。"
                    ),
                },
            };
        };
        let noted = state
            .noted
            .as_ref()
            .map(|noted| noted[trouble as usize])
            .unwrap_or_default();
        evidence.insert("times".into(), json!(noted.count));
        evidence.insert("last_at".into(), json!(noted.last));
        let (en, zh) = trouble.words();
        let last = when(noted.last);
        Explanation {
            reason: "meter_trouble",
            evidence,
            text: BothLanguages {
                en: format!("{en} ({} times, last at {last}).", noted.count),
                zh: format!("{zh}（{}次，最近{last}）。", noted.count),
            },
        }
    }
}
