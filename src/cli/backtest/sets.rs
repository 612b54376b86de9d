//! The sets of rules of one backtest.

use std::sync::Arc;

use anyhow::{Context, bail};

use super::output::can_be_in_a_file_name;
use crate::cli::wish::{Wish, with_wish};
use crate::model::Stage;
use crate::partition::{ProgrammeSettings, Rules};
use crate::presets::{Preset, likely};
use crate::settings::{Settings, SettingsFile, Validated};

/// The name under which the rules of the settings are compared with others.
const DEFAULT: &str = "default";

/// Rules to be run over the history.
pub(super) struct RuleSet {
    pub name: String,
    pub rules: Arc<Rules>,
}

/// The set that alerts.jsonl and the top of summary.json speak of: the one that was asked for, if it is the only one, else
/// that of the settings.
pub(super) fn of_interest(sets: &[RuleSet]) -> usize {
    usize::from(sets.len() == 2)
}

/// The rules of the settings first, then what is compared with them. Presets and the programmes of a rule file hold for
/// every home, whatever programme its record names: they are compared, not mixed.
///
/// What is wished of a learned rule is wished of the settings' and of the file's; presets are run as they are.
pub(super) fn rule_sets(
    rules: Arc<Rules>,
    presets: &[String],
    own: Option<&(Validated, SettingsFile)>,
    wish: Option<(Wish, Option<Stage>)>,
) -> anyhow::Result<Vec<RuleSet>> {
    let mut sets = unwished(rules, presets, own)?;
    let Some((wish, stage)) = wish else {
        return Ok(sets);
    };
    let mut found = false;
    for set in sets.iter_mut().filter(|set| !presets.contains(&set.name)) {
        let wished = with_wish(&set.rules, stage, wish).with_context(|| format!("rules {}", set.name))?;
        if let Some(wished) = wished {
            set.rules = wished;
            found = true;
        }
    }
    if !found {
        let of = stage
            .map(|stage| format!(" of stage {}", stage.name()))
            .unwrap_or_default();
        bail!("{wish}: no programme has a learned rule{of}");
    }
    Ok(sets)
}

fn unwished(
    rules: Arc<Rules>,
    presets: &[String],
    own: Option<&(Validated, SettingsFile)>,
) -> anyhow::Result<Vec<RuleSet>> {
    let mut sets = vec![RuleSet {
        name: DEFAULT.to_owned(),
        rules: Arc::clone(&rules),
    }];
    let mut add = |name: String, programme: &ProgrammeSettings| {
        if sets.iter().any(|set| set.name == name) {
            bail!("two sets of rules are called {name:?}; their alerts go to files of that name");
        }
        let rules = Arc::new(for_all_homes(&rules, programme));
        sets.push(RuleSet { name, rules });
        Ok(())
    };
    for name in presets {
        let Some(preset) = Preset::find(name) else {
            let hint = likely(name).map(|likely| format!("; did you mean {likely}?"));
            bail!(
                "--preset {name}: there is none of that name{}",
                hint.unwrap_or_else(|| "; `tapwatch rules` lists them".into())
            );
        };
        add(name.clone(), &Settings::of_preset(preset)?)?;
    }
    let Some((validated, file)) = own else {
        return Ok(sets);
    };
    let names = file.programmes();
    if names.is_empty() {
        bail!(
            "--rules {}: no programme, such as [programmes.night]",
            file.path.display()
        );
    }
    for name in names {
        let Some(programme) = validated.settings.programmes.get(&name) else {
            continue;
        };
        if !can_be_in_a_file_name(&name) {
            bail!("--rules: the programme {name:?} cannot be part of a file's name; letters, digits, - and _ can");
        }
        // A file that changes what holds by default is compared with what held before.
        let name = if name == DEFAULT {
            format!("{DEFAULT}-of-file")
        } else {
            name
        };
        add(name, programme)?;
    }
    Ok(sets)
}

