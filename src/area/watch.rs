//! The zones that one partition of the zones topic is responsible for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::alert::{AreaAlert, Reason};
use super::chance::{more_than_residual, too_few, too_many};
use super::hour::WINDOWS;
use super::report::{AreaStatus, Cause, HourFigures, Silence, ZoneReport};
use super::settings::AreaSettings;
use crate::model::{DAY, EventTime, HOUR};

/// How long after a mark the reports of partitions that lag behind are waited for; and how long after the first report of a
/// zone, before it is known which partitions have homes of it.
const PATIENCE: u32 = 2 * HOUR;
/// A partition that has said nothing for so long has no homes of the zone any more.
const FORGOTTEN: u32 = DAY;
/// Use has returned when what is found is less likely than this with no supply.
const RETURNED: f64 = 1e-3;
/// What late readings have made as likely as this in a supplied zone was no outage.
const ORDINARY: f64 = 1e-3;
/// Meters report again when as many overdue ones are as likely as this.
const HEARD_AGAIN: f64 = 0.05;

/// The last outage of one cause.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Since when; the alert's identity follows from it.
    pub from: EventTime,
    /// Until when homes are excused.
    pub to: Option<EventTime>,
    /// When it could be seen.
    pub detected_at: EventTime,
    /// Whether it goes on.
    pub is_open: bool,
    /// The number of the last record written of it.
    pub revision: u32,
    /// The window that showed it, by its place.
    window: u8,
    /// The share of the homes expected to use water that did, when it was seen.
    residual: f32,
}

/// What was said of a zone: all that cannot be worked out from reports again. It is stored whenever it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The last outage of water.
    pub dry: Option<Episode>,
    /// The last outage of readings.
    pub silent: Option<Episode>,
}

/// The figures that a record rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Seen {
    Use {
        homes: u32,
        found: u32,
        expected: f64,
        hours: u32,
        ends: EventTime,
        probability: f64,
    },
    Meters {
        active: u32,
        overdue: u32,
        probability: f64,
    },
    /// Nothing new: time has passed.
    Nothing,
}

/// What is to be written: a status for each partition, and an alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// For every partition of the zones topic.
    pub status: AreaStatus,
    /// For the area-alerts topic.
    pub alert: AreaAlert,
}

/// The reports of one mark.
#[derive(Clone, Debug, Default)]
struct Gathered {
    partitions: BTreeSet<u32>,
    hours: BTreeMap<u32, HourFigures>,
    silence: Silence,
}

#[derive(Clone, Debug, Default)]
struct Zone {
    /// The last mark of each partition that has homes of it.
    partitions: BTreeMap<u32, EventTime>,
    first: Option<EventTime>,
    judged: EventTime,
    gathering: BTreeMap<EventTime, Gathered>,
    said: Said,
}

/// Adds up the reports of zones and judges them.
///
/// A mark is judged once, when every partition that has homes of the zone has reported it, or two hours later: so neither the
/// number of partitions nor the order of their reports makes a difference. Judging the same figures twice says nothing
/// new. Kept are the sums of the marks that are being gathered, and what was said.
#[derive(Clone, Debug)]
pub struct Watch {
    settings: AreaSettings,
    zones: BTreeMap<Arc<str>, Zone>,
}

impl Watch {
    /// Of no zone yet.
    pub fn new(settings: AreaSettings) -> Self {
        Self {
            settings,
            zones: BTreeMap::new(),
        }
    }

    /// Takes a report and says what follows from it. A report of a mark that was judged already changes nothing.
    pub fn take(&mut self, report: &ZoneReport) -> Vec<Verdict> {
        let zone = self.zones.entry(report.zone.clone()).or_default();
        zone.gather(report);
        let mut verdicts = Vec::new();
        while let Some((at, decided_at, gathered)) = zone.next_ready() {
            let mut judge = Judge {
                settings: &self.settings,
                zone: &report.zone,
                decided_at,
                verdicts: &mut verdicts,
            };
            judge.dry(at, gathered.hours.values(), &mut zone.said.dry);
            judge.silence(at, &gathered.silence, &mut zone.said.silent);
        }
        verdicts
    }

