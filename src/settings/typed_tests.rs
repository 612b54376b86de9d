//! Settings as a deployment states them: what is read, and what is said of mistakes.

use super::*;
use crate::detect::inactivity::hazard::Hazard;
use crate::model::Stage;
use crate::partition::ProgrammeSettings;

fn read(text: &str) -> Result<Validated, String> {
    let file = SettingsFile {
        path: "tapwatch.toml".into(),
        text: text.into(),
    };
    let sources = Sources {
        file: Some(file),
        ..Sources::default()
    };
    Settings::read(&sources).map_err(|problems| problems.to_string())
}

#[test]
fn budgets_of_stages_are_read() {
    let file = "[programmes.default.inactivity]\nbudget = { homes = 1200, visit = { a_home_month = 0.1 } }\n";
    let validated = read(file).expect("sound settings");
    let budget = validated.rules.programmes[0].detectors.inactivity.budget;
    assert_eq!((budget.homes, budget.visit.is_some()), (Some(1200), true));
    read(&file.replace("visit", "visits")).unwrap_err();
    let flags = ["programmes.default.inactivity.budget.visit.a_home_month=0.5"];
    let settings = with_rules("", "", &flags).expect("a number");
    let budget = settings.programmes["default"].detectors.inactivity.budget;
    assert_eq!(budget.a_home_month(Stage::Visit), Some(0.5));
}

#[test]
fn a_table_of_hazards_is_read_or_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("city.hazard");
    let setting = format!("hazard = {:?}\n", path.display().to_string());
    let said = read(&setting).expect_err("no file");
    assert!(said.contains("hazard") && said.contains("No such file"), "{said}");
    std::fs::write(&path, "{\"form\":\"weather\",\"version\":1}\n").expect("written");
    let said = read(&setting).expect_err("another form");
    assert!(
        said.contains("no table of hazards: it calls itself \"weather\""),
        "{said}"
    );
    let shipped = Hazard::default();
    let mut model = shipped.model().expect("the shipped table").clone();
    model.returns.trees.truncate(3);
    let mut bytes = Vec::new();
    model.write(&mut bytes).expect("memory");
    std::fs::write(&path, &bytes).expect("written");
    let validated = read(&setting).expect("a table");
    let used = &validated.rules.programmes[0].detectors;
    assert_eq!(used.inactivity.hazard.model(), Some(&model));
    // Rules with another table are other rules, and what is shown of the settings can be read again.
    assert_ne!(
        used.numbers(),
        read("").expect("the defaults").rules.programmes[0].detectors.numbers()
    );
    let shown = toml::to_string(&validated.settings).expect("a file");
    assert_eq!(read(&shown).expect("what was shown").settings, validated.settings);
}

#[test]
fn the_defaults_are_right_and_survive_a_round_trip() {
    let defaults = read("").expect("the defaults");
    let text = toml::to_string(&defaults.settings).expect("a file");
    assert_eq!(
        read(&text).expect("the defaults, written out").settings,
        defaults.settings
    );
}

