//! Figures of parts: hours, kinds of home, leaks, days, ages.

use super::html::{figure, folded, number, percent, plot, table, text};
use super::plot::{Axis, Plot};
use super::section;
use crate::backtest::analysis::Analysis;
use crate::backtest::analysis::groups::{Daily, OfKind};
use crate::backtest::judge::Score;
use crate::backtest::resample::Figure;

fn ends(of: Figure) -> Option<(f64, f64)> {
    Some((of.low?, of.high?))
}

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
    drawing.bars(hours.iter().map(bar), "f0");
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
    let caption = "Misses count as 72 hours. What an evening costs is the night; what a morning costs are people who leave the house.";
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
    let name = |kind: &OfKind| format!("{}: {}", kind.respect.replace('_', " "), kind.group);
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
        drawing.bars([(from + 0.2, from + 0.8, 0.0, height)], "f0");
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

/// Alerts a day against what an operator can handle.
pub(super) fn daily(analysis: &Analysis) -> String {
    let daily = &analysis.daily;
    let days = daily.days();
    if days == 0 {
        return section(
            "daily",
            "Alerts a day",
            "<p>No alert was raised that somebody has to look at.</p>",
        );
    }
    let totals = daily.totals();
    let (mean, most) = Daily::mean_and_most(&totals);
    let month = (days / 8).max(1);
    let tick = |day: usize| {
        let time = daily.from.plus(day as u32 * crate::model::DAY).to_jiff();
        (day as f64, time.strftime("%-d %b %y").to_string())
    };
    let x = Axis {
        label: "",
        from: 0.0,
        to: days as f64,
        is_log: false,
        ticks: (0..days).step_by(month).map(tick).collect(),
    };
    let is_near = daily.operator <= f64::from(most) * 3.0;
    let y = Axis::linear(
        "alerts a day",
        [f64::from(most), if is_near { daily.operator } else { 0.0 }],
    );
    let words =
        "Bars of the alerts raised each day, kinds upon each other, with the number that one operator can handle.";
    let mut drawing = Plot::new("plot-daily", "Alerts a day by kind", words, 300.0, x, y);
    let mut ground = vec![0.0; days];
    let mut kinds: Vec<(&&str, &Vec<u32>)> = daily.kinds.iter().collect();
    kinds.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.iter().sum::<u32>()));
    let mut legend = Vec::new();
    for (place, (kind, counts)) in kinds.iter().enumerate() {
        let class = format!("f{}", place.min(5));
        let bars: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(day, count)| {
                let low = ground[day];
                ground[day] += f64::from(*count);
                (day as f64, day as f64 + 0.92, low, ground[day])
            })
            .collect();
        drawing.bars(bars, &class);
        legend.push((
            format!("<path class=\"{class}\" d=\"M4 2h24v12H4z\"/>"),
            kind.replace('_', " "),
        ));
    }
    if is_near {
        drawing.level(
            daily.operator,
            "s4 dash",
            &format!("{} a day: one operator", number(daily.operator)),
        );
    }
    let legend: Vec<(&str, &str)> = legend.iter().map(|(sign, name)| (&**sign, &**name)).collect();
    let homes = daily
        .homes_an_operator_watches()
        .map(|homes| {
            format!(
                " At this rate one operator, who handles {} alerts a day, watches {homes:.0} homes.",
                number(daily.operator)
            )
        })
        .unwrap_or_default();
    let caption = format!(
        "{} alerts a day in the mean over {} homes, {most} at most ({} a day for 10,000 homes).{homes}",
        number(mean),
        daily.homes,
        number(mean * 10_000.0 / daily.homes.max(1) as f64)
    );
    let rows: Vec<_> = kinds
        .iter()
        .map(|(kind, counts)| {
            let (mean, most) = Daily::mean_and_most(counts);
            let of_city = number(mean * 10_000.0 / daily.homes.max(1) as f64);
            vec![
                text(kind.replace('_', " ")),
                counts.iter().sum::<u32>().to_string(),
                number(mean),
                most.to_string(),
                of_city,
            ]
        })
        .collect();
    let heads = ["kind", "alerts", "a day", "most in a day", "a day for 10,000 homes"];
    let body =
        plot(&drawing.finish(), &legend, &caption) + &table("Alerts that somebody has to look at", &heads, &rows);
    section("daily", "Alerts a day", &body)
}

/// What rules are worth by the age of a home.
pub(super) fn learning(analysis: &Analysis) -> String {
    let ages = &analysis.learning;
    if ages.is_empty() {
        return String::new();
    }
    let days = || ages.iter().map(|of| f64::from(of.days));
    let axis = || Axis {
        ticks: ages
            .iter()
            .map(|of| (f64::from(of.days), of.days.to_string()))
            .collect(),
        ..Axis::log("days since the first reading (equal steps are equal factors)", days())
    };
    let mut body = String::from(
        "<p>Homes are met anew. Delay: each emergency is met as if the home's first reading had come so many days before it; the emergencies are the same \
         at every age. False alerts: homes begin anew at two moments each, and what is false is counted from that age up to the next.</p>",
    );
    let drawn = [
        (
            "plot-learning-delay",
            "Mean delay by days since the first reading",
            "mean delay in hours",
            "s0",
            "f0",
        ),
        (
            "plot-learning-false",
            "False alerts by days since the first reading",
            "false / home-month",
            "s1",
            "f1",
        ),
    ];
    for (id, title, label, stroke, fill) in drawn {
        let of = |of: &crate::backtest::analysis::learning::OfAge| match fill {
            "f0" => of.delay_hours,
            _ => of.false_per_home_month,
        };
        let points: Vec<(f64, Figure)> = ages.iter().map(|age| (f64::from(age.days), of(age))).collect();
        if points.iter().all(|(_, figure)| figure.value.is_none()) {
            continue;
        }
        let most = points.iter().filter_map(|(_, figure)| figure.high.or(figure.value));
        let words = "A point for each age with its 90 % interval, joined by a line.";
        let mut drawing = Plot::new(id, title, words, 260.0, axis(), Axis::linear(label, most));
        let line: Vec<(f64, f64)> = points
            .iter()
            .filter_map(|(x, figure)| Some((*x, figure.value?)))
            .collect();
        drawing.line(&line, stroke);
        for (x, figure) in &points {
            let Some(value) = figure.value else { continue };
            drawing.cross((*x, value), None, ends(*figure), stroke);
            drawing.dot(*x, value, 4.5, fill, &format!("day {x}: {}", number(value)));
        }
        body += &plot(&drawing.finish(), &[], title);
    }
    let rows: Vec<_> = ages
        .iter()
        .map(|of| {
            vec![
                of.days.to_string(),
                of.emergencies.to_string(),
                figure(of.delay_hours),
                format!("{} to {}", of.days, of.until_days),
                number(of.home_months),
                figure(of.false_per_home_month),
            ]
        })
        .collect();
    let heads = [
        "days",
        "emergencies",
        "mean delay h",
        "false counted on days",
        "home-months",
        "false / home-month",
    ];
    body += &table("By days since the first reading", &heads, &rows);
    section("learning", "Learning curve", &body)
}
