//! What every detector promises. `detect/tests.rs` holds all of them to it.

use std::fmt::Debug;

use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::met::Met;
use crate::home::{Interval, MeterEvent, Rhythm, Usage};
use crate::model::{
    Absence, AlertKind, AlertState, Circumstances, EventTime, Explanation, Finding, HOUR, Severity, Stage,
};

/// What a detector may look at.
#[derive(Clone, Copy)]
pub struct HomeView<'a> {
    /// What follows from the home's readings in order.
    pub usage: &'a Usage,
    /// The home's own time zone.
    pub time_zone: &'a TimeZone,
    /// When the meter heard from least recently last delivered a measured reading; `None` before the first.
    pub heard_at: Option<EventTime>,
    /// How often that meter delivers, as it has shown.
    pub rhythm: Rhythm,
    /// How many meters the home has in use.
    pub meters: usize,
    /// What is known of it from beside its readings.
    pub circumstances: Circumstances,
    /// The stream's time.
    pub now: EventTime,
}

impl HomeView<'_> {
    /// The start of the dry spell that goes on at the frontier, as far as a lack of water says something of the people:
    /// another sign of life, the end of an absence or the return of supply begins it anew. `None` while there is use,
    /// or while people are known to be away or without supply.
    pub fn dry_since(&self) -> Option<EventTime> {
        let frontier = self.usage.frontier();
        let since = self.usage.dry_since()?.max(self.excused_until());
        (since < frontier).then_some(since)
    }

    /// Until when a lack of water says nothing of the people.
    pub fn excused_until(&self) -> EventTime {
        self.excused_by(self.circumstances)
    }

    /// The same of a rule that was met at `met_at`: an outage takes nothing from what was met while there was water.
    pub fn excused_until_though_met(&self, met_at: EventTime) -> EventTime {
        let mut circumstances = self.circumstances;
        circumstances.outage = circumstances.outage.filter(|outage| outage.is_on_at(met_at));
        self.excused_by(circumstances)
    }

    fn excused_by(&self, mut circumstances: Circumstances) -> EventTime {
        circumstances.absence = circumstances.absence.filter(|absence| !self.is_cut_short(absence));
        circumstances.excused_until(self.usage.frontier())
    }

    /// Whether people have clearly come back within an absence, though nobody said so. From one whose end is not known, by
    /// use or any other sign of life; from one with an end, by two of them in different hours of one day: a neighbour may
    /// come in once.
    pub fn is_cut_short(&self, absence: &Absence) -> bool {
        let gone = absence.from.plus(LEAVING);
        let known = &self.circumstances;
        let is_within = |time: &EventTime| *time > gone && absence.to.is_none_or(|to| *time < to);
        let used = self.usage.last_sign().filter(is_within);
        let heard = [known.sign.map(|sign| sign.at), known.earlier_sign];
        // A use that ends with an hour was in it.
        let heard = [used.map(|end| end.minus(1))].into_iter().chain(heard);
        let mut seen: SmallVec<[u32; 4]> = heard.flatten().filter(is_within).map(EventTime::hour).collect();
        if absence.to.is_none() {
            return !seen.is_empty();
        }
        if let (Some(used), Some(to)) = (used, absence.to) {
            let routine = self.usage.routine();
            let end = routine.next_hour().min(to.hour()).min(used.hour() + 1);
            let start = routine.first_hour().max(gone.hour() + 1);
            seen.extend((start..end).filter(|hour| routine.used(*hour) == Some(true)));
        }
        seen.sort_unstable();
        seen.windows(2).any(|pair| (1..=24).contains(&(pair[1] - pair[0])))
    }
}

/// Who goes away may use water for so long after saying so, in seconds.
const LEAVING: u32 = 2 * HOUR;

/// An alert as it stands, for the words of its next record.
#[derive(Clone, Copy, Debug)]
pub struct OpenAlert<'a> {
    /// What it is about.
    pub kind: AlertKind,
    /// The rule that was met.
    pub rule: &'a str,
    /// When what is reported began.
    pub since: EventTime,
    /// When the rule was met.
    pub detected_at: EventTime,
    /// How much it matters.
    pub severity: Severity,
    /// What it asks for; none where its kind has no stages.
    pub stage: Option<Stage>,
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The setting's key, with dots.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Mistake {
    /// A mistake in the setting `key`.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }

    /// The same, seen from the table that holds it.
    pub fn below(self, table: &str) -> Self {
        Self {
            key: format!("{table}.{}", self.key),
            ..self
        }
    }
}

/// A detector: a pure function of a home's usage and of its own state.
///
/// 1. It says a level: `finding` is the same however often it is asked, and changes nothing.
/// 2. Only a measured stretch may begin or end a finding. A gap does neither, but for the finding that there are such gaps.
/// 3. `since ≤ detected_at ≤ home.now`, or the frontier where that is later.
/// 4. Equal intervals in equal order give equal states; a state read back from its bytes goes on as the original.
/// 5. Time alone changes what it says, and only at `next_deadline`; it never changes what it keeps.
/// 6. What is known of a home from beside its readings may take a finding back, and never makes one of a lack of water.
/// 7. Every record is explained in numbers and in both languages.
pub trait Detector {
    /// What it reports.
    const KIND: AlertKind;
    /// Its rules, as a programme states them.
    type Settings: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned;
    /// What it keeps of one home: a few bytes.
    type State: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned;

    /// Every mistake in the settings.
    fn mistakes(settings: &Self::Settings) -> Vec<Mistake>;
    /// A stretch of the home's time became known, or was given up; `home.usage` includes it.
    fn on_interval(settings: &Self::Settings, state: &mut Self::State, home: &HomeView<'_>, interval: &Interval);
    /// A meter did something that is no use of water, in a reading that ended at `at`.
    fn on_meter_event(_settings: &Self::Settings, _state: &mut Self::State, _event: MeterEvent, _at: EventTime) {}
    /// The time after which the passing of time alone may change the finding, not before `home.now`.
    fn next_deadline(_settings: &Self::Settings, _state: &Self::State, _home: &HomeView<'_>) -> Option<EventTime> {
        None
    }
    /// The rules by which it would speak if it had learnt this home: they are counted, and not said.
    fn shadow(_state: &Self::State) -> Met {
        Met::default()
    }
    /// Whether what `alert` tells of goes on, though no rule is met by what is known now: readings that come late change what
    /// is usual in a home, and whoever was told of somebody is not told that it was nothing while nothing has happened.
    fn goes_on(_settings: &Self::Settings, _home: &HomeView<'_>, _alert: &OpenAlert<'_>) -> bool {
        false
    }
    /// What it says now.
    fn finding(settings: &Self::Settings, state: &Self::State, home: &HomeView<'_>) -> Option<Finding>;
    /// Why, in numbers and words, for a record in state `state` of `alert`.
    fn explain(
        settings: &Self::Settings,
        state: &Self::State,
        home: &HomeView<'_>,
        alert: &OpenAlert<'_>,
        record: AlertState,
    ) -> Explanation;
}
