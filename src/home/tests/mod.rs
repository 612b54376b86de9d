//! Tests of what is kept of a home. Times are hours (or seconds) after `T0`, a full UTC hour.

mod floor;
mod meters;
mod order;
mod registers;
mod routine;

use super::*;
use crate::model::{EventTime, HOUR, Measure, Quality};

/// 2024-03-01T00:00:00Z.
pub const T0: EventTime = EventTime::from_seconds(1_709_251_200);

impl TimelineState for Usage {
    fn frontier(&self, index: MeterIndex) -> Option<EventTime> {
        self.meter_frontier(index)
    }

    fn latest(&self) -> EventTime {
        self.latest()
    }

    fn knows(&self, start: EventTime, end: EventTime) -> bool {
        self.knows(start, end)
    }
}

/// A home with everything that was heard of it.
#[derive(Default)]
pub struct Home {
    pub ordered: Ordered<Usage>,
    pub settings: HomeSettings,
    /// Classed steps, each once.
    pub events: Vec<MeterEvent>,
    /// Stretches as they were emitted, those of repeated readings again.
    pub emitted: Vec<Interval>,
}

impl Home {
    pub fn offer(&mut self, reading: MeterReading) -> Placement {
        let Self {
            ordered,
            settings,
            events,
            emitted,
        } = self;
        ordered.offer(reading, settings.allowed_lateness_seconds, |usage, reading, settled| {
            usage.apply(
                reading,
                settings,
                |event| {
                    if settled {
                        events.push(event);
                    }
                },
                |_, interval| emitted.push(*interval),
            );
        })
    }

    /// One hour of one meter after the other, from hour `from` on.
    pub fn hours(&mut self, from: u32, litres: impl IntoIterator<Item = f64>) {
        for (hour, litres) in (from..).zip(litres) {
            self.offer(volume(hour, litres));
        }
    }

    pub fn usage(&self) -> &Usage {
        self.ordered.state()
    }

    /// Dry hours at the frontier.
    pub fn dry_hours(&self) -> Option<f64> {
        let since = self.usage().dry_since()?;
        Some(f64::from(self.usage().frontier().since(since)) / f64::from(HOUR))
    }

    /// What is known of hour `hour`: its use.
    pub fn used(&self, hour: u32) -> Option<bool> {
        self.usage().routine().used(T0.hour() + hour)
    }
}

pub fn at(hour: u32) -> EventTime {
    T0.plus(hour * HOUR)
}

/// Litres in one hour of the first meter.
pub fn volume(hour: u32, litres: f64) -> MeterReading {
    reading(0, hour * HOUR, HOUR, Measure::Volume(litres))
}

/// The register of the first meter at the end of one hour.
pub fn register(hour: u32, litres: f64) -> MeterReading {
    reading(0, hour * HOUR, HOUR, Measure::Register(litres))
}

/// Any reading, `start` in seconds.
pub fn reading(meter: MeterIndex, start: u32, seconds: u32, measure: Measure) -> MeterReading {
    MeterReading::new(meter, T0.plus(start), seconds, Some(measure), Quality::Measured)
}

#[test]
fn intervals_of_any_length_give_their_dry_time_and_their_uses() {
    for seconds in [60, 15 * 60, HOUR] {
        let mut home = Home::default();
        for index in 0..(10 * HOUR / seconds) {
            let litres = if index == 2 * HOUR / seconds { 7.0 } else { 0.0 };
            home.offer(reading(0, index * seconds, seconds, Measure::Volume(litres)));
        }
        assert_eq!(
            home.dry_hours(),
            Some(8.0 - f64::from(seconds) / 3_600.0),
            "{seconds} s"
        );
        let used: Vec<_> = (0..11).map(|hour| home.used(hour)).collect();
        let expected: Vec<_> = (0..11).map(|hour| (hour < 10).then_some(hour == 2)).collect();
        assert_eq!(used, expected, "{seconds} s");
        assert_eq!(home.usage().litres(at(2).hour()), Some(7.0));
    }
}

