//! How early a rule could be at best: optimal stopping by home and hour of the start, by one who knows what is not known in time.

use jiff::tz::TimeZone;

use super::sweep::{HomeSweep, Sweep};
use crate::backtest::judge::WARM_UP;
use crate::backtest::timeline::{Stretch, Timeline};
use crate::detect::local_hours::LocalHours;
use crate::model::{DAY, EventTime, HOUR};

/// The earliest that a rule speaks, in hours, as the learned one.
const FIRST_HOURS: f64 = 2.0;
/// Spells of so many hours are absences, which no rule is to wait for.
const ABSENCE_HOURS: f64 = 24.0;
/// Weights of starts at the same hour of the day, and one and two hours away, where the judged fortnight is left out.
const NEIGHBOURS: [f64; 3] = [1.0, 0.5, 0.2];
const FORTNIGHT: u32 = 14 * DAY;

/// What is known of the home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    /// The very spells that are judged.
    TheJudged,
    /// All its history, the future too, but for the fortnight that is judged.
    AllButTheFortnight,
}

/// Ends of use of one home, each with the dry time that followed.
#[derive(Clone, Debug, Default)]
pub struct Starts {
    judged_from: EventTime,
    first: EventTime,
    step_hours: f64,
    months: f64,
    /// Hours of the day at which emergencies began.
    emergencies: Vec<(EventTime, usize)>,
    /// When, at which hour of the day, how many intervals with use went on, or one dry spell of so many hours that followed.
    starts: Vec<Start>,
}

#[derive(Clone, Copy, Debug)]
struct Start {
    at: EventTime,
    hour: usize,
    /// Intervals with use that ended in that hour.
    uses: f64,
    /// The dry spell after the last of them; none where its end was not seen, or use went on.
    dry_hours: Option<f64>,
}

impl Starts {
    /// Of a home whose emergencies began and ended so, in `months` home-months.
    pub(in crate::backtest) fn new(timeline: &Timeline, emergencies: &[Stretch], months: f64, zone: &TimeZone) -> Self {
        let interval = timeline.interval().clamp(60, HOUR);
        let mut local = LocalHours::new(zone);
        let mut starts = Vec::new();
        let uses = timeline.uses();
        for (place, used) in uses.iter().enumerate() {
            let is_touched = |end: EventTime| emergencies.iter().any(|e| e.start < end && used.start < e.end);
            let next = uses.get(place + 1).map(|next| next.start);
            let spell = next.filter(|next| timeline.measured(used.end, *next) == next.since(used.end));
            let mut at = used.start;
            // Hour by hour: in each but the last, use goes on.
            while at < used.end {
                let end = EventTime::from_hour(at.hour() + 1).min(used.end);
                let is_last = end == used.end;
                let is_judged = !is_touched(spell.filter(|_| is_last).unwrap_or(end));
                if is_judged && (!is_last || spell.is_some()) {
                    starts.push(Start {
                        at: end,
                        hour: local.at(end.hour()),
                        uses: f64::from(end.since(at).div_ceil(interval)),
                        dry_hours: spell.filter(|_| is_last).map(|next| hours(next.since(used.end))),
                    });
                }
                at = end;
            }
        }
        let first = timeline.first().unwrap_or_default();
        let mut local = LocalHours::new(zone);
        Self {
            judged_from: first.plus(WARM_UP),
            first,
            step_hours: hours(interval),
            months,
            emergencies: emergencies
                .iter()
                .map(|e| (e.start, local.at(e.start.hour())))
                .collect(),
            starts,
        }
    }

    fn fortnight(&self, at: EventTime) -> u32 {
        at.since(self.first) / FORTNIGHT
    }

    /// What the home adds to the curve of one who knows so much.
    fn sweep(&self, knows: Knows, lambdas: &[f64]) -> HomeSweep {
        let mut sweep = HomeSweep {
            months: self.months,
            emergencies: self.emergencies.len() as f64,
            false_alerts: vec![0.0; lambdas.len()],
            delays: vec![0.0; lambdas.len()],
        };
        let judged = |start: &&Start| start.at >= self.judged_from;
        let of_all = self.starts.iter().filter(judged);
        let times = of_all
            .map(|start| start.at)
            .chain(self.emergencies.iter().map(|(at, _)| *at));
        let mut parts: Vec<Option<u32>> = match knows {
            Knows::TheJudged => vec![None],
            Knows::AllButTheFortnight => times.map(|at| Some(self.fortnight(at))).collect(),
        };
        parts.sort_unstable();
        parts.dedup();
        for part in parts {
            let is_in = |at: EventTime| part.is_none_or(|part| self.fortnight(at) == part);
            let taught = self.starts.iter().filter(|start| match part {
                None => start.at >= self.judged_from,
                Some(part) => self.fortnight(start.at) != part,
            });
            let mut hours_of_day = vec![Empirical::default(); 24];
            for start in taught {
                for (hour, empirical) in hours_of_day.iter_mut().enumerate() {
                    let away = hour.abs_diff(start.hour);
                    let away = away.min(24 - away);
                    let weight = match part {
                        None => (away == 0).then_some(&1.0),
                        Some(_) => NEIGHBOURS.get(away),
                    };
                    weight.into_iter().for_each(|weight| empirical.add(start, *weight));
                }
            }
            let thresholds: Vec<Vec<f64>> = hours_of_day
                .iter_mut()
                .map(|empirical| empirical.thresholds(lambdas, self.step_hours))
                .collect();
            for start in self.starts.iter().filter(judged).filter(|start| is_in(start.at)) {
                let Some(dry) = start.dry_hours.filter(|dry| *dry < ABSENCE_HOURS) else {
                    continue;
                };
                for (sum, threshold) in sweep.false_alerts.iter_mut().zip(&thresholds[start.hour]) {
                    *sum += f64::from(u8::from(*threshold <= dry));
                }
            }
            for (_, hour) in self.emergencies.iter().filter(|(at, _)| is_in(*at)) {
                for (sum, threshold) in sweep.delays.iter_mut().zip(&thresholds[*hour]) {
                    *sum += threshold;
                }
            }
        }
        sweep
    }
}

