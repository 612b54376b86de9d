//! The life of an alert: raised, updated, escalated, acknowledged, resolved. `docs/alerts.md` tells it whole.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::policy::PolicySettings;
use crate::model::{
    AlertKind, AlertState, DAY, EventTime, Finding, HOUR, MINUTE, NextCall, Response, Severity, Stage, Stages,
};

/// Two messages of one kind lie at least so many seconds apart: readings that come late may move the moment of the
/// last one, and it is not said again for that.
const MESSAGE_DISTANCE: u32 = 4 * HOUR;

/// So long after an alert has ended of itself an outcome is still taken, in seconds.
const OUTCOME_WITHIN: u32 = 7 * DAY;

/// What was last said of one kind of alert on one home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Whether it is open.
    pub open: bool,
    /// The start that its id is derived from.
    pub identity_since: EventTime,
    /// The start as it is known now; late readings may move it.
    pub since: EventTime,
    /// When the rule was met.
    pub detected_at: EventTime,
    /// How much it matters.
    pub severity: Severity,
    /// The rule that was met.
    pub rule: Arc<str>,
    /// What it asks for; none where its kind has no stages.
    pub stage: Option<Stage>,
    /// When it came to that stage: from then on it waits for an answer.
    pub staged_at: EventTime,
    /// The number of the last record.
    pub revision: u32,
    /// That somebody has taken it on, or the outcome; an outcome keeps the same episode from being raised again.
    pub response: Option<Response>,
    /// The step of the ladder that comes next.
    pub step: u8,
    /// When that step is due, or when an acknowledgement without an outcome counts no more; zero for never.
    pub next_at: EventTime,
    /// When the last record was decided.
    pub decided_at: EventTime,
}

impl Case {
    /// A message that was said about `since`: over, with nothing to wait for.
    pub fn message(since: EventTime) -> Self {
        Self {
            open: false,
            identity_since: since,
            since,
            detected_at: since,
            severity: Severity::Low,
            rule: Arc::default(),
            stage: None,
            staged_at: EventTime::ZERO,
            revision: 1,
            response: None,
            step: 0,
            next_at: EventTime::ZERO,
            decided_at: since,
        }
    }
}

/// A record to be written, and the case as it stands with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// What the record says.
    pub state: AlertState,
    /// What it follows from.
    pub cause: Cause,
    /// The case with that record.
    pub case: Case,
    /// Who is to be told with this record.
    pub contact: Option<Arc<str>>,
}

/// What a record follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What the detector says.
    Finding,
    /// The same, because readings that came late changed what was known.
    LateReadings,
    /// No answer came to the stage before.
    NoAnswer,
    /// A later stage is due though somebody has acknowledged it: it has become graver.
    Graver,
    /// Nobody has acknowledged it.
    NotAcknowledged,
    /// Somebody acknowledged it, and no outcome came.
    NoOutcome,
    /// What somebody did or found.
    Response,
}

/// What made somebody look at a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A reading in its turn.
    Reading,
    /// A reading that came late: what it changes was not known before.
    LateReading,
    /// A deadline that passed.
    Time,
    /// Something from beside the readings.
    Beside,
}

/// A response that does not go with what is known of the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The alert is over, and what ended it was no outcome, or an outcome long ago.
    #[error("the alert is over")]
    Over,
    /// The same outcome was told already.
    #[error("this outcome is known already")]
    KnownAlready,
    /// Another outcome was told already.
    #[error("the alert has the outcome {} already", .0.name())]
    OtherOutcome(Response),
    /// Somebody has acknowledged it already.
    #[error("the alert has been acknowledged already")]
    AcknowledgedAlready,
}

/// What the life of an alert depends on besides the finding.
#[derive(Clone, Copy)]
pub struct Care<'a> {
    /// What the alert is about.
    pub kind: AlertKind,
    /// The programme's policy.
    pub policy: &'a PolicySettings,
    /// The home's time zone, for duty hours.
    pub time_zone: &'a TimeZone,
    /// The stream's time: that of the records.
    pub now: EventTime,
    /// What made us look.
    pub occasion: Occasion,
    /// Whether another alert of the home has people told in its place.
    pub is_muted: bool,
}