    /// Takes a report from before a restart: what followed from it was said, and is put back by [`Watch::restore`].
    pub fn remember(&mut self, report: &ZoneReport) {
        let zone = self.zones.entry(report.zone.clone()).or_default();
        zone.gather(report);
        while zone.next_ready().is_some() {}
    }

    /// What was said of a zone, to be stored with each verdict on it.
    pub fn said(&self, zone: &str) -> Said {
        self.zones.get(zone).map(|zone| zone.said).unwrap_or_default()
    }

    /// Puts back what [`Watch::said`] gave.
    pub fn restore(&mut self, zone: &str, said: Said) {
        self.zones.entry(zone.into()).or_default().said = said;
    }
}

impl Zone {
    fn gather(&mut self, report: &ZoneReport) {
        let last = self.partitions.entry(report.partition).or_default();
        if report.at <= *last {
            return; // Taken already.
        }
        *last = report.at;
        self.first.get_or_insert(report.at);
        if report.at <= self.judged {
            return;
        }
        let gathered = self.gathering.entry(report.at).or_default();
        gathered.partitions.insert(report.partition);
        for hour in &report.hours {
            gathered
                .hours
                .entry(hour.hour)
                .or_insert_with(|| HourFigures::new(hour.hour))
                .add(hour);
        }
        gathered.silence.add(&report.silence);
    }

    /// The next mark to be judged, with the moment at which it can be.
    fn next_ready(&mut self) -> Option<(EventTime, EventTime, Gathered)> {
        let newest = self.partitions.values().copied().max()?;
        self.partitions.retain(|_, last| newest.since(*last) < FORGOTTEN);
        let settled = self.first?.plus(PATIENCE);
        let is_whole = |at: &EventTime, gathered: &Gathered| {
            *at >= settled
                && self
                    .partitions
                    .keys()
                    .all(|partition| gathered.partitions.contains(partition))
        };
        let late = |at: &EventTime| newest.since(*at) >= PATIENCE;
        let (at, is_whole) = self.gathering.iter().find_map(|(at, gathered)| {
            let is_whole = is_whole(at, gathered);
            (is_whole || late(at)).then_some((*at, is_whole))
        })?;
        let gathered = self.gathering.remove(&at)?;
        // Marks before it that are not whole have nothing to add.
        self.gathering = self.gathering.split_off(&at);
        self.judged = at;
        Some((at, if is_whole { at } else { at.plus(PATIENCE) }, gathered))
    }
}

struct Judge<'a> {
    settings: &'a AreaSettings,
    zone: &'a Arc<str>,
    decided_at: EventTime,
    verdicts: &'a mut Vec<Verdict>,
}

