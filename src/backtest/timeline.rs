//! What is known of one home's use of water, as its readings tell it in hindsight.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::history::{HistoryError, Incident, Row, SortedReadings, arrival};
use crate::ingest::{IngestSettings, decode};
use crate::model::{DAY, EventTime, HOUR, Litres, Measure, Quality, RawRecord};
use crate::parallel::in_parallel;

/// Above the least volume of a leak, so much is still taken for the leak: the meter shows a steady flow in steps.
const LEAK_ALLOWANCE: Litres = 1.0;

/// A stretch of time, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub start: EventTime,
    pub end: EventTime,
}

impl Stretch {
    pub fn seconds(self) -> u32 {
        self.end.since(self.start)
    }

    /// Whether something that was seen at `moment`, the end of an interval, was seen in this stretch.
    pub fn was_seen_at(self, moment: EventTime) -> bool {
        self.start < moment && moment <= self.end
    }

    pub fn overlap(self, other: Self) -> u32 {
        self.end.min(other.end).since(self.start.max(other.start))
    }
}

/// A dry spell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    /// The end of the use before it, or the first reading.
    pub start: EventTime,
    /// The start of the use after it; `None` where the readings end first.
    pub end: Option<EventTime>,
}

/// Homes of which one thread makes the timelines at a time.
const HOMES_AT_ONCE: u32 = 64;

/// What is known of every home's use of water: stretches of time, not the readings that tell of them.
#[derive(Debug, Default)]
pub struct Timelines(BTreeMap<Arc<str>, Timeline>);

impl Timelines {
    /// From the readings that `ingest` accepts, and from what was put into them. One home's readings at a time are in memory, on
    /// each of the threads.
    ///
    /// # Errors
    /// [`HistoryError::Io`] where readings are on disk and cannot be read.
    pub fn new(
        readings: &SortedReadings,
        truth: &[Incident],
        ingest: &IngestSettings,
        threads: usize,
    ) -> Result<Self, HistoryError> {
        let mut water = BTreeMap::<&str, Vec<&Incident>>::new();
        for incident in truth.iter().filter(|incident| WATER.contains(&incident.kind.as_str())) {
            water.entry(&incident.household).or_default().push(incident);
        }
        let homes = readings.homes();
        let parts = in_parallel(threads, (homes.len() as u32).div_ceil(HOMES_AT_ONCE), |part| {
            let from = part * HOMES_AT_ONCE;
            let to = (from + HOMES_AT_ONCE).min(homes.len() as u32);
            let mut rows = readings.homes_between(from, to, threads)?.peekable();
            let mut timelines = Vec::new();
            let mut of_home: Vec<Row> = Vec::new();
            let mut json = Vec::new();
            while let Some(row) = rows.next().transpose()? {
                if is_accepted(readings, &row, ingest, &mut json) {
                    of_home.push(row);
                }
                let household = &readings.name(&row).household;
                let goes_on = match rows.peek() {
                    Some(Ok(next)) => readings.name(next).household == *household,
                    // The next turn of the loop ends with the error.
                    Some(Err(_)) => true,
                    None => false,
                };
                if !goes_on {
                    let water = water.get(&**household).map_or(&[][..], Vec::as_slice);
                    timelines.push((Arc::clone(household), Timeline::new(&of_home, water)));
                    of_home.clear();
                }
            }
            Ok(timelines)
        })?;
        Ok(Self(parts.into_iter().flatten().collect()))
    }

    /// From readings in memory.
    #[cfg(test)]
    pub fn of_history(history: &crate::history::History, truth: &[Incident]) -> Self {
        let space = crate::history::SortSpace {
            memory_bytes: usize::MAX,
            folder: std::path::PathBuf::new(),
        };
        let any_time = IngestSettings {
            earliest: EventTime::ZERO,
            ..IngestSettings::default()
        };
        let readings = SortedReadings::of_history(history, &space, |_| 0);
        readings
            .and_then(|readings| Self::new(&readings, truth, &any_time, 1))
            .expect("nothing goes to disk")
    }