impl Care<'_> {
    /// Compares what was said with what holds: the records to write, in order.
    ///
    /// Level-triggered: saying the same again writes nothing, and what no longer holds is resolved, whatever was missed
    /// in between. An open case goes on to the next stage that is due when the one before had time for an answer; it is
    /// updated when it becomes graver, or when it turns out that it began at another time. One that began after the last
    /// was found, by readings in their turn, is another: the old one is resolved and a new one raised. An episode that
    /// an outcome has ended is raised again only when it becomes graver.
    pub fn decide(&self, case: Option<&Case>, finding: Option<&Finding>) -> Vec<Transition> {
        if self.kind.is_message() {
            return finding
                .and_then(|finding| self.message(case, finding))
                .into_iter()
                .collect();
        }
        let open = case.filter(|case| case.open);
        match (open, finding) {
            (None, None) => Vec::new(),
            (Some(case), None) => vec![self.resolve(case, None)],
            (None, Some(finding)) if case.is_some_and(|case| case.is_settled(finding)) => Vec::new(),
            (None, Some(finding)) => vec![self.raise(case, finding)],
            (Some(case), Some(finding)) if self.is_another(case, finding) => {
                let resolved = self.resolve(case, None);
                let raised = self.raise(Some(&resolved.case), finding);
                vec![resolved, raised]
            }
            (Some(case), Some(finding)) => self.change(case, finding).into_iter().collect(),
        }
    }

    /// The next step of the ladder, if it is due and nobody has acknowledged the alert.
    pub fn escalate(&self, case: &Case) -> Option<Transition> {
        let is_due = case.next_at > EventTime::ZERO && case.next_at <= self.now;
        if !case.open || !is_due || self.is_muted || case.is_acknowledged() {
            return None;
        }
        let mut case = self.next_record(case);
        let contact = self.tell(&mut case)?;
        Some(Transition {
            state: AlertState::Escalated,
            cause: Cause::NotAcknowledged,
            case,
            contact: Some(contact),
        })
    }

    /// Takes in what somebody did or found. An outcome is also taken for some days after the alert has ended of itself:
    /// only outcomes say whether it was right.
    ///
    /// # Errors
    /// [`Contradiction`] when it does not go with the state of the alert, which stays as it is.
    pub fn respond(&self, case: &Case, response: Response) -> Result<Transition, Contradiction> {
        let is_taking_on = response == Response::Acknowledged;
        if case.open && is_taking_on && case.is_acknowledged() {
            return Err(Contradiction::AcknowledgedAlready);
        }
        if case.open && is_taking_on {
            let mut case = self.next_record(case);
            case.response = Some(response);
            case.next_at = if self.policy.is_urgent(self.kind) {
                self.now.plus(self.policy.acknowledged_hours.saturating_mul(HOUR))
            } else {
                EventTime::ZERO
            };
            return Ok(Transition {
                state: AlertState::Acknowledged,
                cause: Cause::Response,
                case,
                contact: None,
            });
        }
        match case.response {
            _ if case.open => {}
            Some(known) if known == response => return Err(Contradiction::KnownAlready),
            Some(known) if !is_taking_on => return Err(Contradiction::OtherOutcome(known)),
            None if !is_taking_on && !self.kind.is_message() && self.now <= case.decided_at.plus(OUTCOME_WITHIN) => {}
            _ => return Err(Contradiction::Over),
        }
        Ok(self.resolve(case, Some(response)))
    }

    /// Who is told next, if nobody acknowledges the alert, or if no outcome follows where somebody has.
    pub fn next(&self, case: &Case) -> Option<NextCall> {
        if !case.open || case.next_at == EventTime::ZERO || self.is_muted || !self.policy.calls_for(self.kind) {
            return None;
        }
        let step = if case.is_acknowledged() {
            self.step_after_silence(case)
        } else {
            case.step
        };
        self.policy.next_call(step, case.next_at, self.time_zone)
    }

    /// When time alone may next change what is said of the case; not before `from`.
    pub fn timer(&self, case: &Case, from: EventTime) -> Option<EventTime> {
        if !case.open || self.is_muted {
            return None;
        }
        let answer = self.answer_due(case).filter(|_| !case.is_acknowledged());
        let next = Some(case.next_at).filter(|at| *at > EventTime::ZERO);
        answer.into_iter().chain(next).filter(|at| *at >= from).min()
    }

    /// Whether what is found is not what was reported, but something that came after it.
    fn is_another(&self, case: &Case, finding: &Finding) -> bool {
        self.is_in_turn() && finding.since > case.since && finding.since >= case.detected_at
    }

    /// Whether nothing but time has gone on since the home was looked at.
    fn is_in_turn(&self) -> bool {
        matches!(self.occasion, Occasion::Reading | Occasion::Time)
    }

    fn raise(&self, last: Option<&Case>, finding: &Finding) -> Transition {
        // The same episode again (corrected, then corrected back), or one that late readings put before the last: it
        // goes on under the last id, so that identities only move forward and no record's id is used twice.
        let before = last.filter(|case| case.since.max(case.identity_since) >= finding.since);
        let mut case = Case {
            open: true,
            identity_since: before.map_or(finding.since, |case| case.identity_since),
            since: finding.since,
            detected_at: finding.detected_at,
            severity: finding.severity,
            rule: finding.rule.clone(),
            stage: finding.stages.and_then(Stages::first),
            staged_at: self.now,
            revision: before.map_or(0, |case| case.revision) + 1,
            response: None,
            step: 0,
            next_at: EventTime::ZERO,
            decided_at: self.now,
        };
        let mut contact = None;
        if self.policy.calls_for(self.kind) {
            case.next_at = self.policy.due(0, self.now).unwrap_or(EventTime::ZERO);
            if case.next_at == self.now && !self.is_muted {
                contact = self.tell(&mut case);
            }
        }
        Transition {
            state: AlertState::Raised,
            cause: self.found(before.is_some()),
            case,
            contact,
        }
    }

    /// What changes of an open case, if anything does.
    fn change(&self, case: &Case, finding: &Finding) -> Option<Transition> {
        let is_graver = finding.severity > case.severity;
        let has_moved = finding.since != case.since;
        let is_anew = finding.anew_at > Some(case.detected_at);
        let is_expired = case.is_acknowledged() && case.next_at > EventTime::ZERO && case.next_at <= self.now;
        // Whoever has taken it on is not troubled with more of the same.
        let is_held = case.is_acknowledged() && !is_expired;
        let stage = self.due_stage(case, finding).filter(|_| !is_held || is_graver);
        if !is_graver && !has_moved && !is_expired && stage.is_none() && (!is_anew || is_held) {
            return None;
        }
        let is_same_rule = finding.rule == case.rule && !has_moved;
        let mut new = Case {
            since: finding.since,
            // That more rules were met since says nothing new of this one.
            detected_at: if let Some(anew_at) = finding.anew_at.filter(|_| is_anew) {
                anew_at
            } else if is_same_rule {
                case.detected_at
            } else {
                // With what was new of it before, which is told by this.
                finding.detected_at.max(finding.anew_at.unwrap_or_default())
            },
            // What is learnt late, or from beside, to have begun at another time is as grave as if that had been known: a rule may
            // never have been met.
            severity: if !self.is_in_turn() && has_moved {
                finding.severity
            } else {
                finding.severity.max(case.severity)
            },
            rule: finding.rule.clone(),
            ..self.next_record(case)
        };
        if let Some(stage) = stage {
            (new.stage, new.staged_at) = (Some(stage), self.now);
        }
        let mut contact = None;
        if is_expired || is_held && is_graver {
            (new.step, new.response, new.next_at) = (self.step_after_silence(case), None, EventTime::ZERO);
            if self.policy.calls_for(self.kind) && !self.is_muted {
                contact = self.tell(&mut new);
            }
        }
        let escalates = stage.is_some() || is_expired || contact.is_some();
        Some(Transition {
            state: if escalates {
                AlertState::Escalated
            } else {
                AlertState::Updated
            },
            cause: match stage {
                // An acknowledgement was an answer.
                Some(_) if is_held => Cause::Graver,
                Some(_) if is_expired => Cause::NoOutcome,
                Some(_) => Cause::NoAnswer,
                None if is_expired => Cause::NoOutcome,
                None => self.found(has_moved),
            },
            case: new,
            contact,
        })
    }

    /// What a finding is the cause of, that may be another than the one before.
    fn found(&self, is_other: bool) -> Cause {
        if is_other && self.occasion == Occasion::LateReading {
            Cause::LateReadings
        } else {
            Cause::Finding
        }
    }

    /// The stage after that of the case, if its rule is met and the one before has had its time.
    fn due_stage(&self, case: &Case, finding: &Finding) -> Option<Stage> {
        let due = finding.stages?;
        let Some(stage) = case.stage else {
            return due.first();
        };
        self.answer_due(case).filter(|at| *at <= self.now)?;
        due.after(stage)
    }

    /// Until when the stage of a case waits for an answer; none for the last of all.
    fn answer_due(&self, case: &Case) -> Option<EventTime> {
        let minutes = self.policy.answer_minutes.of(case.stage?)?;
        Some(case.staged_at.plus(minutes.saturating_mul(MINUTE)))
    }

    /// The step of the ladder that follows when whoever acknowledged an alert was not heard of again: the next, and after
    /// the last the first.
    fn step_after_silence(&self, case: &Case) -> u8 {
        if usize::from(case.step) < self.policy.ladder.len() {
            case.step
        } else {
            0
        }
    }

    /// A message is said once for each `since`, and is over with that.
    fn message(&self, last: Option<&Case>, finding: &Finding) -> Option<Transition> {
        if last.is_some_and(|last| finding.since < last.identity_since.plus(MESSAGE_DISTANCE)) {
            return None;
        }
        let mut raised = self.raise(None, finding);
        raised.case.open = false;
        Some(raised)
    }

    /// Tells the contact whose step is due, and works out the one after it.
    fn tell(&self, case: &mut Case) -> Option<Arc<str>> {
        let told = self.policy.told(case.step, self.now, self.time_zone);
        let (contact, next) = match told {
            Some((contact, next)) => (Some(contact), next),
            None => (None, case.step),
        };
        case.step = next;
        // A step without delay right behind another is told in the next record, a moment later.
        case.next_at = self.policy.due(next, self.now).unwrap_or(EventTime::ZERO);
        if contact.is_none() {
            case.next_at = EventTime::ZERO;
        }
        contact
    }

    /// The record that ends a case: with an outcome, or because it holds no more.
    pub fn resolve(&self, case: &Case, outcome: Option<Response>) -> Transition {
        let case = Case {
            open: false,
            response: outcome,
            next_at: EventTime::ZERO,
            ..self.next_record(case)
        };
        Transition {
            state: AlertState::Resolved,
            cause: outcome.map_or(Cause::Finding, |_| Cause::Response),
            case,
            contact: None,
        }
    }

    fn next_record(&self, case: &Case) -> Case {
        Case {
            revision: case.revision + 1,
            decided_at: self.now,
            ..case.clone()
        }
    }
}

impl Case {
    /// Whether somebody has taken it on.
    pub fn is_acknowledged(&self) -> bool {
        self.open && self.response == Some(Response::Acknowledged)
    }

    /// Whether an outcome has ended the episode that the finding goes on with.
    fn is_settled(&self, finding: &Finding) -> bool {
        self.response.is_some_and(|response| response != Response::Acknowledged)
            && finding.since <= self.since
            && finding.severity <= self.severity
    }
}
