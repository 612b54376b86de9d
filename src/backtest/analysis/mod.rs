//! What a backtest tells beyond its score: curves, bounds, and figures of parts of the homes.

pub mod bound;
pub mod groups;
pub mod learning;
pub mod pages;
pub mod sweep;
pub mod tuned;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use self::bound::{Knows, Starts, bound};
use self::groups::{Daily, OfHour, OfKind, OfSize, by_hour, by_kind, by_size, thirds};
use self::learning::{OfAge, Span};
use self::sweep::{AtRate, BUDGETS, Point, Sweep};
use super::cases::HomeCases;
use super::judge::Score;
use super::resample::Figure;
use super::timeline::{Stretch, Timelines};
use crate::history::{Incident, People};
use crate::model::HomeRecord;

/// Homes that the bounds are computed for, at most.
const MOST_HOMES_OF_BOUNDS: usize = 2_000;

/// All of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Analysis {
    /// Delay against false alerts; absent without a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curves>,
    /// Delay by the hour at which emergencies begin.
    pub by_hour: Vec<OfHour>,
    /// Delay and false alerts by kind of home.
    pub by_kind: Vec<OfKind>,
    /// Recall and delay by size of leak.
    pub by_size: Vec<OfSize>,
    /// Alerts a day.
    pub daily: Daily,
    /// What rules are worth by the days since a home's first reading; empty where it was not asked for.
    pub learning: Vec<OfAge>,
}

/// Delay against false alerts, of the rules and of those who know what rules cannot know.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Curves {
    /// The λ of the rules of interest, in hours.
    pub lambda: f64,
    /// The false alerts a home-month that were asked for.
    pub budget: Option<f64>,
    /// The rules of interest at other λ.
    pub rules: CurveOf,
    /// Optimal stopping by home and hour of the start on the very spells that are judged.
    pub bound_in_sample: CurveOf,
    /// The same on all spells of the home but those of the fortnight that is judged.
    pub bound_without_fortnight: CurveOf,
    /// Other sets of rules: each is a point.
    pub others: Vec<OfRules>,
}

/// A curve.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CurveOf {
    /// Its points.
    pub points: Vec<Point>,
    /// Between them, at the stated budgets.
    pub at_budgets: Vec<AtRate>,
    /// Between them, close enough for a band.
    #[serde(skip)]
    pub band: Vec<AtRate>,
}

impl CurveOf {
    /// From what each home adds.
    pub fn new(sweep: &Sweep) -> Self {
        let points = sweep.points();
        let rates = points.iter().filter_map(|point| point.false_per_home_month.value);
        let (low, high) = rates.fold((f64::INFINITY, 0.0), |(low, high), rate| {
            (rate.min(low), rate.max(high))
        });
        let (low, high) = (low.max(0.01), high.max(0.01));
        let between = |place: u32| low * (high / low).powf(f64::from(place) / 24.0);
        Self {
            points,
            at_budgets: sweep.at_rates(&BUDGETS),
            band: sweep.at_rates(&(0..=24).map(between).collect::<Vec<_>>()),
        }
    }
}

/// A set of rules as a point.
#[derive(Clone, Debug, Serialize)]
pub struct OfRules {
    /// Its name.
    pub name: String,
    /// False alerts a home-month.
    pub false_per_home_month: Figure,
    /// Mean delay in hours, misses counted as 72.
    pub delay_hours: Figure,
    /// The share of emergencies found.
    pub recall: Figure,
    /// Alerts of people who were away, by home-month.
    pub absence_per_home_month: Figure,
}

impl OfRules {
    /// From its score.
    pub fn new(name: &str, score: &Score) -> Self {
        Self {
            name: name.to_owned(),
            false_per_home_month: score.first.false_per_home_month,
            delay_hours: score.first.delay.mean_hours,
            recall: score.first.recall,
            absence_per_home_month: score.first.absence_per_home_month,
        }
    }
}