    /// Litres a day of the home in the middle; `None` without a measured reading.
    pub fn median_litres_a_day(&self) -> Option<Litres> {
        let mut litres: Vec<Litres> = self.0.values().filter_map(Timeline::litres_a_day).collect();
        litres.sort_unstable_by(f64::total_cmp);
        litres.get(litres.len() / 2).copied()
    }

    /// That of a home.
    pub(super) fn of(&self, household: &str) -> Option<&Timeline> {
        self.0.get(household)
    }

    /// Those incidents of which a home's measured readings can tell something, and how many lie before or after them all.
    pub fn within_readings(&self, truth: Vec<Incident>) -> (Vec<Incident>, usize) {
        let count = truth.len();
        let is_within = |incident: &Incident| {
            let timeline = self.0.get(&incident.household);
            let span = timeline.and_then(|timeline| Some((timeline.first()?, timeline.known.last()?.end)));
            span.is_some_and(|(first, end)| incident.start < end && first < incident.end)
        };
        let within: Vec<Incident> = truth.into_iter().filter(is_within).collect();
        let outside = count - within.len();
        (within, outside)
    }

    /// Each home with its timeline, by the home's id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Timeline)> {
        self.0.iter().map(|(household, timeline)| (&**household, timeline))
    }
}

/// Kinds of truth that are water running by itself. Readings are cleared of the first before people's use is seen in them.
pub(super) const WATER: [&str; 3] = ["leak", "burst", "prolonged_draw"];

/// The measured readings of a home, all its meters together: a home uses water when one of its meters shows it.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Where there are measured readings.
    known: Vec<Stretch>,
    /// Where people used water.
    used: Vec<Stretch>,
    /// Runs of a day or more in which every hour has flow, whoever is the cause.
    flowing: Vec<Stretch>,
    /// What was measured while water ran by itself, in the order of time.
    in_water: Vec<(Stretch, Litres)>,
    /// All that was measured.
    litres: Litres,
    /// The longest interval in seconds.
    longest: u32,
    /// Longer stretches, of which a register that has not moved tells.
    proved: Vec<Stretch>,
    /// Readings that were received after the end of their interval: stretches of those that came together, and when they came.
    late: Vec<(Stretch, EventTime)>,
}

impl Timeline {
    /// No readings.
    pub const fn empty() -> Self {
        Self {
            known: Vec::new(),
            used: Vec::new(),
            flowing: Vec::new(),
            in_water: Vec::new(),
            litres: 0.0,
            longest: 0,
            proved: Vec::new(),
            late: Vec::new(),
        }
    }

    /// From the home's rows in any order (rows of equal start as they came), and the water that ran by itself in them.
    pub fn new(rows: &[Row], water: &[&Incident]) -> Self {
        let mut measured = volumes(rows);
        measured.sort_by_key(|(stretch, _)| stretch.start);
        let leaks: Vec<_> = water.iter().filter(|incident| incident.kind == WATER[0]).collect();
        let floors: Vec<(Stretch, Litres)> = leaks.iter().map(|leak| floor(leak, &measured)).collect();
        let is_use = |(stretch, litres): &&(Stretch, Litres)| {
            let floor = floors
                .iter()
                .filter(|(leak, _)| leak.overlap(*stretch) > 0)
                .map(|(_, floor)| *floor);
            *litres > floor.fold(0.0, Litres::max)
        };
        let is_in_water = |stretch: &Stretch| {
            let overlaps = |incident: &Incident| incident.start < stretch.end && stretch.start < incident.end;
            water.iter().any(|incident| overlaps(incident))
        };
        let longest = rows.iter().map(|row| row.seconds).max().unwrap_or(0);
        let is_longer = |stretch: &Stretch| stretch.seconds() > longest;
        Self {
            known: merged(measured.iter().map(|(stretch, _)| *stretch)),
            used: merged(measured.iter().filter(is_use).map(|(stretch, _)| *stretch)),
            flowing: flowing(&measured),
            litres: measured.iter().map(|(_, litres)| litres).sum(),
            // A copy of the few: collected from the vector itself they would keep all of its memory.
            in_water: measured
                .iter()
                .filter(|(stretch, _)| is_in_water(stretch))
                .copied()
                .collect(),
            longest,
            proved: measured.iter().map(|(stretch, _)| *stretch).filter(is_longer).collect(),
            late: late(rows),
        }
    }

