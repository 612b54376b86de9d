//! How fast a backlog is caught up with, by the rules and by the threads that apply them.

use std::fs;
use std::time::Instant;

use crate::load::{Group, Load};
use crate::median;
use crate::support::broker::Broker;
use crate::support::process::Instance;

/// The default rules without the learned ones.
const FIXED_HOURS: &str = r#"
[programmes.default.inactivity]
rules = [
  { name = "12h", when = { no_use = { hours = 12.0 } } },
  { name = "24h", when = { no_use = { hours = 24.0 } } },
]
"#;
/// Each is measured so often, in turns.
const TURNS: usize = 3;

/// Catching up with the same readings, in turns.
pub fn rules(broker: &Broker, homes: u32, days: u32) {
    println!("\n# Rules: {homes} homes, {days} days of hourly readings in 12 partitions, caught up with in one go");
    println!("{:>12} {:>7} | {:>10}", "rules", "threads", "readings/s");
    let load = Load::of_district(broker, "rules", 12, "lz4", homes, days);
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("tapwatch.toml");
    let kinds = [("fixed hours", FIXED_HOURS), ("default", "")];
    let mut rates = vec![Vec::new(); kinds.len() * 2];
    for turn in 0..TURNS {
        for (place, rates) in rates.iter_mut().enumerate() {
            let ((_, rules), threads) = (kinds[place / 2], place % 2 + 1);
            fs::write(&config, rules).expect("the folder takes files");
            let name = format!("rules-{place}-{turn}");
            let deployment = load
                .deployment(broker, &name)
                .with(&format!("engine.threads={threads}"));
            let config = config.to_string_lossy();
            let mut instance = Instance::start(&deployment.arguments(&["run", "--config", &config]));
            instance.wait_until_ready();
            let began = Instant::now();
            Group::of(broker, &deployment, &load).wait_until(load.records);
            rates.push(load.records as f64 / began.elapsed().as_secs_f64());
            instance.stop();
        }
    }
    for (place, mut rates) in rates.into_iter().enumerate() {
        let ((name, _), threads) = (kinds[place / 2], place % 2 + 1);
        println!("{name:>12} {threads:>7} | {:>10.0}", median(&mut rates));
    }
}