#[test]
fn everything_wrong_is_said_at_once_with_its_line() {
    let text = r#"
[kafka]
group_id = ""
[kafka.properties]
"sasl.mechanism" = "PLAIN"
[home]
max_jump_seconds = 3600
[defaults]
time_zone = "Mars/Olympus"
programme = "night"
[programmes.day.inactivity]
rules = [{ name = "a", when = { no_use = { hours = 0.0 } } }, { name = "a", until_learned = true, when = { bands = { bands = ["05-09"] } } }]
"#;
    let said = read(text).expect_err("many mistakes");
    for part in [
        "tapwatch.toml:3: kafka.group_id",
        "tapwatch.toml:7: home.max_jump_seconds",
        "tapwatch.toml:9: defaults.time_zone",
        "tapwatch.toml:10: defaults.programme",
        "tapwatch.toml:12: programmes.day.inactivity.rules",
        "given to two rules",
        "no rule of the programme is learned",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
}

#[test]
fn rules_of_all_kinds_are_read() {
    let text = r#"
[programmes.k-water.inactivity]
rules = [
  { name = "24h", severity = "critical", when = { no_use = { hours = 24 } } },
  { name = "bands", when = { bands = { bands = ["05-09", "17-21"], all = true } } },
  { name = "litres", when = { few_litres = { below = 10, hours = 12 } } },
  { name = "learned", when = { learned = { lambda = 800 } } },
]
"#;
    let validated = read(text).expect("right");
    assert_eq!(validated.rules.programmes[0].name.as_ref(), "default");
    assert_eq!(validated.rules.programmes[1].detectors.inactivity.rules.len(), 4);
    let wrong = read(&text.replace("05-09", "5 to 9")).expect_err("no band");
    assert!(wrong.contains("no band of whole hours"), "{wrong}");
}

fn with_rules(file: &str, rules: &str, flags: &[&str]) -> Result<Settings, String> {
    let named = |path: &str, text: &str| SettingsFile {
        path: path.into(),
        text: text.into(),
    };
    let sources = Sources {
        file: Some(named("tapwatch.toml", file)),
        rules: Some(named("rules.toml", rules)),
        flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        ..Sources::default()
    };
    Settings::read(&sources)
        .map(|validated| validated.settings)
        .map_err(|problems| problems.to_string())
}

fn rule_names(programme: &ProgrammeSettings) -> Vec<&str> {
    let rules = programme.detectors.inactivity.rules.iter();
    rules.map(|rule| rule.name.as_ref()).collect()
}

#[test]
fn a_programme_of_presets_is_these_and_what_it_says_itself() {
    let rules = r#"
[programmes.default]
title = "Ours"
presets = ["k-water", "zhuhai-shishan"]
[programmes.default.silent_meter]
after_hours = 50
[[programmes.default.inactivity.rules]]
name = "own"
when = { no_use = { hours = 30.0 } }
[programmes.other]
presets = []
"#;
    let settings = with_rules("", rules, &[]).expect("right");
    let ours = &settings.programmes["default"];
    assert_eq!(
        rule_names(ours),
        ["k-water-both-bands", "k-water-no-use-24h", "shishan-no-use-12h", "own"]
    );
    assert_eq!(ours.title, "Ours");
    assert!(
        ours.source.contains("etoday") && ours.source.contains("hizh"),
        "{}",
        ours.source
    );
    // Spoken of, and so on; the leak is not.
    assert_eq!(
        (
            ours.detectors.silent_meter.enabled,
            ours.detectors.silent_meter.after_hours
        ),
        (true, 50)
    );
    assert!(!ours.detectors.leak.enabled);
    let contacts: Vec<&str> = ours.policy.ladder.iter().map(|step| step.contact.as_ref()).collect();
    assert_eq!(contacts, ["social-worker", "guardian", "community-social-worker"]);
    let other = &settings.programmes["other"];
    assert_eq!(rule_names(other), Vec::<&str>::new());
    assert!(!other.detectors.silent_meter.enabled);
    // What is in force can be written out and read again.
    let text = toml::to_string(&settings).expect("a file");
    assert_eq!(read(&text).expect("the same").settings, settings);
}

#[test]
fn a_later_source_names_other_presets_or_rules() {
    let file = "[programmes.night]\npresets = ['k-water']\n";
    let settings = with_rules(file, "", &["programmes.night.presets=taicang, malaga"]).expect("right");
    let night = &settings.programmes["night"];
    assert_eq!(
        rule_names(night),
        ["taicang-under-10l-in-24h", "malaga-hours-of-the-person"]
    );
    let rules = "[[programmes.night.inactivity.rules]]\nname = 'own'\nwhen = { no_use = { hours = 9 } }\n";
    let settings = with_rules(file, rules, &[]).expect("right");
    let night = &settings.programmes["night"];
    assert_eq!(rule_names(night), ["k-water-both-bands", "k-water-no-use-24h", "own"]);
    let untouched = ProgrammeSettings::default();
    assert_eq!(
        settings.programmes["default"], untouched,
        "who names no presets keeps our own rules"
    );
}

#[test]
fn mistakes_in_a_rule_file_are_named_with_their_lines() {
    let rules = r#"
[programmes.night]
presets = ["k-water", "zhuhai-shisan", "k-water", "none-such"]
[[programmes.night.inactivity.rules]]
name = "own"
when = { no_use = { hours = 30.0 } }
[[programmes.night.inactivity.rules]]
name = "k-water-no-use-24h"
when = { no_use = { hours = 0.0 } }
[[programmes.night.policy.ladder]]
contact = "family"
[kafka]
group_id = "x"
"#;
    let expected = expect_test::expect![[r#"
            rules.toml:3: programmes.night.presets[1]: no preset "zhuhai-shisan"; did you mean zhuhai-shishan?
            rules.toml:3: programmes.night.presets[2]: the preset "k-water" is named twice
            rules.toml:3: programmes.night.presets[3]: no preset "none-such"; `tapwatch rules` lists them
            rules.toml:7: programmes.night.inactivity.rules[1]: k-water-no-use-24h: no_use.hours = 0 is not between 0.5 and 240
            rules.toml:7: programmes.night.inactivity.rules[1]: the name "k-water-no-use-24h" is given to two rules
            rules.toml:12: kafka: a rule file holds [programmes.*] alone; this belongs into the settings file"#]];
    expected.assert_eq(&with_rules("", rules, &[]).expect_err("many mistakes"));
    let composed = r#"
[programmes.night]
presets = ["k-water"]
[[programmes.night.inactivity.rules]]
name = "own"
when = { no_use = { hours = 30.0 } }
[[programmes.night.inactivity.rules]]
name = "k-water-no-use-24h"
when = { no_use = { hours = 0.0 } }
"#;
    let expected = expect_test::expect![[r#"
            rules.toml:7: programmes.night.inactivity.rules[1]: k-water-no-use-24h: no_use.hours = 0 is not between 0.5 and 240
            rules.toml:7: programmes.night.inactivity.rules[1]: the name "k-water-no-use-24h" is given to two rules"#]];
    expected.assert_eq(&with_rules("", composed, &[]).expect_err("two mistakes"));
}

#[test]
fn each_mistake_in_a_rule_has_its_line_its_rule_and_a_plain_reason() {
    let rules = r#"
[programmes.night]
presets = ["k-wter", 7]
titel = "Night"
[[programmes.night.inactivity.rules]]
name = "late"
severity = "hihg"
when = { no_use = { hours = "twelve" } }
[[programmes.night.inactivity.rules]]
name = "evening"
when = { bands = { bands = ["06-06"], days = ["mon", "mon"] } }
[[programmes.night.inactivity.rules]]
name = "both"
when = { no_use = { hours = 12 }, per_person = { default_hours = 12 } }
[[programmes.night.inactivity.rules]]
name = "few"
when = { few_litres = { below = 10, huors = 12 } }
[[programmes.night.inactivity.rules]]
name = "twice"
when = { bands = { bands = ["06-10"], days = ["mon", "mon"] } }
[[programmes.night.leak.rules]]
name = "none"
[[programmes.night.leak.rules]]
name = "half"
when = { continuous = { hours = 24, slot_minutes = 20 } }
[[programmes.night.policy.ladder]]
contact = "warden"
duty = "09-09"
[programmes.""]
presets = []
"#;
    let expected = expect_test::expect![[r#"
            rules.toml:3: programmes.night.presets[0]: no preset "k-wter"; did you mean k-water?
            rules.toml:3: programmes.night.presets[1]: expects text, got a whole number
            rules.toml:4: programmes.night.titel: unknown key; did you mean title?
            rules.toml:7: programmes.night.inactivity.rules[0].severity: late: "hihg" is not known here; did you mean high?
            rules.toml:8: programmes.night.inactivity.rules[0].when.no_use.hours: late: expects a number, got the text "twelve"
            rules.toml:11: programmes.night.inactivity.rules[1].when.bands.bands[0]: evening: "06-06" is no band of whole hours such as "05-09"
            rules.toml:14: programmes.night.inactivity.rules[2].when: both: expects exactly one key in this table
            rules.toml:17: programmes.night.inactivity.rules[3].when.few_litres.huors: few: unknown key; did you mean hours?
            rules.toml:18: programmes.night.inactivity.rules[4]: twice: bands.days has a day twice
            rules.toml:21: programmes.night.leak.rules[0]: none: when is missing
            rules.toml:23: programmes.night.leak.rules[1]: half: continuous.slot_minutes = 20 is not 60, 30 or 15
            rules.toml:28: programmes.night.policy.ladder[0].duty: "09-09" is no band of whole hours such as "05-09"
            rules.toml:29: programmes.: a programme needs a name"#]];
    expected.assert_eq(&with_rules("", rules, &[]).expect_err("many mistakes"));
}

#[test]
fn presets_of_different_detectors_go_together() {
    let rules = "[programmes.night]\npresets = ['phyn', 'kamstrup', 'sakaki-kizuki']\n";
    let settings = with_rules("", rules, &[]).expect("they go together");
    let ladder = &settings.programmes["night"].policy;
    let told: Vec<_> = ladder
        .ladder
        .iter()
        .map(|step| (step.contact.as_ref(), step.after_minutes))
        .collect();
    assert_eq!(told, [("household", 0), ("family", 0), ("welfare-commissioner", 30)]);
    assert_eq!(
        ladder.ladder_kinds.len(),
        3,
        "inactivity, prolonged_draw and well_today, each once"
    );
}

#[test]
fn a_ladder_of_two_tells_everybody_when_their_own_would() {
    let rules = "[programmes.night]\npresets = ['malaga', 'shanghai-jingan', 'tokyo-2007', 'sakaki-kizuki']\n";
    let settings = with_rules("", rules, &[]).expect("right");
    let ladder = &settings.programmes["night"].policy.ladder;
    let told: Vec<_> = ladder
        .iter()
        .map(|step| (step.contact.as_ref(), step.after_minutes))
        .collect();
    let expected = [
        ("telecare-centre", 0),
        ("emergency-contact", 0),
        ("family", 0),
        ("emergency-social-unit", 30),
        ("street", 0),
        ("community", 0),
        ("volunteer", 0),
        ("welfare-commissioner", 0),
    ];
    assert_eq!(told, expected);
}
