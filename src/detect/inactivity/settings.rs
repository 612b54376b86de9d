//! Rules of inactivity, in the words of a programme.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::budget::Budgets;
use super::harm::HarmSettings;
use super::hazard::Hazard;
use crate::detect::Mistake;
use crate::detect::met::{Met, StagedRule};
use crate::home::{Counts, WINDOW_HOURS};
use crate::model::{Band, Circumstances, Severity, Stage, Stages, Weekday};

/// The most rules one programme may have: which were met is kept as bits.
pub const MAX_RULES: usize = Met::MOST_RULES;
/// The most learned rules one programme may have: a threshold of each is kept for the spell at hand.
pub const MAX_LEARNED: usize = Stage::ALL.len();
/// Hours of known use that learning may take.
const LEARN_HOURS: RangeInclusive<u32> = 24..=60 * 24;
/// Hours of which a rule of daily use may ask: less than a day of a home that is used once a day tells nothing.
const ONLY_DAILY_HOURS: RangeInclusive<u32> = 24..=72;
/// Hours that a dry spell may be allowed to last.
const SPELL_HOURS: RangeInclusive<f64> = 0.5..=240.0;

/// The rules of a programme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InactivitySettings {
    /// The rules; the first one met raises the alert.
    pub rules: Vec<Rule>,
    /// Hours of known use after which learned rules, and those of the home's own spells, speak.
    pub learn_hours: u32,
    /// False alerts accepted at each stage.
    pub budget: Budgets,
    /// The chance of harm, from which severity rises above that of the rules.
    pub harm: HarmSettings,
    /// The table of the learned rules. Settings name a file of it elsewhere; here it counts only for what differs.
    #[serde(skip_deserializing, skip_serializing_if = "Hazard::is_shipped")]
    pub hazard: Hazard,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, as alerts give it.
    pub name: Arc<str>,
    /// How much it matters when it is met.
    #[serde(default = "default_severity")]
    pub severity: Severity,
    /// What it asks for when it is met.
    #[serde(default = "default_stage")]
    pub stage: Stage,
    /// Holds only until the learned rules of the programme speak for this home.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub until_learned: bool,
    /// Which water counts as use. Rules in use elsewhere know of no leak floor: to them all water is use.
    #[serde(default, skip_serializing_if = "Counts::is_default")]
    pub counts: Counts,
    /// For a rule that learns: its own hours of known use, instead of the programme's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learn_hours: Option<u32>,
    /// When it is met.
    pub when: Condition,
}

fn default_stage() -> Stage {
    Stage::Visit
}

fn default_severity() -> Severity {
    Severity::High
}

/// When a rule is met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Condition {
    /// No sign of life for so many hours.
    NoUse {
        /// Measured hours.
        hours: f64,
    },
    /// No sign of life for the hours that are set for this person (`no_use_hours` of the home's record).
    PerPerson {
        /// Measured hours, where none are set.
        default_hours: f64,
    },
    /// Fewer litres than this in the last whole hours.
    FewLitres {
        /// Litres.
        below: f32,
        /// Whole hours.
        hours: u32,
        /// Met with exactly so many litres, too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        inclusive: bool,
    },
    /// Fewer litres than this in a local calendar day; judged at its end.
    FewLitresADay {
        /// Litres.
        below: f32,
    },
    /// No use in the last whole hours but in an hour of the day in which there is use nearly every day, as of a machine.
    OnlyDailyUse {
        /// Whole hours.
        hours: u32,
    },
    /// No sign of life in bands of the local day.
    Bands {
        /// The bands, such as `05-09`.
        bands: Vec<Band>,
        /// Met only when the latest of every band was dry, instead of any one.
        #[serde(default)]
        all: bool,
        /// The days on which the bands begin; all seven if none is named.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        days: Vec<Weekday>,
        /// Said anew with every band that ends dry, instead of once until there is a sign of life.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        each_day: bool,
    },
    /// A dry spell longer than so many percent of this home's own of the last sixty days.
    OwnSpells {
        /// Percent of its spells shorter than a day.
        percent: f64,
        /// Never before so many hours.
        at_least_hours: f64,
    },
    /// The hour at which this home's own spells, begun about this hour, have ended: the T that minimises
    /// `T + λ·P(T ≤ dry < 24 h)`.
    Learned(Learned),
}

