//! What the learned rule is worth on homes that taught it nothing, by the judge of backtests: homes are shared out to five parts, each is
//! judged by a table that the other four taught, at the λ that this table's own curve gives for a budget. The figures of
//! `docs/detectors.md`.
//!
//! `cargo bench --bench held_out -- HOMES.csv READINGS.csv.gz INJECTED.csv.gz TRUTH.csv`: the homes with their time zones, and
//! `household_size` where it is known; the readings that teach; the same with emergencies put in by `tapwatch inject`, and where these are.

// It reads files.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::path::Path;
use std::sync::Arc;

use tapwatch::backtest::cases::HomeCases;
use tapwatch::backtest::judge::{Answers, Figure, cases, score};
use tapwatch::backtest::{Backtest, all_processors};
use tapwatch::detect::inactivity::hazard::Hazard;
use tapwatch::detect::inactivity::{Condition, Learned, lambda_for};
use tapwatch::history::{History, Incident, SortSpace, SortedReadings, read_homes, read_people, read_truth};
use tapwatch::model::HomeRecord;
use tapwatch::partition::{ConsentRule, Rules};
use tapwatch::train::boost::Growth;
use tapwatch::train::lesson::{Lesson, lessons};
use tapwatch::train::teach;

/// Parts that homes are shared out to.
const PARTS: usize = 5;
/// Budgets of false alerts a home-month; none is the default λ.
const BUDGETS: [Option<f64>; 5] = [Some(2.5), Some(1.0), Some(0.5), Some(0.25), None];

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    let [homes, readings, injected, truth] = &arguments[..] else {
        println!(
            "held_out: needs files of homes, readings, readings with emergencies and their truth; measures nothing without"
        );
        return;
    };
    let people = read_people(Path::new(homes)).expect("homes");
    let size = |household: &str| {
        let said = people.get(household)?;
        said.iter()
            .find(|(column, _)| column == "household_size")
            .map(|(_, size)| size.clone())
    };
    let bench = Bench {
        homes: read_homes(Path::new(homes)).expect("homes"),
        space: SortSpace {
            memory_bytes: 1 << 30,
            folder: std::env::temp_dir(),
        },
        truth: read_truth(Path::new(truth)).expect("truth"),
    };
    let lessons = bench.lessons(readings);
    let history = History::read(&[injected.into()]).expect("readings");
    let mut judged: Vec<Vec<HomeCases>> = vec![Vec::new(); BUDGETS.len()];
    for part in 0..PARTS {
        let is_held_out = |place: &usize| place % PARTS == part;
        let (held_out, teachers): (Vec<usize>, Vec<usize>) = (0..lessons.len()).partition(is_held_out);
        let teachers: Vec<Lesson> = teachers.into_iter().map(|place| lessons[place].clone()).collect();
        let taught = teach(&teachers, ("", ""), Growth::default(), all_processors(), || {}).expect("homes");
        let mut table = Vec::new();
        taught.model.write(&mut table).expect("memory");
        let hazard = Hazard::read(&table).expect("its own bytes");
        let held_out: Vec<Arc<str>> = held_out
            .into_iter()
            .map(|place| Arc::clone(&lessons[place].household))
            .collect();
        let of_part = bench.cases(&history, &held_out, &hazard);
        judged
            .iter_mut()
            .zip(of_part)
            .for_each(|(all, of_part)| all.extend(of_part));
    }
    let all = ("all homes", &(|_: &str| true) as &dyn Fn(&str) -> bool);
    let alone = (
        "one person",
        &(|home: &str| size(home).as_deref() == Some("1")) as &dyn Fn(&str) -> bool,
    );
    let few = |home: &str| matches!(size(home).as_deref(), Some("1" | "2"));
    for (name, is_in) in [all, alone, ("one or two people", &few)] {
        println!("{name}:");
        for (budget, homes) in BUDGETS.iter().zip(&judged) {
            let homes: Vec<HomeCases> = homes.iter().filter(|home| is_in(&home.household)).cloned().collect();
            let score = score(&homes, Answers::default(), 1);
            let budget = budget.map_or("default".to_owned(), |budget| budget.to_string());
            println!(
                "  {budget:<8} {} homes, {} emergencies: {} false a home-month, mean delay {} h, {} of absence; likely away: {} of these, {} of emergencies",
                homes.len(),
                score.emergencies,
                said(score.first.false_per_home_month),
                said(score.first.delay.mean_hours),
                said(score.first.absence_per_home_month),
                said(score.first.likely_away.absence_alerts),
                said(score.first.likely_away.emergencies),
            );
        }
    }
}

struct Bench {
    homes: Vec<HomeRecord>,
    space: SortSpace,
    truth: Vec<Incident>,
}

impl Bench {
    fn rules() -> Rules {
        Rules {
            consent: ConsentRule::Assumed,
            ..Rules::default()
        }
    }

    fn lessons(&self, readings: &str) -> Vec<Lesson> {
        let readings = SortedReadings::read(&[readings.into()], &self.space, |_| 0, |_| ()).expect("readings");
        lessons(&readings, &self.homes, &Self::rules().into(), all_processors(), || {}).expect("lessons")
    }

    /// The cases of these homes at each budget.
    fn cases(&self, history: &History, homes: &[Arc<str>], hazard: &Hazard) -> Vec<Vec<HomeCases>> {
        let mut of_homes = history.clone();
        of_homes.rows.retain(|row| homes.contains(&history.name(row).household));
        let is_among = |incident: &Incident| homes.contains(&incident.household);
        let truth: Vec<Incident> = self
            .truth
            .iter()
            .filter(|incident| is_among(incident))
            .cloned()
            .collect();
        let rules = |budget: &Option<f64>| {
            let mut rules = Self::rules();
            let inactivity = &mut rules.programmes[0].detectors.inactivity;
            inactivity.hazard = hazard.clone();
            let lambda = budget.and_then(|budget| lambda_for(hazard, budget));
            for rule in &mut inactivity.rules {
                if let (Condition::Learned(learned), Some(lambda)) = (&mut rule.when, lambda) {
                    *learned = Learned::with_lambda(lambda);
                }
            }
            Arc::new(rules)
        };
        let sets: Vec<Arc<Rules>> = BUDGETS.iter().map(rules).collect();
        let backtest = Backtest::of_history(&of_homes, self.homes.clone(), 1, &sets[0], "bench", &self.space);
        let backtest = backtest.expect("a backtest");
        let timelines = backtest.timelines(&truth).expect("timelines");
        let (truth, _) = timelines.within_readings(truth);
        let outcomes = backtest.run(&sets, |_| ()).expect("a run");
        let of_outcome =
            |outcome: &tapwatch::backtest::Outcome| cases(&timelines, &truth, &outcome.judged(), Answers::default());
        outcomes.iter().map(of_outcome).collect()
    }
}

fn said(figure: Figure) -> String {
    match (figure.value, figure.low, figure.high) {
        (Some(value), Some(low), Some(high)) => format!("{value:.2} ({low:.2}–{high:.2})"),
        (Some(value), ..) => format!("{value:.2}"),
        (None, ..) => "-".to_owned(),
    }
}
