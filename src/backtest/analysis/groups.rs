//! Delay and false alerts apart: by the hour at which emergencies begin, by kind of home, by size of leak, day by day.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::backtest::cases::{HomeCases, LeakCase};
use crate::backtest::resample::{Figure, Fleets};
use crate::history::People;
use crate::model::{Alert, AlertKind, AlertState, DAY, EventTime, HOUR};

/// Groups beyond the largest of a kind are told together.
const MOST_GROUPS: usize = 8;

/// Emergencies that began in one hour of the day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfHour {
    /// The hour, 0 to 23, by the home's clock.
    pub hour: usize,
    /// How many.
    pub emergencies: usize,
    /// Mean delay in hours, misses counted as 72.
    pub delay_hours: Figure,
}

/// Delay by the hour of the day.
pub fn by_hour(homes: &[HomeCases], zone: impl Fn(&str) -> TimeZone) -> Vec<OfHour> {
    let mut delays = vec![vec![Vec::new(); homes.len()]; 24];
    for (place, home) in homes.iter().enumerate() {
        let zone = zone(&home.household);
        for emergency in &home.emergencies {
            let local = zone.to_datetime(emergency.start.to_jiff());
            delays[local.hour().unsigned_abs() as usize % 24][place].push(emergency.delay);
        }
    }
    let fleets = Fleets::new(homes.len(), 1);
    let of = |(hour, delays): (usize, Vec<Vec<f64>>)| OfHour {
        hour,
        emergencies: delays.iter().map(Vec::len).sum(),
        delay_hours: fleets.mean(&delays),
    };
    delays.into_iter().enumerate().map(of).collect()
}

/// Homes that are alike in one respect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfKind {
    /// In what they are alike, such as `household_size`.
    pub respect: String,
    /// How, such as `2`.
    pub group: String,
    /// How many.
    pub homes: usize,
    /// Home-months judged.
    pub home_months: f64,
    /// Emergencies in them.
    pub emergencies: usize,
    /// Mean delay in hours, misses counted as 72.
    pub delay_hours: Figure,
    /// False alerts a home-month.
    pub false_per_home_month: Figure,
}

/// Delay and false alerts by kind of home. `kinds` says of a home in which respects it is of which group.
pub fn by_kind(homes: &[HomeCases], kinds: &People) -> Vec<OfKind> {
    let mut respects = BTreeMap::<&str, BTreeMap<&str, Vec<&HomeCases>>>::new();
    for home in homes {
        for (respect, group) in kinds.get(&*home.household).into_iter().flatten() {
            respects
                .entry(respect)
                .or_default()
                .entry(group)
                .or_default()
                .push(home);
        }
    }
    let mut all = Vec::new();
    for (respect, groups) in respects.into_iter().filter(|(_, groups)| groups.len() > 1) {
        let mut sizes: Vec<usize> = groups.values().map(Vec::len).collect();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        let least = sizes.get(MOST_GROUPS - 1).copied().unwrap_or(1);
        let mut others = Vec::new();
        for (group, homes) in groups {
            match homes.len() >= least && homes.len() > usize::from(sizes.len() > MOST_GROUPS) {
                true => all.push(of_kind(respect, group, &homes)),
                false => others.extend(homes),
            }
        }
        if !others.is_empty() {
            all.push(of_kind(respect, "others", &others));
        }
    }
    all
}

fn of_kind(respect: &str, group: &str, homes: &[&HomeCases]) -> OfKind {
    let fleets = Fleets::new(homes.len(), 1);
    let delays: Vec<&[f64]> = homes.iter().map(|home| &*home.first.delays).collect();
    let rates: Vec<(f64, f64)> = homes
        .iter()
        .map(|home| (home.first.false_alerts as f64, home.months))
        .collect();
    OfKind {
        respect: respect.to_owned(),
        group: group.to_owned(),
        homes: homes.len(),
        home_months: homes.iter().map(|home| home.months).sum(),
        emergencies: delays.iter().map(|delays| delays.len()).sum(),
        delay_hours: fleets.mean(&delays),
        false_per_home_month: fleets.rate(&rates),
    }
}

/// The names of the thirds of homes, by a measure that not all of them have.
pub fn thirds(measures: &[(String, f64)], unit: &str) -> Vec<(String, String)> {
    let mut values: Vec<f64> = measures.iter().map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    let at = |third: usize| values.get(values.len() * third / 3).copied().unwrap_or_default();
    let (low, high) = (at(1), at(2));
    let name = |value: f64| match value {
        _ if value < low => format!("1: under {low:.0} {unit}"),
        _ if value < high => format!("2: {low:.0} to {high:.0} {unit}"),
        _ => format!("3: {high:.0} {unit} and more"),
    };
    measures
        .iter()
        .map(|(home, value)| (home.clone(), name(*value)))
        .collect()
}