/// How much delay a learned rule accepts: its λ; without it, what the budget of its stage gives, or the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Learned {
    /// λ: hours of delay accepted for one false alert avoided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
}

impl Learned {
    /// With a λ.
    pub fn with_lambda(lambda: f64) -> Self {
        Self { lambda: Some(lambda) }
    }

    fn mistake(&self) -> Option<String> {
        let lambda = self.lambda.filter(|lambda| !(1.0..=1e6).contains(lambda))?;
        Some(format!("learned.lambda = {lambda} is not between 1 and 1000000 hours"))
    }
}

impl Default for InactivitySettings {
    /// The learned rule, a fixed one until it speaks, and a backstop of a day. The defaults of λ and of the fixed rule
    /// are measured in `docs/adr/0006-first-learned-rule.md`.
    fn default() -> Self {
        let rule = |name: &str, severity, until_learned, when| Rule {
            until_learned,
            ..Rule::new(name, severity, when)
        };
        Self {
            rules: vec![
                rule("learned", Severity::High, false, Condition::Learned(Learned::default())),
                rule("no-use-12h", Severity::High, true, Condition::NoUse { hours: 12.0 }),
                rule(
                    "no-use-24h",
                    Severity::Critical,
                    false,
                    Condition::NoUse { hours: 24.0 },
                ),
                rule(
                    "only-daily-use-24h",
                    Severity::High,
                    false,
                    Condition::OnlyDailyUse { hours: 24 },
                ),
            ],
            learn_hours: 7 * 24,
            budget: Budgets::default(),
            harm: HarmSettings::default(),
            hazard: Hazard::default(),
        }
    }
}

impl Rule {
    /// A rule that asks for a visit, of the water above the leak floor.
    pub fn new(name: &str, severity: Severity, when: Condition) -> Self {
        Self {
            name: name.into(),
            severity,
            stage: default_stage(),
            until_learned: false,
            counts: Counts::default(),
            learn_hours: None,
            when,
        }
    }

    fn mistake(&self) -> Option<String> {
        match &self.when {
            Condition::NoUse { hours } if !SPELL_HOURS.contains(hours) => {
                Some(format!("no_use.hours = {hours} is not between 0.5 and 240"))
            }
            Condition::PerPerson { default_hours } if !SPELL_HOURS.contains(default_hours) => Some(format!(
                "per_person.default_hours = {default_hours} is not between 0.5 and 240"
            )),
            Condition::FewLitres { below, .. } if !are_litres(*below) => {
                Some(format!("few_litres.below = {below} is not between 0 and 100000 litres"))
            }
            Condition::FewLitresADay { below } if !are_litres(*below) => Some(format!(
                "few_litres_a_day.below = {below} is not between 0 and 100000 litres"
            )),
            Condition::FewLitres { hours, .. } if !(1..=WINDOW_HOURS).contains(hours) => Some(format!(
                "few_litres.hours = {hours} is not between 1 and {WINDOW_HOURS}, the hours kept"
            )),
            Condition::OnlyDailyUse { hours } if !ONLY_DAILY_HOURS.contains(hours) => {
                Some(format!("only_daily_use.hours = {hours} is not between 24 and 72"))
            }
            Condition::OnlyDailyUse { .. } if self.counts == Counts::AllWater => {
                Some("only_daily_use knows the use above the leak floor alone; leave out counts".into())
            }
            Condition::Bands { bands, .. } if bands.is_empty() || bands.len() > 8 => {
                Some(format!("bands.bands has {} bands; 1 to 8 are allowed", bands.len()))
            }
            Condition::Bands { bands, .. } if has_twice(bands) => Some("bands.bands has a band twice".into()),
            Condition::Bands { days, .. } if has_twice(days) => Some("bands.days has a day twice".into()),
            Condition::OwnSpells { percent, .. } if !(1.0..=100.0).contains(percent) => {
                Some(format!("own_spells.percent = {percent} is not between 1 and 100"))
            }
            Condition::OwnSpells { at_least_hours, .. } if !SPELL_HOURS.contains(at_least_hours) => Some(format!(
                "own_spells.at_least_hours = {at_least_hours} is not between 0.5 and 240"
            )),
            Condition::Bands { bands, all: true, .. } if self.counts == Counts::AllWater && looks_back(bands) => {
                Some(format!(
                    "with counts = \"all_water\" bands may look back over {} hours together",
                    WINDOW_HOURS - 1
                ))
            }
            Condition::Learned(_) if self.counts == Counts::AllWater => {
                Some("a learned rule knows the use above the leak floor alone; leave out counts".into())
            }
            Condition::Learned(learned) if learned.mistake().is_some() => learned.mistake(),
            _ if self.learn_hours.is_some() && !self.is_learned() => {
                Some("learn_hours is for rules that learn, with learned or own_spells".into())
            }
            _ if self.learn_hours.is_some_and(|hours| !LEARN_HOURS.contains(&hours)) => Some(format!(
                "learn_hours = {} is not between 24 and 1440",
                self.learn_hours.unwrap_or_default()
            )),
            _ if self.name.is_empty() || self.name.len() > 64 => {
                Some("the name is empty or longer than 64 bytes".into())
            }
            _ => None,
        }
    }

