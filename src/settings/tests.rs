use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use expect_test::{Expect as Snapshot, expect};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

#[derive(Debug, Default, Deserialize, Serialize)]
struct Example {
    kafka: Kafka,
    engine: Engine,
    #[serde(default)]
    programmes: BTreeMap<String, Programme>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Kafka {
    brokers: Vec<String>,
    group: String,
    commit_interval: u16,
    properties: BTreeMap<String, String>,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".into()],
            group: "tapwatch".into(),
            commit_interval: 5,
            properties: BTreeMap::from([("client.id".into(), "tapwatch".into())]),
        }
    }
}

#[derive(Debug, Deserialize, Serialize)]
struct Engine {
    budget: f64,
    strict: bool,
    workers: Option<u8>,
    unknown_fields: Treatment,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            budget: 0.1,
            strict: false,
            workers: None,
            unknown_fields: Treatment::Ignore,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Treatment {
    Ignore,
    Refuse,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct Programme {
    label: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    hours: u32,
    litres: Option<f64>,
}

fn patterns() -> Vec<Pattern> {
    vec![
        Pattern::new("kafka.properties.*", Expect::Text),
        Pattern::new("engine.workers", Expect::Like(json!(1))),
        Pattern::new("programmes.*", Expect::Like(json!({ "label": "", "rules": [] }))),
    ]
}

fn sources(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Sources {
    Sources {
        file: Some(SettingsFile {
            path: PathBuf::from("tapwatch.toml"),
            text: file.to_owned(),
        }),
        rules: None,
        environment: environment
            .iter()
            .map(|&(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
        flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
    }
}

fn loaded(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> (Example, Origins) {
    load(&sources(file, environment, flags), &patterns()).unwrap_or_else(|problems| panic!("{problems}"))
}

fn refused(file: &str, environment: &[(&str, &str)], flags: &[&str], expected: Snapshot) {
    let problems = load::<Example>(&sources(file, environment, flags), &patterns()).expect_err("refused");
    expected.assert_eq(&problems.to_string());
}

#[test]
fn without_sources_the_defaults_hold() {
    let (settings, origins) = load::<Example>(&Sources::default(), &patterns()).unwrap();
    assert_eq!(
        serde_json::to_value(settings).unwrap(),
        serde_json::to_value(Example::default()).unwrap()
    );
    assert_eq!(origins.place("kafka.group"), Place::Default);
}

#[test]
fn a_list_may_be_given_as_a_settings_file_has_it() {
    for (text, brokers) in [
        ("c:1, d:2", &["c:1", "d:2"][..]),
        (r#"["c:1", "d:2"]"#, &["c:1", "d:2"]),
        ("['c:1']", &["c:1"]),
        ("[]", &[]),
        ("", &[]),
    ] {
        let (settings, _) = loaded("", &[("TAPWATCH__KAFKA__BROKERS", text)], &[]);
        assert_eq!(settings.kafka.brokers, brokers, "{text}");
    }
    refused(
        "",
        &[],
        &["kafka.brokers=[c:1]"],
        expect![[r#"
            --set kafka.brokers: expects a list of texts or numbers, such as a,b or ["a", "b"] (tables: in a settings file), got "[c:1]""#]],
    );
}

#[test]
fn a_later_source_wins() {
    let file = "[kafka]\ngroup = 'file'\ncommit_interval = 6\nbrokers = ['a', 'b']\n[engine]\nbudget = 1\n";
    let environment = [
        ("TAPWATCH__KAFKA__GROUP", "environment"),
        ("TAPWATCH__ENGINE__STRICT", "true"),
        ("HOME", "/root"),
    ];
    let flags = ["kafka.group=flag", "kafka.brokers=c:1, d:2", "engine.workers=3"];

    let (settings, _) = loaded(file, &[], &[]);
    assert_eq!(
        (settings.kafka.group.as_str(), settings.kafka.commit_interval),
        ("file", 6)
    );
    assert_eq!(settings.engine.budget, 1.0);
    let (settings, _) = loaded(file, &environment, &[]);
    assert_eq!(settings.kafka.group, "environment");
    assert!(settings.engine.strict);
    let (settings, origins) = loaded(file, &environment, &flags);
    assert_eq!(settings.kafka.group, "flag");
    assert_eq!(settings.kafka.brokers, ["c:1", "d:2"]);
    assert_eq!(settings.engine.workers, Some(3));

    let place = |key: &str| origins.place(key).to_string();
    assert_eq!(place("kafka.group"), "--set kafka.group");
    assert_eq!(place("kafka.brokers[1]"), "--set kafka.brokers");
    assert_eq!(place("kafka.commit_interval"), "tapwatch.toml:3");
    assert_eq!(place("engine.strict"), "TAPWATCH__ENGINE__STRICT");
    assert_eq!(place("engine.budget"), "tapwatch.toml:6");
    assert_eq!(place("programmes.none.label"), "built-in default");
}

#[test]
fn unknown_keys_are_named_all_at_once() {
    refused(
        "title = 1\n[kafka]\ncomit_interval = 5\n\n[kafak]\nx = 1\n[programmes.night]\nlable = 'n'\n",
        &[
            ("TAPWATCH__KAFKA__GRUOP", "x"),
            ("TAPWATCH__", "x"),
            ("TAPWATCH__KAFKA__GROUP__DEEP", "x"),
        ],
        &["engine.budgets=1", "engine", "=", "kafka=x"],
        expect![[r#"
            tapwatch.toml:1: title: unknown key
            tapwatch.toml:3: kafka.comit_interval: unknown key; did you mean commit_interval?
            tapwatch.toml:5: kafak: unknown key; did you mean kafka?
            tapwatch.toml:8: programmes.night.lable: unknown key; did you mean label?
            TAPWATCH__: unknown key
            TAPWATCH__KAFKA__GROUP__DEEP: kafka.group: expects text, got a table
            TAPWATCH__KAFKA__GRUOP: kafka.gruop: unknown key; did you mean group?
            --set : unknown key
            --set engine: expects key=value
            --set engine.budgets: unknown key; did you mean budget?
            --set kafka: is a table; give a key in it"#]],
    );
}

#[test]
fn a_variable_that_only_looks_like_a_setting_is_named_and_those_of_others_are_not() {
    refused(
        "",
        &[
            ("TAPWATCH_KAFKA_GROUP", "x"),
            ("TAPWATCH_KAFKA_PROPERTIES_SASL_PASSWORD", "secret"),
            ("TAPWATCH_ENGINE__STRICT", "true"),
            ("tapwatch__engine__workers", "4"),
            ("TAPWATCH_KAFKA_SERVICE_HOST", "10.0.0.1"),
            ("TAPWATCH_PORT", "tcp://10.0.0.1:9092"),
            ("TAPWATCHER", "x"),
            ("TAPWATCH", "x"),
        ],
        &[],
        expect![[r#"
            TAPWATCH_ENGINE__STRICT: is no setting, though it looks like one; did you mean TAPWATCH__ENGINE__STRICT?
            TAPWATCH_KAFKA_GROUP: is no setting, though it looks like one; did you mean TAPWATCH__KAFKA__GROUP?
            tapwatch__engine__workers: is no setting, though it looks like one; did you mean TAPWATCH__ENGINE__WORKERS?"#]],
    );
}

#[test]
fn wrong_types_are_named_all_at_once() {
    refused(
        "programmes = 1\n[kafka]\nbrokers = ['a', 1]\ngroup = 5\ncommit_interval = 'often'\n[engine]\nstrict = 1\nbudget = nan\n[kafka.properties]\na = [1]\n",
        &[
            ("TAPWATCH__KAFKA__COMMIT_INTERVAL", "1.5"),
            ("TAPWATCH__ENGINE__STRICT", "yes"),
        ],
        &[
            "engine.budget=lots",
            "engine.workers=",
            "kafka.group=fine",
            "kafka.commit_interval=99999999999999999999",
            "engine.budget=1e999",
        ],
        expect![[r#"
            tapwatch.toml:1: programmes: expects a table, got a whole number
            tapwatch.toml:3: kafka.brokers[1]: expects text, got a whole number
            tapwatch.toml:4: kafka.group: expects text, got a whole number
            tapwatch.toml:5: kafka.commit_interval: expects a whole number, got text
            tapwatch.toml:7: engine.strict: expects true or false, got a whole number
            tapwatch.toml:8: engine.budget: expects a finite number
            tapwatch.toml:10: kafka.properties.a: expects text, a number, or true or false, got a list
            TAPWATCH__ENGINE__STRICT: engine.strict: expects true or false, got "yes"
            TAPWATCH__KAFKA__COMMIT_INTERVAL: kafka.commit_interval: expects a whole number, got "1.5"
            --set engine.budget: expects a finite number
            --set engine.budget: expects a number, got "lots"
            --set engine.workers: expects a whole number, got ""
            --set kafka.commit_interval: the number is too large"#]],
    );
}

#[test]
fn what_only_serde_knows_is_named_all_at_once() {
    refused(
        "[engine]\nunknown_fields = 'shout'\nworkers = 300\n[kafka]\ncommit_interval = -1\n\
         [[programmes.night.rules]]\nhours = 12\n[[programmes.night.rules]]\nhours = 'x'\n\
         [[programmes.day.rules]]\nhours = 1\nextra = 1\n[[programmes.noon.rules]]\nlitres = 1\n",
        &[],
        &[],
        expect![[r#"
            tapwatch.toml:2: engine.unknown_fields: "shout" is not known here; it may be ignore or refuse
            tapwatch.toml:3: engine.workers: expects a whole number from 0 to 255, got 300
            tapwatch.toml:5: kafka.commit_interval: expects a whole number from 0 to 65535, got -1
            tapwatch.toml:9: programmes.night.rules[1].hours: expects a whole number, 0 or more, got the text "x"
            tapwatch.toml:12: programmes.day.rules[0].extra: unknown key; it may be hours or litres
            tapwatch.toml:13: programmes.noon.rules[0]: hours is missing"#]],
    );
}

#[test]
fn a_refused_value_does_not_count_as_missing() {
    let patterns = [
        Pattern::new("programmes.*", Expect::Like(json!({ "label": "", "rules": [] }))),
        Pattern::new(
            "programmes.*.rules[]",
            Expect::Like(json!({ "hours": 1, "litres": 1.0 })),
        ),
    ];
    let file = "[[programmes.night.rules]]\nhuors = 12\n";
    let problems = load::<Example>(&sources(file, &[], &[]), &patterns).expect_err("refused");
    expect!["tapwatch.toml:2: programmes.night.rules[0].huors: unknown key; did you mean hours?"]
        .assert_eq(&problems.to_string());
}

#[test]
fn a_refused_item_does_not_renumber_the_others() {
    let rules = Pattern::new("programmes.*.rules[]", Expect::Like(json!({ "hours": 1 })));
    let patterns: Vec<Pattern> = patterns().into_iter().chain([rules]).collect();
    let file =
        "[programmes]\nnight.rules = [\n  1,\n  { hours = -1 },\n]\n[engine]\nunknown = 1\nunknown_fields = 'x'\n";
    let problems = load::<Example>(&sources(file, &[], &[]), &patterns).expect_err("refused");
    expect![[r#"
        tapwatch.toml:3: programmes.night.rules[0]: expects a table, got a whole number
        tapwatch.toml:4: programmes.night.rules[1].hours: expects a whole number, 0 or more, got -1
        tapwatch.toml:7: engine.unknown: unknown key
        tapwatch.toml:8: engine.unknown_fields: "x" is not known here; it may be ignore or refuse"#]]
    .assert_eq(&problems.to_string());
}

#[test]
fn properties_keep_their_dots() {
    let file = "[kafka.properties]\n\"security.protocol\" = 'SASL_SSL'\nsasl.mechanism = 'PLAIN'\n\"max.poll\" = 30\n";
    let (settings, origins) = loaded(
        file,
        &[
            ("TAPWATCH__KAFKA__PROPERTIES__SECURITY_PROTOCOL", "SSL"),
            ("TAPWATCH__KAFKA__PROPERTIES__ACKS", "1"),
        ],
        &["kafka.properties.sasl.password=a=b"],
    );
    let expected = [
        ("acks", "1"),
        ("client.id", "tapwatch"),
        ("max.poll", "30"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", "a=b"),
        ("security.protocol", "SSL"),
    ];
    let found: Vec<(&str, &str)> = settings
        .kafka
        .properties
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(found, expected);
    let place = |key: &str| origins.place(key).to_string();
    assert_eq!(place("kafka.properties.sasl.mechanism"), "tapwatch.toml:3");
    assert_eq!(
        place("kafka.properties.security.protocol"),
        "TAPWATCH__KAFKA__PROPERTIES__SECURITY_PROTOCOL"
    );
    assert_eq!(
        place("kafka.properties.sasl.password"),
        "--set kafka.properties.sasl.password"
    );
    refused(
        "[kafka.properties]\n'a.b' = 1\na.b = 2\n",
        &[],
        &[],
        expect!["tapwatch.toml:2: kafka.properties.a.b: is given twice"],
    );
}

#[test]
fn programmes_are_free_and_keep_their_lines() {
    let file = "[programmes.'shanghai-jingan']\nlabel = 'J'\n\n[[programmes.'shanghai-jingan'.rules]]\nhours = 24\nlitres = 10\n[programmes.quiet]\n";
    let (settings, origins) = loaded(file, &[], &["programmes.shanghai-jingan.label=K"]);
    assert_eq!(
        settings.programmes.keys().collect::<Vec<_>>(),
        ["quiet", "shanghai-jingan"]
    );
    assert_eq!(settings.programmes["shanghai-jingan"].label, "K");
    assert_eq!(settings.programmes["shanghai-jingan"].rules[0].hours, 24);
    let problem = origins.problem("programmes.shanghai-jingan.rules[0].hours", "contradicts the label");
    expect!["tapwatch.toml:5: programmes.shanghai-jingan.rules[0].hours: contradicts the label"]
        .assert_eq(&problem.to_string());
    assert_eq!(
        origins.place("programmes.shanghai-jingan.rules[0]").to_string(),
        "tapwatch.toml:4"
    );
    assert_eq!(origins.place("programmes.quiet.rules").to_string(), "tapwatch.toml:7");
}

#[test]
fn a_syntax_error_has_line_and_column() {
    refused(
        "[kafka]\ngroup = = 1\n",
        &[],
        &["engine.strict=maybe"],
        expect![[r#"
            tapwatch.toml:2: not TOML, at column 9: extra `=`, expected nothing
            --set engine.strict: expects true or false, got "maybe""#]],
    );
    refused(
        "[kafka]\ngroup = 'a'\ngroup = 'b'\n",
        &[],
        &[],
        expect!["tapwatch.toml:3: not TOML, at column 1: duplicate key"],
    );
    refused(
        "[kafka]\n\"a\\nb\" = 99999999999999999999\n",
        &[],
        &[],
        expect![[r#"tapwatch.toml:2: kafka.a\nb: unknown key"#]],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tapwatch.toml");
    assert!(
        SettingsFile::read(&path)
            .unwrap_err()
            .message
            .starts_with("cannot be read")
    );
    std::fs::write(&path, b"[kafka]\ngroup = '\xff'\n").unwrap();
    assert_eq!(
        SettingsFile::read(&path).unwrap_err().place,
        Place::File {
            path: path.clone(),
            line: Some(2)
        }
    );
    std::fs::write(&path, "[kafka]\n").unwrap();
    assert_eq!(SettingsFile::read(Path::new(&path)).unwrap().text, "[kafka]\n");
}

#[test]
fn endless_keys_do_no_harm() {
    let deep = vec!["a"; 100_000].join(".");
    let file = format!("{deep} = 1");
    let nested = format!("x = {}", "[".repeat(100_000));
    let name = format!("TAPWATCH__{}", vec!["KAFKA"; 100_000].join("__"));
    for file in [file, nested] {
        let flags = [format!("{deep}=1"), format!("kafka.properties.{deep}=1")];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let problems = load::<Example>(&sources(&file, &[(&name, "x")], &flags), &patterns()).expect_err("refused");
        assert_eq!(problems.0.len(), 3);
    }
}

/// Text that often comes near to settings.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        "\\PC{0,6}",
        prop::sample::select(vec![
            "[kafka]\n",
            "[kafka.properties]\n",
            "[[programmes.a.rules]]\n",
            "[engine]\n",
            "group",
            "hours",
            "budget",
            "=",
            " = ",
            "'x'\n",
            "1\n",
            "1.5\n",
            "\n",
            ".",
            "__",
            "KAFKA",
            "PROPERTIES",
            "[",
            "]",
            "{",
            "}",
            ",",
            "\"",
            "\u{feff}",
            "é",
            "1979-05-27\n",
            "0xffffffffffffffffff\n",
            "-0.0\n",
            "inf\n",
            "properties",
            "a.b = 1\n",
            "rules = [{hours = 1}]\n",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(scrap, 0..12).prop_map(|scraps| scraps.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(file in scraps(), name in scraps(), text in scraps(), flag in scraps()) {
        let name = format!("{ENVIRONMENT_PREFIX}{name}");
        if let Err(problems) = load::<Example>(&sources(&file, &[(&name, &text)], &[&flag]), &patterns()) {
            prop_assert!(!problems.0.is_empty());
            prop_assert_eq!(problems.to_string().lines().count(), problems.0.len());
        }
    }
}
