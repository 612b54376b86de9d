//! The promises of [`Detector`], held against every line of the registry, and a home whose detectors tell their story.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::inactivity::{Condition, HarmSettings, InactivitySettings, Learned, Rule};
use super::*;
use crate::alert::{Care, Case, PolicySettings};
use crate::home::{Flow, HomeSettings, MeterReading, Rhythm, Usage};
use crate::model::Weekday;
use crate::model::{Absence, Band, Circumstances, HOUR, Measure, Quality, Severity};

/// One home under all detectors, fed in order.
#[derive(Clone)]
pub struct Watched {
    pub settings: DetectorSettings,
    pub zone: TimeZone,
    pub usage: Usage,
    pub states: DetectorStates,
    pub cases: Vec<Option<Case>>,
    /// The next interval starts here.
    pub next: EventTime,
    pub heard_at: Option<EventTime>,
    pub rhythm: Rhythm,
    pub circumstances: Circumstances,
    /// What was said: a line a record.
    pub told: String,
    /// Whether the words are told too.
    pub with_words: bool,
}

impl Watched {
    /// A home in `zone` whose first reading starts at `start` (RFC 3339).
    pub fn new(settings: DetectorSettings, zone: &str, start: &str) -> Self {
        Self {
            settings,
            zone: TimeZone::get(zone).expect("a time zone"),
            usage: Usage::default(),
            states: DetectorStates::default(),
            cases: vec![None; KINDS.len()],
            next: start.parse().expect("a time"),
            heard_at: None,
            rhythm: Rhythm::default(),
            circumstances: Circumstances::default(),
            told: String::new(),
            with_words: false,
        }
    }

    /// The next readings, of an hour each.
    pub fn hours(&mut self, litres: impl IntoIterator<Item = f64>) {
        litres.into_iter().for_each(|litres| self.read(HOUR, litres));
    }

    pub fn read(&mut self, seconds: u32, litres: f64) {
        self.measure(seconds, Measure::Volume(litres), |_, _, _| {});
    }

    /// Whole local days from midnight on, of 23, 24 or 25 hours; `litres` is asked with the day's number and the hour.
    pub fn local_days(&mut self, days: std::ops::Range<u32>, mut litres: impl FnMut(u32, i8) -> f64) {
        for day in days {
            let today = self.zone.to_datetime(self.next.to_jiff()).date();
            loop {
                let local = self.zone.to_datetime(self.next.to_jiff());
                if local.date() != today {
                    break;
                }
                self.read(HOUR, litres(day, local.hour()));
            }
        }
    }

