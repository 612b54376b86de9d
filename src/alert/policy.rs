//! What a programme wants done with what the detectors say.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::model::{AlertKind, Band, EventTime, MINUTE, NextCall, SignKind, Stage, Weekday};

/// The policy of a programme.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    /// Contacts, in the order in which they are told while nobody acknowledges an alert. tapwatch names them in its
    /// records; whoever reads those does the telling.
    pub ladder: Vec<LadderStep>,
    /// The kinds of alerts that go up the ladder.
    pub ladder_kinds: Vec<AlertKind>,
    /// How long each stage waits for an answer before the next may begin.
    pub answer_minutes: AnswerMinutes,
    /// Hours for which an acknowledgement keeps an alert of these kinds quiet, if no outcome follows.
    pub acknowledged_hours: u32,
    /// Which other signs of life end a dry spell.
    pub signs: SignSettings,
    /// The daily list of homes to visit.
    pub visit_list: VisitListSettings,
}

/// A contact and when it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderStep {
    /// Who: a name that means something to the subscribers, such as `family` or `warden`. No person's name.
    pub contact: Arc<str>,
    /// Minutes without acknowledgement after the step before, or after the alert was raised.
    #[serde(default)]
    pub after_minutes: u32,
    /// The hours of the local day in which they can be told; at others the next who is on duty is told instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty: Option<Band>,
    /// The days of the week on which they can be told; all seven if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duty_days: Vec<Weekday>,
}

/// How long a stage waits for an answer, in minutes from when it was decided, by the stream's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnswerMinutes {
    /// Of the person.
    pub ask: u32,
    /// Of a contact.
    pub contact: u32,
}

impl AnswerMinutes {
    /// That of a stage; none for the last, which nothing follows.
    pub fn of(self, stage: Stage) -> Option<u32> {
        match stage {
            Stage::Ask => Some(self.ask),
            Stage::Contact => Some(self.contact),
            Stage::Visit => None,
        }
    }
}

impl Default for AnswerMinutes {
    fn default() -> Self {
        Self { ask: 30, contact: 60 }
    }
}

/// Which other signs of life end a dry spell. What the person is known to have said (`back`, the outcome `safe`) ends it
/// in any case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignSettings {
    /// Those that end it; others are taken in and change nothing.
    pub end: Vec<SignKind>,
    /// Those after which a lack of water says nothing for a while.
    pub suspend: Vec<SignKind>,
    /// How long that is, in hours.
    pub suspend_hours: u32,
}

/// The daily list of homes to visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VisitListSettings {
    /// Whether it is made.
    pub enabled: bool,
    /// The local hour at which it is made, by the clock of the settings' time zone.
    pub at_hour: u8,
    /// The most homes in the list of one partition.
    pub at_most: u32,
    /// Homes dry for at least so many hours are on it, behind those with open alerts and silent meters; 0 for none.
    pub dry_hours: u32,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self {
            ladder: Vec::new(),
            ladder_kinds: vec![AlertKind::Inactivity, AlertKind::ProlongedDraw, AlertKind::NoReturn],
            answer_minutes: AnswerMinutes::default(),
            acknowledged_hours: 12,
            signs: SignSettings::default(),
            visit_list: VisitListSettings::default(),
        }
    }
}

impl Default for SignSettings {
    fn default() -> Self {
        Self {
            end: SignKind::ALL.to_vec(),
            suspend: Vec::new(),
            suspend_hours: 4,
        }
    }
}

impl Default for VisitListSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            at_hour: 7,
            at_most: 1_000,
            dry_hours: 12,
        }
    }
}

/// The most contacts on a ladder: which was told last is kept in a byte.
const MAX_STEPS: usize = 32;