/// The homes, and what is known of them in hindsight.
pub struct Fleet<'a> {
    /// Their use.
    pub timelines: &'a Timelines,
    /// Their records.
    pub records: &'a [HomeRecord],
    /// What the file of homes says of people, by home: respect and group.
    pub people: &'a People,
    /// What happened.
    pub truth: &'a [Incident],
    /// The time zones that records name.
    pub zones: BTreeMap<&'a str, TimeZone>,
    /// That of the other homes.
    pub time_zone: &'a TimeZone,
}

/// The time zones that records of homes name.
pub fn zones(records: &[HomeRecord]) -> BTreeMap<&str, TimeZone> {
    let zone = |home: &HomeRecord| TimeZone::get(home.time_zone.as_deref()?).ok();
    let all = records.iter();
    all.filter_map(|home| Some((&*home.household_id, zone(home)?)))
        .collect()
}

impl Fleet<'_> {
    /// The time zone of a home.
    pub fn zone(&self, household: &str) -> TimeZone {
        self.zones.get(household).unwrap_or(self.time_zone).clone()
    }

    /// First and last readings of the homes.
    pub fn spans(&self) -> Vec<Span> {
        let span = |(household, timeline): (&str, &super::timeline::Timeline)| {
            Some(Span {
                household: household.into(),
                first: timeline.first()?,
                last: timeline.last()?,
            })
        };
        self.timelines.iter().filter_map(span).collect()
    }

    /// The bound of one who knows so much, at these λ.
    pub fn bound(&self, homes: &[HomeCases], knows: Knows, lambdas: &[f64]) -> Sweep {
        let step = homes.len().div_ceil(MOST_HOMES_OF_BOUNDS).max(1);
        let starts = homes.iter().step_by(step).filter_map(|home| {
            let of_home = self
                .truth
                .iter()
                .filter(|incident| incident.kind == "emergency" && *incident.household == *home.household);
            let mut emergencies: Vec<Stretch> = of_home
                .map(|incident| Stretch {
                    start: incident.start,
                    end: incident.end,
                })
                .collect();
            emergencies.sort_by_key(|emergency| emergency.start);
            let timeline = self.timelines.of(&home.household)?;
            Some(Starts::new(
                timeline,
                &emergencies,
                home.months,
                &self.zone(&home.household),
            ))
        });
        bound(&starts.collect::<Vec<_>>(), knows, lambdas)
    }

    /// In which respects each home is of which group: what its record says, and thirds by what its readings tell.
    fn kinds(&self) -> People {
        let mut kinds = self.people.clone();
        let mut add = |home: &str, respect: &str, group: String| {
            kinds
                .entry(home.to_owned())
                .or_default()
                .push((respect.to_owned(), group));
        };
        for home in self.records {
            let kind = home.kind.and_then(|kind| serde_json::to_value(kind).ok());
            let kind = kind.and_then(|kind| Some(kind.as_str()?.replace('_', " ")));
            let respects = [
                ("kind", kind),
                ("programme", home.programme.clone()),
                ("zone", home.zone.clone()),
            ];
            for (respect, group) in respects {
                group
                    .into_iter()
                    .for_each(|group| add(&home.household_id, respect, group));
            }
        }
        let measured = |of: fn(&super::timeline::Timeline) -> Option<f64>| -> Vec<(String, f64)> {
            let all = self.timelines.iter();
            all.filter_map(|(home, timeline)| Some((home.to_owned(), of(timeline)?)))
                .collect()
        };
        for (home, group) in thirds(&measured(super::timeline::Timeline::litres_a_day), "L a day") {
            add(&home, "litres", group);
        }
        let share = measured(|timeline| timeline.share_used().map(|share| share * 100.0));
        for (home, group) in thirds(&share, "% of the time") {
            add(&home, "hours with use", group);
        }
        kinds
    }

    /// All but the curves and the learning curve.
    pub fn analysis(&self, homes: &[HomeCases], daily: Daily) -> Analysis {
        Analysis {
            curve: None,
            by_hour: by_hour(homes, |home| self.zone(home)),
            by_kind: by_kind(homes, &self.kinds()),
            by_size: by_size(homes),
            daily,
            learning: Vec::new(),
        }
    }
}
