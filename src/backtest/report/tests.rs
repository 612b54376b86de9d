use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use roxmltree::{Document, Node};

use super::*;
use crate::backtest::AboutProgramme;
use crate::backtest::analysis::groups::{Daily, OfHour, OfKind, OfSize};
use crate::backtest::analysis::learning::OfAge;
use crate::backtest::analysis::pages::{Choice, Subject, page};
use crate::backtest::analysis::sweep::{HomeSweep, Sweep};
use crate::backtest::analysis::{Analysis, CurveOf, Curves, OfRules};
use crate::backtest::judge::Answers;
use crate::backtest::resample::Figure;
use crate::backtest::run::RuleSetSummary;
use crate::history::Row;
use crate::model::{Alert, Flags, HOUR, Measure, Quality};
use crate::partition::Rules;

const HOSTILE: &str = "<script src='http://x'>alert(1)</script>&\u{0}\"";

fn figure_of(value: f64) -> Figure {
    Figure {
        value: Some(value),
        low: Some(value / 2.0),
        high: Some(value * 2.0),
    }
}

fn curve(shift: f64) -> CurveOf {
    let home = |factor: f64| HomeSweep {
        months: 10.0,
        emergencies: 4.0,
        false_alerts: [40.0, 10.0, 2.0, 0.0].map(|count| count * factor).to_vec(),
        delays: [24.0, 36.0, 44.0, 60.0].map(|delay| delay + shift).to_vec(),
    };
    CurveOf::new(&Sweep {
        lambdas: vec![100.0, 200.0, 400.0, 800.0],
        homes: vec![home(1.0), home(0.5), home(2.0)],
    })
}

fn alert() -> Alert {
    let json = serde_json::json!({
        "alert_id": "a", "revision": 1, "household_id": "h", "kind": "inactivity", "state": "raised", "severity": "high",
        "rule": HOSTILE, "programme": "default", "since": "2026-03-01T07:00:00Z", "detected_at": "2026-03-01T17:00:00Z",
        "decided_at": "2026-03-01T17:00:00Z", "reason": "no_sign_of_life", "evidence": {HOSTILE: HOSTILE, "hours": 10.25},
        "text": {"en": HOSTILE, "zh": "十小时无用水"}
    });
    serde_json::from_value(json).expect("an alert")
}

fn pages() -> Vec<Page> {
    let start: EventTime = "2026-02-01T00:00:00Z".parse().expect("a time");
    let row = |hour: u32| Row {
        meter: 0,
        start: start.plus(hour * HOUR),
        seconds: HOUR,
        measure: Some(Measure::Volume(f64::from(hour % 5))),
        quality: Quality::Measured,
        received_at: None,
        flags: Flags::NONE,
    };
    let rows: Vec<Row> = (0..24 * 40).filter(|hour| hour % 97 > 5).map(row).collect();
    let choice = |subject, alert_id: Option<&str>| Choice {
        subject,
        household: HOSTILE.into(),
        from: "2026-03-01T07:00:00Z".parse().expect("a time"),
        to: "2026-03-01T18:00:00Z".parse().expect("a time"),
        alert_id: alert_id.map(Into::into),
        delay_hours: Some(72.0),
    };
    vec![
        page(
            choice(Subject::FalseAlert { of_home: 3 }, Some("a")),
            &rows,
            Some(&alert()),
            &TimeZone::UTC,
        ),
        page(choice(Subject::Emergency, None), &rows, None, &TimeZone::UTC),
        page(choice(Subject::Emergency, None), &[], None, &TimeZone::UTC),
    ]
}

fn analysis() -> Analysis {
    let others = ["a preset", HOSTILE].map(|name| OfRules {
        name: name.to_owned(),
        false_per_home_month: figure_of(1.0),
        delay_hours: figure_of(12.0),
        recall: figure_of(0.5),
        absence_per_home_month: figure_of(0.3),
    });
    Analysis {
        curve: Some(Curves {
            lambda: 400.0,
            budget: Some(0.5),
            rules: curve(0.0),
            bound_in_sample: curve(-8.0),
            bound_without_fortnight: curve(-4.0),
            others: others.into(),
        }),
        by_hour: (0..24)
            .map(|hour| OfHour {
                hour,
                emergencies: hour % 3,
                delay_hours: if hour % 3 > 0 {
                    figure_of(8.0)
                } else {
                    Figure::default()
                },
            })
            .collect(),
        by_kind: ["1", HOSTILE]
            .map(|group| OfKind {
                respect: "household_size".to_owned(),
                group: group.to_owned(),
                homes: 4,
                home_months: 20.0,
                emergencies: 5,
                delay_hours: figure_of(9.0),
                false_per_home_month: figure_of(0.4),
            })
            .into(),
        by_size: vec![OfSize {
            size: HOSTILE.to_owned(),
            leaks: 3,
            recall: figure_of(1.0),
            median_delay_hours: figure_of(9.0),
        }],
        daily: Daily::new([&alert(), &alert()], 10, 3.0),
        learning: vec![OfAge {
            days: 1,
            until_days: 3,
            emergencies: 9,
            delay_hours: figure_of(12.0),
            home_months: 3.0,
            false_per_home_month: figure_of(2.0),
        }],
    }
}