    /// The lines of what was raised of one kind, with their words where these are told.
    pub fn raised(&self, kind: AlertKind) -> String {
        let (begin, with_words) = (format!(" {} Raised", kind.name()), if self.with_words { 3 } else { 1 });
        let lines: Vec<&str> = self.told.lines().collect();
        let places = (0..lines.len()).filter(|place| lines[*place].contains(&begin));
        places
            .flat_map(|place| &lines[place..place + with_words])
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// Time of which no reading comes.
    pub fn lose(&mut self, hours: u32) {
        self.next = self.next.plus(hours * HOUR);
    }

    /// One reading; `look` sees the detectors before and after each stretch of time.
    pub fn measure(
        &mut self,
        seconds: u32,
        measure: Measure,
        mut look: impl FnMut(&Interval, [&DetectorStates; 2], &HomeView<'_>),
    ) {
        let reading = MeterReading::new(0, self.next, seconds, Some(measure), Quality::Measured);
        self.next = self.next.plus(seconds);
        let (states, settings, heard_at, now) = (&mut self.states, &self.settings, self.heard_at, self.next);
        let (circumstances, rhythm) = (self.circumstances, self.rhythm);
        let mut events = Vec::new();
        let zone = &self.zone;
        self.usage.apply_local(
            &reading,
            &HomeSettings::default(),
            |moment| zone.to_offset(moment.to_jiff()).seconds(),
            |event| events.push(event),
            |usage, interval| {
                let view = HomeView {
                    usage,
                    time_zone: &self.zone,
                    heard_at,
                    rhythm,
                    meters: 1,
                    circumstances,
                    now,
                };
                let before = states.clone();
                states.on_interval(settings, &view, interval);
                look(interval, [&before, states], &view);
            },
        );
        for event in events {
            self.states.on_meter_event(&self.settings, event, self.next);
        }
        self.heard_at = Some(self.next);
        self.speak(self.next);
    }

    pub fn view(&self, now: EventTime) -> HomeView<'_> {
        HomeView {
            usage: &self.usage,
            time_zone: &self.zone,
            heard_at: self.heard_at,
            rhythm: self.rhythm,
            meters: 1,
            circumstances: self.circumstances,
            now,
        }
    }

    /// Writes down what there is to say at `now`.
    pub fn speak(&mut self, now: EventTime) {
        let findings = self.states.findings(&self.settings, &self.view(now));
        for (place, finding) in findings.into_iter().enumerate() {
            let policy = PolicySettings::default();
            let care = Care {
                kind: KINDS[place],
                policy: &policy,
                time_zone: &self.zone,
                now,
                occasion: crate::alert::Occasion::Reading,
                is_muted: false,
            };
            for transition in care.decide(self.cases[place].as_ref(), finding.as_ref()) {
                let case = transition.case;
                let alert = about(KINDS[place], &case);
                let said = self
                    .states
                    .explain(&self.settings, &self.view(now), &alert, transition.state);
                let local = |time: EventTime| self.zone.to_datetime(time.to_jiff()).strftime("%a %H:%M").to_string();
                self.told += &format!(
                    "{} {} {:?} ({:?}, {}) since {}: {}\n",
                    local(now),
                    KINDS[place].name(),
                    transition.state,
                    case.severity,
                    case.rule,
                    local(case.since),
                    said.reason
                );
                if self.with_words {
                    self.told += &format!("    {}\n    {}\n", said.text.en, said.text.zh);
                }
                self.cases[place] = Some(case);
            }
        }
    }

    pub fn is_open(&self, kind: AlertKind) -> bool {
        let place = KINDS.iter().position(|known| *known == kind).expect("a kind");
        self.cases[place].as_ref().is_some_and(|case| case.open)
    }
}

fn about(kind: AlertKind, case: &Case) -> OpenAlert<'_> {
    OpenAlert {
        kind,
        rule: &case.rule,
        since: case.since,
        detected_at: case.detected_at,
        severity: case.severity,
        stage: case.stage,
    }
}

pub fn rule(name: &str, severity: Severity, when: Condition) -> Rule {
    Rule::new(name, severity, when)
}

pub fn few_litres(below: f32, hours: u32) -> Condition {
    Condition::FewLitres {
        below,
        hours,
        inclusive: false,
    }
}

pub fn in_bands(bands: Vec<Band>, all: bool) -> Condition {
    Condition::Bands {
        bands,
        all,
        days: Vec::new(),
        each_day: false,
    }
}

/// Detectors with their defaults, and these rules of inactivity.
pub fn with_rules(rules: Vec<Rule>) -> DetectorSettings {
    DetectorSettings {
        inactivity: InactivitySettings {
            rules,
            harm: HarmSettings {
                enabled: false,
                ..HarmSettings::default()
            },
            ..InactivitySettings::default()
        },
        ..DetectorSettings::default()
    }
}

