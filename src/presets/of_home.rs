//! Which rules of its programme speak for one home, and why the others do not.

use serde::Serialize;

use crate::partition::{ProgrammeSettings, StoredHome};

/// A rule, as it stands for one home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleOfHome {
    /// The table of the settings in which it stands.
    pub detector: &'static str,
    /// Its name.
    pub rule: String,
    /// Whether what it finds is sent.
    pub speaks: bool,
    /// Whether it is met now, and not sent.
    pub met_in_shadow: bool,
    /// Why.
    pub why: String,
}

/// Every rule of inactivity and of prolonged draws: those are the ones that may have to learn a home first.
pub fn rules_of_home(programme: &ProgrammeSettings, home: &StoredHome) -> Vec<RuleOfHome> {
    let known = home.known_hours;
    let inactivity = &programme.detectors.inactivity;
    let learnt = known >= inactivity.learn_hours;
    let known_of = |needed: u32| format!("{known} of {needed} hours of the last 60 days are known");
    let mut rules = Vec::new();
    for (place, rule) in inactivity.rules.iter().enumerate() {
        let (speaks, why) = match (rule.is_learned(), rule.until_learned) {
            (true, _) if learnt => (
                true,
                format!("the home is learnt: {known} hours of the last 60 days are known"),
            ),
            (true, _) => (false, format!("in shadow: {}", known_of(inactivity.learn_hours))),
            (false, true) if learnt => (
                false,
                "over: it held until the learned rules spoke, and they do".to_owned(),
            ),
            (false, true) => (
                true,
                format!("until the learned rules speak: {}", known_of(inactivity.learn_hours)),
            ),
            (false, false) => (true, "it holds from the first hour".to_owned()),
        };
        rules.push(RuleOfHome {
            detector: "inactivity",
            rule: rule.name.to_string(),
            speaks,
            met_in_shadow: home.inactivity_in_shadow.holds(place),
            why,
        });
    }
    let draws = &programme.detectors.prolonged_draw;
    for rule in draws.rules.iter().filter(|_| draws.enabled) {
        let needed = draws.learn_days * 24;
        let (speaks, why) = match rule.when.learns() {
            true if known < needed => (false, format!("in shadow: {}", known_of(needed))),
            true => (
                true,
                format!("the home is learnt: {known} hours of the last 60 days are known"),
            ),
            false => (true, "it holds from the first hour".to_owned()),
        };
        rules.push(RuleOfHome {
            detector: "prolonged_draw",
            rule: rule.name.to_string(),
            speaks,
            met_in_shadow: false,
            why,
        });
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Met;

    fn home(known_hours: u32, inactivity_in_shadow: Met) -> StoredHome {
        StoredHome {
            stamp: crate::partition::Stamp::default(),
            household: "h1".into(),
            open: Vec::new(),
            programme: None,
            known_hours,
            inactivity_in_shadow,
            contents: serde_json::Value::Null,
        }
    }

    /// The rules in short.
    fn lines(known_hours: u32, inactivity_in_shadow: Met) -> Vec<String> {
        let rules = rules_of_home(&ProgrammeSettings::default(), &home(known_hours, inactivity_in_shadow));
        let line = |rule: &RuleOfHome| {
            let met = if rule.met_in_shadow { ", met" } else { "" };
            format!("{} {}{met}: {}", rule.rule, rule.speaks, rule.why)
        };
        rules.iter().map(line).collect()
    }

    #[test]
    fn a_home_in_its_first_week_is_in_shadow_with_the_hours_it_lacks() {
        assert_eq!(
            lines(91, Met::default().with(0)),
            [
                "learned false, met: in shadow: 91 of 168 hours of the last 60 days are known",
                "no-use-12h true: until the learned rules speak: 91 of 168 hours of the last 60 days are known",
                "no-use-24h true: it holds from the first hour",
                "only-daily-use-24h true: it holds from the first hour",
                "beyond-own-longest false: in shadow: 91 of 336 hours of the last 60 days are known",
            ]
        );
        assert_eq!(
            lines(168, Met::default()),
            [
                "learned true: the home is learnt: 168 hours of the last 60 days are known",
                "no-use-12h false: over: it held until the learned rules spoke, and they do",
                "no-use-24h true: it holds from the first hour",
                "only-daily-use-24h true: it holds from the first hour",
                "beyond-own-longest false: in shadow: 168 of 336 hours of the last 60 days are known",
            ]
        );
    }
}
