//! Delay against false alerts.

use std::fmt::Write;

use super::html::{ends, figure, folded, number, plot, table, text};
use super::plot::{Axis, Plot};
use super::section;
use crate::backtest::analysis::{CurveOf, Curves};
use crate::backtest::resample::Figure;

/// Beyond so many hours a plot shows nothing more: misses count as 72.
const MOST_HOURS: f64 = 40.0;

fn both(false_alerts: Figure, delay: Figure) -> Option<(f64, f64)> {
    Some((false_alerts.value?, delay.value?))
}

fn line(curve: &CurveOf) -> Vec<(f64, f64)> {
    let points = curve.points.iter();
    points
        .filter_map(|point| both(point.false_per_home_month, point.delay_hours))
        .filter(|(rate, delay)| *rate > 0.0 && *delay <= MOST_HOURS)
        .collect()
}

/// The section; without emergencies there is no delay, and a table of false alerts alone.
pub(super) fn of(curves: &Curves) -> String {
    let has_delay = curves
        .rules
        .points
        .iter()
        .any(|point| point.delay_hours.value.is_some());
    let mut body = String::new();
    if has_delay {
        body += &drawn(curves);
        body += &budgets(curves);
    } else {
        body += "<p>The truth has no emergencies: there is no delay to draw, only false alerts.</p>";
    }
    let tables = points(curves) + &others(curves);
    body += &if has_delay {
        folded("All points as a table", &tables)
    } else {
        tables
    };
    section("curve", "Delay against false alerts", &body)
}

fn drawn(curves: &Curves) -> String {
    let rules = line(&curves.rules);
    let shown: Vec<(usize, &str, (f64, f64))> = curves
        .others
        .iter()
        .enumerate()
        .filter_map(|(place, set)| Some((place, &*set.name, both(set.false_per_home_month, set.delay_hours)?)))
        .filter(|(_, _, (rate, delay))| *rate > 0.0 && *delay <= MOST_HOURS)
        .collect();
    let rates = rules
        .iter()
        .chain(shown.iter().map(|(.., at)| at))
        .map(|(rate, _)| *rate);
    let delays = rules
        .iter()
        .chain(shown.iter().map(|(.., at)| at))
        .map(|(_, delay)| *delay);
    let x = Axis::log("false alerts a home-month", rates.chain(curves.budget));
    let from = x.from;
    let within = |curve: &CurveOf| -> Vec<(f64, f64)> {
        let points = line(curve).into_iter();
        points.filter(|(rate, _)| *rate >= from).collect()
    };
    let mut drawing = Plot::new(
        "plot-curve",
        "Mean delay against false alerts a home-month",
        "The curve of the rules at rising lambda, with its 90 % interval, two bounds, and other sets of rules as numbered points. The table below says the same.",
        430.0,
        x,
        Axis::linear("mean delay in hours", delays),
    );
    let band: Vec<(f64, f64, f64)> = curves
        .rules
        .band
        .iter()
        .filter_map(|at| Some((at.false_per_home_month, at.delay_hours.low?, at.delay_hours.high?)))
        .collect();
    drawing.band(&band, "wash");
    drawing.line(&within(&curves.bound_without_fortnight), "s2 dash");
    drawing.line(&within(&curves.bound_in_sample), "s3 dots");
    drawing.line(&rules, "s0");
    for point in &curves.rules.points {
        let Some(at) = both(point.false_per_home_month, point.delay_hours).filter(|(rate, _)| *rate > 0.0) else {
            continue;
        };
        let words = format!(
            "λ {}: {} false a home-month, {} h",
            number(point.lambda),
            number(at.0),
            number(at.1)
        );
        let is_own = (point.lambda / curves.lambda - 1.0).abs() < 1e-6;
        if is_own {
            drawing.cross(at, ends(point.false_per_home_month), ends(point.delay_hours), "s0");
        }
        drawing.dot(at.0, at.1, if is_own { 6.0 } else { 3.5 }, "f0", &words);
        if is_own {
            drawing.words(at.0, at.1, (8.0, -8.0), &format!("λ {}", number(point.lambda)));
        }
    }
    for (place, name, at) in &shown {
        let words = format!(
            "{}. {name}: {} false a home-month, {} h",
            place + 1,
            number(at.0),
            number(at.1)
        );
        drawing.dot(at.0, at.1, 4.5, "f1", &words);
    }
    for (at, numbers) in together(&shown) {
        drawing.words(at.0, at.1, (6.0, 4.0), &numbers);
    }
    if let Some(budget) = curves.budget {
        drawing.mark(budget, "s4 dash", &format!("budget {}", number(budget)), 0);
    }
    let mut caption = String::from(
        "Further to the left and lower is better. Large point: the rules as they are set. Rates of 0 have no place on this scale.",
    );
    if !curves.others.is_empty() {
        caption += " Numbers:";
        for (place, set) in curves.others.iter().enumerate() {
            let is_shown = shown.iter().any(|(shown, ..)| *shown == place);
            let _ = write!(
                caption,
                " {} {}{};",
                place + 1,
                set.name,
                if is_shown { "" } else { " (off the picture)" }
            );
        }
        caption.pop();
        caption.push('.');
    }
    let mut legend = vec![
        (
            "<path class=\"line s0\" d=\"M0 8H32\"/>",
            "the rules, λ swept, with their 90 % interval",
        ),
        (
            "<path class=\"line s2 dash\" d=\"M0 8H32\"/>",
            "bound: knows the home's past and future but for the judged fortnight",
        ),
        (
            "<path class=\"line s3 dots\" d=\"M0 8H32\"/>",
            "bound: knows the judged spells themselves",
        ),
    ];
    if !curves.others.is_empty() {
        legend.push((
            "<circle class=\"f1\" cx=\"16\" cy=\"8\" r=\"5\"/>",
            "other sets of rules",
        ));
    }
    plot(&drawing.finish(), &legend, &caption)
}

