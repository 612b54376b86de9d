//! Figures over time: day by day, and by the age of homes.

use super::html::{ends, figure, number, plot, table, text};
use super::plot::{Axis, Plot};
use super::section;
use crate::backtest::analysis::Analysis;
use crate::backtest::analysis::groups::Daily;
use crate::backtest::resample::Figure;
use crate::backtest::score::Score;

/// Alerts a day against what an operator can handle.
pub(super) fn daily(analysis: &Analysis, score: &Score) -> String {
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
        // The last would not have room for its name.
        ticks: (0..days - days / 16).step_by(month).map(tick).collect(),
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
    let put_in = match score.emergencies + score.leaks {
        0 => "",
        _ => " Alerts of the incidents of the truth are among them.",
    };
    let caption = format!(
        "{} alerts a day in the mean over {} homes, {most} at most ({} a day for 10,000 homes).{homes}{put_in}",
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
