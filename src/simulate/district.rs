//! Many simulated homes and their readings, day by day for as long as one likes.

use std::path::Path;

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::home::{Home, Today};
use crate::history::{History, HistoryError, Incident, MeterName, ReadingsWriter, Row, arrival};
use crate::history::{People, write_homes, write_truth};
use crate::model::{Consent, DAY, EventTime, HomeRecord};

/// No incident happens before this many days: a detector must have something to learn from.
pub const WARM_UP_DAYS: u32 = 30;

/// Homes supplied together.
const HOMES_OF_A_BLOCK: u32 = 40;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct District {
    /// The same seed gives the same readings.
    pub seed: u64,
    /// How many homes.
    pub homes: u32,
    /// How many local days; `u32::MAX` for a stream without end. An incident that would not be over by then is not begun.
    pub days: u32,
    /// The first local day.
    pub start: Date,
    /// Length of the intervals in seconds, at least 1 and at most a day.
    pub interval_seconds: u32,
    /// Where the homes are.
    pub time_zone: TimeZone,
    /// Incidents in a home and month, on average; 0 for none.
    pub incidents_per_home_month: f64,
}

impl District {
    /// Moves people in. Days are then lived one by one.
    pub fn simulate(&self) -> Simulation {
        let district = Self {
            interval_seconds: self.interval_seconds.clamp(1, DAY),
            ..self.clone()
        };
        let (start, mut names) = (district.midnight(0), Vec::new());
        let homes = (0..district.homes)
            .map(|number| Home::draw(&district, number, start, &mut names))
            .collect();
        Simulation {
            district,
            homes,
            names,
            day: 0,
            waiting: Vec::new(),
            incidents: Vec::new(),
        }
    }

    /// What the homes topic says of the homes.
    pub fn home_records(&self) -> Vec<HomeRecord> {
        let record = |number: u32| HomeRecord {
            household_id: format!("h-{number:06}"),
            time_zone: self.time_zone.iana_name().map(str::to_owned),
            zone: Some(format!("block-{:04}", number / HOMES_OF_A_BLOCK)),
            programme: None,
            consent: Some(Consent::given("welfare", self.midnight(0))),
            ..HomeRecord::default()
        };
        (0..self.homes).map(record).collect()
    }

    /// All readings in the order in which they became known, and all incidents.
    pub fn history(&self) -> (History, Vec<Incident>) {
        let mut simulation = self.simulate();
        let mut rows = Vec::new();
        for _ in 0..self.days {
            rows.append(&mut simulation.next_day());
        }
        rows.append(&mut simulation.under_way());
        let incidents = simulation.take_incidents();
        (
            History {
                meters: simulation.names,
                rows,
            },
            incidents,
        )
    }

    /// Writes `readings.csv.gz`, `homes.csv` and `truth.csv` into a folder that exists, holding one day at a time; answers how many
    /// incidents there are.
    pub fn write(&self, folder: &Path) -> Result<usize, HistoryError> {
        write_homes(&folder.join("homes.csv"), &self.home_records(), &People::default())?;
        let mut readings = ReadingsWriter::create(&folder.join("readings.csv.gz"))?;
        let mut simulation = self.simulate();
        for day in 0..=self.days {
            let rows = if day < self.days {
                simulation.next_day()
            } else {
                simulation.under_way()
            };
            for row in rows {
                readings.write(&simulation.names[row.meter as usize], &row)?;
            }
        }
        readings.finish()?;
        let incidents = simulation.take_incidents();
        write_truth(&folder.join("truth.csv"), &incidents)?;
        Ok(incidents.len())
    }

    /// Whether all days and what happens on them lie between 1970 and 2106, the years that event time can hold.
    pub fn is_within_event_time(&self) -> bool {
        let first = self.midnight(0);
        // An incident of the last day may last for weeks.
        let last = self.midnight(self.days.saturating_add(60));
        first < EventTime::MAX && last < EventTime::MAX
    }

    fn midnight(&self, day: u32) -> EventTime {
        let midnight = self.time_zone.to_timestamp(self.date(day).at(0, 0, 0, 0)).ok();
        let seconds = midnight.map(jiff::Timestamp::as_second);
        // Outside the years that event time can hold, time stands still and there are no intervals to read.
        seconds.and_then(EventTime::from_unix).unwrap_or(EventTime::MAX)
    }

    fn date(&self, day: u32) -> Date {
        self.start.saturating_add(i64::from(day).days())
    }
}

/// A district being lived in.
pub struct Simulation {
    district: District,
    homes: Vec<Home>,
    names: Vec<MeterName>,
    day: u32,
    /// Readings of past days that are still to arrive.
    waiting: Vec<Row>,
    incidents: Vec<Incident>,
}

impl Simulation {
    /// The meters; [`Row::meter`] counts them.
    pub fn meters(&self) -> &[MeterName] {
        &self.names
    }

    /// Lives through the next local day: the readings that arrive in it, in the order of their arrival.
    pub fn next_day(&mut self) -> Vec<Row> {
        let (midnight, next_midnight) = (self.district.midnight(self.day), self.district.midnight(self.day + 1));
        let weekday = self.district.date(self.day).weekday().to_monday_zero_offset();
        let today = Today {
            day: self.day,
            midnight,
            next_midnight,
            weekday: weekday.unsigned_abs().into(),
        };
        let mut rows = std::mem::take(&mut self.waiting);
        for home in &mut self.homes {
            home.live(&self.district, today, &mut rows, &mut self.incidents);
        }
        self.day += 1;
        rows.sort_by_key(arrival);
        self.waiting = rows.split_off(rows.partition_point(|row| arrival(row) <= next_midnight));
        rows
    }

    /// The readings of the days lived that have not arrived yet, in the order of their arrival.
    pub fn under_way(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.waiting)
    }

    /// The incidents that became known since this was last asked. One may be known before it begins.
    pub fn take_incidents(&mut self) -> Vec<Incident> {
        let mut incidents = std::mem::take(&mut self.incidents);
        incidents.sort_by(|a, b| (a.start, &a.household, &a.kind).cmp(&(b.start, &b.household, &b.kind)));
        incidents
    }
}
