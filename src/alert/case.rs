//! The life of an alert: raised, updated, resolved.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{AlertState, EventTime, Finding, Severity, Stage};

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
}

/// A record to be written, and the case as it stands with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// What the record says.
    pub state: AlertState,
    /// The case with that record.
    pub case: Case,
}

/// Compares what was said with what holds: the records to write, in order.
///
/// Level-triggered: saying the same again writes nothing, and what no longer holds is resolved, whatever was missed in
/// between. An open case is updated when it becomes graver, or when late readings show that it began earlier. A finding
/// that began later is another episode: the old one is resolved and a new one raised.
pub fn decide(case: Option<&Case>, finding: Option<&Finding>) -> Vec<Transition> {
    let open = case.filter(|case| case.open);
    match (open, finding) {
        (None, None) => Vec::new(),
        (Some(case), None) => vec![resolve(case)],
        (None, Some(finding)) => vec![raise(case, finding)],
        (Some(case), Some(finding)) if finding.since > case.since => {
            let resolved = resolve(case);
            let raised = raise(Some(&resolved.case), finding);
            vec![resolved, raised]
        }
        (Some(case), Some(finding)) if finding.severity > case.severity || finding.since < case.since => {
            let case = Case {
                since: finding.since,
                detected_at: finding.detected_at,
                severity: finding.severity.max(case.severity),
                rule: finding.rule.clone(),
                stage: finding.stage.max(case.stage),
                revision: case.revision + 1,
                ..case.clone()
            };
            vec![Transition {
                state: AlertState::Updated,
                case,
            }]
        }
        (Some(_), Some(_)) => Vec::new(),
    }
}

fn resolve(case: &Case) -> Transition {
    let case = Case {
        open: false,
        revision: case.revision + 1,
        ..case.clone()
    };
    Transition {
        state: AlertState::Resolved,
        case,
    }
}

fn raise(last: Option<&Case>, finding: &Finding) -> Transition {
    // The same episode again (corrected, then corrected back), or one that late readings put before the last: it goes on
    // under the last id, so that identities only move forward and no record's id is used twice.
    let before = last.filter(|case| case.identity_since >= finding.since);
    let case = Case {
        open: true,
        identity_since: before.map_or(finding.since, |case| case.identity_since),
        since: finding.since,
        detected_at: finding.detected_at,
        severity: finding.severity,
        rule: finding.rule.clone(),
        stage: finding.stage,
        revision: before.map_or(0, |case| case.revision) + 1,
    };
    Transition {
        state: AlertState::Raised,
        case,
    }
}
