//! Meter trouble: a meter that cannot be relied upon.
//!
//! Method: what the meter says of itself (tamper, battery, clock, its own rule for leaks; the status bits of EN 13757-3), and what its
//! readings show: water or the index that runs backwards, more water than it can pass (its overload flow rate Q4 = 1.25 Q3 of
//! ISO 4064-1 where Q3 is known, else what ingest believes), an index that goes on from another value, values that the next
//! one contradicts, intervals that end after they arrived. Readings that are not measured, or refused, are heard too. Of small
//! backward flows, bad reads and wrong times several are needed; of the others one is enough. Gaps in the readings that never leave
//! half a day between them for days hide whether water is used: a dry spell counts anew from each that is longer than an hour may lack. A register that has not moved for far longer
//! than people stay without water may be stuck; other signs of life do not excuse that, they make it more likely. There is one
//! alert a home, which bears the name of the worst trouble.
//! Units: readings' own time. Limits: a stuck register and an empty home look the same, and the words say so; a trouble is over
//! after some days without another sign of it; a clock that is slow looks like readings that are delivered late.

mod settings;
#[cfg(test)]
mod tests;
mod trouble;

pub use settings::MeterTroubleSettings;
pub use trouble::Trouble;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use self::trouble::Noted;
use super::words::local_time;
use super::{Detector, HomeView, Mistake, OpenAlert};
use crate::home::{Counts, Flow, Interval, MeterEvent};
use crate::model::{
    AlertKind, AlertState, BothLanguages, Circumstances, DAY, EventTime, Explanation, Finding, HOUR, Severity,
};

/// The detector of meters in trouble.
pub struct MeterTrouble;

/// What has happened of late; nothing with nearly every home.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MeterTroubleState {
    noted: Option<Box<Signs>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Signs {
    /// Since when there is a trouble without a pause, whichever; zero while there is none.
    since: EventTime,
    /// One for each of [`Trouble::ALL`].
    of: [Noted; Trouble::ALL.len()],
}

/// The name of the rule for a register that does not move.
const STUCK: &str = "stuck";

/// The overload flow rate Q4 of a meter as a multiple of its permanent flow rate Q3 (ISO 4064-1:2014, 4.1).
const Q4_PER_Q3: f32 = 1.25;

impl Signs {
    fn note(&mut self, settings: &MeterTroubleSettings, event: MeterEvent, at: EventTime) {
        let Some((trouble, one_is_enough)) = Trouble::of(event) else {
            return;
        };
        let noted = &mut self.of[trouble as usize];
        noted.take(at, if one_is_enough { 1 } else { settings.repeated });
        if noted.is_met() && self.since == EventTime::ZERO {
            self.since = noted.first;
        }
    }

    /// Takes a gap in the readings.
    fn note_gap(&mut self, settings: &MeterTroubleSettings, gap: &Interval) {
        let holes = &mut self.of[Trouble::Holes as usize];
        holes.take_gap(gap, settings.watchable_hours * HOUR, settings.holes_days * DAY);
        if holes.is_met() && self.since == EventTime::ZERO {
            self.since = holes.first;
        }
    }

    /// Forgets troubles of which no sign has come for long enough.
    fn pass(&mut self, settings: &MeterTroubleSettings, now: EventTime) {
        for (trouble, noted) in Trouble::ALL.into_iter().zip(&mut self.of) {
            let quiet = if trouble.is_flag() {
                settings.flag_quiet_hours
            } else {
                settings.quiet_hours
            };
            if now > noted.last.plus(quiet * HOUR) {
                *noted = Noted::default();
            }
        }
        if !self.of.iter().any(Noted::is_met) {
            self.since = EventTime::ZERO;
        }
    }

    /// The gravest trouble that holds.
    fn worst(&self) -> Option<(Trouble, Noted)> {
        let both = Trouble::ALL.into_iter().zip(self.of);
        both.filter(|(_, noted)| noted.is_met())
            .min_by_key(|(trouble, _)| std::cmp::Reverse(trouble.severity()))
    }
}

impl MeterTroubleState {
    fn note(&mut self, settings: &MeterTroubleSettings, event: MeterEvent, at: EventTime) {
        if settings.enabled && Trouble::of(event).is_some_and(|(trouble, _)| settings.reports(trouble)) {
            self.noted.get_or_insert_default().note(settings, event, at);
        }
    }
}

