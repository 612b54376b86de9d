use proptest::prelude::*;

use super::*;
use crate::model::{AlertKind, AlertState, EventTime, Finding, Severity};

fn finding(since: u32, severity: Severity) -> Finding {
    let since = EventTime::from_seconds(since);
    Finding {
        since,
        detected_at: since.plus(10),
        severity,
        rule: "rule".into(),
        stage: None,
    }
}

fn states(case: &mut Option<Case>, finding: Option<&Finding>) -> Vec<(AlertState, u32)> {
    let transitions = decide(case.as_ref(), finding);
    if let Some(last) = transitions.last() {
        *case = Some(last.case.clone());
    }
    transitions.iter().map(|t| (t.state, t.case.revision)).collect()
}

#[test]
fn an_episode_is_raised_updated_and_resolved_once() {
    let mut case = None;
    let (high, critical) = (finding(100, Severity::High), finding(100, Severity::Critical));
    assert_eq!(states(&mut case, None), []);
    assert_eq!(states(&mut case, Some(&high)), [(AlertState::Raised, 1)]);
    assert_eq!(states(&mut case, Some(&high)), []);
    assert_eq!(states(&mut case, Some(&critical)), [(AlertState::Updated, 2)]);
    assert_eq!(states(&mut case, Some(&high)), []);
    assert_eq!(states(&mut case, None), [(AlertState::Resolved, 3)]);
    assert_eq!(states(&mut case, None), []);
    // The same episode again goes on counting; another begins at 1.
    assert_eq!(states(&mut case, Some(&high)), [(AlertState::Raised, 4)]);
    assert_eq!(
        states(&mut case, Some(&finding(500, Severity::High))),
        [(AlertState::Resolved, 5), (AlertState::Raised, 1)]
    );
    assert_eq!(
        states(&mut case, Some(&finding(400, Severity::High))),
        [(AlertState::Updated, 2)]
    );
}

#[test]
fn ids_are_stable_and_apart() {
    let since = EventTime::from_seconds(1_700_000_000);
    let id = alert_id("h1", AlertKind::Inactivity, since);
    assert_eq!(id, "90f41edc-4bd0-514f-8f4d-a944ca1ebd39");
    assert_ne!(id, alert_id("h2", AlertKind::Inactivity, since));
    assert_ne!(id, alert_id("h1", AlertKind::Leak, since));
    assert_ne!(id, alert_id("h1", AlertKind::Inactivity, since.plus(1)));
}

proptest! {
    /// However findings come and go: raised and resolved alternate, revisions of one id never repeat, and what is
    /// open at the end is what holds.
    #[test]
    fn no_sequence_of_findings_leaves_a_case_open_or_doubles_a_record(
        steps in prop::collection::vec(prop::option::of((0u32..6, 0u8..3)), 0..60)
    ) {
        let mut case: Option<Case> = None;
        let mut open = false;
        let mut seen = std::collections::BTreeSet::new();
        for step in steps {
            let severity = |s| [Severity::Low, Severity::High, Severity::Critical][s as usize];
            let finding = step.map(|(since, s)| finding(since * 100 + 100, severity(s)));
            for transition in decide(case.as_ref(), finding.as_ref()) {
                prop_assert_eq!(transition.state != AlertState::Raised, open);
                open = transition.state != AlertState::Resolved;
                prop_assert_eq!(transition.case.open, open);
                prop_assert!(seen.insert((transition.case.identity_since, transition.case.revision)));
                case = Some(transition.case);
            }
            prop_assert_eq!(open, finding.is_some());
        }
    }
}