    /// Where people used water, in the order of time.
    pub fn uses(&self) -> &[Stretch] {
        &self.used
    }

    /// The longest interval in seconds.
    pub fn interval(&self) -> u32 {
        self.longest
    }

    /// The end of the last reading.
    pub fn last(&self) -> Option<EventTime> {
        self.known.last().map(|known| known.end)
    }

    /// Litres a day, water that ran by itself included.
    pub fn litres_a_day(&self) -> Option<Litres> {
        self.a_measured_second(self.litres)
            .map(|litres| litres * f64::from(DAY))
    }

    /// The share of the measured time in which people used water.
    pub fn share_used(&self) -> Option<f64> {
        self.a_measured_second(self.used.iter().map(|used| f64::from(used.seconds())).sum())
    }

    fn a_measured_second(&self, sum: f64) -> Option<f64> {
        let seconds: f64 = self.known.iter().map(|known| f64::from(known.seconds())).sum();
        (seconds > 0.0).then(|| sum / seconds)
    }

    /// How many seconds after `moment` a reading may tell of it: the longest interval, or the gap that a register proved dry; `None`
    /// where readings came late.
    pub fn patience(&self, moment: EventTime) -> Option<u32> {
        let proved = self.proved.iter().filter(|stretch| stretch.was_seen_at(moment));
        let longest = proved.map(|stretch| stretch.seconds()).fold(self.longest, u32::max);
        self.late.is_empty().then_some(longest)
    }

    /// When the readings up to `moment` could be known, whoever judges them.
    pub fn known_at(&self, moment: EventTime) -> EventTime {
        let next = self.late.partition_point(|(stretch, _)| stretch.end < moment);
        let late = self.late.get(next).filter(|(stretch, _)| stretch.was_seen_at(moment));
        late.map_or(moment, |(_, came)| *came)
    }

    /// The least flow, in litres an hour, of the intervals of 15 minutes or more that are wholly within a stretch of time
    /// in which water ran by itself.
    pub fn least_an_hour(&self, start: EventTime, end: EventTime) -> Option<Litres> {
        let from = self.in_water.partition_point(|(stretch, _)| stretch.start < start);
        let within = self.in_water[from..]
            .iter()
            .take_while(|(stretch, _)| stretch.start < end)
            .filter(|(stretch, _)| stretch.end <= end);
        let flows = within
            .filter(|(stretch, _)| stretch.seconds() >= HOUR / 4)
            .map(|(stretch, litres)| litres * f64::from(HOUR) / f64::from(stretch.seconds()));
        flows.min_by(f64::total_cmp)
    }

    /// The first reading.
    pub fn first(&self) -> Option<EventTime> {
        self.known.first().map(|known| known.start)
    }

    /// The dry spell in which something was seen at `moment`; `None` while people used water.
    pub fn spell(&self, moment: EventTime) -> Option<Spell> {
        let next = self.used.partition_point(|used| used.start < moment);
        let last = next.checked_sub(1).map(|last| self.used[last]);
        if last.is_some_and(|last| last.was_seen_at(moment)) {
            return None;
        }
        let start = last.map_or(self.first().unwrap_or(moment), |last| last.end);
        Some(Spell {
            start,
            end: self.used.get(next).map(|next| next.start),
        })
    }