    /// The rule as one of several with stages.
    pub(super) fn staged(&self) -> StagedRule<'_> {
        StagedRule {
            name: &self.name,
            severity: self.severity,
            stage: self.stage,
        }
    }

    /// Whether litres, and not signs of life, decide about it.
    pub(super) fn is_of_litres(&self) -> bool {
        matches!(self.when, Condition::FewLitres { .. } | Condition::FewLitresADay { .. })
    }

    /// Whether a use does not end what it has met at once: what its hours hold together decides.
    pub(super) fn outlasts_use(&self) -> bool {
        self.is_of_litres() || matches!(self.when, Condition::OnlyDailyUse { .. })
    }

    /// Whether it is judged at full hours, and not by the spell at hand.
    pub(super) fn is_by_hours(&self) -> bool {
        self.outlasts_use() || matches!(self.when, Condition::Bands { .. })
    }

    /// Whether it is silent until the home's own habits are known.
    pub fn is_learned(&self) -> bool {
        matches!(self.when, Condition::Learned { .. } | Condition::OwnSpells { .. })
    }
}

impl Condition {
    /// The hours without a sign of life that are allowed in a home; `None` for conditions of another form.
    pub fn allowed_hours(&self, home: &Circumstances) -> Option<f64> {
        match self {
            Self::NoUse { hours } => Some(*hours),
            // What is set for a person comes from outside.
            Self::PerPerson { default_hours } => Some(home.no_use_hours.map_or(*default_hours, |hours| {
                f64::from(hours).clamp(*SPELL_HOURS.start(), *SPELL_HOURS.end())
            })),
            _ => None,
        }
    }
}

/// Whether the latest of every band, seen from the end of any, may lie further back than hours are kept; an hour is left
/// for the longest day.
fn looks_back(bands: &[Band]) -> bool {
    let back = |now: &Band, of: &Band| (i32::from(now.to) - i32::from(of.to)).rem_euclid(24) as u32 + of.hours();
    let all = bands.iter().flat_map(|now| bands.iter().map(move |of| back(now, of)));
    all.max().is_some_and(|hours| hours >= WINDOW_HOURS)
}

fn has_twice<T: PartialEq>(items: &[T]) -> bool {
    items
        .iter()
        .enumerate()
        .any(|(place, item)| items[..place].contains(item))
}

fn are_litres(litres: f32) -> bool {
    litres > 0.0 && litres <= 100_000.0
}

impl InactivitySettings {
    /// The learned rules, with their places among all rules.
    pub fn learned(&self) -> impl Iterator<Item = (usize, &Learned)> {
        self.rules
            .iter()
            .enumerate()
            .filter_map(|(place, rule)| match &rule.when {
                Condition::Learned(learned) => Some((place, learned)),
                _ => None,
            })
    }

    /// λ of each learned rule, in their order; where there are fewer, that of the first again.
    pub(super) fn lambdas(&self) -> [f64; MAX_LEARNED] {
        let mut of_rules = self.learned().map(|(place, _)| self.lambda(place));
        let first = of_rules.next().unwrap_or_default();
        std::array::from_fn(|place| match place {
            0 => first,
            _ => of_rules.next().unwrap_or(first),
        })
    }

    /// Hours of known use after which `rule`, which learns, speaks.
    pub fn learn_hours(&self, rule: &Rule) -> u32 {
        rule.learn_hours.unwrap_or(self.learn_hours)
    }

