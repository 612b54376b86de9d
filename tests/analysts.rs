//! What analysts run: a backtest with its report, and the search for λ, as the command line gives them.

mod support;

use std::fs;

use serde_json::Value;
use support::process::{in_repository, refusal, success, tapwatch};

#[test]
fn a_backtest_writes_one_page_with_everything_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (readings, out) = (
        in_repository("tests/data/sample_homes.csv.gz"),
        folder.path().join("out"),
    );
    let injected = folder.path().join("injected");
    let (readings, injected_name) = (readings.to_string_lossy(), injected.to_string_lossy());
    let incidents = ["emergency", "leak:10"];
    success(&tapwatch(
        ["inject", "--readings", &readings, "--out", &injected_name]
            .iter()
            .chain(&["--set", "defaults.time_zone=Europe/Athens", "--incident"])
            .chain(&incidents),
    ));
    let homes = fs::read_to_string(injected.join("homes.csv")).expect("it is written");
    assert!(
        homes.lines().skip(1).all(|home| home.contains(",Europe/Athens,")),
        "{homes}"
    );
    let file = |name: &str| injected.join(name).to_string_lossy().into_owned();
    let (with_incidents, truth, out_name) = (file("readings.csv.gz"), file("truth.csv"), out.to_string_lossy());
    let of = [
        "backtest",
        "--readings",
        &with_incidents,
        "--truth",
        &truth,
        "--out",
        &out_name,
    ];
    let told = success(&tapwatch(of.iter().chain(&[
        "--sweep",
        "3",
        "--complete",
        &with_incidents,
    ])));
    assert!(
        told.contains("bound: without the judged fortnight") && told.contains("report.html"),
        "{told}"
    );
    let summary = fs::read_to_string(out.join("summary.json")).expect("it is written");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    let curve = &summary["analysis"]["curve"];
    let points = curve["rules"]["points"].as_array().expect("points");
    assert_eq!((points.len(), summary["score"]["gap_caused"].as_u64()), (3, Some(0)));
    // The point in the middle is the run that was asked for.
    let middle = (&points[1]["false_per_home_month"], &points[1]["delay_hours"]);
    assert_eq!(
        middle,
        (
            &summary["score"]["false_per_home_month"],
            &summary["score"]["delay"]["mean_hours"]
        )
    );
    let others = curve["others"].as_array().expect("presets");
    assert!(others.iter().any(|set| set["name"] == "zhuhai-shishan"), "{others:?}");
    let page = fs::read_to_string(out.join("report.html")).expect("it is written");
    for part in [
        "id=\"curve\"",
        "id=\"hours\"",
        "id=\"leaks\"",
        "id=\"daily\"",
        "id=\"cases\"",
        "zhuhai-shishan",
        "</html>",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "nothing is fetched"
    );
}

#[test]
fn tune_prints_rules_that_the_settings_take() {
    let readings = in_repository("tests/data/sample_homes.csv.gz");
    let folder = tempfile::tempdir().expect("a folder");
    let rules = folder.path().join("rules.toml").to_string_lossy().into_owned();
    let readings = readings.to_string_lossy();
    let tune_to = |out: &str, budget: &str, settings: &[&str]| {
        let command = ["tune", "--readings", &readings, "--budget", budget, "--out", out];
        tapwatch(command.iter().chain(settings))
    };
    let tune = |budget: &str| tune_to(&rules, budget, &[]);
    assert!(refusal(&tune_to(&readings, "1.5", &[])).contains("would be overwritten, which is read"));
    assert!(refusal(&tune_to("no-such-folder/rules.toml", "1.5", &[])).contains("no-such-folder: "));
    let told = success(&tune("1.5"));
    assert!(
        told.contains("programme default, rule learned: learned = { lambda = "),
        "{told}"
    );
    let in_force = |arguments: &[&str]| -> Value {
        let shown = success(&tapwatch(["config", "show"].iter().chain(arguments)));
        let settings: toml::Table = shown.parse().expect("settings");
        serde_json::to_value(settings).expect("JSON")
    };
    fn learned(settings: &mut Value) -> &mut Value {
        &mut settings["programmes"]["default"]["inactivity"]["rules"][0]["when"]["learned"]["lambda"]
    }
    let mut tuned = in_force(&["--rules", &rules]);
    let lambda = learned(&mut tuned).take();
    assert!((1.0..1e6).contains(&lambda.as_f64().expect("a number")));
    // All else is as it was.
    let mut before = in_force(&[]);
    *learned(&mut before) = Value::Null;
    assert_eq!(tuned, before);

    // Rules of presets are in the file: they are not added to it once more.
    let own = folder.path().join("own.toml").to_string_lossy().into_owned();
    let text = "[programmes.default]\npresets = ['kepco']\n\n[[programmes.default.inactivity.rules]]\nname = 'learned'\n\
                when = { learned = { lambda = 300 } }\n";
    fs::write(&own, text).expect("the folder takes files");
    success(&tune_to(&rules, "8", &["--config", &own]));
    let over_settings = tune_to(&own, "8", &["--config", &own]);
    assert!(refusal(&over_settings).contains("would be overwritten, which is read"));
    let [mut tuned, mut before] = [
        in_force(&["--config", &own, "--rules", &rules]),
        in_force(&["--config", &own]),
    ];
    let place = before["programmes"]["default"]["inactivity"]["rules"]
        .as_array()
        .expect("rules")
        .len()
        - 1;
    assert!(place > 0, "the preset has rules");
    for settings in [&mut tuned, &mut before] {
        settings["programmes"]["default"]["inactivity"]["rules"][place]["when"] = Value::Null;
    }
    assert_eq!(tuned, before);
    assert!(told.contains("tuned on four fifths of the homes"), "{told}");
    let none = tune("0");
    let said = String::from_utf8_lossy(&none.stderr);
    assert!(said.contains("home-month are from 0.001 to 100"), "{said}");
    assert_eq!(none.status.code(), Some(2), "as of any option that cannot be");
    assert!(refusal(&tune("99")).contains("--budget 99: not reached"));
}
