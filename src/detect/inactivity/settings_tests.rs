//! Settings: mistakes, stages, budgets.

use expect_test::expect;

use super::*;
use crate::detect::inactivity::hazard::Hazard;
use crate::detect::tests::{few_litres, in_bands, rule};
use crate::model::{Severity, Stage};

fn with(rules: Vec<Rule>) -> InactivitySettings {
    InactivitySettings {
        rules,
        ..InactivitySettings::default()
    }
}

fn mistakes(rules: Vec<Rule>) -> String {
    named(&with(rules))
}

fn named(settings: &InactivitySettings) -> String {
    let lines = settings.mistakes().into_iter();
    let lines = lines.map(|mistake| format!("{}: {}", mistake.key, mistake.message));
    lines.collect::<Vec<_>>().join("\n")
}

fn staged(stage: Stage, name: &str, when: Condition) -> Rule {
    Rule {
        stage,
        ..rule(name, Severity::High, when)
    }
}

fn learned(stage: Stage, lambda: Option<f64>) -> Rule {
    staged(
        stage,
        &format!("learned-{}", stage.name()),
        Condition::Learned(Learned { lambda }),
    )
}

fn no_use(stage: Stage, hours: f64) -> Rule {
    staged(stage, &format!("{}-{hours}h", stage.name()), Condition::NoUse { hours })
}