#[test]
fn a_long_interval_with_use_does_not_say_in_which_hour() {
    for hours in [2, 24, 25] {
        let mut home = Home::default();
        for (index, litres) in [0.0, 90.0, 0.0].into_iter().enumerate() {
            let start = index as u32 * hours * HOUR;
            home.offer(reading(0, start, hours * HOUR, Measure::Volume(litres)));
        }
        assert_eq!(home.dry_hours(), Some(f64::from(hours)), "{hours} h");
        assert_eq!(home.usage().last_sign(), Some(at(2 * hours)));
        for hour in 0..3 * hours {
            let known = (hour / hours != 1).then_some(false);
            assert_eq!(home.used(hour), known, "hour {hour} of {hours} h intervals");
            assert!(home.usage().litres(at(hour).hour()).is_none_or(|litres| litres == 0.0));
        }
    }
}

#[test]
fn the_window_holds_its_hours_and_no_more() {
    let mut home = Home::default();
    home.hours(0, (0..50).map(f64::from));
    let litres = |hour: u32| home.usage().litres(at(hour).hour());
    assert_eq!(litres(49), Some(49.0));
    assert_eq!(litres(50 - WINDOW_HOURS), Some(f64::from(50 - WINDOW_HOURS) as f32));
    assert_eq!(litres(50 - WINDOW_HOURS - 1), None);
    assert_eq!(litres(50), None);
    // Use below what the window can hold does not look like none.
    home.hours(50, [0.01]);
    assert_eq!(home.usage().litres(at(50).hour()), Some(0.01));
}

#[test]
fn an_hour_with_a_hole_is_not_measured_but_its_use_is_known() {
    let mut home = Home::default();
    home.hours(0, [0.0]);
    let quarter = |index: u32, litres| reading(0, HOUR + index * 900, 900, Measure::Volume(litres));
    home.offer(quarter(0, 3.0));
    home.offer(quarter(2, 0.0));
    home.offer(quarter(3, 0.0));
    assert_eq!(home.usage().litres(at(1).hour()), None);
    assert_eq!(home.used(1), Some(true));
    assert_eq!(home.dry_hours(), Some(0.5));
    home.offer(reading(0, 2 * HOUR, 1_800, Measure::Volume(0.0)));
    home.hours(3, [0.0]);
    assert_eq!(home.used(2), None);
}

#[test]
fn only_what_was_measured_counts() {
    for quality in [Quality::Estimated, Quality::Faulty, Quality::Missing] {
        let estimate = MeterReading::new(0, at(1), HOUR, Some(Measure::Volume(9.0)), quality);
        assert_eq!(estimate.measure, None);
        let mut home = Home::default();
        home.hours(0, [0.0]);
        home.offer(estimate);
        assert_eq!(home.usage().frontier(), at(1));
        assert_eq!(home.usage().last_sign(), None);
    }
}

/// Minutes of eight hours of which the first has use, without those that `is_lost` names.
fn minutes_without(is_lost: impl Fn(u32) -> bool) -> Home {
    let mut home = Home::default();
    for minute in (0..8 * 60).filter(|minute| !is_lost(*minute)) {
        let litres = if minute == 30 { 7.0 } else { 0.0 };
        home.offer(reading(0, minute * 60, 60, Measure::Volume(litres)));
    }
    home
}

#[test]
fn a_spell_goes_on_over_the_minutes_that_its_hours_may_lack_and_no_further() {
    let dry_hours = |lost: &[u32]| {
        minutes_without(|minute| lost.contains(&minute))
            .dry_hours()
            .unwrap_or(0.0)
    };
    let all = dry_hours(&[]);
    // Two of an hour, together or apart; in each of two hours, though they follow each other; of the hour of the use.
    for lost in [&[200, 201][..], &[183, 230], &[238, 239, 240, 241], &[45, 46]] {
        assert_eq!(dry_hours(lost), all, "{lost:?}");
    }
    // A third of an hour; two in which the turn of the hour lies, after one; more at once.
    for (lost, last) in [
        (&[183, 200, 230][..], 230),
        (&[183, 238, 239, 240], 240),
        (&[238, 239, 240, 241, 242], 242),
    ] {
        assert_eq!(dry_hours(lost), f64::from(8 * 60 - last - 1) / 60.0, "{lost:?}");
    }
    let home = minutes_without(|minute| minute % 60 >= 58);
    assert_eq!((home.dry_hours(), home.used(3)), (Some(7.0 + 27.0 / 60.0), Some(false)));
    // The hour before the first reading was not measured.
    let late = minutes_without(|minute| minute < 40 || minute == 50);
    assert_eq!(late.dry_hours(), Some(8.0 - 51.0 / 60.0));
}