fn summary(analysis: Option<Analysis>) -> Summary {
    let score = Score {
        emergencies: 9,
        leaks: 3,
        flaps: 1,
        ..Score::default()
    };
    let set = RuleSetSummary {
        alerts: BTreeMap::new(),
        score: score.clone(),
    };
    Summary {
        version: "0",
        about: Some(About {
            files: BTreeMap::from([
                ("readings", vec![HOSTILE.to_owned()]),
                ("truth", vec![HOSTILE.to_owned()]),
            ]),
            period: Some([EventTime::from_hour(400_000), EventTime::from_hour(402_000)]),
            partitions: 1,
            rule_set: HOSTILE.to_owned(),
            time_zone: "UTC".to_owned(),
            programmes: AboutProgramme::all(&Rules::default()),
        }),
        readings: BTreeMap::new(),
        gaps: 0,
        meter_events: BTreeMap::new(),
        dead_letters: BTreeMap::new(),
        homes: 10,
        alerts: BTreeMap::new(),
        bad_homes: Vec::new(),
        answers: Answers::default(),
        score,
        analysis,
        rule_sets: BTreeMap::from([(HOSTILE.to_owned(), set)]),
    }
}

fn html(analysis: Option<Analysis>, pages: &[Page]) -> String {
    let report = Report {
        summary: &summary(analysis),
        pages,
    };
    report.html()
}

/// The page as strict XML; browsers forgive, this does not.
fn with_document(html: &str, check: impl FnOnce(&Document<'_>)) {
    let markup = html.strip_prefix("<!DOCTYPE html>").expect("it says what it is");
    check(&Document::parse(markup).unwrap_or_else(|error| panic!("not well-formed: {error}")));
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

#[test]
fn a_report_is_well_formed_and_needs_nothing_else() {
    for html in [
        html(Some(analysis()), &pages()),
        html(None, &[]),
        html(Some(Analysis::default()), &[]),
    ] {
        with_document(&html, |document| {
            let known = [
                "html",
                "head",
                "meta",
                "title",
                "style",
                "body",
                "header",
                "main",
                "nav",
                "section",
                "div",
                "p",
                "h1",
                "h2",
                "h3",
                "ul",
                "li",
                "a",
                "dl",
                "dt",
                "dd",
                "small",
                "strong",
                "em",
                "blockquote",
                "figure",
                "figcaption",
                "table",
                "caption",
                "thead",
                "tbody",
                "tr",
                "th",
                "td",
                "details",
                "summary",
                "svg",
                "desc",
                "path",
                "text",
                "circle",
            ];
            for node in document.descendants().filter(Node::is_element) {
                assert!(known.contains(&node.tag_name().name()), "{node:?}");
                for attribute in node.attributes() {
                    assert!(
                        !attribute.name().starts_with("on") && attribute.name() != "src",
                        "{attribute:?}"
                    );
                    if attribute.name() == "href" {
                        assert!(attribute.value().starts_with('#'), "{attribute:?}");
                    }
                }
            }
        });
        assert!(!html.contains("url(") && !html.contains("@import"));
        assert!(!html.contains("NaN") && !html.contains("inf\""));
    }
}

#[test]
fn every_plot_has_words_and_a_table() {
    let html = html(Some(analysis()), &pages());
    with_document(&html, |document| {
        let all: Vec<Node> = document.descendants().filter(Node::is_element).collect();
        let ids: Vec<&str> = all.iter().filter_map(|node| node.attribute("id")).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "ids are unique");
        let references = all.iter().filter_map(|node| {
            let link = node.attribute("href").map(|link| link.trim_start_matches('#'));
            link.or(node.attribute("aria-labelledby"))
        });
        for reference in references.flat_map(str::split_whitespace) {
            assert!(ids.contains(&reference), "{reference}");
        }
        let plots = all
            .iter()
            .filter(|node| is(**node, "svg") && node.attribute("role") == Some("img"));
        let mut count = 0;
        for plot in plots {
            count += 1;
            assert!(plot.children().any(|node| is(node, "title")) && plot.children().any(|node| is(node, "desc")));
            let around = plot
                .ancestors()
                .find(|node| is(*node, "section") || node.attribute("class") == Some("case"));
            assert!(
                around.is_some_and(|part| part.descendants().any(|node| is(node, "table"))),
                "{plot:?}"
            );
        }
        assert_eq!(count, 5 + 2 + 3, "one a part, two of ages, one a case");
        for head in all.iter().filter(|node| is(**node, "th")) {
            assert!(matches!(head.attribute("scope"), Some("col" | "row")));
        }
    });
}

#[test]
fn what_comes_from_outside_stays_text() {
    let html = html(Some(analysis()), &pages());
    assert!(!html.contains("<script") && !html.contains('\u{0}'));
    with_document(&html, |document| {
        let told = HOSTILE.replace('\u{0}', "\u{fffd}");
        let texts = document
            .descendants()
            .filter_map(|node| node.text())
            .filter(|text| text.contains(&told));
        // The source, a rule set, two presets' names, a group, a size, the cases, and what the alert says.
        assert!(texts.count() >= 10);
    });
}
