//! Stages of inactivity, as stories through the whole partition.

use super::care::{Input, take};
use super::*;
use crate::model::Stage;

/// A rule of so many hours without use, for each stage with its severity.
fn staged(rules: &[(Stage, Severity, f64)]) -> Arc<Rules> {
    let mut all = Rules::clone(&super::rules());
    all.programmes[0].detectors.inactivity.rules = rules
        .iter()
        .map(|(stage, severity, hours)| Rule {
            name: format!("{}-{hours}h", stage.name()).into(),
            severity: *severity,
            stage: *stage,
            until_learned: false,
            when: Condition::NoUse { hours: *hours },
        })
        .collect();
    Arc::new(all)
}

/// State, stage, rule and hour of detection of each record of a home that uses no water after the first hour.
fn dry_day(rules: Arc<Rules>) -> Vec<String> {
    let hours = (0..26).map(|place| Input::Reading(hour("h1", place, if place == 0 { 10.0 } else { 0.0 })));
    let effects = take(&mut Partition::new(rules), &hours.collect::<Vec<_>>());
    let line = |decided: &Decided| {
        let alert = &decided.alert;
        let stage = alert.stage.map_or("-", Stage::name);
        let hours = alert.detected_at.since(T0) / HOUR;
        format!(
            "{hours} {} {stage} {} {:?}",
            alert.state.name(),
            alert.rule,
            alert.severity
        )
    };
    effects.alerts.iter().map(line).collect()
}

#[test]
fn each_stage_is_due_by_its_own_rule_however_grave_it_is() {
    use Severity::{Critical, High, Medium};
    let stages = |severities: [Severity; 3]| {
        let hours = [6.0, 9.0, 12.0];
        let rules: Vec<_> = Stage::ALL
            .into_iter()
            .zip(severities)
            .zip(hours)
            .map(|((stage, severity), hours)| (stage, severity, hours))
            .collect();
        dry_day(staged(&rules))
    };
    assert_eq!(
        stages([High; 3]),
        [
            "7 raised ask ask-6h High",
            "10 escalated contact contact-9h High",
            "13 escalated visit visit-12h High"
        ]
    );
    // What was grave stays so.
    assert_eq!(
        stages([Critical, Medium, High]),
        [
            "7 raised ask ask-6h Critical",
            "10 escalated contact contact-9h Critical",
            "13 escalated visit visit-12h Critical"
        ]
    );
}

#[test]
fn a_programme_may_have_one_stage_or_two() {
    use Severity::High;
    assert_eq!(
        dry_day(staged(&[(Stage::Contact, High, 8.0)])),
        ["9 raised contact contact-8h High"]
    );
    assert_eq!(
        dry_day(staged(&[(Stage::Visit, High, 12.0), (Stage::Ask, High, 8.0)])),
        ["9 raised ask ask-8h High", "13 escalated visit visit-12h High"]
    );
}