/// Since when the home is dry for longer than people stay without water. Another sign of life is no excuse.
fn stuck_since(settings: &MeterTroubleSettings, home: &HomeView<'_>) -> Option<EventTime> {
    let is_long = |since| home.usage.frontier().since(since) >= settings.stuck_days * DAY;
    // A leak is no use, but it moves the register.
    let is_still = |counts| home.usage.dry_since_by(counts).is_some_and(is_long);
    if settings.stuck_days == 0 || !is_still(Counts::AboveLeak) || !is_still(Counts::AllWater) {
        return None;
    }
    let circumstances = Circumstances {
        sign: None,
        ..home.circumstances
    };
    let since = HomeView { circumstances, ..*home }.dry_since();
    since.filter(|since| is_long(*since))
}

/// Whether somebody was heard of while the register stood still.
fn was_there(home: &HomeView<'_>, since: EventTime) -> bool {
    let sign = home.circumstances.sign;
    sign.is_some_and(|sign| sign.at > since.plus(DAY) && sign.at <= home.usage.frontier())
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
        let begins_anew = interval.flow == Flow::Unknown && home.usage.known_since() == interval.end;
        if begins_anew && settings.watches_holes() {
            state.noted.get_or_insert_default().note_gap(settings, interval);
        }
        let Flow::Measured(litres) = interval.flow else { return };
        if let Some(q3) = home.circumstances.q3_litres_per_hour {
            // As at ingest, what comes in less than an hour may be what an hour brought.
            let hours = interval.seconds().max(HOUR) as f32 / HOUR as f32;
            if litres > Q4_PER_Q3 * q3 * hours {
                state.note(settings, MeterEvent::ImpossibleFlow, interval.end);
            }
        }
        if let Some(noted) = &mut state.noted {
            noted.pass(settings, home.usage.frontier());
            if noted.of.iter().all(|noted| noted.count == 0) {
                state.noted = None;
            }
        }
    }

    fn on_meter_event(
        settings: &MeterTroubleSettings,
        state: &mut MeterTroubleState,
        event: MeterEvent,
        at: EventTime,
    ) {
        state.note(settings, event, at);
    }

    fn finding(settings: &MeterTroubleSettings, state: &MeterTroubleState, home: &HomeView<'_>) -> Option<Finding> {
        if !settings.enabled {
            return None;
        }
        let shown = state
            .noted
            .as_ref()
            .and_then(|noted| Some((noted.since, noted.worst()?)));
        let shown = shown.map(|(since, (trouble, noted))| Finding {
            since,
            detected_at: noted.met_at.max(since),
            severity: trouble.severity(),
            rule: Arc::from(trouble.rule()),
            stages: None,
            anew_at: None,
        });
        let stuck = stuck_since(settings, home).map(|since| Finding {
            since,
            detected_at: since.plus(settings.stuck_days * DAY),
            severity: if was_there(home, since) {
                Severity::Medium
            } else {
                Severity::Low
            },
            rule: Arc::from(STUCK),
            stages: None,
            anew_at: None,
        });
        // One alert: the worst gives its name, and it began with the first.
        match (shown, stuck) {
            (Some(shown), Some(stuck)) => {
                let since = shown.since.min(stuck.since);
                let worst = if stuck.severity > shown.severity { stuck } else { shown };
                Some(Finding { since, ..worst })
            }
            (shown, stuck) => shown.or(stuck),
        }
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
                    "The register moves again, or people are known to be away or without supply.",
                    "水表读数恢复变化，或已知住户外出、停水。",
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
            if was_there(home, alert.since) {
                evidence.insert("other_sign".into(), json!(home.circumstances.sign));
                return Explanation {
                    reason: "register_does_not_move",
                    evidence,
                    text: BothLanguages {
                        en: format!(
                            "The register has not moved since {since}, although somebody was heard of there since: the meter \
                             is probably stuck, and its zeros say little."
                        ),
                        zh: format!("自{since}起水表读数未变，期间却有人活动迹象：水表很可能卡滞，其零读数不可轻信。"),
                    },
                };
            }
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
            .map(|noted| noted.of[trouble as usize])
            .unwrap_or_default();
        evidence.insert("times".into(), json!(noted.count));
        evidence.insert("last_at".into(), json!(noted.last));
        if trouble == Trouble::ImpossibleFlow {
            let q4 = home.circumstances.q3_litres_per_hour.map(|q3| Q4_PER_Q3 * q3);
            evidence.insert("q4_litres_per_hour".into(), json!(q4));
        }
        let others = state
            .noted
            .iter()
            .flat_map(|signs| Trouble::ALL.into_iter().zip(signs.of));
        let others = others.filter(|(other, noted)| *other != trouble && noted.is_met());
        let others: Vec<_> = others.map(|(other, _)| other.rule()).collect();
        evidence.insert("other_troubles".into(), json!(others));
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