    /// Seconds with measured readings in a stretch of time.
    pub fn measured(&self, start: EventTime, end: EventTime) -> u32 {
        let from = self.known.partition_point(|known| known.end <= start);
        self.known[from..]
            .iter()
            .take_while(|known| known.start < end)
            .map(|k| k.overlap(Stretch { start, end }))
            .sum()
    }

    /// Whether water had been flowing in every hour of a run of a day or more.
    pub fn flowed_at(&self, moment: EventTime) -> bool {
        self.flowing.iter().any(|run| run.was_seen_at(moment))
    }
}

/// Whether a reading is none of those that become dead letters: the judge knows what the rules are told.
fn is_accepted(readings: &SortedReadings, row: &Row, ingest: &IngestSettings, json: &mut Vec<u8>) -> bool {
    json.clear();
    let name = readings.name(row);
    name.json(row, json);
    let record = RawRecord {
        offset: 0,
        timestamp: Some(arrival(row)),
        key: Some(name.household.as_bytes()),
        value: Some(json),
    };
    decode(&record, ingest).is_ok()
}

/// The readings that came late, those together that follow one another and came together.
fn late(rows: &[Row]) -> Vec<(Stretch, EventTime)> {
    let came = |row: &&Row| Some((row.end(), row.start, row.received_at?)).filter(|(end, _, came)| came > end);
    let measured = |row: &&Row| row.quality == Quality::Measured;
    let mut rows: Vec<_> = rows.iter().filter(measured).filter_map(|row| came(&row)).collect();
    rows.sort_unstable();
    let mut late: Vec<(Stretch, EventTime)> = Vec::new();
    for (end, start, came) in rows {
        match late.last_mut() {
            Some((last, with)) if *with == came && start <= last.end => last.end = end,
            // Another copy, or another meter, of a stretch that is known already.
            Some((last, _)) if end <= last.end => {}
            _ => late.push((Stretch { start, end }, came)),
        }
    }
    late.shrink_to_fit();
    late
}

/// What was measured, interval by interval, each by the reading of it that came first; a register tells its use by the step
/// from the reading before, and that nobody used water where it has not moved across a gap.
pub(super) fn volumes(rows: &[Row]) -> Vec<(Stretch, Litres)> {
    let mut rows: Vec<&Row> = rows.iter().filter(|row| row.quality == Quality::Measured).collect();
    rows.sort_by_key(|row| (row.start, row.meter));
    rows.dedup_by_key(|row| (row.start, row.meter));
    let mut registers = BTreeMap::new();
    let volume = |row: &Row| {
        let (start, litres) = match row.measure? {
            Measure::Volume(litres) => (row.start, litres),
            Measure::Register(index) => {
                let (before, until) = registers
                    .insert(row.meter, (index, row.end()))
                    .unwrap_or((index, row.start));
                let is_dry = index == before;
                (if is_dry { until.min(row.start) } else { row.start }, index - before)
            }
        };
        Some((Stretch { start, end: row.end() }, litres))
    };
    rows.into_iter().filter_map(volume).collect()
}

/// The flow up to which a reading within a leak says nothing of people.
fn floor(leak: &Incident, measured: &[(Stretch, Litres)]) -> (Stretch, Litres) {
    let span = Stretch {
        start: leak.start,
        end: leak.end,
    };
    let whole = measured
        .iter()
        .filter(|(stretch, _)| stretch.overlap(span) == stretch.seconds());
    let least = whole.map(|(_, litres)| *litres).fold(Litres::INFINITY, Litres::min);
    (span, least + LEAK_ALLOWANCE)
}

/// Stretches sorted by start, with those that touch joined.
fn merged(stretches: impl Iterator<Item = Stretch>) -> Vec<Stretch> {
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match merged.last_mut() {
            Some(last) if stretch.start <= last.end => last.end = last.end.max(stretch.end),
            _ => merged.push(stretch),
        }
    }
    merged.shrink_to_fit();
    merged
}

