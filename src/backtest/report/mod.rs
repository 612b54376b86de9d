//! The report of a backtest: one page of HTML that needs nothing else. No script, no network; plots are SVG in the page, and each has
//! a table that says the same.

mod curve;
mod days;
mod html;
mod page;
mod parts;
mod plot;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write;

use self::html::{figure, number, percent, said, table, text};
use super::about::About;
use super::analysis::pages::Page;
use super::judge::Score;
use super::run::Summary;
use crate::model::EventTime;

/// What is reported.
pub struct Report<'a> {
    /// Figures, with the analysis.
    pub summary: &'a Summary,
    /// The cases that are shown one by one.
    pub pages: &'a [Page],
}

/// The files that were read, and what decided in the learned rules.
fn sources(about: &About) -> String {
    let named = |what| about.files.get(what).map(|files: &Vec<String>| files.join(", "));
    let mut said = format!("Readings: {}", named("readings").unwrap_or_default());
    if let Some(truth) = named("truth") {
        said += &format!(", judged against {truth}");
    }
    let lambdas = about.programmes.values().flat_map(|programme| &programme.lambda_hours);
    let lambdas: BTreeSet<String> = lambdas
        .map(|(rule, hours)| format!("{rule} {}", number(*hours)))
        .collect();
    if !lambdas.is_empty() {
        let all: Vec<String> = lambdas.into_iter().collect();
        said += &format!(". Rules: {}, λ of {} h", about.rule_set, all.join(", "));
    }
    text(&said) + ". "
}

const STYLE: &str = include_str!("style.css");

impl Report<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let mut body = self.head();
        if let Some(analysis) = &self.summary.analysis {
            for part in [
                analysis.curve.as_ref().map(curve::of),
                Some(parts::by_hour(analysis)),
                Some(parts::by_kind(analysis)),
                Some(parts::by_size(analysis, &self.summary.score)),
                Some(days::daily(analysis, &self.summary.score)),
                Some(days::learning(analysis)),
            ] {
                body += &part.unwrap_or_default();
            }
        }
        body += &self.rule_sets();
        body += &page::all(self.pages);
        body += HOW;
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
             <title>tapwatch backtest</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
        )
    }

    fn head(&self) -> String {
        let score = &self.summary.score;
        let mut html = String::from("<header><h1>tapwatch backtest</h1>");
        let about = self.summary.about.as_ref();
        let period = about
            .and_then(|about| about.period)
            .map(|[from, to]| format!(", {} to {}", day(from), day(to)))
            .unwrap_or_default();
        let _ = write!(
            html,
            "<p class=\"soft\">{} homes, {} home-months judged{period}. {}tapwatch {}.</p>",
            score.homes,
            number(score.home_months),
            about.map(sources).unwrap_or_default(),
            text(self.summary.version)
        );
        html += &self.contents();
        html += "</header><main><dl class=\"key\">";
        for (name, value, under) in key_figures(score) {
            let _ = write!(html, "<div><dt>{name}</dt><dd>{value}<small>{under}</small></dd></div>");
        }
        html += "</dl><p class=\"soft\">In brackets: the interval that holds the figure in 90 of 100 fleets drawn from these homes.</p>";
        let wrong = [
            ("second alerts in one dry spell", score.flaps),
            ("alerts in spells without one reading", score.alerts_without_readings),
            ("alerts that lost readings caused", score.gap_caused.unwrap_or(0)),
            (
                "alerts decided before what they say, or long after it",
                score.back_dated,
            ),
        ];
        for (what, count) in wrong.into_iter().filter(|(_, count)| *count > 0) {
            let _ = write!(html, "<p><strong>{count} {what}; there must be none.</strong></p>");
        }
        html
    }

    fn contents(&self) -> String {
        let analysis = self.summary.analysis.as_ref();
        let entries = [
            (
                "curve",
                "Delay against false alerts",
                analysis.is_some_and(|analysis| analysis.curve.is_some()),
            ),
            (
                "hours",
                "Hour of the day",
                analysis.is_some() && self.summary.score.emergencies > 0,
            ),
            (
                "kinds",
                "Kinds of home",
                analysis.is_some_and(|analysis| !analysis.by_kind.is_empty()),
            ),
            (
                "leaks",
                "Leaks",
                analysis.is_some_and(|analysis| !analysis.by_size.is_empty()),
            ),
            ("daily", "Alerts a day", analysis.is_some()),
            (
                "learning",
                "Learning",
                analysis.is_some_and(|analysis| !analysis.learning.is_empty()),
            ),
            ("rules", "Rule sets", !self.summary.rule_sets.is_empty()),
            ("cases", "Cases", !self.pages.is_empty()),
            ("how", "How it was judged", true),
        ];
        let mut html = String::from("<nav aria-label=\"Contents\"><ul>");
        for (id, name, _) in entries.iter().filter(|(.., is_there)| *is_there) {
            let _ = write!(html, "<li><a href=\"#{id}\">{name}</a></li>");
        }
        html + "</ul></nav>"
    }

    fn rule_sets(&self) -> String {
        if self.summary.rule_sets.is_empty() {
            return String::new();
        }
        let row = |(name, of): (&String, &super::run::RuleSetSummary)| {
            let score = &of.score;
            vec![
                text(name),
                figure(score.first.false_per_home_month),
                figure(score.first.delay.mean_hours),
                figure(score.first.arrival_delay.mean_hours),
                format!("{} of {}", score.first.detected, score.emergencies),
                figure(score.first.absence_per_home_month),
                format!("{} of {}", score.leaks_found, score.leaks),
                figure(score.leak_delay.median_hours),
                figure(score.false_leaks_per_home_month),
            ]
        };
        let heads = [
            "rules",
            "false / home-month",
            "delay h",
            "delay by arrival h",
            "found",
            "absence / home-month",
            "leaks found",
            "leak delay h (median)",
            "false leaks / home-month",
        ];
        let rows: Vec<_> = self.summary.rule_sets.iter().map(row).collect();
        section(
            "rules",
            "Rule sets side by side",
            &table("What each set of rules is worth", &heads, &rows),
        )
    }
}