/// Water that ran by itself, of one size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfSize {
    /// What it was, such as `leak, 5 L/h`.
    pub size: String,
    /// How many.
    pub leaks: usize,
    /// The share that was found.
    pub recall: Figure,
    /// Median hours to the finds.
    pub median_delay_hours: Figure,
}

/// Flows in litres an hour at which a size ends, and the size.
const SIZES: [(f64, &str); 6] = [
    (1.5, "1 L/h"),
    (3.5, "2 L/h"),
    (7.5, "5 L/h"),
    (20.0, "10 L/h"),
    (60.0, "30 L/h"),
    (f64::INFINITY, "over 60 L/h"),
];

/// A number that sorts sizes, and a name: that of the truth where it has one, else the nearest of some sizes.
fn size(leak: &LeakCase) -> (String, usize, String) {
    let kind = leak.kind.replace('_', " ");
    let place = |flow: f64| SIZES.iter().position(|(end, _)| flow < *end).unwrap_or(SIZES.len() - 1);
    match (&leak.detail, leak.litres_per_hour) {
        (Some(detail), _) => {
            let (number, name) = match detail.split_once(':') {
                Some((what, litres)) => (litres.parse().unwrap_or(0.0), format!("{what}, {litres} L/h")),
                None => (0.0, detail.clone()),
            };
            // Down to a hundredth of a litre.
            (kind, (100.0 * number) as usize, name.replace('-', " "))
        }
        (None, Some(flow)) if leak.is_leak() => {
            let place = place(flow);
            (kind.clone(), place, format!("{kind}, about {}", SIZES[place].1))
        }
        (None, _) => (kind.clone(), 0, kind),
    }
}

/// Recall and delay by size.
pub fn by_size(homes: &[HomeCases]) -> Vec<OfSize> {
    let mut groups = BTreeMap::<(String, usize, String), Vec<Vec<&LeakCase>>>::new();
    for (place, home) in homes.iter().enumerate() {
        for leak in &home.leaks {
            let group = groups
                .entry(size(leak))
                .or_insert_with(|| vec![Vec::new(); homes.len()]);
            group[place].push(leak);
        }
    }
    let fleets = Fleets::new(homes.len(), 1);
    let of = |((_, _, size), leaks): ((String, usize, String), Vec<Vec<&LeakCase>>)| {
        let delays: Vec<Vec<f64>> = leaks
            .iter()
            .map(|of_home| of_home.iter().filter_map(|leak| leak.delay).collect())
            .collect();
        let found: Vec<(f64, f64)> = leaks
            .iter()
            .zip(&delays)
            .map(|(all, found)| (found.len() as f64, all.len() as f64))
            .collect();
        OfSize {
            size,
            leaks: leaks.iter().map(Vec::len).sum(),
            recall: fleets.share(&found),
            median_delay_hours: fleets.median(&delays),
        }
    };
    groups.into_iter().map(of).collect()
}

/// Alerts that somebody has to look at, day by day.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Daily {
    /// The first day, by UTC.
    pub from: EventTime,
    /// Homes with readings.
    pub homes: usize,
    /// What an operator can handle a day.
    pub operator: f64,
    /// Alerts a day, by kind.
    pub kinds: BTreeMap<&'static str, Vec<u32>>,
}

impl Daily {
    /// Of the alerts raised; messages that nobody has to act on are left out.
    pub fn new<'a>(alerts: impl IntoIterator<Item = &'a Alert>, homes: usize, operator: f64) -> Self {
        let raised = |alert: &&Alert| alert.state == AlertState::Raised && !alert.kind.is_message();
        let raised: Vec<(AlertKind, u32)> = alerts
            .into_iter()
            .filter(raised)
            .map(|alert| (alert.kind, alert.decided_at.seconds() / DAY))
            .collect();
        let first = raised.iter().map(|(_, day)| *day).min().unwrap_or(0);
        let days = raised.iter().map(|(_, day)| *day + 1 - first).max().unwrap_or(0) as usize;
        let mut kinds = BTreeMap::new();
        for (kind, day) in raised {
            let counts = kinds.entry(kind.name()).or_insert_with(|| vec![0; days]);
            counts[(day - first) as usize] += 1;
        }
        Self {
            from: EventTime::from_seconds(first.saturating_mul(DAY)),
            homes,
            operator,
            kinds,
        }
    }

    /// Days from the first alert to the last.
    pub fn days(&self) -> usize {
        self.kinds.values().map(Vec::len).max().unwrap_or(0)
    }

    /// All alerts of each day.
    pub fn totals(&self) -> Vec<u32> {
        (0..self.days())
            .map(|day| self.kinds.values().map(|counts| counts[day]).sum())
            .collect()
    }

    /// Of one kind, a day: the mean and the most.
    pub fn mean_and_most(counts: &[u32]) -> (f64, u32) {
        let sum: u32 = counts.iter().sum();
        (
            f64::from(sum) / counts.len().max(1) as f64,
            counts.iter().copied().max().unwrap_or(0),
        )
    }

    /// Homes that one operator could watch, if those have as many alerts a day as these in the mean.
    pub fn homes_an_operator_watches(&self) -> Option<f64> {
        let (mean, _) = Self::mean_and_most(&self.totals());
        (mean > 0.0).then(|| self.operator / mean * self.homes as f64)
    }
}

