//! The model card: what a table was taught by, what it is worth, and what it must not be used for (Mitchell et al., Model Cards for Model
//! Reporting, FAT* 2019).

use std::fmt::Write;

use super::curve::{Curve, Figure};
use super::{FOLDS, Taught};
use crate::detect::inactivity::hazard::model::{Absences, Forest};
use crate::detect::inactivity::lambda_of;
use crate::model::EventTime;

/// Budgets of false alerts a home-month at which a table is reported.
pub const BUDGETS: [f64; 4] = [2.5, 1.0, 0.5, 0.25];

/// The card, in Markdown.
pub fn card(taught: &Taught) -> String {
    let about = &taught.model.about;
    let splits = |forest: &Forest| forest.trees.iter().map(|tree| tree.splits.len()).sum::<usize>();
    let size = |forest: &Forest| format!("{} trees, {} splits", forest.trees.len(), splits(forest));
    let day = |hour: u32| {
        EventTime::from_hour(hour)
            .to_string()
            .chars()
            .take(10)
            .collect::<String>()
    };
    let mut text = String::new();
    // Writing into a string cannot fail.
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line("# Model card: how likely is it that use of water returns?\n".into());
    line(format!(
        "A table of hazards for the learned inactivity rule of tapwatch {}, written by `tapwatch train`.\n",
        env!("CARGO_PKG_VERSION")
    ));
    line("| | |\n|---|---|".into());
    line(format!("| Data | {} |", about.provenance));
    line(format!(
        "| Licence of the data, and of this table | {} |",
        about.licence
    ));
    line(format!(
        "| Period | {} to {} |",
        day(taught.hours.start),
        day(taught.hours.end)
    ));
    line(format!(
        "| Homes | {} that are lived in and known for two weeks or more |",
        about.homes
    ));
    line(format!(
        "| Cases | {} dry hours after a use, of spells of less than a day |",
        about.rows
    ));
    line(format!(
        "| Size | return of use: {}; absences: {} |",
        size(&taught.model.returns),
        size(&taught.model.absence)
    ));
    line(format!(
        "\n## What it is worth\n\nMean delay in hours at so many false alerts a home-month, with the 90 % interval by drawing homes anew. *Unknown homes*: each home \
         judged by a table that {} fifths of the others taught. *Known homes*: by the table that they taught themselves, a bound that \
         no honest figure passes. Every hour with use from a home's 30th day on is taken as the start of an emergency. \
         A budget takes a λ that keeps it in nine of ten fleets drawn.\n",
        FOLDS - 1
    ));
    line("| false alerts a home-month | fixed hours | **unknown homes** | λ | λ of the budget | known homes | absence alerts a home-month |\n|---|---|---|---|---|---|---|".into());
    for budget in BUDGETS {
        let delay = |curve: &Curve| curve.at(budget).map_or_else(|| "-".into(), |(delay, _)| hours(delay));
        let lambda = taught
            .curve
            .at(budget)
            .map_or_else(|| "-".into(), |(_, lambda)| range(lambda));
        let absences = taught
            .curve
            .absences_at(budget)
            .map_or_else(|| "-".into(), |rate| format!("{rate:.2}"));
        line(format!(
            "| {budget} | {} | **{}** | {lambda} | {} | {} | {absences} |",
            delay(&taught.constant),
            delay(&taught.curve),
            lambda_of(&about.curve, budget).map_or_else(|| "-".into(), |lambda| format!("{lambda:.0}")),
            delay(&taught.in_sample)
        ));
    }
    let Absences { usual, likely_from } = about.absences;
    line(format!(
        "\n## Absences\n\nA second forest says after which uses people go away for a day or longer: after {:.2} of 100 uses in these homes ({} \
         absences). An emergency may follow any use. *Unknown homes*, from the 30th day on; an alert says that people may be away from {:.2} of 100 on.\n",
        100.0 * usual,
        taught.apart.count(),
        100.0 * likely_from
    ));
    line("| emergencies taken for absences | absences told apart |\n|---|---|".into());
    for percent in [1.0, 2.0, 5.0, 10.0] {
        let Figure { value, interval } = taught.apart.at(percent / 100.0);
        let [value, low, high] = [value, interval.0, interval.1].map(|share| 100.0 * share);
        line(format!("| {percent} % | {value:.0} % ({low:.0}–{high:.0}) |"));
    }
    line(
        "\n## Limits\n\n- It knows habits of the homes above: another climate, culture or meter may differ. Teach a table with your own \
         history, and hold the metric of false alerts against the budget.\n\
         - It is told which hours had use, of the last 58 days, and nothing of volumes, age, or health.\n\
         - It says when use would usually have returned. It does not say that somebody is well, nor why use stopped: a person who left the \
         house looks the same.\n\
         - Spells of a day or more did not teach when use returns. That people may be away is a reason to call first; an emergency may follow \
         such a use as well, so it is none to stay at home."
            .into(),
    );
    text
}

fn hours(Figure { value, interval }: Figure) -> String {
    format!("{value:.1} ({:.1}–{:.1})", interval.0, interval.1)
}

fn range(Figure { value, interval }: Figure) -> String {
    format!("{value:.0} ({:.0}–{:.0})", interval.0, interval.1)
}