/// Settings under which every detector has something to say of a short story.
fn talkative() -> DetectorSettings {
    let bands = vec![Band { from: 6, to: 9 }, Band { from: 22, to: 2 }];
    let mut settings = with_rules(vec![
        rule(
            "learned",
            Severity::High,
            Condition::Learned(Learned::with_lambda(30.0)),
        ),
        rule("few", Severity::Low, few_litres(20.0, 12)),
        rule("bands", Severity::Medium, in_bands(bands, false)),
        rule("no-use", Severity::Critical, Condition::NoUse { hours: 5.5 }),
        rule("person", Severity::Low, Condition::PerPerson { default_hours: 3.5 }),
        rule("a-day", Severity::Low, Condition::FewLitresADay { below: 40.0 }),
        rule(
            "own-spells",
            Severity::Low,
            Condition::OwnSpells {
                percent: 90.0,
                at_least_hours: 2.0,
            },
        ),
        rule(
            "each-day",
            Severity::Low,
            Condition::Bands {
                bands: vec![Band { from: 5, to: 7 }],
                all: false,
                days: vec![Weekday::Thu, Weekday::Sat],
                each_day: true,
            },
        ),
    ]);
    settings.inactivity.learn_hours = 24;
    settings.inactivity.harm = HarmSettings {
        high_from_percent: 0.02,
        ..HarmSettings::default()
    };
    let leak_rule = leak::Rule::new;
    settings.leak.rules = vec![
        leak_rule(
            "steady",
            leak::Condition::Steady {
                hours: 5,
                evidence: 2.0,
            },
        ),
        leak_rule("no-dry-hour", leak::Condition::continuous(8)),
        leak_rule(
            "intermittent",
            leak::Condition::Intermittent {
                at_least: 12,
                at_most: 40,
                of: 48,
            },
        ),
        leak_rule(
            "daily",
            leak::Condition::Daily {
                above_litres: 300.0,
                hours: 12,
            },
        ),
        leak_rule(
            "growing",
            leak::Condition::Growing {
                days: 8,
                by_litres_per_hour: 0.5,
            },
        ),
    ];
    settings.silent_meter.after_hours = 3;
    settings.silent_meter.at_least_hours = 1;
    settings.well_today.enabled = true;
    settings.burst.rules[0].when = burst::Condition::ShareOfQ3 {
        percent: 4.0,
        minutes: 30,
    };
    settings.prolonged_draw.rules[0].when = prolonged_draw::Condition::Lasting {
        minutes: 60,
        at_least_litres_per_hour: 50.0,
    };
    settings.use_while_away.clear_after_dry_hours = 6;
    settings.no_return.after_hours = 4.0;
    settings.night_drift = night_drift::NightDriftSettings {
        enabled: true,
        p_below: 0.1,
        least_change_percent: 1.0,
    };
    settings.routine_drift = routine_drift::RoutineDriftSettings {
        enabled: true,
        p_below: 0.1,
        ..Default::default()
    };
    settings
}

#[test]
fn kinds_are_apart_and_defaults_are_right() {
    let names: std::collections::BTreeSet<_> = KINDS.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), KINDS.len());
    assert_eq!(DetectorSettings::default().mistakes(), []);
    assert_eq!(talkative().mistakes(), []);
}

/// What happens next to a home: hours, litres an hour, or nothing known.
fn steps() -> impl Strategy<Value = Vec<(u32, Option<f64>)>> {
    let step = prop_oneof![
        4 => (1u32..9).prop_map(|hours| (hours, Some(0.0))),
        3 => (1u32..4, 1.0f64..60.0).prop_map(|(hours, litres)| (hours, Some(litres))),
        1 => (4u32..30).prop_map(|hours| (hours, Some(3.0))),
        2 => (1u32..9).prop_map(|hours| (hours, None)),
    ];
    prop::collection::vec(step, 1..25)
}

fn homes() -> impl Strategy<Value = (u32, Vec<(u32, Option<f64>)>)> {
    (prop_oneof![Just(900u32), Just(HOUR)], steps())
}