#[test]
fn mistakes_are_named() {
    let one = |name: &str, when| rule(name, Severity::High, when);
    let bad = mistakes(vec![
        one("a", Condition::NoUse { hours: 0.0 }),
        one("b", Condition::NoUse { hours: f64::NAN }),
        one("c", few_litres(0.0, 24)),
        one("d", few_litres(1.0, 37)),
        one("e", in_bands(Vec::new(), false)),
        one("f", Condition::Learned(Learned::with_lambda(0.0))),
        one("", Condition::NoUse { hours: 1.0 }),
        one("a", Condition::NoUse { hours: 2.0 }),
    ]);
    expect![[r#"
        rules[0]: a: no_use.hours = 0 is not between 0.5 and 240
        rules[1]: b: no_use.hours = NaN is not between 0.5 and 240
        rules[2]: c: few_litres.below = 0 is not between 0 and 100000 litres
        rules[3]: d: few_litres.hours = 37 is not between 1 and 32, the hours kept
        rules[4]: e: bands.bands has 0 bands; 1 to 8 are allowed
        rules[5]: f: learned.lambda = 0 is not between 1 and 1000000 hours
        rules[6]: : the name is empty or longer than 64 bytes
        rules[7]: the name "a" is given to two rules"#]]
    .assert_eq(&bad);
    let waiting = Rule {
        until_learned: true,
        ..one("a", Condition::NoUse { hours: 1.0 })
    };
    expect!["rules: a rule holds until_learned, but no rule of the programme is learned"]
        .assert_eq(&mistakes(vec![waiting]));
    let many = (0..17)
        .map(|n| {
            one(
                &n.to_string(),
                Condition::NoUse {
                    hours: 1.0 + f64::from(n),
                },
            )
        })
        .collect();
    expect!["rules: 17 rules; at most 16 are allowed"].assert_eq(&mistakes(many));
    for band in ["5", "05-25", "24-02", "-1-3", "05:30-09"] {
        assert!(
            serde_json::from_value::<Band>(serde_json::json!(band)).is_err(),
            "{band}"
        );
    }
}

#[test]
fn a_budget_sets_lambda() {
    let hazard = Hazard::default();
    let lambda_for = |budget| lambda_for(&hazard, budget);
    let curve = &hazard.model().expect("the shipped table").about.curve;
    for point in curve.iter().filter(|point| point.false_at_most > 0.0) {
        let found = lambda_for(point.false_at_most).expect("a budget");
        assert!((found / point.lambda - 1.0).abs() < 1e-6, "{point:?} gave {found}");
    }
    let found: Vec<f64> = [100.0, 9.7, 2.5, 1.0, 0.5, 0.25, 0.01]
        .into_iter()
        .filter_map(lambda_for)
        .collect();
    assert!(found.len() == 7 && found.is_sorted(), "{found:?}");
    assert_eq!([0.0, -1.0, f64::NAN, f64::INFINITY].map(lambda_for), [None; 4]);
    // Where the rate stays the same, the end of a curve does not make eager.
    let mut flat = curve.clone();
    let last = flat[flat.len() - 1].false_at_most;
    flat.iter_mut()
        .rev()
        .take(5)
        .for_each(|point| point.false_at_most = last);
    let found: Vec<f64> = [1.0, last, last / 2.0]
        .into_iter()
        .filter_map(|budget| lambda_of(&flat, budget))
        .collect();
    assert!(found.len() == 3 && found.is_sorted() && found[0] > 100.0, "{found:?}");
}

#[test]
fn a_stage_is_not_due_before_one_that_comes_first() {
    use Stage::{Ask, Contact, Visit};
    expect![[r#"
        rules[1]: visit-6h: asks for visit before ask-9h asks for ask, which comes first"#]]
    .assert_eq(&mistakes(vec![no_use(Ask, 9.0), no_use(Visit, 6.0)]));
    expect![[r#"
        rules[0]: learned-contact: asks for contact before learned-ask asks for ask, which comes first
        rules[2]: learned-visit: asks for visit before learned-ask asks for ask, which comes first
        rules[2]: learned-visit: asks for visit before learned-contact asks for contact, which comes first"#]]
    .assert_eq(&mistakes(vec![
        learned(Contact, Some(100.0)),
        learned(Ask, Some(200.0)),
        learned(Visit, Some(50.0)),
    ]));
    let few = |stage, below, hours| staged(stage, &format!("{below}-{hours}"), few_litres(below, hours));
    expect!["rules[1]: 20-12: asks for visit before 10-24 asks for ask, which comes first"]
        .assert_eq(&mistakes(vec![few(Ask, 10.0, 24), few(Visit, 20.0, 12)]));
    // Together is no mistake: the next stage waits for an answer to the one before. Nor is what cannot be compared.
    for rules in [
        vec![no_use(Ask, 9.0), no_use(Contact, 9.0), no_use(Visit, 9.0)],
        vec![
            learned(Ask, Some(50.0)),
            learned(Visit, Some(50.0)),
            no_use(Visit, 24.0),
        ],
        vec![few(Ask, 10.0, 24), few(Visit, 5.0, 12)],
        vec![no_use(Ask, 9.0), no_use(Ask, 30.0), no_use(Visit, 12.0)],
    ] {
        assert_eq!(mistakes(rules), "");
    }
}

#[test]
fn a_rule_is_not_said_twice_for_one_stage() {
    use Stage::{Ask, Visit};
    let again = Rule {
        name: "again".into(),
        ..no_use(Visit, 9.0)
    };
    let more = Rule {
        name: "more".into(),
        ..learned(Ask, Some(9.0))
    };
    expect![[r#"
        rules[1]: again: visit-9h is a rule of the same kind for the same stage, visit
        rules[3]: more: learned-ask is a rule of the same kind for the same stage, ask"#]]
    .assert_eq(&mistakes(vec![no_use(Visit, 9.0), again, learned(Ask, None), more]));
}

/// False alerts a home-month that the table's curve promises at λ.
fn measured(settings: &InactivitySettings, lambda: f64) -> f64 {
    let curve = &settings.hazard.model().expect("the shipped table").about.curve;
    let point = curve.iter().find(|point| (point.lambda / lambda - 1.0).abs() < 1e-9);
    point.expect("a point").false_at_most
}

#[test]
fn budgets_set_lambda_stage_by_stage_beside_the_other_rules() {
    use Stage::{Ask, Contact, Visit};
    let mut settings = with(vec![
        learned(Ask, None),
        learned(Contact, Some(300.0)),
        learned(Visit, None),
        no_use(Visit, 18.0),
        no_use(Visit, 24.0),
    ]);
    assert_eq!([0, 1, 2].map(|place| settings.lambda(place)), [400.0, 300.0, 400.0]);
    // Of 1,000 homes a home-month's 1.16 are 1.16 · 1000 / 30.4375 a day. 0.29 go to the rule of 18 hours.
    let [of_200, of_400] = [200.0, 400.0].map(|lambda| measured(&settings, lambda) + 0.29);
    settings.budget = Budgets {
        homes: Some(1_000),
        ask: Some(Budget::AlertsADay(of_200 * 1_000.0 / 30.4375)),
        visit: Some(Budget::AHomeMonth(of_400)),
        ..Budgets::default()
    };
    settings.rules[1].when = Condition::Learned(Learned { lambda: Some(250.0) });
    assert_eq!(named(&settings), "");
    let near = |place: usize, lambda: f64| (settings.lambda(place) / lambda - 1.0).abs() < 1e-6;
    assert!(
        near(0, 200.0) && near(2, 400.0),
        "{} {}",
        settings.lambda(0),
        settings.lambda(2)
    );
    assert_eq!(settings.budget.a_home_month(Visit), Some(of_400));
    assert_eq!(
        settings.fixed_rate(Contact).map(|(rule, _)| &*rule.name),
        Some("visit-18h")
    );
    settings.budget = Budgets {
        ask: Some(Budget::AlertsADay(3.0)),
        contact: Some(Budget::AHomeMonth(0.5)),
        visit: Some(Budget::AHomeMonth(0.1)),
        ..Budgets::default()
    };
    expect![[r#"
        rules[1]: learned-contact: asks for contact before learned-ask asks for ask, which comes first
        budget.ask: alerts_a_day needs budget.homes, how many homes the programme has
        budget.contact: learned-contact states its lambda, which this would set
        budget.visit: 0.100 false alerts a home-month are no more than the 0.29 measured for visit-18h alone (64 homes of DAIAD, hourly readings)"#]]
    .assert_eq(&named(&settings));
    settings.rules = vec![learned(Ask, None), learned(Contact, None)];
    settings.budget = Budgets {
        ask: Some(Budget::AHomeMonth(0.5)),
        contact: Some(Budget::AHomeMonth(1.0)),
        visit: Some(Budget::AHomeMonth(1e3)),
        homes: Some(0),
    };
    expect![[r#"
        rules[1]: learned-contact: asks for contact before learned-ask asks for ask, which comes first
        budget.contact: 1.000 false alerts a home-month are more than the 0.500 of ask, which comes first
        budget.visit: no rule has the stage visit
        budget.visit: 1000 false alerts a home-month are not between 0.001 and 100
        budget.homes: 0 homes"#]]
    .assert_eq(&named(&settings));
}

#[test]
fn what_is_measured_of_fixed_rules_is_found_again() {
    let rate = |hours| {
        with(vec![no_use(Stage::Visit, hours)])
            .fixed_rate(Stage::Ask)
            .map(|(_, rate)| rate)
    };
    for (hours, expected) in [(8.0, 5.16), (12.0, 0.90), (18.0, 0.29), (24.0, 0.0)] {
        assert!(
            rate(hours).is_some_and(|found| (found - expected).abs() < 1e-9),
            "{hours}"
        );
    }
    let rates: Vec<f64> = (4..=24).filter_map(|hours| rate(f64::from(hours))).collect();
    assert!(rates.len() == 21 && rates.is_sorted_by(|a, b| a > b), "{rates:?}");
}