/// The rules with one programme in the place of each.
fn for_all_homes(rules: &Rules, programme: &ProgrammeSettings) -> Rules {
    let mut rules = rules.clone();
    for each in &mut rules.programmes {
        let hazard = each.detectors.inactivity.hazard.clone();
        each.detectors = programme.detectors.clone();
        each.detectors.inactivity.hazard = hazard;
        each.policy = programme.policy.clone();
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Sources;

    fn own(text: &str) -> (Validated, SettingsFile) {
        let file = SettingsFile {
            path: "rules.toml".into(),
            text: text.into(),
        };
        let sources = Sources {
            rules: Some(file.clone()),
            ..Sources::default()
        };
        let validated = Settings::read(&sources).unwrap_or_else(|problems| panic!("{problems}"));
        (validated, file)
    }

    fn names(presets: &[&str], own: Option<&(Validated, SettingsFile)>) -> Result<Vec<String>, String> {
        let presets: Vec<String> = presets.iter().map(ToString::to_string).collect();
        let sets = rule_sets(Arc::new(Rules::default()), &presets, own, None).map_err(|error| error.to_string())?;
        Ok(sets.into_iter().map(|set| set.name).collect())
    }

    #[test]
    fn rules_are_compared_under_names_of_their_own() {
        assert_eq!(names(&[], None), Ok(vec!["default".into()]));
        let file = own("[programmes.default]\npresets = ['taicang']\n[programmes.night]\npresets = ['k-water']\n");
        let all = names(&["malaga"], Some(&file)).expect("right");
        assert_eq!(all, ["default", "malaga", "default-of-file", "night"]);
        for (presets, said) in [
            (
                ["malagga"].as_slice(),
                "--preset malagga: there is none of that name; did you mean malaga?",
            ),
            (
                &["malaga", "malaga"],
                "two sets of rules are called \"malaga\"; their alerts go to files of that name",
            ),
        ] {
            assert_eq!(names(presets, None), Err(said.to_owned()));
        }
        let clash = own("[programmes.malaga]\npresets = []\n");
        assert!(names(&["malaga"], Some(&clash)).is_err());
        assert!(
            names(&[], Some(&own("[programmes.'../x']\npresets = []\n"))).is_err(),
            "no path"
        );
        assert!(names(&[], Some(&own(""))).is_err(), "no programme");
    }

    #[test]
    fn a_set_holds_for_homes_of_every_programme() {
        let file = own("[programmes.night]\npresets = ['k-water']\n[programmes.day]\npresets = ['malaga']\n");
        let sets = rule_sets(Arc::clone(&file.0.rules), &["taicang".to_owned()], None, None).expect("right");
        let own_names = |rules: &Rules| -> Vec<String> {
            rules
                .programmes
                .iter()
                .map(|programme| programme.name.to_string())
                .collect()
        };
        assert_eq!(
            own_names(&sets[1].rules),
            own_names(&sets[0].rules),
            "homes find the programme they name"
        );
        for programme in &sets[1].rules.programmes {
            assert_eq!(
                programme.detectors.inactivity.rules[0].name.as_ref(),
                "taicang-under-10l-in-24h"
            );
        }
    }

    #[test]
    fn a_wish_reaches_the_programmes_of_the_file_and_no_preset() {
        let learned = "[programmes.night.inactivity]
            rules = [{ name = 'l', stage = 'visit', when = { learned = { lambda = 100 } } }]";
        let lambdas = |text: &str, presets: &[&str], stage| {
            let file = own(text);
            let presets: Vec<String> = presets.iter().map(ToString::to_string).collect();
            let wish = Some((Wish::Lambda(900.0), stage));
            let sets = rule_sets(Arc::clone(&file.0.rules), &presets, Some(&file), wish);
            sets.map_err(|error| error.to_string()).map(|sets| {
                let lambda = |set: &RuleSet| {
                    let inactivity = &set.rules.programmes[0].detectors.inactivity;
                    inactivity
                        .learned()
                        .next()
                        .map(|(place, _)| inactivity.lambda(place).round())
                };
                sets.iter().map(lambda).collect::<Vec<_>>()
            })
        };
        let found = lambdas(learned, &["malaga"], None);
        assert_eq!(found, Ok(vec![Some(900.0), None, Some(900.0)]));
        let fixed = "[programmes.default]\npresets = ['malaga']\n[programmes.night]\npresets = ['k-water']";
        assert_eq!(
            lambdas(fixed, &[], Some(Stage::Ask)),
            Err("--lambda 900: no programme has a learned rule of stage ask".to_owned())
        );
    }
}
