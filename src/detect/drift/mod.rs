//! Slow change over weeks, worked out from the sixty days of used and known hours: what the two drift detectors share.
//!
//! Once a local week (Monday to Sunday) is complete, the daily values of the eight weeks that end with it are tested for
//! a trend (`trend`). What is reported holds until the next week is judged, and is not reported again while those eight
//! weeks overlap, unless it has doubled or turned round.

mod trend;
mod weeks;

#[cfg(test)]
mod tests;

pub use trend::{Trend, sen_slope};
pub use weeks::{DAYS, Day, WEEKS};

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::weeks::{days, earliest_end, last_complete_week, week_start};
use super::{HomeView, Mistake, OpenAlert};
use crate::home::{Flow, Interval};
use crate::model::{EventTime, Finding, Severity};

/// A week counts with this many days of which the value is known.
const LEAST_DAYS: usize = 4;
/// So many of the eight weeks must count, and the last of them.
const LEAST_WEEKS: usize = 6;

/// One value a day in which a change may show.
pub struct Measure {
    /// Its name, as the rule of an alert gives it.
    pub name: &'static str,
    /// The least change over the eight weeks that is worth a word, in the measure's unit.
    pub least_change: f64,
    /// Steps to its unit in which the size of a change is kept.
    pub steps: f64,
    /// The value of a day, given the day before it; `None` where it is not known.
    pub of: fn(&Day, Option<&Day>) -> Option<f64>,
}

/// What a drift detector keeps, in four bytes: which week was judged last, and the last report for as long as its weeks
/// overlap with those judged. Weeks are numbered from the one that holds 1 January 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftState {
    /// The last week judged.
    judged: u16,
    /// The last report: 0 for none, else 16 times the number of its measure, plus the weeks since it, plus 1.
    report: u8,
    /// The change reported, in steps.
    change: i8,
}

impl DriftState {
    /// Judges the last complete week, if that has not been done. Most of the time this is one comparison.
    pub fn on_interval(&mut self, p_below: f64, measures: &[Measure], home: &HomeView<'_>, interval: &Interval) {
        let next = home.usage.next_hour();
        if !matches!(interval.flow, Flow::Measured(_)) || next < earliest_end(self.judged + 1) {
            return;
        }
        let week = last_complete_week(next, home.time_zone);
        if week <= self.judged {
            return;
        }
        let last = self
            .report()
            .map(|(measure, ago)| (measure, u32::from(ago) + u32::from(week - self.judged)));
        let last = last.filter(|(_, ago)| *ago < u32::from(WEEKS));
        self.report = last.map_or(0, |(measure, ago)| (measure << 4) + ago as u8 + 1);
        self.judged = week;
        let days = days(home.usage.routine(), week, home.time_zone);
        // The level is shared between the measures (Bonferroni).
        let level = p_below / measures.len() as f64;
        let found = measures.iter().enumerate().filter_map(|(index, measure)| {
            let trend = judge(measure, &days)?;
            let counts = trend.p_value < level && trend.change().abs() >= measure.least_change;
            counts.then_some((
                index as u8,
                (trend.change() * measure.steps).round() as i8,
                trend.p_value,
            ))
        });
        let found: Vec<_> = found.collect();
        let is_news = |(measure, change): (u8, i8)| {
            let (change, before) = (i32::from(change), i32::from(self.change));
            let grew = change * before.signum() >= 2 * before.abs();
            last.is_none_or(|(last, _)| measure == last && (grew || change * before < 0))
        };
        let strongest = found
            .into_iter()
            .filter(|(measure, change, _)| is_news((*measure, *change)))
            .min_by(|a, b| a.2.total_cmp(&b.2));
        if let Some((measure, change, _)) = strongest {
            (self.report, self.change) = ((measure << 4) + 1, change);
        }
    }

    /// The number of the measure of the last report, and how many weeks before the one judged last it was.
    fn report(&self) -> Option<(u8, u8)> {
        (self.report > 0).then(|| (self.report >> 4, (self.report & 15).saturating_sub(1)))
    }

    /// What was found in the week judged last.
    pub fn finding(&self, measures: &[Measure], home: &HomeView<'_>) -> Option<Finding> {
        let (measure, ago) = self.report()?;
        let measure = measures.get(usize::from(measure))?;
        (ago == 0).then(|| Finding {
            since: week_start((self.judged + 1).saturating_sub(WEEKS), home.time_zone),
            detected_at: week_start(self.judged + 1, home.time_zone),
            severity: Severity::Low,
            rule: Arc::from(measure.name),
            stages: None,
            anew_at: None,
        })
    }
}

/// The trend of a measure over the days; `None` with too few of them.
fn judge(measure: &Measure, days: &[Day; DAYS]) -> Option<Trend> {
    let values: Vec<Option<f64>> = (0..DAYS)
        .map(|day| (measure.of)(&days[day], day.checked_sub(1).map(|before| &days[before])))
        .collect();
    Trend::of(&values, LEAST_DAYS).filter(|trend| {
        let known = trend.weeks.iter().flatten().count();
        known >= LEAST_WEEKS && trend.weeks.last().is_some_and(Option::is_some)
    })
}

/// The trend that an alert reports, as the readings have it now, with its numbers. The numbers have the measure's name
/// and unit, such as `night_use_percent`; `scale` makes that unit of the measure's.
pub fn evidence(
    measure: &Measure,
    unit: &str,
    scale: f64,
    home: &HomeView<'_>,
    alert: &OpenAlert<'_>,
) -> (Map<String, Value>, Option<Trend>) {
    let week = last_complete_week(alert.detected_at.hour(), home.time_zone);
    let trend = judge(measure, &days(home.usage.routine(), week, home.time_zone));
    let round = |value: f64, digits: i32| (value * 10f64.powi(digits)).round() / 10f64.powi(digits);
    let mut evidence = Map::new();
    evidence.insert("weeks".into(), json!(WEEKS));
    evidence.insert("first_week_began_at".into(), json!(alert.since));
    evidence.insert("last_week_ended_at".into(), json!(alert.detected_at));
    if let Some(trend) = &trend {
        let weekly: Vec<_> = trend
            .weeks
            .iter()
            .map(|mean| mean.map(|mean| round(mean * scale, 1)))
            .collect();
        evidence.insert(format!("{unit}_by_week"), json!(weekly));
        evidence.insert(format!("{unit}_change"), json!(round(trend.change() * scale, 1)));
        evidence.insert("known_days".into(), json!(trend.days));
        evidence.insert("p_value".into(), json!(round(trend.p_value, 6)));
        evidence.insert("autocorrelation_of_days".into(), json!(round(trend.autocorrelation, 2)));
    }
    (evidence, trend)
}

/// What is wrong with a level of significance.
pub fn check_p(p_below: f64) -> Option<Mistake> {
    let right = p_below > 0.0 && p_below <= 0.1;
    (!right).then(|| Mistake::new("p_below", format!("{p_below} is not above 0 and at most 0.1")))
}

/// What is wrong with a least change in `key`.
pub fn check_change(key: &str, value: f64, most: f64) -> Option<Mistake> {
    let right = (0.0..=most).contains(&value);
    (!right).then(|| Mistake::new(key, format!("{value} is not between 0 and {most}")))
}

/// The local day of a moment, such as `2024-03-04`.
pub fn local_date(time: EventTime, home: &HomeView<'_>) -> String {
    home.time_zone.to_datetime(time.to_jiff()).date().to_string()
}
