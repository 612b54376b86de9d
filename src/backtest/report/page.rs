//! Cases one by one: what there was to see, and what was said.

use std::fmt::Write;

use serde_json::Value;

use super::html::{folded, number, plot, table, text};
use super::plot::{Axis, Plot};
use super::section;
use crate::backtest::analysis::pages::{Page, Subject};
use crate::model::{EventTime, HOUR};

/// The section with all cases.
pub(super) fn all(pages: &[Page]) -> String {
    if pages.is_empty() {
        return String::new();
    }
    let mut body = String::new();
    let mut number = 0;
    for (title, is_emergency) in [
        ("The homes with most false alerts, and the last of each", false),
        ("The longest delays, one a home", true),
    ] {
        let is_in = |page: &&Page| (page.choice.subject == Subject::Emergency) == is_emergency;
        let of_part: Vec<&Page> = pages.iter().filter(is_in).collect();
        if of_part.is_empty() {
            continue;
        }
        let _ = write!(body, "<h3>{title}</h3>");
        for page in of_part {
            number += 1;
            body += &case(number, page);
        }
    }
    section("cases", "Worst cases", &body)
}

fn case(number_of_case: usize, page: &Page) -> String {
    let choice = &page.choice;
    let what = match choice.subject {
        Subject::FalseAlert { of_home } => format!("false alert, one of {of_home} of this home"),
        Subject::Emergency => match (choice.delay_hours, &choice.alert_id) {
            (Some(delay), Some(_)) => format!("emergency, found after {} h", number(delay)),
            _ => "emergency, not found within 72 h".to_owned(),
        },
    };
    let title = format!("{}. {}: {what}", number_of_case, choice.household);
    let mut html = format!("<div class=\"case\"><h3>{}</h3>", text(&title));
    html += &drawn(number_of_case, page, &title);
    match &page.alert {
        Some(alert) => {
            let _ = write!(
                html,
                "<blockquote><p>{}</p><p lang=\"zh\">{}</p></blockquote><p class=\"soft\">Rule {}, {:?}; dry since {}, met at {}, decided at {} (UTC).</p>",
                text(&alert.text.en),
                text(&alert.text.zh),
                text(&alert.rule),
                alert.severity,
                alert.since,
                alert.detected_at,
                alert.decided_at
            );
            let rows: Vec<_> = alert
                .evidence
                .iter()
                .map(|(name, value)| vec![text(name), text(plain(value))])
                .collect();
            html += &folded(
                "The numbers it rested on",
                &table("Evidence, as the alert had it", &["name", "value"], &rows),
            );
        }
        None => html += "<p>Nothing was said.</p>",
    }
    html + "</div>"
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(value) => value
            .as_f64()
            .map(|value| (value * 1e4).round() / 1e4)
            .map_or_else(String::new, |value| value.to_string()),
        _ => value.to_string(),
    }
}

fn drawn(number_of_case: usize, page: &Page, title: &str) -> String {
    let (Some(first), Some(last)) = (page.hours.first(), page.hours.last()) else {
        return "<p>There are no readings of that time.</p>".to_owned();
    };
    let begin = first.start;
    let at = |time: EventTime| (f64::from(time.seconds()) - f64::from(begin.seconds())) / f64::from(HOUR);
    let end = at(last.start) + 1.0;
    let ticks = page
        .hours
        .iter()
        .filter(|hour| hour.local.ends_with(" 00:00"))
        .map(|hour| (at(hour.start), hour.local.trim_end_matches(" 00:00").to_owned()));
    let x = Axis {
        label: "",
        from: 0.0,
        to: end,
        is_log: false,
        ticks: ticks.collect(),
    };
    let y = Axis::linear("litres an hour", page.hours.iter().filter_map(|hour| hour.litres));
    let top = y.to;
    let words = "Bars of the litres of each hour; shaded green the share of the 28 days before with use at that hour of the day; grey where readings are missing; red the dry spell.";
    let mut drawing = Plot::new(&format!("case-{number_of_case}"), title, words, 250.0, x, y);
    let places = || page.hours.iter().map(|hour| (at(hour.start), hour));
    drawing.bars(
        places().filter_map(|(x, hour)| Some((x, x + 1.0, 0.0, hour.usual? * top))),
        "usual",
    );
    let (from, to) = (at(page.choice.from).max(0.0), at(page.choice.to).min(end));
    drawing.bars([(from, to, 0.0, top)], "spell");
    drawing.bars(
        places()
            .filter(|(_, hour)| hour.litres.is_none())
            .map(|(x, _)| (x, x + 1.0, 0.0, top)),
        "gap",
    );
    drawing.bars(
        places().filter_map(|(x, hour)| Some((x + 0.08, x + 0.92, 0.0, hour.litres?))),
        "f0",
    );
    if let Some(alert) = &page.alert {
        drawing.mark(at(alert.detected_at), "s4", "alert", 0);
    }
    let legend = [
        ("<path class=\"f0\" d=\"M4 2h24v12H4z\"/>", "litres"),
        (
            "<path class=\"usual\" d=\"M4 2h24v12H4z\"/>",
            "usual: full height is use on every day",
        ),
        ("<path class=\"spell\" d=\"M4 2h24v12H4z\"/>", "dry spell"),
        ("<path class=\"gap\" d=\"M4 2h24v12H4z\"/>", "no readings"),
    ];
    let row = |hour: &crate::backtest::analysis::pages::OfHour| {
        vec![
            text(&hour.local),
            hour.litres.map_or_else(|| "no readings".to_owned(), number),
            hour.usual
                .map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        ]
    };
    let rows: Vec<_> = page.hours.iter().map(row).collect();
    let hours = table(
        "Hour by hour, by the home's clock",
        &["hour", "litres", "days with use before"],
        &rows,
    );
    plot(&drawing.finish(), &legend, "") + &folded("Hour by hour as a table", &hours)
}