/// The numbers of sets of rules that lie so near to each other that they need one label.
fn together(shown: &[(usize, &str, (f64, f64))]) -> Vec<((f64, f64), String)> {
    let mut labels: Vec<((f64, f64), String)> = Vec::new();
    for (place, _, at) in shown {
        let is_near =
            |(other, _): &&mut ((f64, f64), String)| (at.0 / other.0).ln().abs() < 0.12 && (at.1 - other.1).abs() < 0.8;
        match labels.iter_mut().find(is_near) {
            Some((_, numbers)) => *numbers += &format!(", {}", place + 1),
            None => labels.push((*at, (place + 1).to_string())),
        }
    }
    labels
}

fn budgets(curves: &Curves) -> String {
    let row = |(name, of): (&str, &CurveOf)| {
        let at = of.at_budgets.iter().map(|at| figure(at.delay_hours));
        std::iter::once(text(name)).chain(at).collect::<Vec<_>>()
    };
    let rates: Vec<String> = curves
        .rules
        .at_budgets
        .iter()
        .map(|at| format!("at {}", at.false_per_home_month))
        .collect();
    let heads: Vec<&str> = std::iter::once("mean delay in hours")
        .chain(rates.iter().map(String::as_str))
        .collect();
    let rows = [
        ("the rules", &curves.rules),
        ("bound without the judged fortnight", &curves.bound_without_fortnight),
        ("bound in sample", &curves.bound_in_sample),
    ];
    let caption = "Mean delay at budgets of false alerts a home-month, between the points of the curves; a dash where a curve does not reach";
    table(caption, &heads, &rows.map(row))
        + "<p class=\"soft\">Bounds: optimal stopping on the empirical dry spells of each home and hour of the start, by one who knows what no rule can know in time. \
           In sample it is told every spell that it is then judged by; the other is told all of the home's history, its future too, but for the fortnight \
           that is judged. It knows this home alone: a rule that was taught on many homes may do better where a home's own spells are few.</p>"
}

fn points(curves: &Curves) -> String {
    let heads = ["λ in hours", "false / home-month", "mean delay h"];
    let of = |name: &str, curve: &CurveOf| {
        let row = |point: &crate::backtest::analysis::sweep::Point| {
            vec![
                number(point.lambda),
                figure(point.false_per_home_month),
                figure(point.delay_hours),
            ]
        };
        table(name, &heads, &curve.points.iter().map(row).collect::<Vec<_>>())
    };
    of("The rules", &curves.rules)
        + &of("Bound without the judged fortnight", &curves.bound_without_fortnight)
        + &of("Bound in sample", &curves.bound_in_sample)
}

fn others(curves: &Curves) -> String {
    if curves.others.is_empty() {
        return String::new();
    }
    let row = |(place, set): (usize, &crate::backtest::analysis::OfRules)| {
        vec![
            format!("{}. {}", place + 1, text(&set.name)),
            figure(set.false_per_home_month),
            figure(set.delay_hours),
            super::html::percent(set.recall),
            figure(set.absence_per_home_month),
        ]
    };
    let heads = [
        "rules",
        "false / home-month",
        "mean delay h",
        "found",
        "absence / home-month",
    ];
    let rows: Vec<_> = curves.others.iter().enumerate().map(row).collect();
    table("Other sets of rules", &heads, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_rules_on_one_spot_share_a_label() {
        let shown = [
            (0, "a", (0.2, 26.0)),
            (3, "b", (2.0, 26.0)),
            (5, "c", (0.21, 26.4)),
            (6, "d", (0.2, 20.0)),
        ];
        let labels: Vec<String> = together(&shown).into_iter().map(|(_, numbers)| numbers).collect();
        assert_eq!(labels, ["1, 6", "4", "7"]);
    }
}