/// A home in which the mornings begin later every week and the nights become restless; the week goes on.
fn after_weeks(zone: &str) -> Watched {
    let monday = if zone == "Europe/Madrid" {
        "2024-02-04T23:00:00Z"
    } else {
        "2024-02-04T16:00:00Z"
    };
    let mut home = Watched::new(talkative(), zone, monday);
    for day in 0..54u32 {
        let (waking, restless) = (4 + day / 14, day * 5 % 8 < day / 7);
        home.hours((0..24).map(|hour| {
            let used = hour >= waking && hour % 4 == waking % 4 || restless && hour == 0;
            if used { 9.0 } else { 0.0 }
        }));
    }
    home
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_detector_keeps_its_promises(
        (seconds, steps) in homes(),
        absence in prop::option::of((0u32..60, prop::option::of(1u32..60))),
        in_madrid in any::<bool>(),
    ) {
        // The week in which the clocks of Madrid change.
        static HOMES: std::sync::LazyLock<[Watched; 2]> = std::sync::LazyLock::new(|| ["Asia/Shanghai", "Europe/Madrid"].map(after_weeks));
        let mut home = HOMES[usize::from(in_madrid)].clone();
        let settings = talkative();
        home.circumstances.absence = absence.map(|(from, lasts)| {
            let from = home.next.plus(from * HOUR);
            Absence { from, to: lasts.map(|hours| from.plus(hours * HOUR)) }
        });
        let mut twin = home.clone();
        for (hours, litres) in steps {
            let Some(litres) = litres else {
                home.lose(hours);
                twin.lose(hours);
                continue;
            };
            for _ in 0..hours * HOUR / seconds {
                let measure = Measure::Volume(litres * f64::from(seconds) / f64::from(HOUR));
                let mut broken = None;
                home.measure(seconds, measure, |interval, [before, after], view| {
                    let (was, is) = (before.findings(&settings, view), after.findings(&settings, view));
                    // 1: asked again it says the same.
                    if is != after.findings(&settings, view) {
                        broken = Some(format!("1: {is:?}"));
                    }
                    // 2: a gap neither begins nor ends anything but that there are such gaps.
                    let is_of_gaps = |finding: &Option<Finding>| finding.as_ref().is_some_and(|one| &*one.rule == "holes");
                    let differs = was.iter().zip(&is).any(|(was, is)| was != is && !is_of_gaps(is));
                    if interval.flow == Flow::Unknown && differs {
                        broken = Some(format!("2: {was:?} became {is:?}"));
                    }
                    // 3: it began before it was met, and was met before it is told.
                    for finding in is.iter().flatten() {
                        if !(finding.since <= finding.detected_at && finding.detected_at <= view.now.max(view.usage.frontier())) {
                            broken = Some(format!("3: {finding:?} at {}", view.now));
                        }
                    }
                });
                prop_assert_eq!(broken, None);

                // 4: equal intervals, equal states; bytes go on as the original.
                let bytes = postcard::to_allocvec(&twin.states).expect("bytes");
                twin.states = postcard::from_bytes(&bytes).expect("its own bytes");
                twin.measure(seconds, measure, |_, _, _| {});
                prop_assert_eq!(&twin.states, &home.states);

                // 5: time alone changes nothing before the deadline.
                let now = home.next;
                let deadline = home.states.next_deadline(&settings, &home.view(now));
                for later in [now, now.plus(1), now.plus(2 * HOUR), now.plus(9 * HOUR)] {
                    if deadline.is_none_or(|deadline| later <= deadline) {
                        let findings = home.states.findings(&settings, &home.view(later));
                        let before = home.states.findings(&settings, &home.view(now));
                        prop_assert_eq!(findings, before, "5: at {} with {:?}", later, deadline);
                    }
                }

                // 6: every record is explained.
                for (kind, case) in KINDS.iter().zip(&home.cases) {
                    let Some(case) = case else { continue };
                    for state in [AlertState::Raised, AlertState::Updated, AlertState::Resolved] {
                        let said = home.states.explain(&settings, &home.view(now), &about(*kind, case), state);
                        let words = !said.reason.is_empty() && !said.text.en.is_empty() && !said.text.zh.is_ascii();
                        prop_assert!(words && !said.evidence.is_empty(), "6: {kind:?} {state:?}: {said:?}");
                        prop_assert!(said.evidence.values().all(|value| !value.is_object()));
                    }
                }
            }
        }
        prop_assert_eq!(home.told, twin.told);
    }
}

#[test]
fn the_promises_are_tried_on_findings_of_every_kind() {
    let mut home = after_weeks("Asia/Shanghai");
    home.hours([0.0; 48]);
    home.hours([5.0; 9]);
    home.hours([0.0; 9]);
    home.speak(home.next.plus(4 * HOUR));
    home.circumstances.absence = Some(Absence {
        from: home.next,
        to: Some(home.next.plus(9 * HOUR)),
    });
    home.hours([0.0, 0.0, 0.0, 9.0]);
    home.hours([0.0; 12]);
    // A tap left on, and water that runs backwards.
    home.circumstances.absence = None;
    for litres in [0.0, 60.0, 60.0, 60.0, 60.0, 60.0, -40.0] {
        home.read(HOUR / 4, litres);
    }
    home.hours([0.0; 30]);
    let silent: Vec<_> = KINDS
        .iter()
        .zip(&home.cases)
        .filter(|(_, case)| case.is_none())
        .collect();
    assert!(silent.is_empty(), "{silent:?}: {}", home.told);
}
