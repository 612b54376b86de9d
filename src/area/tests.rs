use std::sync::Arc;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::home::{CompactMeasure, HomeSettings, MeterReading, Usage};
use crate::model::{AlertState, DAY, EventTime, HOUR, MINUTE};

/// A Monday at midnight UTC.
const START: u32 = 456_192;
/// The hour in which stories begin: thirty days later.
const NOW: u32 = START + 30 * 24;

/// What a home does in an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// As on any day.
    Ordinary,
    /// Uses nothing.
    Dry,
    /// Its meter is not heard.
    Mute,
}
use Life::{Dry, Mute, Ordinary};

struct Member {
    usage: Usage,
    heard: EventTime,
    partition: u32,
    /// Not delivered yet: hours and whether they were used.
    waiting: Vec<(u32, bool)>,
}

/// A zone that lives hour by hour, in several partitions that report, and what its watch says.
struct Town {
    homes: Vec<Member>,
    partitions: u32,
    settings: AreaSettings,
    watch: Watch,
    reports: Vec<ZoneReport>,
    verdicts: Vec<AreaAlert>,
    hour: u32,
    seed: u64,
    rhythm: u32,
    reversed: bool,
}

/// How likely a home of the tests uses water in an hour of the day.
fn habit(hour: u32) -> f64 {
    match hour % 24 {
        0 => 0.1,
        1..=5 => 0.05,
        6..=9 => 0.6,
        10..=16 => 0.4,
        17..=22 => 0.55,
        _ => 0.3,
    }
}

