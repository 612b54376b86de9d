//! The main job, embedded: what the first command of the README does must work, with nothing else running.

mod support;

use support::process::{success, tapwatch};

/// The figure before `words` in `text`.
fn number_before(words: &str, text: &str) -> usize {
    let before = text.split(words).next().unwrap_or_default();
    let figure = before.split_whitespace().next_back().unwrap_or_default();
    figure
        .parse()
        .unwrap_or_else(|_| panic!("no number before {words:?} in {text}"))
}

#[test]
fn the_demo_finds_every_incident_in_the_bundled_homes() {
    let said = success(&tapwatch(["demo", "--seconds", "15"]));
    assert!(said.contains("6 of 6 incidents found"), "{said}");
    assert!(number_before(" records on the alerts topic", &said) > 12, "{said}");
    let shown = include_str!("../README.md");
    assert!(shown.contains(summary(&said)), "the README shows another end:\n{said}");
}

/// The last line, which counts what was found.
fn summary(said: &str) -> &str {
    said.trim_end().lines().next_back().unwrap_or_default()
}

#[test]
fn the_demo_runs_a_simulated_district() {
    let said = success(&tapwatch(["demo", "--homes", "60", "--seconds", "10"]));
    let (all, found) = (
        number_before(" incidents found", &said),
        number_before(" of ", summary(&said)),
    );
    assert!(all > 0 && 2 * found >= all, "{said}");
}
