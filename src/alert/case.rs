//! The life of an alert: raised, updated, escalated, acknowledged, resolved.

use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::policy::PolicySettings;
use crate::model::{AlertKind, AlertState, EventTime, Finding, HOUR, NextCall, Response, Severity, Stage, Stages};

/// Two messages of one kind lie at least so many seconds apart: readings that come late may move the moment of the
/// last one, and it is not said again for that.
const MESSAGE_DISTANCE: u32 = 4 * HOUR;

/// What was last said of one kind of alert on one home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Whether it is open.
    pub open: bool,
    /// The start that its id is derived from.
    pub identity_since: EventTime,
    /// The start as it is known now; late readings may move it back.
    pub since: EventTime,
    /// When the rule was met.
    pub detected_at: EventTime,
    /// How much it matters.
    pub severity: Severity,
    /// The rule that was met.
    pub rule: Arc<str>,
    /// What it asks for; none where its kind has no stages.
    pub stage: Option<Stage>,
    /// The number of the last record.
    pub revision: u32,
    /// The last response; an outcome that ended it keeps the same episode from being raised again.
    pub response: Option<Response>,
    /// The step of the ladder that comes next.
    pub step: u8,
    /// When that step is due; zero when nobody is to be told.
    pub next_at: EventTime,
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
            revision: 1,
            response: None,
            step: 0,
            next_at: EventTime::ZERO,
        }
    }
}

/// A record to be written, and the case as it stands with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// What the record says.
    pub state: AlertState,
    /// The case with that record.
    pub case: Case,
    /// Who is to be told with this record.
    pub contact: Option<Arc<str>>,
}

/// A response that does not go with what is known of the alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The alert is over.
    #[error("the alert is over")]
    Over,
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
    /// The stream's time.
    pub now: EventTime,
}

impl Care<'_> {
    /// Compares what was said with what holds: the records to write, in order.
    ///
    /// Level-triggered: saying the same again writes nothing, and what no longer holds is resolved, whatever was missed
    /// in between. An open case is escalated when it reaches a later stage, and updated when it becomes graver or when
    /// late readings show that it began earlier. A finding that began later is another episode: the old one is resolved
    /// and a new one raised. An episode that an outcome has ended is raised again only when it becomes graver.
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
            (Some(case), None) => vec![resolve(case, None)],
            (None, Some(finding)) if case.is_some_and(|case| case.is_settled(finding)) => Vec::new(),
            (None, Some(finding)) => vec![self.raise(case, finding)],
            (Some(case), Some(finding)) if finding.since > case.since => {
                let resolved = resolve(case, None);
                let raised = self.raise(Some(&resolved.case), finding);
                vec![resolved, raised]
            }
            (Some(case), Some(finding)) if case.is_graver(finding) || finding.since < case.since => {
                vec![self.change(case, finding)]
            }
            (Some(_), Some(_)) => Vec::new(),
        }
    }

    /// The next step of the ladder, if it is due before `now` and nobody has acknowledged the alert.
    pub fn escalate(&self, case: &Case) -> Option<Transition> {
        if !case.open || case.next_at == EventTime::ZERO || case.next_at >= self.now {
            return None;
        }
        let mut case = Case {
            revision: case.revision + 1,
            ..case.clone()
        };
        let contact = self.tell(&mut case)?;
        Some(Transition {
            state: AlertState::Escalated,
            case,
            contact: Some(contact),
        })
    }

    /// Takes in what somebody did or found.
    ///
    /// # Errors
    /// [`Contradiction`] when it does not go with the state of the alert, which stays as it is.
    pub fn respond(&self, case: &Case, response: Response) -> Result<Transition, Contradiction> {
        match (case.open, response) {
            (false, _) => Err(Contradiction::Over),
            (true, Response::Acknowledged) if case.response == Some(Response::Acknowledged) => {
                Err(Contradiction::AcknowledgedAlready)
            }
            (true, Response::Acknowledged) => Ok(Transition {
                state: AlertState::Acknowledged,
                case: Case {
                    revision: case.revision + 1,
                    response: Some(response),
                    next_at: EventTime::ZERO,
                    ..case.clone()
                },
                contact: None,
            }),
            (true, outcome) => Ok(resolve(case, Some(outcome))),
        }
    }

    /// Who is told next, if nobody acknowledges the alert.
    pub fn next(&self, case: &Case) -> Option<NextCall> {
        if !case.open || case.next_at == EventTime::ZERO {
            return None;
        }
        self.policy.next_call(case.step, case.next_at, self.time_zone)
    }

    fn raise(&self, last: Option<&Case>, finding: &Finding) -> Transition {
        // The same episode again (corrected, then corrected back), or one that late readings put before the last: it
        // goes on under the last id, so that identities only move forward and no record's id is used twice.
        let before = last.filter(|case| case.identity_since >= finding.since);
        let mut case = Case {
            open: true,
            identity_since: before.map_or(finding.since, |case| case.identity_since),
            since: finding.since,
            detected_at: finding.detected_at,
            severity: finding.severity,
            rule: finding.rule.clone(),
            stage: finding.stages.and_then(Stages::last),
            revision: before.map_or(0, |case| case.revision) + 1,
            response: None,
            step: 0,
            next_at: EventTime::ZERO,
        };
        let mut contact = None;
        if self.policy.calls_for(self.kind) {
            case.next_at = self.policy.due(0, self.now).unwrap_or(EventTime::ZERO);
            if case.next_at == self.now {
                contact = self.tell(&mut case);
            }
        }
        Transition {
            state: AlertState::Raised,
            case,
            contact,
        }
    }

    fn change(&self, case: &Case, finding: &Finding) -> Transition {
        let due = finding.stages.and_then(Stages::last);
        let later = due > case.stage;
        let case = Case {
            since: finding.since,
            detected_at: finding.detected_at,
            severity: finding.severity.max(case.severity),
            rule: finding.rule.clone(),
            stage: due.max(case.stage),
            revision: case.revision + 1,
            ..case.clone()
        };
        Transition {
            state: if later {
                AlertState::Escalated
            } else {
                AlertState::Updated
            },
            case,
            contact: None,
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
        let at = case.next_at;
        let told = self.policy.told(case.step, at, self.time_zone);
        let (contact, next) = match told {
            Some((contact, next)) => (Some(contact), next),
            None => (None, case.step),
        };
        case.step = next;
        // A step without delay right behind another is told in the next record, a moment later.
        case.next_at = self.policy.due(next, at).unwrap_or(EventTime::ZERO);
        if contact.is_none() {
            case.next_at = EventTime::ZERO;
        }
        contact
    }
}

impl Case {
    /// The record that ends it, because nothing more is to be known of its home.
    pub fn end(&self) -> Transition {
        resolve(self, None)
    }

    fn is_graver(&self, finding: &Finding) -> bool {
        finding.severity > self.severity || finding.stages.and_then(Stages::last) > self.stage
    }

    /// Whether an outcome has ended the episode that the finding goes on with.
    fn is_settled(&self, finding: &Finding) -> bool {
        self.response.is_some_and(|response| response != Response::Acknowledged)
            && finding.since <= self.since
            && !self.is_graver(finding)
    }
}

fn resolve(case: &Case, outcome: Option<Response>) -> Transition {
    let case = Case {
        open: false,
        revision: case.revision + 1,
        response: outcome,
        next_at: EventTime::ZERO,
        ..case.clone()
    };
    Transition {
        state: AlertState::Resolved,
        case,
        contact: None,
    }
}