impl Judge<'_> {
    /// Goes through the hours as they followed each other: an outage seen in one may be over in a later one.
    fn dry<'h>(&mut self, at: EventTime, hours: impl Iterator<Item = &'h HourFigures>, last: &mut Option<Episode>) {
        for figures in hours {
            match last {
                Some(open) if open.is_open => {
                    if let Some((reason, to, seen)) = self.ending(figures, open) {
                        (open.is_open, open.to) = (false, Some(to));
                        self.say(Cause::Dry, open, reason, &seen);
                    }
                }
                _ => {
                    let after = last.map_or(EventTime::ZERO, |last| last.to.unwrap_or(last.from));
                    if let Some((window, seen)) = self.beginning(figures, after) {
                        let from = window_start(figures, window);
                        let (found, expected) = (figures.found[window], figures.expected(window));
                        let mut episode = Episode {
                            from,
                            to: None,
                            detected_at: EventTime::from_hour(figures.hour + 1),
                            is_open: true,
                            revision: revision(*last, from),
                            window: window as u8,
                            residual: (f64::from(found) / expected) as f32,
                        };
                        self.say(Cause::Dry, &mut episode, Reason::Begun, &seen);
                        *last = Some(episode);
                    }
                }
            }
        }
        self.limit(Cause::Dry, at, last);
    }

    /// The window that chance explains worst, if it does not explain it at all; windows begin at `after` at the earliest.
    fn beginning(&self, figures: &HourFigures, after: EventTime) -> Option<(usize, Seen)> {
        if figures.homes < self.settings.min_homes {
            return None;
        }
        let windows = (0..WINDOWS.len()).filter(|window| window_start(figures, *window) >= after);
        let (window, probability) = windows
            .map(|window| {
                let probability = too_few(figures.homes, figures.found[window], figures.expected(window));
                (window, probability)
            })
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        (probability < self.settings.threshold()).then(|| (window, see(figures, window, probability)))
    }

    /// Why, and from when on, an outage is over by what this hour shows.
    fn ending(&self, figures: &HourFigures, open: &Episode) -> Option<(Reason, EventTime, Seen)> {
        let next = EventTime::from_hour(figures.hour + 1);
        if next == open.detected_at {
            let window = usize::from(open.window).min(WINDOWS.len() - 1);
            let probability = too_few(figures.homes, figures.found[window], figures.expected(window));
            let is_ordinary = figures.homes > 0 && probability >= ORDINARY;
            return is_ordinary.then(|| (Reason::Corrected, open.from, see(figures, window, probability)));
        }
        let share = self.settings.residual_share.max(f64::from(open.residual));
        let windows = (0..WINDOWS.len()).filter(|window| window_start(figures, *window) >= open.detected_at);
        windows.into_iter().find_map(|window| {
            let (homes, found, expected) = (figures.homes, figures.found[window], figures.expected(window));
            let without_supply = more_than_residual(homes, found, expected, share);
            let with_supply = too_few(homes, found, expected);
            (without_supply < RETURNED && with_supply > self.settings.threshold()).then(|| {
                let seen = see(figures, window, with_supply);
                (Reason::Returned, window_start(figures, window), seen)
            })
        })
    }

    fn silence(&mut self, at: EventTime, silence: &Silence, last: &mut Option<Episode>) {
        let Silence {
            active,
            overdue,
            last_heard,
        } = *silence;
        let probability = too_many(active, overdue, self.settings.usual_silent_share);
        let seen = Seen::Meters {
            active,
            overdue,
            probability,
        };
        let enough = active >= self.settings.min_homes;
        if let Some(open) = last.as_mut().filter(|last| last.is_open) {
            if probability >= HEARD_AGAIN {
                (open.is_open, open.to) = (false, Some(at));
                self.say(Cause::Silent, open, Reason::Returned, &seen);
            }
        } else if enough && probability < self.settings.threshold() {
            let mut episode = Episode {
                from: last_heard,
                to: None,
                detected_at: at,
                is_open: true,
                revision: revision(*last, last_heard),
                window: 0,
                residual: 0.0,
            };
            self.say(Cause::Silent, &mut episode, Reason::Begun, &seen);
            *last = Some(episode);
        }
        self.limit(Cause::Silent, at, last);
    }

    /// However long an outage lasts, its homes are not left alone for ever.
    fn limit(&mut self, cause: Cause, at: EventTime, last: &mut Option<Episode>) {
        let Some(open) = last.as_mut().filter(|last| last.is_open && last.to.is_none()) else {
            return;
        };
        if at.since(open.from) > self.settings.longest() {
            open.to = Some(at);
            self.say(cause, open, Reason::JudgedAgain, &Seen::Nothing);
        }
    }

    fn say(&mut self, cause: Cause, episode: &mut Episode, reason: Reason, seen: &Seen) {
        episode.revision += 1;
        self.verdicts.push(Verdict {
            status: AreaStatus {
                zone: self.zone.clone(),
                cause,
                from: episode.from,
                to: episode.to,
            },
            alert: AreaAlert::new(self.zone, cause, episode, reason, seen, self.decided_at),
        });
    }
}

/// The number of the last record of an episode that begins at `from`: one that was corrected goes on.
fn revision(last: Option<Episode>, from: EventTime) -> u32 {
    last.filter(|last| last.from == from).map_or(0, |last| last.revision)
}

fn window_start(figures: &HourFigures, window: usize) -> EventTime {
    EventTime::from_hour((figures.hour + 1).saturating_sub(WINDOWS[window]))
}

fn see(figures: &HourFigures, window: usize, probability: f64) -> Seen {
    Seen::Use {
        homes: figures.homes,
        found: figures.found[window],
        expected: figures.expected(window),
        hours: WINDOWS[window],
        ends: EventTime::from_hour(figures.hour + 1),
        probability,
    }
}
