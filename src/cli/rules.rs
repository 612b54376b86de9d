//! `rules`: presets and rule files in words.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueHint};
use serde_json::{Value, json};

use super::read_file;
use super::state::{find, nothing};
use crate::kafka::{check_topics, deployment};
use crate::partition::ProgrammeSettings;
use crate::presets::{PRESETS, Preset, RuleInWords, likely, rules_of_home, told_in_words, words};
use crate::settings::{Settings, Sources, Validated};

#[derive(Debug, Args)]
pub struct RulesArgs {
    /// A preset: prints it as a rule file.
    #[arg(value_name = "NAME", conflicts_with = "file")]
    name: Option<String>,
    /// A rule file: says what is wrong with it, or what it means.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// A home, by its household_id: which rules of its programme speak for it by what the service has stored, and why the
    /// others are in shadow.
    #[arg(long, value_name = "ID", conflicts_with_all = ["name", "file"])]
    home: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Presets, one preset, a rule file, or one home; without any, the programmes of the settings stand before the presets.
pub fn rules(args: &RulesArgs, validated: &Validated) -> anyhow::Result<()> {
    if let Some(home) = &args.home {
        return of_home(home, validated, args.json);
    }
    if let Some(name) = &args.name {
        return one_preset(name, args.json);
    }
    let mut sets: Vec<(String, ProgrammeSettings)> = Vec::new();
    if let Some(path) = &args.file {
        let file = read_file(path)?;
        let names = file.programmes();
        let sources = Sources {
            rules: Some(file),
            ..Sources::default()
        };
        let mut programmes = Settings::read(&sources)?.settings.programmes;
        for name in names {
            if let Some(programme) = programmes.remove(&name) {
                sets.push((name, programme));
            }
        }
        with_table(&mut sets, validated);
        if sets.is_empty() {
            bail!("{}: no programme, such as [programmes.night]", path.display());
        }
        return tell(&format!("Programmes of {}", path.display()), &sets, &[], args.json);
    }
    sets.extend(validated.settings.programmes.clone());
    with_table(&mut sets, validated);
    let mut presets = Vec::new();
    for preset in PRESETS {
        presets.push((preset.name.to_owned(), Settings::of_preset(preset)?));
    }
    tell("Programmes in force", &sets, &presets, args.json)
}

/// Gives programmes the table of hazards that the settings name.
fn with_table(sets: &mut [(String, ProgrammeSettings)], validated: &Validated) {
    let Some(first) = validated.rules.programmes.first() else {
        return;
    };
    for (_, programme) in sets {
        programme.detectors.inactivity.hazard = first.detectors.inactivity.hazard.clone();
    }
}

/// What the state topic says of a home, beside the rules of its programme.
fn of_home(home: &str, validated: &Validated, as_json: bool) -> anyhow::Result<()> {
    let kafka = &validated.settings.kafka;
    check_topics(kafka)?;
    let deployment = deployment(kafka, &validated.settings.source)?;
    let (_, stored) = find(kafka, &deployment, home)?.with_context(|| nothing(kafka, home))?;
    let first = || {
        validated
            .rules
            .programmes
            .first()
            .map(|programme| programme.name.to_string())
    };
    let name = stored.programme.clone().or_else(first).unwrap_or_default();
    let Some(programme) = validated.settings.programmes.get(&name) else {
        bail!("{home} is in the programme {name:?}, which these settings do not have");
    };
    let rules = rules_of_home(programme, &stored);
    if as_json {
        let all = json!({
            "household_id": home,
            "programme": name,
            "known_hours": stored.known_hours,
            "rules": rules,
        });
        say!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    say!("{home}, programme {name}, as it was last stored");
    for rule in &rules {
        let speaks = if rule.speaks { "speaks" } else { "silent" };
        let met = if rule.met_in_shadow {
            "; it is met now, counted and not sent"
        } else {
            ""
        };
        say!("  {speaks}  {} {}: {}{met}", rule.detector, rule.rule, rule.why);
    }
    Ok(())
}

fn one_preset(name: &str, as_json: bool) -> anyhow::Result<()> {
    let Some(preset) = Preset::find(name) else {
        match likely(name) {
            Some(likely) => bail!("no preset {name:?}; did you mean {likely}?"),
            None => bail!("no preset {name:?}; `tapwatch rules` lists them"),
        }
    };
    if as_json {
        let one = [(preset.name.to_owned(), Settings::of_preset(preset)?)];
        return tell("", &[], &one, true);
    }
    say!("{}", preset.text.trim_end());
    Ok(())
}

/// Says what programmes and presets mean.
fn tell(
    heading: &str,
    programmes: &[(String, ProgrammeSettings)],
    presets: &[(String, ProgrammeSettings)],
    as_json: bool,
) -> anyhow::Result<()> {
    if as_json {
        let list = |sets: &[(String, ProgrammeSettings)]| -> Vec<Value> {
            sets.iter().map(|(name, set)| as_value(name, set)).collect()
        };
        let all = json!({ "programmes": list(programmes), "presets": list(presets) });
        say!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for (heading, sets) in [(heading, programmes), ("Presets", presets)] {
        if !sets.is_empty() {
            say!("{heading}");
        }
        for (name, set) in sets {
            describe(name, set)?;
        }
    }
    Ok(())
}

fn as_value(name: &str, set: &ProgrammeSettings) -> Value {
    json!({
        "name": name,
        "title": set.title,
        "source": set.source,
        "figures": set.figures,
        "rules": words(set),
        "told": set.policy.ladder,
        "told_in_words": told_in_words(set),
    })
}

fn describe(name: &str, set: &ProgrammeSettings) -> anyhow::Result<()> {
    say!("");
    if set.title.is_empty() {
        say!("{name}");
    } else {
        say!("{name}: {}", set.title);
    }
    let rules = words(set);
    if rules.is_empty() {
        say!("  nothing: no rule holds");
    }
    for rule in &rules {
        say!("  {}", line(rule));
        if let Some(shadow) = &rule.in_shadow_until {
            say!("      in shadow, home by home: needs {shadow}");
        }
    }
    let told = told_in_words(set);
    if !told.is_empty() {
        say!("  told: {told}");
    }
    if !set.figures.is_empty() {
        say!("  figures: {}", set.figures);
    }
    if !set.source.is_empty() {
        say!("  source: {}", set.source);
    }
    Ok(())
}

fn line(rule: &RuleInWords) -> String {
    let name = rule.rule.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
    let severity = rule.severity.map(|severity| format!("{severity:?}").to_lowercase());
    let stage = rule.stage.map(|stage| stage.name().to_owned());
    let asks: Vec<String> = severity.into_iter().chain(stage).collect();
    let asks = if asks.is_empty() {
        String::new()
    } else {
        format!(" ({})", asks.join(", "))
    };
    format!("{}{name}{asks}: {}", rule.detector, rule.words)
}