/// The hours between two moments.
pub fn hours_between(start: EventTime, end: EventTime) -> f64 {
    f64::from(end.since(start)) / f64::from(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::cases::{EmergencyCase, Reached};

    fn home(name: &str, delays: &[(u32, f64)]) -> HomeCases {
        let emergency = |(hour, delay): &(u32, f64)| EmergencyCase {
            start: EventTime::from_hour(24 * 50 + hour),
            delay: *delay,
            alert_id: None,
        };
        HomeCases {
            household: name.into(),
            months: 2.0,
            emergencies: delays.iter().map(emergency).collect(),
            first: Reached {
                delays: delays.iter().map(|(_, delay)| *delay).collect(),
                false_alerts: 3,
                ..Reached::default()
            },
            ..HomeCases::default()
        }
    }

    #[test]
    fn hours_are_those_of_the_homes_clock() {
        let homes = [home("a", &[(8, 4.0), (23, 6.0)]), home("b", &[(8, 8.0)])];
        let zone = |home: &str| TimeZone::fixed(jiff::tz::offset(if home == "a" { 1 } else { 0 }));
        let hours = by_hour(&homes, zone);
        let at = |hour: usize| (hours[hour].emergencies, hours[hour].delay_hours.value);
        assert_eq!(
            (at(9), at(0), at(8), at(10)),
            ((1, Some(4.0)), (1, Some(6.0)), (1, Some(8.0)), (0, None))
        );
    }

    #[test]
    fn kinds_with_few_homes_are_told_together() {
        let homes: Vec<_> = (0..25)
            .map(|n| home(&format!("h{n:02}"), &[(8, f64::from(n))]))
            .collect();
        let kinds = homes.iter().enumerate().map(|(n, home)| {
            let group = if n < 16 { format!("z{}", n / 2) } else { format!("y{n}") };
            (
                home.household.to_string(),
                vec![("zone".to_owned(), group), ("all".to_owned(), "same".to_owned())],
            )
        });
        let all = by_kind(&homes, &kinds.collect());
        let told: Vec<_> = all.iter().map(|kind| (&*kind.group, kind.homes)).collect();
        let whole = ["z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7"].map(|zone| (zone, 2));
        assert_eq!(
            told,
            [&whole[..], &[("others", 9)]].concat(),
            "what all share tells nothing apart"
        );
        assert_eq!(
            (all[1].delay_hours.value, all[1].false_per_home_month.value),
            (Some(2.5), Some(1.5))
        );
    }

    #[test]
    fn thirds_are_named_by_their_ends() {
        let measures: Vec<(String, f64)> = (0..6).map(|n| (format!("h{n}"), f64::from(n) * 10.0)).collect();
        let names: Vec<String> = thirds(&measures, "L").into_iter().map(|(_, name)| name).collect();
        let expected = ["1: under 20 L", "2: 20 to 40 L", "3: 40 L and more"];
        assert_eq!(
            names,
            [
                expected[0],
                expected[0],
                expected[1],
                expected[1],
                expected[2],
                expected[2]
            ]
        );
        assert_eq!(thirds(&[], "L"), []);
    }

    #[test]
    fn leaks_are_grouped_by_what_they_were_or_by_flow() {
        let leak = |kind: &str, detail: Option<&str>, flow: Option<f64>, delay| LeakCase {
            kind: kind.to_owned(),
            detail: detail.map(str::to_owned),
            litres_per_hour: flow,
            delay,
        };
        let mut homes = [home("a", &[]), home("b", &[])];
        homes[0].leaks = vec![
            leak("leak", Some("leak:10"), Some(10.0), Some(6.0)),
            leak("leak", Some("leak:2"), Some(2.0), None),
            leak("leak", None, Some(2.2), Some(9.0)),
        ];
        homes[1].leaks = vec![
            leak("leak", Some("leak:10"), Some(12.5), Some(10.0)),
            leak("prolonged_draw", None, None, None),
        ];
        let sizes = by_size(&homes);
        let told: Vec<_> = sizes
            .iter()
            .map(|of| (&*of.size, of.leaks, of.recall.value, of.median_delay_hours.value))
            .collect();
        let expected = [
            ("leak, about 2 L/h", 1, Some(1.0), Some(9.0)),
            ("leak, 2 L/h", 1, Some(0.0), None),
            ("leak, 10 L/h", 2, Some(1.0), Some(8.0)),
            ("prolonged draw", 1, Some(0.0), None),
        ];
        assert_eq!(told, expected);
    }
}
