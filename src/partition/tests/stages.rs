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
            stage: *stage,
            ..Rule::new(
                &format!("{}-{hours}h", stage.name()),
                *severity,
                Condition::NoUse { hours: *hours },
            )
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

#[test]
fn an_alert_turned_out_false_if_there_was_a_sign_of_life_within_a_day() {
    let wet = |place: u32, litres: f64| Input::Reading(hour("h1", place, litres));
    let dry = |hours: std::ops::Range<u32>| hours.map(|place| wet(place, 0.0)).collect::<Vec<_>>();
    let sign = |hours: f64| {
        let at = T0.plus((hours * f64::from(HOUR)) as u32);
        let fields = format!(r#""sign":"button","at":"{at}""#);
        super::care::beside(InputTopic::Signs, "h1", hours, &fields)
    };
    let ends = |inputs: Vec<Input>| -> Vec<(String, bool)> {
        let effects = take(&mut Partition::new(super::rules()), &inputs);
        let resolved = effects.alerts.iter().map(|decided| &decided.alert);
        let resolved = resolved.filter(|alert| alert.state == AlertState::Resolved);
        resolved
            .map(|alert| (alert.reason.clone(), alert.turned_out_false()))
            .collect()
    };
    let after = |hours: u32, end: Input| [vec![wet(0, 9.0)], dry(1..hours), vec![end]].concat();
    let end = |reason: &str, turned_out_false| vec![(reason.to_owned(), turned_out_false)];
    assert_eq!(ends(after(10, wet(10, 9.0))), end("use_returned", true));
    assert_eq!(ends(after(30, wet(30, 9.0))), end("use_returned", false));
    let told = |inputs: Vec<Input>, hours: u32| [inputs, dry(hours..hours + 1)].concat();
    assert_eq!(ends(told(after(10, sign(9.5)), 10)), end("other_sign_of_life", true));
    assert_eq!(ends(told(after(30, sign(29.5)), 30)), end("other_sign_of_life", false));
    // Whoever says afterwards that all was well says nothing new; while it was open, that is what ended it.
    let safe = |hours: f64| super::care::response("h1", hours, 1, "safe");
    let both = [end("use_returned", true), end("outcome_safe", false)].concat();
    assert_eq!(
        ends(told([after(10, wet(10, 9.0)), vec![safe(10.5)]].concat(), 11)),
        both
    );
    assert_eq!(ends(after(10, safe(9.5))), end("outcome_safe", true));
}