impl PolicySettings {
    /// Every mistake in the settings: key and message.
    pub fn mistakes(&self) -> Vec<(String, String)> {
        let mut mistakes = Vec::new();
        if self.ladder.len() > MAX_STEPS {
            let message = format!("{} contacts; at most {MAX_STEPS} are allowed", self.ladder.len());
            mistakes.push(("ladder".to_owned(), message));
        }
        if !self.ladder.is_empty() && self.ladder_kinds.is_empty() {
            let message = "there is none: nobody on the ladder would be told";
            mistakes.push(("ladder_kinds".to_owned(), message.to_owned()));
        }
        if self.ladder_kinds.contains(&AlertKind::AreaOutage) {
            let message = "area_outage is of no home, and nobody on a home's ladder is told of it: subscribe to the topic of area alerts";
            mistakes.push(("ladder_kinds".to_owned(), message.to_owned()));
        }
        for (place, step) in self.ladder.iter().enumerate() {
            let key = format!("ladder[{place}]");
            if step.contact.trim().is_empty() {
                mistakes.push((format!("{key}.contact"), "the contact has no name".to_owned()));
            }
            let days = &step.duty_days;
            if days.iter().enumerate().any(|(place, day)| days[..place].contains(day)) {
                mistakes.push((format!("{key}.duty_days"), "has a day twice".to_owned()));
            }
            if step.after_minutes > 7 * 24 * 60 {
                let message = format!("{} is more than a week", step.after_minutes);
                mistakes.push((format!("{key}.after_minutes"), message));
            }
        }
        for (key, minutes) in [
            ("ask", self.answer_minutes.ask),
            ("contact", self.answer_minutes.contact),
        ] {
            if !(1..=24 * 60).contains(&minutes) {
                let message = format!("{minutes} is not between 1 and 1440");
                mistakes.push((format!("answer_minutes.{key}"), message));
            }
        }
        if !(1..=7 * 24).contains(&self.acknowledged_hours) {
            let message = format!("{} is not between 1 and 168", self.acknowledged_hours);
            mistakes.push(("acknowledged_hours".to_owned(), message));
        }
        if self.signs.suspend_hours > 24 * 14 {
            let message = format!("{} is more than 336 hours", self.signs.suspend_hours);
            mistakes.push(("signs.suspend_hours".to_owned(), message));
        }
        if self.visit_list.at_hour > 23 {
            let message = format!("{} is no hour of the day, 0 to 23", self.visit_list.at_hour);
            mistakes.push(("visit_list.at_hour".to_owned(), message));
        }
        if !(1..=100_000).contains(&self.visit_list.at_most) {
            let message = format!("{} is not between 1 and 100000", self.visit_list.at_most);
            mistakes.push(("visit_list.at_most".to_owned(), message));
        }
        mistakes
    }

    /// The contact to be told from step `from` on, when the clock stands at `moment`: the first on duty, or the last of
    /// all where none is, because somebody must be told. Its place on the ladder; `None` at the ladder's end.
    fn on_duty(&self, from: usize, moment: EventTime, zone: &TimeZone) -> Option<usize> {
        let rest = self.ladder.get(from..).filter(|rest| !rest.is_empty())?;
        let is_on = |step: &LadderStep| {
            let is_a_day = step.duty_days.is_empty() || step.duty_days.contains(&Weekday::of(moment, zone));
            is_a_day && step.duty.is_none_or(|duty| duty.holds(moment, zone))
        };
        let place = rest.iter().position(is_on).unwrap_or(rest.len() - 1);
        Some(from + place)
    }

    /// Whether alerts of a kind go up the ladder, if there is one.
    pub fn is_urgent(&self, kind: AlertKind) -> bool {
        self.ladder_kinds.contains(&kind)
    }

    /// Whether alerts of a kind go up the ladder.
    pub fn calls_for(&self, kind: AlertKind) -> bool {
        !self.ladder.is_empty() && self.is_urgent(kind)
    }

    /// When the contact at step `from` is due, if the step before was taken at `moment`.
    pub(super) fn due(&self, from: u8, moment: EventTime) -> Option<EventTime> {
        let step = self.ladder.get(usize::from(from))?;
        Some(moment.plus(step.after_minutes.saturating_mul(MINUTE)))
    }

    /// The contact that is told at `moment`, when the ladder is at step `from`, and the step after it.
    pub(super) fn told(&self, from: u8, moment: EventTime, zone: &TimeZone) -> Option<(Arc<str>, u8)> {
        let place = self.on_duty(usize::from(from), moment, zone)?;
        let after = u8::try_from(place + 1).ok()?;
        Some((Arc::clone(&self.ladder[place].contact), after))
    }

    /// Who is told next, and when, when the ladder stands before step `from` and that is due at `at`.
    pub fn next_call(&self, from: u8, at: EventTime, zone: &TimeZone) -> Option<NextCall> {
        let (contact, _) = self.told(from, at, zone)?;
        Some(NextCall { contact, at })
    }
}
