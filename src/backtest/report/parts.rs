//! Figures of parts: hours of the day, kinds of home, leaks.

use super::html::{ends, figure, folded, number, percent, plot, table, text};
use super::plot::{Axis, Plot};
use super::section;
use crate::backtest::analysis::Analysis;
use crate::backtest::analysis::groups::OfKind;
use crate::backtest::judge::Score;

/// Delay by the hour at which emergencies begin.
pub(super) fn by_hour(analysis: &Analysis) -> String {
    let hours = &analysis.by_hour;
    if hours.iter().all(|hour| hour.emergencies == 0) {
        return String::new();
    }
    let most = hours
        .iter()
        .filter_map(|hour| hour.delay_hours.high.or(hour.delay_hours.value));
    let x = Axis {
        label: "hour of the day at which the emergency begins",
        from: 0.0,
        to: 24.0,
        is_log: false,
        ticks: (0..=24)
            .step_by(3)
            .map(|hour| (f64::from(hour), hour.to_string()))
            .collect(),
    };
    let title = "Mean delay by the hour at which emergencies begin";
    let words = "A bar for each hour of the day by the home's clock, with its 90 % interval.";
    let mut drawing = Plot::new(
        "plot-hours",
        title,
        words,
        320.0,
        x,
        Axis::linear("mean delay in hours", most),
    );
    let bar = |hour: &crate::backtest::analysis::groups::OfHour| {
        let from = hour.hour as f64;
        (from + 0.12, from + 0.88, 0.0, hour.delay_hours.value.unwrap_or(0.0))
    };
    drawing.bars(hours.iter().map(bar), "bar");
    for hour in hours {
        let at = (hour.hour as f64 + 0.5, hour.delay_hours.value.unwrap_or(0.0));
        drawing.cross(at, None, ends(hour.delay_hours), "s5");
    }
    let rows: Vec<_> = hours
        .iter()
        .map(|hour| {
            vec![
                format!("{}:00", hour.hour),
                hour.emergencies.to_string(),
                figure(hour.delay_hours),
            ]
        })
        .collect();
    let caption = "By the local hour in which the last use ended. Misses count as 72 hours.";
    let body = plot(&drawing.finish(), &[], caption)
        + &folded(
            "As a table",
            &table(title, &["hour", "emergencies", "mean delay h"], &rows),
        );
    section("hours", "Delay by hour of the day", &body)
}

/// Delay and false alerts by kind of home.
pub(super) fn by_kind(analysis: &Analysis) -> String {
    let kinds = &analysis.by_kind;
    if kinds.is_empty() {
        return String::new();
    }
    let name = |kind: &OfKind| {
        // A number before the name of a third is there to sort by.
        let group = kind.group.split_once(": ").map_or(&*kind.group, |(_, group)| group);
        format!("{}: {group}", kind.respect.replace('_', " "))
    };
    let has_delay = kinds.iter().any(|kind| kind.delay_hours.value.is_some());
    let mut body = String::new();
    if has_delay {
        let ticks = kinds
            .iter()
            .enumerate()
            .map(|(place, _)| (place as f64 + 0.5, (place + 1).to_string()));
        let x = Axis {
            label: "group, by its number in the table",
            from: 0.0,
            to: kinds.len() as f64,
            is_log: false,
            ticks: ticks.collect(),
        };
        let most = kinds
            .iter()
            .filter_map(|kind| kind.delay_hours.high.or(kind.delay_hours.value));
        let title = "Mean delay by kind of home";
        let words = "A point for each group of homes, with its 90 % interval, numbered as in the table.";
        let mut drawing = Plot::new(
            "plot-kinds",
            title,
            words,
            300.0,
            x,
            Axis::linear("mean delay in hours", most),
        );
        let mut respects: Vec<&str> = kinds.iter().map(|kind| &*kind.respect).collect();
        respects.dedup();
        for (place, kind) in kinds.iter().enumerate() {
            let Some(delay) = kind.delay_hours.value else { continue };
            let respect = respects
                .iter()
                .position(|respect| *respect == kind.respect)
                .unwrap_or(0)
                % 6;
            let at = (place as f64 + 0.5, delay);
            drawing.cross(at, None, ends(kind.delay_hours), &format!("s{respect}"));
            drawing.dot(
                at.0,
                at.1,
                5.0,
                &format!("f{respect}"),
                &format!("{}: {} h", name(kind), number(delay)),
            );
        }
        body += &plot(
            &drawing.finish(),
            &[],
            "Groups that differ in false alerts as well differ in more than delay: the table has both.",
        );
    }
    let rows: Vec<_> = kinds
        .iter()
        .enumerate()
        .map(|(place, kind)| {
            vec![
                format!("{}. {}", place + 1, text(name(kind))),
                kind.homes.to_string(),
                number(kind.home_months),
                figure(kind.false_per_home_month),
                kind.emergencies.to_string(),
                figure(kind.delay_hours),
            ]
        })
        .collect();
    let heads = [
        "homes",
        "number",
        "home-months",
        "false / home-month",
        "emergencies",
        "mean delay h",
    ];
    body += &table("Homes that are alike in one respect", &heads, &rows);
    section("kinds", "By kind of home", &body)
}

/// Recall and delay by size of leak.
pub(super) fn by_size(analysis: &Analysis, score: &Score) -> String {
    let sizes = &analysis.by_size;
    if sizes.is_empty() {
        return String::new();
    }
    let ticks = sizes
        .iter()
        .enumerate()
        .map(|(place, of)| (place as f64 + 0.5, of.size.clone()));
    let axis = |ticks| Axis {
        label: "",
        from: 0.0,
        to: sizes.len() as f64,
        is_log: false,
        ticks,
    };
    let most = sizes
        .iter()
        .filter_map(|of| of.median_delay_hours.high.or(of.median_delay_hours.value));
    let title = "Median hours until leaks were found, by size";
    let words = "A bar for each size of leak, with its 90 % interval and the share that was found above it.";
    let is_crowded = sizes.len() > 6;
    let numbered = sizes
        .iter()
        .enumerate()
        .map(|(place, _)| (place as f64 + 0.5, (place + 1).to_string()));
    let x = axis(if is_crowded {
        numbered.collect()
    } else {
        ticks.collect()
    });
    let mut drawing = Plot::new(
        "plot-leaks",
        title,
        words,
        300.0,
        x,
        Axis::linear("median delay in hours", most),
    );
    for (place, of) in sizes.iter().enumerate() {
        let (from, height) = (place as f64, of.median_delay_hours.value.unwrap_or(0.0));
        drawing.bars([(from + 0.2, from + 0.8, 0.0, height)], "bar");
        drawing.cross((from + 0.5, height), None, ends(of.median_delay_hours), "s5");
        let found = of
            .recall
            .value
            .map(|share| format!("{:.0} %", share * 100.0))
            .unwrap_or_default();
        drawing.words(from + 0.22, height, (0.0, -6.0), &found);
    }
    let rows: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(place, of)| {
            vec![
                format!("{}. {}", place + 1, text(&of.size)),
                of.leaks.to_string(),
                percent(of.recall),
                figure(of.median_delay_hours),
            ]
        })
        .collect();
    let caption = format!(
        "Above each bar: the share that was found. False alerts of leaks and bursts: {} a home-month. What a file of truth calls a leak is named as there.",
        score
            .false_leaks_per_home_month
            .value
            .map_or_else(|| "–".to_owned(), number)
    );
    let body =
        plot(&drawing.finish(), &[], &caption) + &table(title, &["size", "number", "found", "median delay h"], &rows);
    section("leaks", "Leaks by size", &body)
}
