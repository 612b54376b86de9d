//! What there was to see around a false alert or a missed emergency: the use of water hour by hour, and what is usual.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::backtest::cases::{HomeCases, Turn};
use crate::backtest::judge::MISS_HOURS;
use crate::backtest::timeline::volumes;
use crate::history::Row;
use crate::model::{Alert, DAY, EventTime, HOUR, Litres};

/// Pages of false alerts, and of emergencies, at most; one a home.
const MOST_PAGES: usize = 6;
/// Days of the past that say what is usual.
const USUAL_DAYS: u32 = 28;
/// Days shown before the spell, and after it.
const BEFORE: u32 = 2 * DAY;
const AFTER: u32 = DAY;

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// An alert that proved false.
    FalseAlert {
        /// How many the home had.
        of_home: usize,
    },
    /// An emergency that was found late, or not at all.
    Emergency,
}

/// A case worth looking at.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// What it is.
    pub subject: Subject,
    /// The home.
    pub household: Arc<str>,
    /// The dry spell: from, and to where it ended or the emergency was over.
    pub from: EventTime,
    /// Its end.
    pub to: EventTime,
    /// The alert; none where none came.
    pub alert_id: Option<Arc<str>>,
    /// Hours of delay of an emergency.
    pub delay_hours: Option<f64>,
}

impl Choice {
    /// The time of which readings are needed.
    pub fn needs(&self) -> (EventTime, EventTime) {
        (self.from.minus(USUAL_DAYS * DAY), self.to.plus(AFTER))
    }
}

/// The worst: the latest false alert of each of the homes that have most of them, and the longest delay of each of the homes
/// in which it was longest.
pub fn worst(homes: &[HomeCases]) -> Vec<Choice> {
    let mut noisy: Vec<&HomeCases> = homes.iter().filter(|home| home.first.false_alerts > 0).collect();
    noisy.sort_by_key(|home| Reverse(home.first.false_alerts));
    let false_alert = |home: &HomeCases| {
        let case = home.alerts.iter().rev().find(|case| case.turn == Turn::False)?;
        let (from, to) = case.spell.unwrap_or((case.at.minus(HOUR), Some(case.at)));
        Some(Choice {
            subject: Subject::FalseAlert {
                of_home: home.first.false_alerts,
            },
            household: Arc::clone(&home.household),
            from,
            to: to.unwrap_or(case.at),
            alert_id: Some(Arc::clone(&case.alert_id)),
            delay_hours: None,
        })
    };
    let emergency = |home: &HomeCases| {
        let slowest = home.emergencies.iter().max_by(|a, b| a.delay.total_cmp(&b.delay))?;
        Some(Choice {
            subject: Subject::Emergency,
            household: Arc::clone(&home.household),
            from: slowest.start,
            to: slowest.start.plus(MISS_HOURS * HOUR),
            alert_id: slowest.alert_id.clone(),
            delay_hours: Some(slowest.delay),
        })
    };
    let mut slow: Vec<Choice> = homes.iter().filter_map(emergency).collect();
    slow.sort_by(|a, b| b.delay_hours.unwrap_or(0.0).total_cmp(&a.delay_hours.unwrap_or(0.0)));
    slow.truncate(MOST_PAGES);
    let noisy = noisy.into_iter().filter_map(false_alert).take(MOST_PAGES);
    noisy.chain(slow).collect()
}

/// One hour of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct OfHour {
    /// Its start.
    pub start: EventTime,
    /// By the home's clock, such as `Tue 5 Apr 14:00`.
    pub local: String,
    /// Litres; none where readings do not cover half of it.
    pub litres: Option<Litres>,
    /// The share of days of the four weeks before with use at this hour of the day; none without any.
    pub usual: Option<f64>,
}

/// A case as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The case.
    pub choice: Choice,
    /// Hour by hour.
    pub hours: Vec<OfHour>,
    /// What was said, as it was said then.
    pub alert: Option<Alert>,
}