fn flowing(measured: &[(Stretch, Litres)]) -> Vec<Stretch> {
    let wet = measured
        .iter()
        .filter(|(stretch, litres)| *litres > 0.0 && stretch.seconds() > 0);
    let whole_hours = wet.map(|(stretch, _)| Stretch {
        start: EventTime::from_hour(stretch.start.hour()),
        end: EventTime::from_hour(stretch.end.minus(1).hour()).plus(HOUR),
    });
    merged(whole_hours)
        .into_iter()
        .filter(|run| run.seconds() >= DAY)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flags;

    #[test]
    fn readings_leave_no_memory_taken_but_that_of_stretches() {
        let row = |hour: u32| Row {
            meter: 0,
            start: EventTime::from_hour(hour),
            seconds: HOUR,
            measure: Some(Measure::Volume(f64::from(hour % 24 / 23))),
            quality: Quality::Measured,
            received_at: None,
            flags: Flags::NONE,
        };
        let rows: Vec<Row> = (0..2_400).map(row).collect();
        let timeline = Timeline::new(&rows, &[]);
        assert_eq!((timeline.known.capacity(), timeline.used.capacity()), (1, 100));
        assert_eq!(timeline.in_water.capacity(), 0);
        let leak = Incident {
            household: "h".into(),
            kind: "leak".to_owned(),
            start: EventTime::from_hour(240),
            end: EventTime::from_hour(252),
            litres_per_hour: None,
            detail: None,
        };
        let timeline = Timeline::new(&rows, &[&leak]);
        assert_eq!(timeline.in_water.len(), 12);
        assert!(timeline.in_water.capacity() < 24);
    }

    #[test]
    fn a_register_that_has_not_moved_proves_a_gap_dry() {
        let row = |hour: u32, index: f64| Row {
            meter: 0,
            start: EventTime::from_hour(hour),
            seconds: HOUR,
            measure: Some(Measure::Register(index)),
            quality: Quality::Measured,
            received_at: None,
            flags: Flags::NONE,
        };
        let timeline = |after: f64| Timeline::new(&[row(0, 5.0), row(1, 6.0), row(11, after), row(12, after)], &[]);
        let hours = |from: u32, to: u32| (EventTime::from_hour(from), EventTime::from_hour(to));
        let measured = |timeline: &Timeline, (from, to)| timeline.measured(from, to) / HOUR;
        let still = timeline(6.0);
        assert_eq!(measured(&still, hours(2, 11)), 9);
        let patience =
            |timeline: &Timeline, hour: u32| timeline.patience(EventTime::from_hour(hour)).map(|all| all / HOUR);
        assert_eq!(
            [2, 3, 12, 13].map(|hour| patience(&still, hour)),
            [1, 10, 10, 1].map(Some)
        );
        assert_eq!(still.interval(), HOUR);
        let moved = timeline(7.0);
        assert_eq!(measured(&moved, hours(2, 11)), 0);
        assert_eq!(patience(&moved, 3), Some(1));
    }

    #[test]
    fn a_moment_is_known_with_the_upload_that_reaches_it() {
        let at = |hour: u32| EventTime::from_hour(hour);
        // Uploads at 6 o'clock of each day, but for the third day, which came hour by hour.
        let row = |hour: u32| Row {
            meter: 0,
            start: at(hour),
            seconds: HOUR,
            measure: Some(Measure::Volume(1.0)),
            quality: Quality::Measured,
            received_at: (hour / 24 != 2).then(|| at((hour / 24 + 1) * 24 + 6)),
            flags: Flags::NONE,
        };
        let rows: Vec<Row> = (0..120).map(row).collect();
        let timeline = Timeline::new(&rows, &[]);
        assert_eq!(timeline.late.len(), 4, "one for each upload");
        let known: Vec<u32> = [5, 24, 25, 47, 48, 49, 60, 72, 73, 200]
            .map(|hour| timeline.known_at(at(hour)).hour())
            .into();
        assert_eq!(known, [30, 30, 54, 54, 54, 49, 60, 72, 102, 200]);
    }
}