/// A number of [0, 1) that follows from its arguments.
fn chance(seed: u64, home: usize, hour: u32) -> f64 {
    let mut x = seed ^ (home as u64) << 32 ^ u64::from(hour);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

impl Town {
    fn new(homes: usize, partitions: u32) -> Self {
        let settings = AreaSettings::default();
        Self {
            homes: (0..homes)
                .map(|home| Member {
                    usage: Usage::default(),
                    heard: EventTime::ZERO,
                    partition: home as u32 * 7 % partitions,
                    waiting: Vec::new(),
                })
                .collect(),
            partitions,
            watch: Watch::new(settings.clone()),
            settings,
            reports: Vec::new(),
            verdicts: Vec::new(),
            hour: START,
            seed: 1,
            rhythm: HOUR,
            reversed: false,
        }
    }

    /// With a past of thirty ordinary days.
    fn settled(homes: usize, partitions: u32) -> Self {
        let mut town = Self::new(homes, partitions);
        town.until(NOW, |_, _| Ordinary);
        assert!(town.verdicts.is_empty(), "an ordinary month: {:?}", town.verdicts);
        town
    }

    /// Lives on to hour `end`; everybody delivers each hour at its end.
    fn until(&mut self, end: u32, life: impl Fn(usize, u32) -> Life) {
        self.deliver_until(end, life, |_, _| true);
    }

    /// Lives on to hour `end`; `delivers` says which homes hand over what they have at the end of an hour.
    fn deliver_until(&mut self, end: u32, life: impl Fn(usize, u32) -> Life, delivers: impl Fn(usize, u32) -> bool) {
        while self.hour < end {
            let hour = self.hour;
            for (number, home) in self.homes.iter_mut().enumerate() {
                let life = life(number, hour);
                if life != Mute {
                    let used = life == Ordinary && chance(self.seed, number, hour) < habit(hour);
                    home.waiting.push((hour, used));
                }
                if life != Mute && delivers(number, hour) {
                    home.heard = EventTime::from_hour(hour + 1).plus(5 * MINUTE);
                    for (hour, used) in home.waiting.drain(..) {
                        home.usage
                            .apply(&reading(hour, used), &HomeSettings::default(), |_| (), |_, _| ());
                    }
                }
            }
            self.hour += 1;
            // The first month says nothing new, and takes long.
            if self.hour + 30 > NOW {
                self.report();
            }
        }
    }

    fn report(&mut self) {
        let at = next_mark(EventTime::from_hour(self.hour), &self.settings);
        let mark = Mark::new(at, &TimeZone::UTC);
        let mut reports = Vec::new();
        for partition in 0..self.partitions {
            let mut tally = Tally::default();
            let homes = self.homes.iter().filter(|home| home.partition == partition);
            let mut any = false;
            for home in homes {
                let heard = (home.heard > EventTime::ZERO).then_some(home.heard);
                tally.add(&mark, home.usage.routine(), heard, self.rhythm);
                any = true;
            }
            if any {
                reports.push(tally.report("block-7".into(), partition, at));
            }
        }
        if self.reversed {
            reports.reverse();
        }
        for report in reports {
            let verdicts = self.watch.take(&report);
            self.verdicts.extend(verdicts.into_iter().map(|verdict| {
                assert_eq!(
                    (verdict.status.from, verdict.status.to),
                    (verdict.alert.since, verdict.alert.until)
                );
                verdict.alert
            }));
            self.reports.push(report);
        }
    }

    /// State, start and end in hours after [`NOW`], and the hour in which each record was decided.
    fn said(&self) -> Vec<(AlertState, Cause, i64, Option<i64>, i64)> {
        let hours = |time: EventTime| i64::from(time.hour()) - i64::from(NOW);
        self.verdicts
            .iter()
            .map(|alert| {
                (
                    alert.state,
                    alert.cause,
                    hours(alert.since),
                    alert.until.map(hours),
                    hours(alert.decided_at),
                )
            })
            .collect()
    }
}

fn reading(hour: u32, used: bool) -> MeterReading {
    MeterReading {
        meter: 0,
        start: EventTime::from_hour(hour),
        seconds: HOUR,
        measure: Some(CompactMeasure::Volume(if used { 8.0 } else { 0.0 })),
        flags: Default::default(),
    }
}

fn within(hours: std::ops::Range<u32>) -> impl Fn(u32) -> bool {
    move |hour| (NOW + hours.start..NOW + hours.end).contains(&hour)
}

#[test]
fn a_main_that_bursts_at_noon_is_seen_within_the_hour_and_its_repair_too() {
    let mut town = Town::settled(40, 1);
    let out = within(12..18);
    town.until(NOW + 30, |_, hour| if out(hour) { Dry } else { Ordinary });
    assert_eq!(
        town.said(),
        [
            (AlertState::Raised, Cause::Dry, 12, None, 13),
            (AlertState::Resolved, Cause::Dry, 12, Some(18), 19),
        ]
    );
    let raised = &town.verdicts[0];
    assert_eq!(raised.reason, "homes_dry_together");
    assert_eq!(raised.evidence["homes"], 40);
    assert_eq!(raised.evidence["homes_with_use"], 0);
    assert!(
        raised.evidence["probability"]
            .as_f64()
            .is_some_and(|p| p < town.settings.threshold())
    );
    assert_eq!(town.verdicts[1].reason, "use_returned");
    assert_eq!(town.verdicts[1].alert_id, raised.alert_id);
    assert_eq!((raised.revision, town.verdicts[1].revision), (1, 2));
}

#[test]
fn at_night_nothing_is_said_until_enough_was_to_be_expected() {
    let mut town = Town::settled(40, 1);
    let out = within(25..40);
    town.until(NOW + 44, |_, hour| if out(hour) { Dry } else { Ordinary });
    let said = town.said();
    let (state, cause, since, until, decided) = said[0];
    assert_eq!((state, cause, until), (AlertState::Raised, Cause::Dry, None));
    assert!((30..=32).contains(&decided), "people get up at six: {said:?}");
    assert!((24..=30).contains(&since), "{said:?}");
    assert_eq!((said[1].0, said[1].3), (AlertState::Resolved, Some(40)));
    assert_eq!(said.len(), 2);
}

#[test]
fn homes_with_a_tank_neither_hide_an_outage_nor_end_it() {
    let mut town = Town::settled(40, 1);
    let out = within(12..36);
    town.until(
        NOW + 40,
        |home, hour| if home > 1 && out(hour) { Dry } else { Ordinary },
    );
    let said = town.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!((said[0].0, said[0].2), (AlertState::Raised, 12));
    assert!(said[0].4 <= 14, "{said:?}");
    assert_eq!((said[1].0, said[1].3), (AlertState::Resolved, Some(36)));
}

#[test]
fn half_of_the_homes_away_is_no_outage() {
    for homes in [10, 40, 300] {
        let mut town = Town::settled(homes, 1);
        let feast = within(8..100);
        town.until(
            NOW + 110,
            |home, hour| if home % 2 == 0 && feast(hour) { Dry } else { Ordinary },
        );
        assert_eq!(town.said(), [], "{homes} homes");
    }
}

#[test]
fn a_feast_on_which_a_small_zone_sleeps_two_hours_longer_is_no_outage() {
    let mut town = Town::settled(60, 1);
    let asleep = within(30..32);
    town.until(
        NOW + 40,
        |home, hour| if home % 5 > 0 && asleep(hour) { Dry } else { Ordinary },
    );
    assert_eq!(town.said(), []);
}

#[test]
fn three_homes_are_never_enough() {
    let mut town = Town::settled(3, 1);
    town.settings.min_homes = 1;
    town.watch = Watch::new(town.settings.clone());
    town.until(NOW + 72, |_, _| Dry);
    assert_eq!(town.said(), []);
}

#[test]
fn readings_that_come_once_a_day_tell_of_the_outage_of_the_day_before() {
    let mut town = Town::new(40, 4);
    town.rhythm = DAY;
    let at_night = |home: usize, hour: u32| hour % 24 == (home % 4) as u32;
    let out = within(9..19);
    town.deliver_until(NOW + 40, |_, hour| if out(hour) { Dry } else { Ordinary }, at_night);
    let said = town.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!((said[0].0, said[0].1), (AlertState::Raised, Cause::Dry));
    // Looked at every four hours only, so it is known to within them.
    assert!((8..=12).contains(&said[0].2), "{said:?}");
    assert!((25..=29).contains(&said[0].4), "{said:?}");
    let until = said[1].3.expect("it is over");
    assert!((16..=20).contains(&until), "{said:?}");
}

#[test]
fn readings_that_come_late_take_an_outage_back() {
    let mut town = Town::settled(40, 2);
    // Those who are away deliver; those who are at home do not, until the batch of three hours later.
    let away = within(12..20);
    let life = |home: usize, hour: u32| if home < 25 && away(hour) { Dry } else { Ordinary };
    town.deliver_until(NOW + 24, life, |home, hour| home < 25 || !within(12..14)(hour));
    let said = town.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!((said[0].0, said[0].2, said[0].3), (AlertState::Raised, 12, None));
    assert_eq!((said[1].0, said[1].3), (AlertState::Resolved, Some(12)), "it never was");
    assert_eq!(town.verdicts[1].reason, "corrected_by_late_readings");
    assert!(said[1].4 <= 15);
}

#[test]
fn meters_that_fall_silent_together_are_one_outage_and_not_a_dry_one() {
    let mut town = Town::settled(40, 4);
    let out = within(12..20);
    town.until(
        NOW + 24,
        |home, hour| if home > 3 && out(hour) { Mute } else { Ordinary },
    );
    assert_eq!(
        town.said(),
        [
            (AlertState::Raised, Cause::Silent, 12, None, 14),
            (AlertState::Resolved, Cause::Silent, 12, Some(21), 21),
        ]
    );
    assert_eq!(town.verdicts[0].evidence["meters_overdue"], 36);
}

#[test]
fn a_quarter_of_the_meters_silent_is_no_outage() {
    let mut town = Town::settled(60, 1);
    town.until(NOW + 24, |home, _| if home % 4 == 0 { Mute } else { Ordinary });
    assert_eq!(town.said(), []);
}

#[test]
fn homes_are_not_left_alone_for_ever() {
    let mut town = Town::settled(40, 1);
    let out = within(12..90);
    town.until(NOW + 96, |_, hour| if out(hour) { Dry } else { Ordinary });
    assert_eq!(
        town.said(),
        [
            (AlertState::Raised, Cause::Dry, 12, None, 13),
            (AlertState::Updated, Cause::Dry, 12, Some(60), 60),
            (AlertState::Resolved, Cause::Dry, 12, Some(90), 91),
        ]
    );
}

#[test]
fn after_a_restart_nothing_is_said_twice_and_nothing_is_lost() {
    let story = |restart_at: Option<usize>| {
        let mut town = Town::settled(30, 4);
        let out = within(12..17);
        town.until(NOW + 24, |_, hour| if out(hour) { Dry } else { Ordinary });
        let reports = std::mem::take(&mut town.reports);
        let mut watch = Watch::new(town.settings.clone());
        let mut said = Vec::new();
        for (place, report) in reports.iter().enumerate() {
            if restart_at == Some(place) {
                let stored = watch.said("block-7");
                watch = Watch::new(town.settings.clone());
                reports[..place].iter().for_each(|report| watch.remember(report));
                watch.restore("block-7", stored);
            }
            said.extend(watch.take(report).into_iter().map(|verdict| verdict.alert));
        }
        (said, reports.len())
    };
    let (truth, reports) = story(None);
    assert_eq!(truth.len(), 2);
    for restart_at in (0..reports).step_by(7) {
        assert_eq!(story(Some(restart_at)).0, truth, "restarted before report {restart_at}");
    }
}

#[test]
fn a_report_that_is_there_twice_counts_once() {
    let mut town = Town::settled(30, 2);
    town.until(NOW + 10, |_, _| Ordinary);
    let report = town.reports.last().expect("they report").clone();
    let mut watch = town.watch.clone();
    assert_eq!(watch.take(&report), []);
    assert_eq!(format!("{watch:?}"), format!("{:?}", town.watch));
}

#[test]
fn a_partition_that_lags_is_waited_for_but_not_for_ever() {
    let mut town = Town::settled(48, 4);
    let mut watch = town.watch.clone();
    let before = town.reports.len();
    let out = within(12..20);
    town.until(NOW + 16, |_, hour| if out(hour) { Dry } else { Ordinary });
    let mut said = Vec::new();
    for report in town.reports[before..].iter().filter(|report| report.partition != 2) {
        said.extend(watch.take(report).into_iter().map(|verdict| verdict.alert));
    }
    assert_eq!(said.len(), 1);
    let late = said[0].decided_at.since(town.verdicts[0].decided_at);
    assert!((2 * HOUR..=3 * HOUR).contains(&late), "{late}");
    assert_eq!(said[0].since, town.verdicts[0].since);
}

#[test]
fn what_was_expected_follows_local_time_through_the_change_of_clocks() {
    let zone = TimeZone::get("Europe/Madrid").expect("a time zone");
    let change: EventTime = "2016-10-30T01:00:00Z".parse().expect("a time");
    let morning = change.hour() + 5; // 07:00 local, 06:00 UTC; the day before 07:00 local was 05:00 UTC.
    let same = SameHours::new(morning, &zone);
    let debug = format!("{same:?}");
    assert!(debug.contains(&(morning - 25).to_string()), "{debug}");
    assert!(!debug.contains(&(morning - 24).to_string()), "{debug}");
}

#[test]
fn what_is_not_known_counts_against_an_outage() {
    let mut usage = Usage::default();
    let settings = HomeSettings::default();
    for hour in START..NOW {
        // Known every other day only.
        if hour / 24 % 2 == 0 {
            usage.apply(&reading(hour, hour % 3 > 0), &settings, |_| (), |_, _| ());
        }
    }
    let hour = usage.next_hour();
    usage.apply(&reading(hour + 3, false), &settings, |_| (), |_, _| ());
    let at = |hour| HomeHour::new(usage.routine(), &SameHours::new(hour, &TimeZone::UTC));
    assert_eq!(at(hour + 1), None, "an hour that is not known");
    assert_eq!(at(hour + 4), None, "an hour to come");
    let home = at(hour + 3).expect("a known hour");
    assert_eq!(home.dry_windows, 1, "dry in the last hour, unknown before");
    assert!((400..=550).contains(&home.expected_thousandths[1]), "{home:?}");
    let young = HomeHour::new(usage.routine(), &SameHours::new(START + 5 * 24, &TimeZone::UTC));
    assert_eq!(young, None, "too little of a past");
}

#[test]
fn records_of_the_zones_topic_are_read_as_they_were_written() {
    let town = {
        let mut town = Town::settled(30, 2);
        town.until(NOW + 1, |_, _| Ordinary);
        town
    };
    let report = ZoneRecord::Report(town.reports.last().expect("they report").clone());
    let status = ZoneRecord::Status(AreaStatus {
        zone: "block-7".into(),
        cause: Cause::Dry,
        from: EventTime::from_hour(NOW),
        to: None,
    });
    for (record, key) in [(report, "block-7/1"), (status, "block-7/dry")] {
        assert_eq!(ZoneRecord::read(&record.value()), Ok(record.clone()));
        assert_eq!(record.key(), key);
    }
    assert!(ZoneRecord::read(b"{}").is_err());
}

#[test]
fn alerts_have_the_form_that_is_promised() {
    let mut town = Town::settled(40, 1);
    let (dry, mute) = (within(12..90), within(110..130));
    town.until(NOW + 140, |_, hour| match hour {
        hour if dry(hour) => Dry,
        hour if mute(hour) => Mute,
        _ => Ordinary,
    });
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/schemas/area-alert.schema.json")).expect("a schema");
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .expect("a schema");
    assert_eq!(town.verdicts.len(), 5);
    for alert in &town.verdicts {
        let value = serde_json::to_value(alert).expect("it has a form");
        let errors: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{value:#}");
        assert!(
            alert.text.en.ends_with('.') && alert.text.zh.ends_with('。'),
            "{:?}",
            alert.text
        );
    }
}

#[test]
fn settings_out_of_range_are_named() {
    assert_eq!(AreaSettings::default().mistakes(), []);
    let wrong = AreaSettings {
        min_homes: 0,
        report_after_minutes: 60,
        false_alerts_per_zone_year: 0.0,
        residual_share: f64::NAN,
        usual_silent_share: 0.9,
        longest_hours: 0,
        ..AreaSettings::default()
    };
    let names: Vec<_> = wrong.mistakes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "min_homes",
            "report_after_minutes",
            "false_alerts_per_zone_year",
            "residual_share",
            "usual_silent_share",
            "longest_hours"
        ]
    );
}