/// The page of a case, from the rows of the time that it needs.
pub fn page(choice: Choice, rows: &[Row], alert: Option<&Alert>, zone: &TimeZone) -> Page {
    let first = choice.needs().0.hour();
    let last = choice.needs().1.hour();
    let mut hours = vec![(0u32, 0.0); (last - first) as usize + 1];
    for (stretch, litres) in volumes(rows) {
        // A reading that began in an hour or covers it: its litres are shared out evenly.
        let seconds = stretch.seconds().max(1);
        for hour in stretch.start.hour().max(first)..=stretch.end.minus(1).hour().min(last) {
            let start = EventTime::from_hour(hour);
            let covered = stretch.end.min(start.plus(HOUR)).since(stretch.start.max(start));
            let of_hour = &mut hours[(hour - first) as usize];
            of_hour.0 += covered;
            of_hour.1 += litres * f64::from(covered) / f64::from(seconds);
        }
    }
    let local = |hour: u32| zone.to_datetime(EventTime::from_hour(hour).to_jiff());
    let mut usual = [(0u32, 0u32); 24];
    let known = |hour: u32| {
        let of_hour = hours.get((hour - first) as usize);
        of_hour
            .filter(|(covered, _)| *covered * 2 >= HOUR)
            .map(|(_, litres)| *litres)
    };
    for hour in first..choice.from.hour() {
        if let Some(litres) = known(hour) {
            let counts = &mut usual[local(hour).hour().unsigned_abs() as usize % 24];
            counts.0 += u32::from(litres > 0.0);
            counts.1 += 1;
        }
    }
    let of_hour = |hour: u32| {
        let local = local(hour);
        let (used, days) = usual[local.hour().unsigned_abs() as usize % 24];
        OfHour {
            start: EventTime::from_hour(hour),
            local: local.strftime("%a %-d %b %H:%M").to_string(),
            litres: known(hour),
            usual: (days > 0).then(|| f64::from(used) / f64::from(days)),
        }
    };
    let shown = choice.from.minus(BEFORE).hour().max(first)..last;
    Page {
        hours: shown.map(of_hour).collect(),
        alert: alert.cloned(),
        choice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::cases::{AlertCase, EmergencyCase, Reached};
    use crate::model::{Flags, Measure, Quality};

    fn hour(day: u32, hour: u32) -> EventTime {
        EventTime::from_hour(day * 24 + hour)
    }

    fn home(name: &str, false_alerts: u32, delays: &[f64]) -> HomeCases {
        let alert = |day: u32| AlertCase {
            alert_id: format!("{name}{day}").into(),
            at: hour(40 + day, 4),
            turn: Turn::False,
            spell: Some((hour(39 + day, 19), Some(hour(40 + day, 6)))),
        };
        let emergency = |(place, delay): (usize, &f64)| EmergencyCase {
            start: hour(60 + 10 * place as u32, 12),
            delay: *delay,
            alert_id: None,
        };
        HomeCases {
            household: name.into(),
            alerts: (0..false_alerts).map(alert).collect(),
            emergencies: delays.iter().enumerate().map(emergency).collect(),
            first: Reached {
                false_alerts: false_alerts as usize,
                ..Reached::default()
            },
            ..HomeCases::default()
        }
    }

    #[test]
    fn the_worst_of_each_home_is_shown() {
        let homes = [home("a", 1, &[9.0, 72.0]), home("b", 3, &[20.0]), home("c", 0, &[])];
        let all = worst(&homes);
        let told: Vec<_> = all
            .iter()
            .map(|choice| (&*choice.household, choice.delay_hours))
            .collect();
        assert_eq!(told, [("b", None), ("a", None), ("a", Some(72.0)), ("b", Some(20.0))]);
        assert_eq!(all[0].alert_id.as_deref(), Some("b2"), "the latest");
        assert_eq!(all[2].from, hour(70, 12));
    }

    #[test]
    fn a_page_has_every_hour_with_what_is_usual() {
        let row = |at: u32, litres: f64| Row {
            meter: 0,
            start: EventTime::from_hour(at),
            seconds: HOUR,
            measure: Some(Measure::Volume(litres)),
            quality: Quality::Measured,
            received_at: None,
            flags: Flags::NONE,
        };
        // Use at noon on every other day; a gap on day 40 from 20 o'clock on.
        let noon = |at: &u32| f64::from(u8::from(at % 48 == 12)) * 6.0;
        let all = (0..43 * 24).filter(|at| !(40 * 24 + 20..41 * 24).contains(at));
        let rows: Vec<Row> = all.map(|at| row(at, noon(&at))).collect();
        let choice = worst(&[home("a", 1, &[])]).remove(0);
        let page = page(choice, &rows, None, &TimeZone::UTC);
        assert_eq!(page.hours[0].start, hour(37, 19), "two days before the spell");
        let at = |time: EventTime| page.hours.iter().find(|hour| hour.start == time).expect("shown");
        assert_eq!(
            (at(hour(38, 12)).litres, at(hour(39, 12)).litres),
            (Some(6.0), Some(0.0))
        );
        assert_eq!(at(hour(40, 21)).litres, None);
        assert_eq!((at(hour(38, 12)).usual, at(hour(38, 13)).usual), (Some(0.5), Some(0.0)));
        assert_eq!(at(hour(38, 12)).local, "Sun 8 Feb 12:00");
    }
}