fn key_figures(score: &Score) -> Vec<(&'static str, String, String)> {
    let mut figures = vec![(
        "False alerts a home-month",
        figure(score.first.false_per_home_month),
        format!("{} alerts of inactivity", score.first.false_alerts),
    )];
    if score.emergencies > 0 {
        figures.push((
            "Mean delay, hours",
            figure(score.first.delay.mean_hours),
            format!(
                "{} of {} emergencies found; a miss is 72 h",
                score.first.detected, score.emergencies
            ),
        ));
        figures.push((
            "By arrival, hours",
            figure(score.first.arrival_delay.mean_hours),
            "until it could be known".to_owned(),
        ));
    }
    figures.push((
        "Alerts of people who were away",
        figure(score.first.absence_per_home_month),
        "a home-month".to_owned(),
    ));
    let away = &score.first.likely_away;
    if away.absence_alerts.value > Some(0.0) {
        figures.push((
            "Of these say that people may be away",
            percent(away.absence_alerts),
            format!("and {} of the emergencies found", percent(away.emergencies)),
        ));
    }
    if score.leaks > 0 {
        figures.push((
            "Leaks found",
            percent(score.leak_recall),
            format!("of {}; median {} h", score.leaks, said(score.leak_delay.median_hours)),
        ));
    }
    figures.push((
        "False leak alerts a home-month",
        figure(score.false_leaks_per_home_month),
        format!("{} in all", score.false_leaks),
    ));
    figures
}

/// A section of the page; `body` is markup.
fn section(id: &str, title: &str, body: &str) -> String {
    format!(
        "<section aria-labelledby=\"{id}\"><h2 id=\"{id}\">{}</h2>{body}</section>",
        text(title)
    )
}

fn day(time: EventTime) -> String {
    time.to_jiff().strftime("%-d %b %Y").to_string()
}

const HOW: &str = "<section aria-labelledby=\"how\"><h2 id=\"how\">How it was judged</h2>\
<p>An emergency is <em>detected</em> by the first alert raised after its start and within 72 hours, or by news there of an alert that was open before. \
The <em>delay</em> runs from its start to the event time at which the rule was met; a miss counts as 72 hours. An alert of inactivity is <em>false</em> if the \
dry spell ended by itself within 24 hours, or while people used water; in a spell of 24 hours or more it is of <em>absence</em>, and counted apart. \
A <em>home-month</em> is 730.5 hours of measured readings from the home's 30th day on, outside emergencies. A <em>leak</em> is found by an alert of a leak or a burst \
within it.</p><p>Intervals hold the figure in 90 of 100 fleets drawn from the homes with replacement: homes are resampled, not readings.</p></section></main>";