#[test]
fn marks_follow_each_other_by_the_hour() {
    let settings = AreaSettings::default();
    let hour = EventTime::from_hour(NOW);
    assert_eq!(next_mark(hour, &settings), hour.plus(20 * MINUTE));
    assert_eq!(next_mark(hour.plus(20 * MINUTE), &settings), hour.plus(80 * MINUTE));
    assert_eq!(next_mark(hour.plus(59 * MINUTE), &settings), hour.plus(80 * MINUTE));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    /// Wherever the homes lie, and in whichever order partitions report: the same is said.
    #[test]
    fn the_number_of_partitions_makes_no_difference(
        seed in 0u64..1_000, begins in 0u32..24, lasts in 2u32..14, mute in any::<bool>(), homes in 12usize..30
    ) {
        let story = |partitions, reversed| {
            let mut town = Town::new(homes, partitions);
            (town.seed, town.reversed) = (seed, reversed);
            let out = within(begins..begins + lasts);
            town.until(NOW + 40, |_, hour| match () {
                () if !out(hour) => Ordinary,
                () if mute => Mute,
                () => Dry,
            });
            town.verdicts
        };
        let one = story(1, false);
        prop_assert_eq!(&one, &story(4, false));
        prop_assert_eq!(&one, &story(12, true));
    }

    /// The bits of the routine, read 32 at a time, are those read one by one.
    #[test]
    fn the_routine_is_read_right_many_hours_at_a_time(
        uses in prop::collection::vec(0u8..4, 40..3_000), back in 0u32..700
    ) {
        let mut usage = Usage::default();
        for (hour, what) in uses.iter().enumerate() {
            if *what < 3 {
                usage.apply(&reading(START + hour as u32, *what == 0), &HomeSettings::default(), |_| (), |_, _| ());
            }
        }
        let routine = usage.routine();
        let end = routine.next_hour().saturating_sub(back);
        prop_assume!(end >= routine.first_hour() + 32);
        for (place, hour) in (end - 32..end).enumerate() {
            if let Some(used) = routine.used(hour) {
                prop_assert_eq!(routine.use_before(end) >> place & 1 == 1, used);
            }
        }
        let dry = (end - 32..end).rev().take_while(|hour| routine.used(*hour) == Some(false)).count();
        prop_assert_eq!(routine.dry_hours_before(end), dry as u32);
    }
}

/// Zones are found by name, so names are shared.
#[test]
fn a_zone_is_watched_apart_from_others() {
    let mut town = Town::settled(40, 1);
    let out = within(12..15);
    town.until(NOW + 13, |_, hour| if out(hour) { Dry } else { Ordinary });
    assert!(town.watch.said("block-7").dry.is_some());
    assert_eq!(town.watch.said("block-8"), Said::default());
    let mut report = town.reports.last().expect("they report").clone();
    report.zone = Arc::from("block-8");
    assert_eq!(town.watch.take(&report), []);
}