    /// The stages that the programme has, up to `last`.
    pub fn stages_until(&self, last: Stage) -> Stages {
        Stages::until(last, self.rules.iter().map(|rule| rule.stage))
    }

    /// Rules that say the same, and stages that are due before those that come first.
    fn stage_mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        for (place, rule) in self.rules.iter().enumerate() {
            let key = format!("rules[{place}]");
            let before = self.rules[..place].iter().find(|other| {
                let is_learned = |rule: &Rule| matches!(rule.when, Condition::Learned(_));
                let same = rule.when == other.when && rule.until_learned == other.until_learned;
                rule.stage == other.stage && (same || is_learned(rule) && is_learned(other))
            });
            if let Some(other) = before {
                let (name, stage) = (&rule.name, rule.stage.name());
                let message = format!(
                    "{name}: {} is a rule of the same kind for the same stage, {stage}",
                    other.name
                );
                mistakes.push(Mistake::new(&key, message));
            }
            for stage in Stage::ALL.into_iter().filter(|stage| *stage < rule.stage) {
                let earlier = || (0..self.rules.len()).filter(|other| self.rules[*other].stage == stage);
                // Where each rule of the earlier stage that can be compared is met later than this one.
                let is_no_later = |other: usize| self.is_met_with(other, place);
                let later = earlier().find(|other| self.is_met_with(place, *other));
                if let Some(other) = later.filter(|_| !earlier().any(is_no_later)) {
                    let message = format!(
                        "{}: asks for {} before {} asks for {}, which comes first",
                        rule.name,
                        rule.stage.name(),
                        self.rules[other].name,
                        stage.name()
                    );
                    mistakes.push(Mistake::new(&key, message));
                }
            }
        }
        mistakes
    }

    /// Whether the rule at `place` is met whenever the one at `other` is, as far as two rules of one form can tell.
    fn is_met_with(&self, place: usize, other: usize) -> bool {
        use Condition::{FewLitres, FewLitresADay, Learned, NoUse, OwnSpells, PerPerson};
        match (&self.rules[place].when, &self.rules[other].when) {
            (NoUse { hours }, NoUse { hours: more }) => hours <= more,
            (PerPerson { default_hours }, PerPerson { default_hours: more }) => default_hours <= more,
            (Learned(_), Learned(_)) => self.lambda(place) <= self.lambda(other),
            (
                FewLitres { below, hours, .. },
                FewLitres {
                    below: fewer,
                    hours: more,
                    ..
                },
            ) => below >= fewer && hours <= more,
            (FewLitresADay { below }, FewLitresADay { below: fewer }) => below >= fewer,
            (
                OwnSpells {
                    percent,
                    at_least_hours,
                },
                OwnSpells {
                    percent: more,
                    at_least_hours: longer,
                },
            ) => percent <= more && at_least_hours <= longer,
            _ => false,
        }
    }

    pub(super) fn mistakes(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.rules.len() > MAX_RULES {
            mistakes.push(Mistake::new(
                "rules",
                format!("{} rules; at most {MAX_RULES} are allowed", self.rules.len()),
            ));
        }
        for (index, rule) in self.rules.iter().enumerate() {
            let key = format!("rules[{index}]");
            mistakes.extend(
                rule.mistake()
                    .map(|message| Mistake::new(&key, format!("{}: {message}", rule.name))),
            );
            if self.rules[..index].iter().any(|other| other.name == rule.name) {
                mistakes.push(Mistake::new(
                    &key,
                    format!("the name {:?} is given to two rules", rule.name),
                ));
            }
        }
        mistakes.extend(self.stage_mistakes());
        mistakes.extend(self.budget_mistakes());
        mistakes.extend(self.harm.mistakes());
        if !self.rules.iter().any(Rule::is_learned) && self.rules.iter().any(|rule| rule.until_learned) {
            mistakes.push(Mistake::new(
                "rules",
                "a rule holds until_learned, but no rule of the programme is learned",
            ));
        }
        if !LEARN_HOURS.contains(&self.learn_hours) {
            mistakes.push(Mistake::new(
                "learn_hours",
                format!("{} is not between 24 and 1440", self.learn_hours),
            ));
        }
        mistakes
    }
}