/// The curve of one who knows so much of these homes.
pub fn bound(homes: &[Starts], knows: Knows, lambdas: &[f64]) -> Sweep {
    Sweep {
        lambdas: lambdas.to_vec(),
        homes: homes.iter().map(|home| home.sweep(knows, lambdas)).collect(),
    }
}

/// Dry spells that began at one hour of the day, with the uses after which none did.
#[derive(Clone, Debug, Default)]
struct Empirical {
    uses: f64,
    /// Hours and weight of those shorter than a day.
    spells: Vec<(f64, f64)>,
}

impl Empirical {
    fn add(&mut self, start: &Start, weight: f64) {
        self.uses += weight * start.uses;
        let spell = start.dry_hours.filter(|dry| (FIRST_HOURS..ABSENCE_HOURS).contains(dry));
        self.spells.extend(spell.map(|dry| (dry, weight)));
    }

    /// For each λ the T that minimises `T + λ·P(T ≤ dry < 24 h)`.
    fn thresholds(&mut self, lambdas: &[f64], step_hours: f64) -> Vec<f64> {
        self.spells.sort_by(|a, b| a.0.total_cmp(&b.0));
        // Nothing is gained between two ends of spells: right after one is the time to speak.
        let mut left: f64 = self.spells.iter().map(|(_, weight)| weight).sum();
        let mut candidates = vec![(FIRST_HOURS, left)];
        for (dry, weight) in &self.spells {
            left -= weight;
            candidates.push(((dry + step_hours).min(ABSENCE_HOURS), left.max(0.0)));
        }
        candidates.push((ABSENCE_HOURS, 0.0));
        let best = |lambda: &f64| {
            let cost = |(hours, left): &&(f64, f64)| hours + lambda * left / self.uses.max(1.0);
            let best = candidates.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
            best.map_or(ABSENCE_HOURS, |(hours, _)| *hours)
        };
        lambdas.iter().map(best).collect()
    }
}

fn hours(seconds: u32) -> f64 {
    f64::from(seconds) / f64::from(HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Row;
    use crate::model::{Flags, Measure, Quality};

    /// A home that uses water at these hours of days 0 to 89, and is dry otherwise.
    fn starts(is_used: impl Fn(u32, u32) -> bool, emergencies: &[Stretch]) -> Starts {
        let row = |hour: u32| Row {
            meter: 0,
            start: EventTime::from_hour(hour),
            seconds: HOUR,
            measure: Some(Measure::Volume(f64::from(u8::from(is_used(hour / 24, hour % 24))))),
            quality: Quality::Measured,
            received_at: None,
            flags: Flags::NONE,
        };
        let rows: Vec<Row> = (0..90 * 24).map(row).collect();
        let timeline = Timeline::new(&rows, &[]);
        Starts::new(&timeline, emergencies, 2.0, &TimeZone::UTC)
    }

    fn emergency(day: u32, hour: u32) -> Stretch {
        let start = EventTime::from_hour(day * 24 + hour);
        Stretch {
            start,
            end: start.plus(3 * DAY),
        }
    }

    #[test]
    fn who_knows_the_judged_speaks_right_after_the_last_that_ended() {
        // After the use at 6 o'clock three dry hours follow, after that at 10 o'clock five, then the night of thirteen.
        let home = starts(
            |_, hour| [6, 10, 16].contains(&hour),
            &[emergency(60, 7), emergency(70, 17)],
        );
        let of = |lambda: f64| home.sweep(Knows::TheJudged, &[lambda]);
        let patient = of(1000.0);
        assert_eq!((patient.false_alerts[0], patient.delays[0]), (0.0, 4.0 + 14.0));
        // To whom false alerts cost nothing speaks after two hours, in each of the spells without an emergency.
        let hasty = of(0.1);
        assert_eq!(hasty.delays[0], 2.0 + 2.0);
        // Three spells a day for sixty days, the last without its end, and twenty touched by an emergency.
        assert_eq!(hasty.false_alerts[0], 60.0 * 3.0 - 1.0 - 20.0);
    }

    #[test]
    fn a_fortnight_that_is_judged_teaches_nothing() {
        // In days 56 to 69 alone the noon is dry until 18 o'clock.
        let odd = |day: u32, hour: u32| {
            let ends = if (56..70).contains(&day) { 18 } else { 14 };
            hour == 10 || hour >= ends || hour < 10
        };
        let home = starts(odd, &[]);
        let knows = |knows| home.sweep(knows, &[1000.0]).false_alerts[0];
        assert_eq!(knows(Knows::TheJudged), 0.0);
        assert_eq!(knows(Knows::AllButTheFortnight), 14.0);
    }

    #[test]
    fn days_away_are_not_waited_for() {
        let home = starts(
            |day, hour| !(40..80).contains(&day) || (hour == 6 && day % 3 == 0),
            &[emergency(83, 7)],
        );
        let sweep = home.sweep(Knows::TheJudged, &[1e6]);
        assert_eq!((sweep.false_alerts[0], sweep.delays[0]), (0.0, 2.0));
    }
}
