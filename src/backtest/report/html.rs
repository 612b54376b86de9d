//! Pieces of a page. What comes from outside is text: it goes through [`text`], and never becomes markup.

use std::fmt::{Display, Write};

use crate::backtest::resample::Figure;

/// Text with what markup is made of replaced. What XML has no sign for (control characters) becomes `U+FFFD`.
pub fn text(from: impl Display) -> String {
    let mut safe = String::new();
    for sign in from.to_string().chars() {
        match sign {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\t' | '\n' => safe.push(sign),
            _ if sign.is_control() || matches!(sign, '\u{fffe}' | '\u{ffff}') => safe.push('\u{fffd}'),
            _ => safe.push(sign),
        }
    }
    safe
}

/// A number with two places below ten, one below a hundred, none above.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size < 9.995 => format!("{value:.2}"),
        size if size < 99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// A figure with its interval, as a cell of a table.
pub fn figure(of: Figure) -> String {
    let Some(value) = of.value else {
        return "–".to_owned();
    };
    match (of.low, of.high) {
        (Some(low), Some(high)) => format!("{} <small>[{}, {}]</small>", number(value), number(low), number(high)),
        _ => number(value),
    }
}

/// The ends of an interval.
pub fn ends(of: Figure) -> Option<(f64, f64)> {
    Some((of.low?, of.high?))
}

/// A figure with its interval, in words.
pub fn said(of: Figure) -> String {
    match (of.value, of.low, of.high) {
        (Some(value), Some(low), Some(high)) => format!("{} [{}, {}]", number(value), number(low), number(high)),
        (Some(value), ..) => number(value),
        (None, ..) => "–".to_owned(),
    }
}

/// A share as percent with its interval.
pub fn percent(of: Figure) -> String {
    let percent = |value: Option<f64>| value.map(|value| value * 100.0);
    let Some(value) = percent(of.value) else {
        return "–".to_owned();
    };
    match (percent(of.low), percent(of.high)) {
        (Some(low), Some(high)) => format!("{value:.0} % <small>[{low:.0}, {high:.0}]</small>"),
        _ => format!("{value:.0} %"),
    }
}

/// A table; the cells of `rows` are markup.
pub fn table(caption: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let mut html = format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table><caption>{}</caption><thead><tr>",
        text(caption),
        text(caption)
    );
    for head in heads {
        let _ = write!(html, "<th scope=\"col\">{}</th>", text(head));
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for (place, cell) in row.iter().enumerate() {
            match place {
                0 => write!(html, "<th scope=\"row\">{cell}</th>"),
                _ => write!(html, "<td>{cell}</td>"),
            }
            .unwrap_or_default();
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>");
    html
}

/// A table that opens at a click; it says in words and numbers what a plot shows.
pub fn folded(what: &str, table: &str) -> String {
    format!("<details><summary>{}</summary>{table}</details>", text(what))
}

/// A plot with what stands under it.
pub fn plot(svg: &str, legend: &[(&str, &str)], caption: &str) -> String {
    let mut html = format!("<figure><div class=\"wide\" tabindex=\"0\">{svg}</div>");
    if !legend.is_empty() {
        html.push_str("<ul class=\"legend\">");
        for (sign, name) in legend {
            let _ = write!(
                html,
                "<li><svg viewBox=\"0 0 32 16\" aria-hidden=\"true\">{sign}</svg>{}</li>",
                text(name)
            );
        }
        html.push_str("</ul>");
    }
    let _ = write!(html, "<figcaption>{}</figcaption></figure>", text(caption));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_becomes_markup() {
        assert_eq!(
            text("<script a='b' c=\"d\">&"),
            "&lt;script a=&#39;b&#39; c=&quot;d&quot;&gt;&amp;"
        );
        assert_eq!(text("a\u{0}b\u{1b}c\nd"), "a\u{fffd}b\u{fffd}c\nd");
        assert_eq!(text("独居"), "独居");
    }

    #[test]
    fn figures_have_as_many_places_as_they_deserve() {
        assert_eq!(
            [number(0.254), number(9.996), number(12.34), number(123.4)],
            ["0.25", "10.0", "12.3", "123"]
        );
        let of = |value, low, high| Figure { value, low, high };
        assert_eq!(
            figure(of(Some(1.0), Some(0.5), Some(2.0))),
            "1.00 <small>[0.50, 2.00]</small>"
        );
        assert_eq!(
            (figure(of(Some(1.0), None, None)), figure(Figure::default())),
            ("1.00".into(), "–".into())
        );
        assert_eq!(
            percent(of(Some(0.955), Some(0.9), Some(1.0))),
            "96 % <small>[90, 100]</small>"
        );
    }
}
